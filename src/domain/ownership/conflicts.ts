/**
 * Strangers: whoever claims or answers for a VIP and is no member (RFC 5227, section 2.4). Purpose: defend or yield, ask again
 * at a bounded rate, say it once and not for ever. Boundary: pure transitions of one key; members' claims are rivals.ts's.
 */
import type { Millis } from "../messages.js";
import { beginClaim } from "./claiming.js";
import { announceOn, arm, type Context, enter, note, offLo } from "./context.js";
import type { Key } from "./key.js";
import { judge } from "./questions.js";
import { letGo } from "./releasing.js";
import type { OwnershipEvent } from "./types.js";

/** RFC 5227, section 1.1. */
export const DEFEND_INTERVAL_MS = 10_000;
const MAX_CONFLICTS = 10;
const RATE_LIMIT_INTERVAL_MS = 60_000;
/** So often is a stranger that was there before us asked for at first. */
const ASK_AGAIN_MS = 2000;

/** Its frame claims an address of ours, or of one that we watch. */
export function strangerClaims(ctx: Context, key: Key, claim: { address: string; mac: string }, now: Millis): void {
  const { address, mac } = claim;
  // What was yielded to a member is that one's to defend.
  const owned = key.state === "owned" && !key.evidenced.has(address);
  const defendedAt = key.defendedAt.get(address) ?? -Infinity;
  if (owned && key.spec.conflict !== "yield" && now - defendedAt < DEFEND_INTERVAL_MS) {
    meet(key, mac, now);
    // Not yet; but whoever believed it must hear us once more, also if it is gone by then.
    key.attacked.add(address);
    arm(ctx, key, "defend", defendedAt + DEFEND_INTERVAL_MS);
    return;
  }
  if (key.state === "claiming") {
    // As good as its answer to our question.
    offLo(ctx, key);
    strangerAnswers(ctx, key, mac, now);
    return;
  }
  const level = meet(key, mac, now, owned);
  if (!owned) return;
  const defends = key.spec.conflict !== "yield";
  const deed = defends ? "defending it" : "yielding";
  note(ctx, level, "vip.conflict", key, { address, mac }, `a stranger with MAC ${mac} claims ${address}: ${deed}`);
  if (defends) {
    key.defendedAt.set(address, now);
    announceOn(ctx, key, [address], [0]);
    return;
  }
  letGo(ctx, key, `yielded to a stranger with MAC ${mac}`, now, { state: "conflict", level: "debug" });
  pause(ctx, key, now);
}

/** DEFEND_INTERVAL is over: what was claimed in it is ours still. */
export function defendAgain(ctx: Context, key: Key, now: Millis): void {
  const due = [...key.attacked].filter((at) => now >= (key.defendedAt.get(at) ?? -Infinity) + DEFEND_INTERVAL_MS - 1);
  if (key.state !== "owned" || due.length === 0) return;
  for (const address of due) {
    key.attacked.delete(address);
    key.defendedAt.set(address, now);
  }
  announceOn(ctx, key, due, [0]);
}

/** Its answer keeps us from claiming. In "conflict" already, the key stays there: nothing flickers. */
export function strangerAnswers(ctx: Context, key: Key, mac: string, now: Millis): void {
  const level = meet(key, mac, now, true);
  const reason = `a stranger with MAC ${mac} answers for it`;
  if (key.state === "conflict") key.reason = reason;
  else enter(ctx, key, "conflict", reason, now, { level });
  pause(ctx, key, now);
}

/** The pause is over: is the stranger still there? */
export function askAgain(ctx: Context, key: Key, now: Millis): void {
  const answers = ctx.questions.verdict(key, null, now);
  if (answers === "pending") return;
  const verdict = judge(answers, ctx.view);
  if (verdict.kind === "stranger") strangerAnswers(ctx, key, verdict.mac, now);
  else beginClaim(ctx, key, now);
}

/** Not elected for this key by our own wish: another host may try. */
export function refuses(key: Key, now: Millis): boolean {
  return now < key.refusedUntil;
}

/** Remembers it. The level of what is to be said: loud once in RATE_LIMIT_INTERVAL for one stranger. */
function meet(key: Key, mac: string, now: Millis, counts = false): OwnershipEvent["level"] {
  const known = key.stranger;
  const same = known !== null && known.mac === mac && now - known.at < 2 * RATE_LIMIT_INTERVAL_MS;
  if (!same) key.conflicts = 0;
  if (counts) key.conflicts += 1;
  key.stranger = { mac, at: now, since: same ? known.since : now, saidAt: same ? known.saidAt : -Infinity };
  if (!counts || now - key.stranger.saidAt < RATE_LIMIT_INTERVAL_MS) return "debug";
  key.stranger.saidAt = now;
  return "error";
}

function pause(ctx: Context, key: Key, now: Millis): void {
  const yields = key.spec.conflict === "yield";
  // RFC 5227 lets a host that keeps losing try once a minute. Whoever defends only asks, and clients wait: more often.
  const long = yields ? RATE_LIMIT_INTERVAL_MS : DEFEND_INTERVAL_MS;
  const short = yields ? DEFEND_INTERVAL_MS : ASK_AGAIN_MS;
  key.notBefore = now + (key.conflicts > MAX_CONFLICTS ? long : short);
  if (yields) {
    key.refusedUntil = key.notBefore;
    ctx.refusing.add(key);
  }
  arm(ctx, key, "claim-again", key.notBefore);
}
