/**
 * Others' claims: the successor's (evidence), a rival member's (law 8). Purpose: what each
 * means in each state. Boundary: pure transitions of one key; never a volley.
 */
import type { Millis } from "../messages.js";
import { apply, beginClaim } from "./claiming.js";
import { announceAgain, arm, CLAIM_AGAIN_MS, type Context, mayClaim, note } from "./context.js";
import { isLive, type Key, silentFor } from "./key.js";
import { evidence, leave, letGo } from "./releasing.js";

/** Rivals exchange state first; without an answer for so long, the elected one announces all the same. */
const RIVALRY_MS = 500;
const CROSSING_MS = 200;

export function memberClaims(
  ctx: Context,
  key: Key,
  member: string,
  addresses: readonly string[],
  how: { yielded: boolean; round: number },
  now: Millis,
): void {
  key.heard = { member, at: now };
  if (isLive(ctx.view, member)) key.unsucceeded.clear();
  if (key.state === "releasing") {
    // Whoever stops gives way to anybody who lives and announces it: the group has elected without us already.
    if (member !== key.successor && !(ctx.stopping && isLive(ctx.view, member))) return;
    key.successor = member;
    evidence(ctx, key, addresses, now);
    if (how.round >= 2 && silentFor(key)) letGo(ctx, key, `${member} took over`, now);
  } else if (key.state === "owned") {
    if (how.yielded) for (const address of addresses) key.evidenced.add(address);
    if (key.elected.owner !== ctx.view.self && key.elected.owner === member) leave(ctx, key, now);
    else rivalry(ctx, key, member, how.yielded, now);
  } else if (key.state === "claiming" && (!isLive(ctx.view, member) || ctx.view.drifted(key.spec.group))) {
    // As good as its answer to our question: it serves, whatever gossip or its configuration says (law 5).
    if (key.spec.local) ctx.out.drop(key.spec.addresses);
    apply(ctx, key, { kind: "member", member }, now);
  }
}

/** Law 8: exchange state first, elect again, then the winner announces; never a volley. */
export function rivalry(ctx: Context, key: Key, member: string, yielded: boolean, now: Millis): void {
  if (key.rivalryAt > Number.NEGATIVE_INFINITY) return;
  // Our own announcement may have crossed theirs: give it a moment to be heard. Of whom we do not even know that it is back,
  // nothing will come by itself.
  if (!yielded && isLive(ctx.view, member) && now - key.announcedAt < CROSSING_MS) return;
  note(ctx, "warn", "vip.rival", key, { rival: member }, `${member} announces ${key.spec.key}, too: exchanging state`);
  askRival(ctx, key, member, now);
}

/** `met`: state was exchanged with the rival, so that both elect alike by now; else it did not answer in time. */
export function settleRivalry(ctx: Context, key: Key, met: boolean, now: Millis): void {
  key.rivalryAt = Number.NEGATIVE_INFINITY;
  if (key.state !== "owned" || key.elected.owner !== ctx.view.self || !mayClaim(ctx)) return;
  const rival = key.heard?.member ?? null;
  const live: boolean = isLive(ctx.view, rival);
  const again = key.contested !== null && key.contested === rival;
  key.contested = met ? null : rival;
  // It had its second chance, and has not announced since: it gave way.
  if (again && !met && key.heard !== null && key.heard.at < key.announcedAt) return;
  if (rival !== null && live && ctx.view.drifted(key.spec.group) && rival < ctx.view.self) {
    // Two configurations, each electing its own: one must give way, and both must agree which.
    key.holder = rival;
    key.notBefore = now + CLAIM_AGAIN_MS;
    letGo(ctx, key, `configurations differ, ${rival} keeps it`, now);
    arm(ctx, key, "claim-again", key.notBefore);
  } else if (rival !== null && !met && (!live || again) && rival < ctx.view.self) {
    // On the segment we hear each other, by gossip not both of us: each is elected in its own view. Both must agree which
    // gives way, whatever they hold of each other.
    key.holder = rival;
    key.stubborn = rival;
    letGo(ctx, key, "gossip is broken", now);
    apply(ctx, key, { kind: "member", member: rival }, now);
  } else if (rival !== null && !live && key.evidenced.size > 0) {
    // We fell silent for an heir, and somebody who is held dead here has announced it: a claim like any other (law 5).
    letGo(ctx, key, `${rival} took over, and is held dead`, now);
    key.holder = rival;
    beginClaim(ctx, key, now);
  } else {
    announceAgain(ctx, key, rival, now);
    // It lives, but did not answer: our word may have reached it all the same. Asked once more before one gives way.
    if (!met && live && !again && rival !== null) askRival(ctx, key, rival, now);
  }
}

function askRival(ctx: Context, key: Key, rival: string, now: Millis): void {
  key.rivalryAt = now;
  ctx.out.exchangeWith(rival);
  arm(ctx, key, "rivalry", now + RIVALRY_MS);
}
