/**
 * The ownership machine's contract: what it sees of the group, what goes in, what comes out. Boundary: types only.
 */
import type { MemberState, Millis } from "../messages.js";

export type KeyState = "standby" | "claiming" | "owned" | "releasing" | "conflict" | "unowned";

/** One election key of this host's configuration. */
export interface KeySpec {
  readonly key: string;
  readonly group: string;
  /** Announced on all of these that can carry frames; asked on all of them. Empty: none is known yet. */
  readonly interfaces: readonly string[];
  /** What is done about a stranger's claim; `defend` where nothing is said. */
  readonly conflict?: "defend" | "yield";
  /** Put the addresses on lo while owned. */
  readonly local: boolean;
  readonly addresses: readonly string[];
}

/** What the machine asks of the group around it. Reads are cheap; values are of this turn. */
export interface View {
  readonly self: string;
  /** undefined: never met, or forgotten. */
  state(member: string): MemberState | undefined;
  lastHeardAt(member: string): Millis;
  /** It does not hear us, though others do: nothing can be settled with it, and what it announces answers nobody. */
  deaf(member: string): boolean;
  /** It came back from the dead, and nothing since shows that it hears us: it may hold us dead still. */
  unmet(member: string): boolean;
  /** The latest instant at which it may have shown life to whoever judged it: law 2's leases count from here. */
  silentSince(member: string): Millis;
  /** Lease plus one extension that the member gossiped, ms (law 2). */
  leaseOf(member: string): Millis;
  draining(member: string): boolean;
  /** It yielded this key to a stranger, or refuses it for another one's sake: not a hand-over, but a claim like any other. */
  refuses(member: string, group: string, key: string): boolean;
  /** The member whose interface has this MAC, dead ones included. */
  memberByMac(mac: string): string | undefined;
  /** The MAC with which the member would announce the group on the segment of our `at` (its best guess without), or null. */
  macOf(member: string, group: string, at?: string): string | null;
  /** Some host is held dead, or not met (yet, or again), and has not said goodbye: behind a torn gossip it may serve all the same (law 5). */
  missing(): boolean;
  /** Some member (or this one) carries the group with another digest: no planned moves. */
  drifted(group: string, member?: string): boolean;
  /** By its facts, or since these are not known. */
  carries(member: string, group: string): boolean;
  /** Its checks fail here, and with nobody healthy nobody shall own it (`whenNoneHealthy: "withdraw"`). */
  withdrawn?(group: string): boolean;
  /** One of this host's interfaces of the group can carry frames. */
  linkUp(group: string): boolean;
  /** This one can. */
  canCarry(iface: string): boolean;
}

export type KeyTimer =
  | { readonly kind: "key"; readonly key: string; readonly stamp: number; readonly purpose: KeyPurpose }
  | { readonly kind: "question"; readonly member: string };

export type KeyPurpose = "claim-again" | "second-notice" | "drop" | "rivalry" | "nudge" | "defend" | "given-up";

export interface OwnIntentValue {
  readonly address: string;
  readonly interface: string;
  readonly heirMac: string | null;
}

export interface At {
  readonly address: string;
  readonly interface: string;
}

export interface OwnershipEvent {
  readonly level: "debug" | "info" | "warn" | "error";
  /** Stable dotted name. */
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly text: string;
}

export type OwnershipOutput =
  /** Put these on lo; answered by `held` or `hold-failed`. */
  | { readonly kind: "hold"; readonly addresses: readonly string[] }
  | { readonly kind: "drop"; readonly addresses: readonly string[] }
  | { readonly kind: "own"; readonly intents: readonly OwnIntentValue[] }
  | { readonly kind: "silence"; readonly at: readonly At[] }
  | {
      readonly kind: "announce";
      readonly interface: string;
      readonly addresses: readonly string[];
      readonly roundsMs: readonly number[];
    }
  /** Answered by `asked` with the same id, also when nobody answered. */
  | {
      readonly kind: "ask";
      readonly id: number;
      readonly interfaces: readonly string[];
      readonly addresses: readonly string[];
      readonly timeoutMs: number;
    }
  /** `soon`: not again within a moment, whoever else asks for it. */
  | { readonly kind: "exchange-with"; readonly member: string; readonly soon: boolean }
  | {
      readonly kind: "tell-claimed";
      readonly member: string;
      readonly round: number;
      readonly addresses: readonly string[];
    }
  | { readonly kind: "arm"; readonly timer: KeyTimer; readonly at: Millis }
  | { readonly kind: "event"; readonly event: OwnershipEvent };

export interface Answer {
  readonly address: string;
  readonly mac: string;
}

/** What the wire said to a question, judged (law 5). */
export type WireVerdict =
  | { readonly kind: "silent" }
  | { readonly kind: "member"; readonly member: string }
  | { readonly kind: "stranger"; readonly mac: string };

/** One key, as shown. */
export interface KeyView {
  readonly spec: KeySpec;
  readonly state: KeyState;
  readonly since: Millis;
  readonly reason: string;
  /** Who claimed it last and is no member. */
  readonly stranger: { readonly mac: string; readonly since: Millis; readonly at: Millis } | null;
  /** The member that this host believes to announce it now. */
  readonly owner: string | null;
  readonly heir: string | null;
}
