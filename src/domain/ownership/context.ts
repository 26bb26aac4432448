/**
 * What the transitions of all keys share: the view, the outbox, and the few things that every transition does: enter a
 * state, answer, announce, arm a timer, say what happened. Boundary: no decisions.
 */
import type { Millis } from "../messages.js";
import { isLive, type Key, unyielded } from "./key.js";
import type { Outbox } from "./outbox.js";
import type { Questions } from "./questions.js";
import type { KeyPurpose, KeyState, OwnershipEvent, View } from "./types.js";

/** Rounds of an announcement after a claim: at once, a quick repeat against loss, then spaced out (FACTS.md, 2). */
export const ANNOUNCE_ROUNDS_MS = [0, 150, 1000, 3000] as const;
const LAST_ROUND_MS = Math.max(...ANNOUNCE_ROUNDS_MS);
/** The former owner is told a second time, and then need no longer accept. */
export const SECOND_NOTICE_MS = 1000;
/** Rivals exchange state first; without an answer for so long, the elected one announces all the same. */
export const RIVALRY_MS = 500;
/** No rivalry is settled sooner without an answer; timers come up to half a millisecond early. */
export const RIVALRY_MS_MIN = RIVALRY_MS / 2 - 0.5;
/** Two announcements within so long of each other crossed: neither is an answer to the other, and none is given. */
export const CROSSING_MS = 200;
/** Round of a notice that is none of a claim: we served until now, and are silent. */
export const GIVEN_UP = 0;
/** A refused claim is not repeated, and an announcement not renewed, before. */
export const CLAIM_AGAIN_MS = 1000;

export interface Context {
  readonly view: View;
  readonly out: Outbox;
  readonly questions: Questions;
  /** Ready, and the lease is held. */
  active: boolean;
  stopping: boolean;
  /** Keys that this host wants others to try (conflict "yield"); those whose time is over leave it when it is read. */
  readonly refusing: Set<Key>;
  /** Why this host may own nothing at all, or "". */
  barred: string;
  /** Keys whose state, election or configuration changed since `takeChanged`. */
  readonly changed: Set<Key>;
}

export function mayClaim(ctx: Context): boolean {
  return ctx.active && !ctx.stopping && ctx.barred === "";
}

export function enter(
  ctx: Context,
  key: Key,
  state: KeyState,
  reason: string,
  now: Millis,
  say: { readonly level?: OwnershipEvent["level"] | undefined; readonly fields?: OwnershipEvent["fields"] } = {},
): void {
  const from = key.state;
  key.stamp += 1;
  key.reason = reason;
  key.rivalryAt = Number.NEGATIVE_INFINITY;
  if (from === state) return;
  key.state = state;
  ctx.changed.add(key);
  key.givingWayTo = null;
  if (key.lingers && state !== "claiming") {
    key.lingers = false;
    if (state !== "owned" && state !== "releasing") ctx.out.drop(key.spec.addresses);
  }
  const tookMs = Math.round(now - key.since);
  key.since = now;
  const level =
    say.level ?? (state === "conflict" ? "error" : state === "owned" || from === "owned" ? "info" : "debug");
  note(
    ctx,
    level,
    `vip.${state}`,
    key,
    { from, tookMs, reason, ...say.fields },
    `${key.spec.key}: ${from} -> ${state}: ${reason}`,
  );
}

/** Off `lo`, whatever of a claim had been put there. */
export function offLo(ctx: Context, key: Key): void {
  if (key.spec.local) ctx.out.drop(key.spec.addresses);
  key.held.clear();
  key.lingers = false;
}

/** Answers for the key (again), naming the heir whose announcement silences us. Re-arms what had yielded. */
export function answer(ctx: Context, key: Key): void {
  const macs = heirMacs(ctx, key);
  key.namedHeir = macs.join();
  const addresses = unyielded(key);
  key.spec.interfaces.forEach((name, i) => {
    ctx.out.own(addresses.map((address) => ({ address, interface: name, heirMac: macs[i] ?? null })));
  });
}

/**
 * Names another heir to the responder. Only if it is another one: to own anew what is owned already would take back
 * a yield of which the news is still on its way.
 */
export function nameHeir(ctx: Context, key: Key): void {
  if (heirMacs(ctx, key).join() !== key.namedHeir) answer(ctx, key);
}

