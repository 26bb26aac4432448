/**
 * Others' claims: the successor's (evidence), a rival member's (law 8). Purpose: what each
 * means in each state. Boundary: pure transitions of one key; never a volley.
 */
import type { Millis } from "../messages.js";
import { apply, beginClaim, decide } from "./claiming.js";
import {
  announceAgain,
  announceOn,
  answer,
  arm,
  CLAIM_AGAIN_MS,
  type Context,
  CROSSING_MS,
  GIVEN_UP,
  lastRoundAt,
  markYielded,
  mayClaim,
  note,
  offLo,
  RIVALRY_MS,
  resumeRounds,
} from "./context.js";
import { isLive, type Key, misnamedBy, placesOf, silentFor } from "./key.js";
import { judge } from "./questions.js";
import { evidence, leave, letGo } from "./releasing.js";

/** Rounds of an announcement are further apart; two that each take the other for deaf make no volley. */
const SPEAK_LAST_MS = 100;

export function memberClaims(
  ctx: Context,
  key: Key,
  member: string,
  addresses: readonly string[],
  how: { yielded: boolean; round: number; onWire: boolean },
  now: Millis,
): void {
  if (how.round === GIVEN_UP) {
    gaveUp(ctx, key, member, now);
    return;
  }
  key.heard = { member, at: now, onWire: how.onWire };
  if (isLive(ctx.view, member)) {
    key.unsucceeded.clear();
    key.handingOver = null;
    key.owesWord = false;
  }
  if (ctx.view.deaf(member) && mayClaim(ctx) && serves(key)) {
    // Whether it serves, though gossip does not reach it, is found out meanwhile.
    if (member !== key.successor) rivalry(ctx, key, member, false, now);
    if (how.yielded) {
      answer(ctx, key);
      resumeRounds(ctx, key, addresses, now);
    }
    speakLast(ctx, key, addresses, now);
  } else if (key.state === "releasing") {
    // Whoever stops gives way to anybody who lives and announces it: the group has elected without us already.
    if (member !== key.successor && !(ctx.stopping && isLive(ctx.view, member))) {
      // Silent already: whoever announced it last serves, not the one for whom we fell silent.
      if (silentFor(key)) key.silencedBy = member;
      else rivalry(ctx, key, member, how.yielded, now);
      return;
    }
    key.successor = member;
    evidence(ctx, key, addresses, now);
    if (how.round >= 2 && silentFor(key)) letGo(ctx, key, `${member} took over`, now);
  } else if (key.state === "owned") {
    if (how.yielded) {
      markYielded(ctx, key, addresses);
      key.silencedBy = member;
      // The responder yielded by itself. What it was told since may have made it answer again: the news was still on its way.
      ctx.out.silence(placesOf(key, addresses));
    }
    const toIt = key.elected.owner === member;
    if (toIt) leave(ctx, key, now);
    // Where configurations differ nothing is handed over, and two may serve, each by its own election.
    if (key.state === "owned" && (!toIt || ctx.view.drifted(key.spec.group)))
      rivalry(ctx, key, member, how.yielded, now);
  } else if (key.state === "claiming" && ctx.view.deaf(member)) {
    // It may announce and answer nobody, whom it does not hear: asked again, the wire tells.
    offLo(ctx, key);
    key.holding = false;
    decide(ctx, key, now);
  } else if (key.state === "claiming" && (!isLive(ctx.view, member) || ctx.view.drifted(key.spec.group))) {
    // As good as its answer to our question: it serves, whatever gossip or its configuration says (law 5).
    offLo(ctx, key);
    apply(ctx, key, { kind: "member", member }, now);
  }
}

/** It can be told nothing, and clients have heard it: one frame of ours follows each of its own. */
function speakLast(ctx: Context, key: Key, addresses: readonly string[], now: Millis): void {
  const due = addresses.filter(
    (address) => now - (key.spokeLastAt.get(address) ?? Number.NEGATIVE_INFINITY) >= SPEAK_LAST_MS,
  );
  for (const address of due) key.spokeLastAt.set(address, now);
  if (due.length > 0) announceOn(ctx, key, due, [0]);
}

