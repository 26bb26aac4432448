/**
 * Claiming: from "elected" to "owned", by laws 2, 5 and 6. Purpose: when a claim may be made, and what it does.
 * Boundary: pure transitions of one key.
 */
import type { Millis } from "../messages.js";
import { strangerAnswers } from "./conflicts.js";
import {
  announce,
  answer,
  arm,
  CLAIM_AGAIN_MS,
  type Context,
  clearYielded,
  enter,
  offLo,
  SECOND_NOTICE_MS,
  tellGivenUp,
} from "./context.js";
import { isLive, type Key, misnamedBy } from "./key.js";
import { judge } from "./questions.js";
import type { OwnershipEvent, View, WireVerdict } from "./types.js";

/** Somebody's announcement counts as an answer to a question that was asked before it, for so long. */
const JUST_CLAIMED_MS = 500;

export function beginClaim(ctx: Context, key: Key, now: Millis, why?: string): void {
  key.held.clear();
  key.holding = false;
  key.heldBackBy = null;
  key.tookOver = key.holder !== null;
  enter(ctx, key, "claiming", why ?? (key.holder === null ? "first claim" : `after ${key.holder}`), now);
  decide(ctx, key, now);
}

/**
 * Claims at once where the former owner hands over; else only after its lease (unless it said goodbye) and the wire's word.
 * While a host is missing, the wire is asked for a hand-over, too: whom we take for the owner may itself be waiting for the
 * missing one, which serves behind a torn gossip. An owner that does hand over answers in no time.
 */
export function decide(ctx: Context, key: Key, now: Millis): void {
  const holder = key.holder === ctx.view.self ? null : key.holder;
  const lost = [...key.unsucceeded].filter((member) => member !== holder && mayStillAnswer(ctx.view, member));
  // Whoever made room for a stranger hands nothing over: the stranger may be there still.
  const yielded = holder !== null && ctx.view.refuses(holder, key.spec.group, key.spec.key);
  if (isLive(ctx.view, holder) && lost.length === 0 && !yielded) {
    if (handsOver(ctx.view, key, holder) && !ctx.view.missing()) {
      hold(ctx, key, `hand-over from ${holder}`, now);
      return;
    }
  } else if (holder !== null) {
    if (mayStillAnswer(ctx.view, holder)) lost.push(holder);
    for (const member of lost) {
      const notBefore = ctx.view.silentSince(member) + ctx.view.leaseOf(member);
      if (now >= notBefore) continue;
      key.reason = `waiting out the lease of ${member}`;
      arm(ctx, key, "claim-again", notBefore);
      return;
    }
  }
  const { heard } = key;
  const fresh = heard !== null && heard.member !== holder && now - heard.at < JUST_CLAIMED_MS;
  if (fresh && mayStillAnswer(ctx.view, heard.member) && !ctx.view.deaf(heard.member)) {
    // It announced after we had asked: as good as an answer.
    apply(ctx, key, { kind: "member", member: heard.member }, now);
    return;
  }
  const answers = ctx.questions.verdict(key, holder, now);
  if (answers === "pending") key.reason = "asking the wire";
  else apply(ctx, key, judge(answers, ctx.view), now);
}

export function apply(ctx: Context, key: Key, verdict: WireVerdict, now: Millis): void {
  switch (verdict.kind) {
    case "silent":
      hold(ctx, key, nobodyAnswers(ctx, key), now);
      return;
    case "stranger":
      strangerAnswers(ctx, key, verdict.mac, now);
      return;
    case "member": {
      key.holder = verdict.member;
      const unmet = ctx.view.unmet(verdict.member);
      if (handsOver(ctx.view, key, verdict.member)) {
        hold(ctx, key, `hand-over from ${verdict.member}`, now);
        return;
      }
      key.notBefore = now + CLAIM_AGAIN_MS;
      key.heldBackBy = isLive(ctx.view, verdict.member) && !unmet ? null : verdict.member;
      if (unmet) ctx.out.exchangeSoonWith(verdict.member);
      enter(ctx, key, "standby", heldBack(ctx.view, key, verdict.member), now);
      arm(ctx, key, "claim-again", key.notBefore);
      return;
    }
  }
}