/** One for each of the key's interfaces; null: no heir, or none that is known there. */
function heirMacs(ctx: Context, key: Key): (string | null)[] {
  const heir = key.state === "releasing" ? key.successor : key.elected.heir;
  return key.spec.interfaces.map((name) => (heir === null ? null : ctx.view.macOf(heir, key.spec.group, name)));
}

/** Yielded to somebody, who was seen (or heard of) to announce them: others' claims of them are still of interest. */
export function markYielded(ctx: Context, key: Key, addresses: readonly string[]): void {
  for (const address of addresses) key.evidenced.add(address);
  ctx.changed.add(key);
}

export function clearYielded(ctx: Context, key: Key): void {
  if (key.evidenced.size === 0) return;
  key.evidenced.clear();
  ctx.changed.add(key);
}

export function announce(ctx: Context, key: Key, now: Millis): void {
  key.announcedAt = now;
  key.roundsFrom = [...key.roundsFrom.filter((from) => now <= from + LAST_ROUND_MS), now];
  key.owesAnnouncement = false;
  key.owesWord = false;
  announceOn(ctx, key, key.spec.addresses, ANNOUNCE_ROUNDS_MS);
}

/** The responder yielded, and was told to answer again: the rounds that this ended go on. */
export function resumeRounds(ctx: Context, key: Key, addresses: readonly string[], now: Millis): void {
  const toCome = roundsOf(key).map((at) => Math.ceil(at - now));
  const rounds = [...new Set(toCome.filter((ms) => ms > 0))].sort((a, b) => a - b);
  if (rounds.length > 0) announceOn(ctx, key, addresses, rounds);
}

/** When a frame that announces it was last due on the wire from us; the responder's own refresh is left out. */
export function lastRoundAt(key: Key, now: Millis): Millis {
  const spoken = [...key.spokeLastAt.values(), ...key.defendedAt.values()];
  return Math.max(key.announcedAt, ...spoken, ...roundsOf(key).filter((at) => at <= now));
}

function roundsOf(key: Key): Millis[] {
  return key.roundsFrom.flatMap((from) => ANNOUNCE_ROUNDS_MS.map((ms) => from + ms));
}

/** On every interface that can carry frames; what is down is announced by the responder when it comes back. */
export function announceOn(
  ctx: Context,
  key: Key,
  addresses: readonly string[],
  roundsMs: readonly number[],
  only?: readonly string[],
): void {
  for (const name of only ?? key.spec.interfaces) {
    if (ctx.view.canCarry(name)) ctx.out.announce(name, addresses, roundsMs);
  }
}

export function announceAgain(ctx: Context, key: Key, toward: string | null, now: Millis): void {
  // We fell silent for a rival, and what becomes of that is not yet known: nobody else's return speaks for us.
  if (key.rivalryAt > Number.NEGATIVE_INFINITY && key.evidenced.size > 0 && key.heard?.member !== toward) return;
  // Never a volley: one announcement a second, unless we fell silent for the rival and must speak up again.
  if (key.evidenced.size === 0 && now - key.announcedAt < CLAIM_AGAIN_MS) return;
  clearYielded(ctx, key);
  answer(ctx, key);
  announce(ctx, key, now);
  if (!isLive(ctx.view, toward)) return;
  ctx.out.claimed(toward, 1, key.spec.addresses);
  key.holder = toward;
  arm(ctx, key, "second-notice", now + SECOND_NOTICE_MS);
}

/** The elected owner hears that we served, so that it announces once more. */
export function tellGivenUp(ctx: Context, key: Key): void {
  const { owner } = key.elected;
  if (!key.owesWord || owner === ctx.view.self || !isLive(ctx.view, owner)) return;
  ctx.out.claimed(owner, GIVEN_UP, key.spec.addresses);
}

export function arm(ctx: Context, key: Key, purpose: KeyPurpose, at: Millis): void {
  ctx.out.arm({ kind: "key", key: key.spec.key, stamp: key.stamp, purpose }, at);
}

export function note(
  ctx: Context,
  level: OwnershipEvent["level"],
  event: string,
  key: Key,
  more: Record<string, unknown>,
  text: string,
): void {
  const fields = { vip: key.spec.key, group: key.spec.group, interface: key.spec.interfaces.join(), ...more };
  ctx.out.event({ level, event, fields, text });
}