/** It answers for the key, but for what the responder may have yielded a moment ago. */
function serves(key: Key): boolean {
  return (key.state === "owned" || key.state === "releasing") && key.evidenced.size === 0;
}

/** It served, unheard by us, and is silent by now: its clients must hear us, and what it announced is no evidence any more. */
function gaveUp(ctx: Context, key: Key, member: string, now: Millis): void {
  if (key.state === "owned" && key.elected.owner === ctx.view.self && ctx.active) announceAgain(ctx, key, member, now);
  if (key.heard?.member === member) key.heard = null;
}

/** Law 8: exchange state first, elect again, then the winner announces; never a volley. */
export function rivalry(ctx: Context, key: Key, member: string, yielded: boolean, now: Millis): void {
  if (key.rivalryAt > Number.NEGATIVE_INFINITY) {
    // Another one announces it meanwhile: whoever was heard last is whom the exchange must have been with.
    if (member !== key.rival) ctx.out.exchangeWith(member);
    key.rival = member;
    return;
  }
  // Our own announcement may have crossed theirs: give it a moment to be heard. Of whom we do not even know that it is back,
  // nothing will come by itself.
  const crossed = key.state === "owned" && now - key.announcedAt < CROSSING_MS;
  if (!yielded && isLive(ctx.view, member) && crossed) return;
  note(ctx, "warn", "vip.rival", key, { rival: member }, `${member} announces ${key.spec.key}, too: exchanging state`);
  askRival(ctx, key, member, now);
}

/** `met`: state was exchanged with the rival, so that both elect alike by now; else it did not answer in time. */
export function settleRivalry(ctx: Context, key: Key, met: boolean, now: Millis): void {
  key.rivalryAt = Number.NEGATIVE_INFINITY;
  if (key.state === "releasing") settleOnTheWay(ctx, key, met, now);
  const { group } = key.spec;
  const mine = key.elected.owner === ctx.view.self || ctx.view.drifted(group);
  if (key.state !== "owned" || !mine || !mayClaim(ctx)) return;
  const rival = key.heard?.member ?? null;
  const live: boolean = isLive(ctx.view, rival);
  if (met && rival !== null && !ctx.view.carries(rival, group)) key.misnamedBy = rival;
  const differ = ctx.view.drifted(group) || misnamedBy(ctx.view, key) === rival;
  const again = key.contested !== null && key.contested === rival;
  key.contested = met ? null : rival;
  key.givingWayTo = null;
  // It had its second chance, and has not announced since: it gave way.
  if (again && !met && key.heard !== null && key.heard.at < key.announcedAt) return;
  if (rival !== null && live && met && rival === key.elected.owner && !ctx.view.drifted(group, rival)) {
    // A third one's configuration differs, and holds up planned moves. These two elect alike, and what it serves is no plan.
    key.holder = rival;
    letGo(ctx, key, `${rival} serves it, and is elected`, now);
  } else if (rival !== null && live && differ && rival < ctx.view.self) {
    // Two configurations, each electing its own: one must give way, and both must agree which.
    key.holder = rival;
    key.notBefore = now + CLAIM_AGAIN_MS;
    letGo(ctx, key, `configurations differ, ${rival} keeps it`, now);
    arm(ctx, key, "claim-again", key.notBefore);
  } else if (rival !== null && !met && (!live || again) && rival < ctx.view.self) {
    // On the segment we hear each other, by gossip not both of us: each is elected in its own view. Both must agree which
    // gives way, whatever they hold of each other.
    beginGivingWay(ctx, key, rival, now);
  } else if (rival !== null && !live && key.evidenced.size > 0) {
    // We fell silent for an heir, and somebody who is held dead here has announced it: a claim like any other (law 5).
    letGo(ctx, key, `${rival} took over, and is held dead`, now);
    key.holder = rival;
    beginClaim(ctx, key, now);
  } else if (rival !== null && !met && key.evidenced.size > 0) {
    // We fell silent for it. Meanwhile a third may have found nobody answering: the wire is asked before we speak up again.
    if (live && !again) askRival(ctx, key, rival, now);
    beginGivingWay(ctx, key, rival, now);
  } else {
    announceAgain(ctx, key, rival, now);
    // It lives, but did not answer: our word may have reached it all the same. Asked once more before one gives way.
    if (!met && live && !again && rival !== null) askRival(ctx, key, rival, now);
  }
}