export function hold(ctx: Context, key: Key, reason: string, now: Millis): void {
  key.reason = reason;
  key.trusting = isLive(ctx.view, key.holder) ? key.holder : null;
  key.holding = key.spec.local;
  if (key.holding) ctx.out.hold(key.spec.addresses);
  else own(ctx, key, now);
}

/** The addresses are on lo: answer and announce. */
export function own(ctx: Context, key: Key, now: Millis): void {
  const from = key.holder;
  clearYielded(ctx, key);
  key.unsucceeded.clear();
  key.attacked.clear();
  key.doubtful = false;
  key.ownedSince = now;
  enter(ctx, key, "owned", key.reason, now, { fields: causeOf(ctx.view, from, now) });
  answer(ctx, key);
  announce(ctx, key, now);
  if (isLive(ctx.view, from)) {
    ctx.out.claimed(from, 1, key.spec.addresses);
    arm(ctx, key, "second-notice", now + SECOND_NOTICE_MS);
  } else key.holder = null;
  const { handingOver } = key;
  key.handingOver = null;
  if (handingOver !== from && isLive(ctx.view, handingOver)) ctx.out.claimed(handingOver, 1, key.spec.addresses);
}

/** Why a VIP came here, in one word, and for how long its owner had been silent: for those who count and measure. */
function causeOf(view: View, from: string | null, now: Millis): OwnershipEvent["fields"] {
  if (from === null || from === view.self) return { cause: from === null ? "first-claim" : "claimed-again" };
  if (isLive(view, from)) return { cause: "hand-over" };
  if (view.state(from) === "left") return { cause: "left" };
  const silentMs = Math.round(now - view.lastHeardAt(from));
  return { cause: "takeover", ...(Number.isFinite(silentMs) ? { silentMs } : {}) };
}

/** It lives, hears us (of the living only one that is just back may not), and its configuration elects as ours does: then it gives way. So does whoever drains. */
function handsOver(view: View, key: Key, member: string): boolean {
  if (!isLive(view, member) || view.unmet(member)) return false;
  if (member === key.stubborn || member === misnamedBy(view, key)) return false;
  return !view.drifted(key.spec.group) || view.draining(member);
}

/** Held dead, or forgotten: its lease must be waited out. Whoever said goodbye has handed over before. */
export function mayStillAnswer(view: View, member: string): boolean {
  return !isLive(view, member) && view.state(member) !== "left";
}

export function abort(ctx: Context, key: Key, reason: string, now: Millis): void {
  offLo(ctx, key);
  enter(ctx, key, key.elected.owner === null ? "unowned" : "standby", reason, now);
  tellGivenUp(ctx, key);
}

function nobodyAnswers(ctx: Context, key: Key): string {
  if (key.holder === null) return "nobody answered for it";
  if (isLive(ctx.view, key.holder)) return `nobody answers for it, not ${key.holder} either`;
  return `${key.holder} ${ctx.view.state(key.holder) === "left" ? "left" : "is dead"}, nobody answers`;
}

function heldBack(view: View, key: Key, member: string): string {
  if (member === key.stubborn)
    return `gossip is broken: no state can be exchanged with ${member}, which ${STILL_ANSWERS}`;
  if (view.unmet(member)) return `${member} answers for it, is back, and may not hear us yet: exchanging state`;
  if (isLive(view, member)) return `${member} answers for it and configurations differ: no planned moves`;
  if (view.state(member) === "left") return `${member} left, but ${STILL_ANSWERS}`;
  const standing = view.state(member) === undefined ? "was never met" : "is held dead";
  return `gossip is broken, not the owner: ${member} ${standing}, but ${STILL_ANSWERS}`;
}

/** How the reason of a claim that was held back ends where that deserves an alarm. */
export const STILL_ANSWERS = "still answers on the wire";
