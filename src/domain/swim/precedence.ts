/**
 * Which claim wins over what is known: memberlist's precedence (memberlist-wire.md, section 11) as one table, with two
 * deviations that make the result independent of the order of arrival: a newer suspicion replaces an older one instead
 * of confirming it, and "left" outranks "dead" at one incarnation. Pure; decides, never changes.
 */
import type { MemberState, Vsn } from "../messages.js";

export type Claim = MemberState;

/** The claim's incarnation, compared with the known one. */
export type Age = "older" | "equal" | "newer";

export type Ruling =
  /** State and incarnation are taken from the claim. */
  | "accept"
  /** Only the incarnation is: so that a stale alive between the two does not win later. */
  | "raise"
  /** One more voice for a suspicion that runs. */
  | "confirm"
  /** Nothing new. */
  | "known"
  /** Outdated. */
  | "older";

/** No member's own incarnation comes here: a claim above it leaves no room to refute and is dropped. */
export const INCARNATION_MAX = 0xffff_ff00;

export function ageOf(claimed: number, known: number): Age {
  if (claimed < known) return "older";
  return claimed === known ? "equal" : "newer";
}

export function rule(known: MemberState, claim: Claim, age: Age): Ruling {
  if (age === "older") return "older";
  switch (claim) {
    case "alive":
      return age === "newer" ? "accept" : "known";
    case "suspect":
      return ruleSuspect(known, age);
    case "dead":
      return ruleDead(known, age);
    case "left":
      return known === "left" ? raiseIf(age) : "accept";
    default:
      return assertNever(claim);
  }
}

function ruleSuspect(known: MemberState, age: "equal" | "newer"): Ruling {
  switch (known) {
    case "alive":
      return "accept";
    case "suspect":
      return age === "newer" ? "accept" : "confirm";
    case "dead":
    case "left":
      return raiseIf(age);
    default:
      return assertNever(known);
  }
}

function ruleDead(known: MemberState, age: "equal" | "newer"): Ruling {
  switch (known) {
    case "alive":
    case "suspect":
      return "accept";
    case "dead":
    case "left":
      return raiseIf(age);
    default:
      return assertNever(known);
  }
}

function raiseIf(age: "equal" | "newer"): Ruling {
  return age === "newer" ? "raise" : "known";
}

/** The incarnation that refutes an accusation: above both, and never wrapping. */
export function refutation(own: number, accused: number): number {
  return Math.min(Math.max(own, accused) + 1, INCARNATION_MAX);
}

/** memberlist ignores an alive whose protocol range is empty (memberlist-wire.md, section 10). */
export function speaksSense(vsn: Vsn): boolean {
  const [pMin, pMax] = vsn;
  return pMin > 0 && pMax > 0 && pMin <= pMax;
}

export function assertNever(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