function beginGivingWay(ctx: Context, key: Key, rival: string, now: Millis): void {
  key.givingWayTo = rival;
  giveWay(ctx, key, now);
}

/**
 * Nobody gives way to whom the wire does not hear any more: it may have died, or given way itself. To whoever answers, the silent
 * one does (law 5); of two that both answer the greater name.
 */
export function giveWay(ctx: Context, key: Key, now: Millis): void {
  const rival = key.givingWayTo;
  if (rival === null || key.state !== "owned") return;
  const askedAt = ctx.questions.askedAt(key) ?? now;
  const answers = ctx.questions.verdict(key, null, now);
  if (answers === "pending") return;
  const verdict = judge(answers, ctx.view);
  const serves = verdict.kind === "member" ? verdict.member : announcedSince(ctx, key, askedAt);
  if (serves === rival && lastRoundAt(key, now) > askedAt) {
    // A round of our announcement went out while the wire was asked: it may have fallen silent for that after its answer.
    beginGivingWay(ctx, key, rival, now);
    return;
  }
  key.givingWayTo = null;
  const toIt = serves === rival ? silentFor(key) || rival < ctx.view.self : key.evidenced.size > 0;
  if (serves === null || !toIt) {
    announceAgain(ctx, key, rival, now);
    return;
  }
  key.holder = serves;
  key.stubborn = serves;
  letGo(ctx, key, "gossip is broken", now);
  apply(ctx, key, { kind: "member", member: serves }, now);
}

/** We are silent, and the wire was asked then. Whoever has announced it since had not begun to answer. */
function announcedSince(ctx: Context, key: Key, askedAt: Millis): string | null {
  const { heard } = key;
  if (heard === null || !heard.onWire || !silentFor(key) || heard.at < askedAt) return null;
  return ctx.view.deaf(heard.member) ? null : heard.member;
}

/**
 * Handing over, and somebody else than the successor announces it: both would answer until the successor comes, which may wait
 * for one of us. Whoever announced it last serves; where that crossed, or cannot be known, the lesser name does.
 */
function settleOnTheWay(ctx: Context, key: Key, met: boolean, now: Millis): void {
  const { heard } = key;
  if (heard === null || silentFor(key) || !ctx.active || heard.member === key.successor) return;
  const rival = heard.member;
  const live: boolean = isLive(ctx.view, rival);
  const again = key.contested === rival;
  key.contested = met ? null : rival;
  const later = heard.at > key.announcedAt + CROSSING_MS;
  if (met ? later || rival < ctx.view.self : rival < ctx.view.self && (!live || again)) {
    evidence(ctx, key, key.spec.addresses, now);
    return;
  }
  key.announcedAt = now;
  announceOn(ctx, key, key.spec.addresses, [0]);
  // The responder tells of one MAC's claims no more than so often: what it told before the rival claimed hides this one.
  if (live) ctx.out.claimed(rival, 1, key.spec.addresses);
  if (!met && live && !again) askRival(ctx, key, rival, now);
}

function askRival(ctx: Context, key: Key, rival: string, now: Millis): void {
  key.rivalryAt = now;
  key.rival = rival;
  ctx.out.exchangeWith(rival);
  // Whoever gives way asks the wire first: that is part of the time.
  arm(ctx, key, "rivalry", now + Math.max(RIVALRY_MS / 2, RIVALRY_MS - ctx.questions.timeoutMs));
}
