/**
 * Releasing: from "owned", or a claim that was made anew after a lapse, to silence, make before break (law 6): answer until the
 * heir's announcement is seen, accept until its second round. Purpose: when to leave, on what evidence to fall silent.
 * Boundary: pure transitions of one key.
 */
import type { Millis } from "../messages.js";
import { abort, beginClaim } from "./claiming.js";
import {
  ANNOUNCE_ROUNDS_MS,
  announce,
  announceOn,
  answer,
  arm,
  CLAIM_AGAIN_MS,
  type Context,
  CROSSING_MS,
  clearYielded,
  enter,
  lastRoundAt,
  markYielded,
  nameHeir,
  note,
  offLo,
  RIVALRY_MS,
  tellGivenUp,
} from "./context.js";
import { isLive, type Key, placesOf, silentFor, unyielded } from "./key.js";
import type { KeySpec, KeyState, OwnershipEvent } from "./types.js";

/** A former owner goes on accepting for so long after it went silent, unless the second round is heard before. */
const ACCEPT_AFTER_SILENCE_MS = 1500;
/** Whoever has owned it all along sees no reason to announce: it hears of us, and settles the rivalry (law 8). */
const NUDGE_MS = 2000;
const WORD_TRIES = 10;
/** Evidence that came before the election's news counts for so long. */
const EVIDENCE_KEPT_MS = 2000;

/**
 * Owned and still ours: name the (new) heir; after a lapse, say so to the segment again, unless a missing host may have taken
 * over: then it is claimed anew, with the wire's word.
 */
export function keep(ctx: Context, key: Key, now: Millis): void {
  if (key.doubtful && ctx.view.missing()) {
    claimAnew(ctx, key, now);
  } else if (key.doubtful) {
    key.doubtful = false;
    clearYielded(ctx, key);
    // Whose announcement was in the queue may be long gone. Whoever serves hears ours, and says so.
    key.rivalryAt = Number.NEGATIVE_INFINITY;
    note(
      ctx,
      "info",
      "vip.reclaimed",
      key,
      {},
      `${key.spec.key}: caught up with the group, still elected, announcing again`,
    );
    answer(ctx, key);
    announce(ctx, key, now);
    if (key.elected.heir !== null) ctx.out.claimed(key.elected.heir, 1, key.spec.addresses);
  } else if (key.owesAnnouncement) {
    answer(ctx, key);
    announce(ctx, key, now);
  } else nameHeir(ctx, key);
}

/** Silent until the wire has said its word, and accepting meanwhile: most often nobody has taken over. */
function claimAnew(ctx: Context, key: Key, now: Millis): void {
  ctx.out.silence(placesOf(key));
  becomeClaimer(ctx, key);
  // Should the claim come to nothing: whoever is elected may never have heard that we served.
  oweWord(ctx, key, now);
  beginClaim(ctx, key, now, "the lease ran out, and not all who may have taken over are there to tell");
}

/** An owner no more, but accepting until the claim that follows is decided. The responder is silent for it already. */
function becomeClaimer(ctx: Context, key: Key): void {
  clearYielded(ctx, key);
  key.namedHeir = undefined;
  key.successor = null;
  key.doubtful = false;
  key.lingers = key.spec.local;
}

/** Owned or releasing, and elected elsewhere. */
export function leave(ctx: Context, key: Key, now: Millis): void {
  const successor = key.elected.owner;
  const { group } = key.spec;
  if (!ctx.view.linkUp(group)) letGo(ctx, key, "link is down", now);
  else if (key.doubtful && successor === null) letGo(ctx, key, "nobody is elected any more", now);
  else if (key.doubtful && key.state === "owned") {
    key.successor = successor;
    fallSilent(ctx, key, `others may have taken over while this host was silent: to ${successor}`, now);
  } else if (successor === null) {
    if (ctx.view.withdrawn?.(group)) letGo(ctx, key, "its checks fail, and nobody is healthy: withdrawn", now);
    else if (ctx.stopping) letGo(ctx, key, "stopping, and nobody else is eligible", now);
    else key.reason = "nobody else is eligible";
  } else if (key.state === "releasing") {
    if (successor === key.successor) return;
    key.successor = successor;
    key.reason = `to ${successor}`;
    nameHeir(ctx, key);
    useOldEvidence(ctx, key, now);
  } else if (
    ctx.view.drifted(group) &&
    !ctx.stopping &&
    !ctx.view.draining(ctx.view.self) &&
    !servesBy(ctx, key, now)
  ) {
    key.reason = "configurations differ: no planned moves";
  } else {
    key.successor = successor;
    const { rivalryAt } = key;
    enter(ctx, key, "releasing", `to ${successor}`, now);
    if (rivalryAt > Number.NEGATIVE_INFINITY) {
      // Whoever else announces it still does, whomever we mean to hand it over to.
      key.rivalryAt = rivalryAt;
      arm(ctx, key, "rivalry", rivalryAt + RIVALRY_MS);
    }
    nameHeir(ctx, key);
    useOldEvidence(ctx, key, now);
    // A rival has silenced us already.
    if (silentFor(key)) arm(ctx, key, "drop", now + ACCEPT_AFTER_SILENCE_MS);
    arm(ctx, key, "nudge", now + NUDGE_MS);
  }
}

/**
 * Silent at once, as after a hand-over that was seen, but still accepting for a while: whoever is elected may not have
 * announced it yet, and clients send here until then.
 */
export function fallSilent(ctx: Context, key: Key, reason: string, now: Millis): void {
  enter(ctx, key, "releasing", reason, now);
  key.namedHeir = undefined;
  markYielded(ctx, key, key.spec.addresses);
  key.silencedBy = key.successor;
  ctx.out.silence(placesOf(key));
  oweWord(ctx, key, now);
  arm(ctx, key, "drop", now + ACCEPT_AFTER_SILENCE_MS);
}

/**
 * The claim comes to nothing. One that was made anew after a lapse still accepts, as after a hand-over: clients send here until
 * they have heard whoever is elected, who may be claiming just now.
 */
export function giveUpClaim(ctx: Context, key: Key, reason: string, now: Millis): void {
  const { owner } = key.elected;
  const mine = owner === ctx.view.self;
  const comes = mine ? !ctx.stopping : owner !== null;
  if (!key.lingers || !comes || ctx.barred !== "" || !ctx.view.linkUp(key.spec.group)) {
    abort(ctx, key, reason, now);
    return;
  }
  key.successor = mine ? null : owner;
  key.doubtful = true;
  enter(ctx, key, "releasing", reason, now);
  markYielded(ctx, key, key.spec.addresses);
  // Nobody has been heard to announce it.
  key.silencedBy = null;
  tellGivenUp(ctx, key);
  arm(ctx, key, "drop", now + ACCEPT_AFTER_SILENCE_MS);
}

function oweWord(ctx: Context, key: Key, now: Millis): void {
  key.owesWord = true;
  key.wordNo += 1;
  key.wordTries = WORD_TRIES;
  tellWord(ctx, key, now);
}

/** Told now, and again while nobody is heard: the way to the elected owner may be cut. */
export function tellWord(ctx: Context, key: Key, now: Millis): void {
  if (!key.owesWord || key.wordTries === 0) return;
  key.wordTries -= 1;
  tellGivenUp(ctx, key);
  ctx.out.arm({ kind: "key", key: key.spec.key, stamp: key.wordNo, purpose: "given-up" }, now + NUDGE_MS);
}

/** The successor may have announced before we knew that it is elected. */
export function useOldEvidence(ctx: Context, key: Key, now: Millis): void {
  const { successor } = key;
  if (successor === null || ctx.view.deaf(successor)) return;
  if (!announcedBy(key, successor, now)) return;
  const spokeLast = (key.heard?.at ?? now) <= lastRoundAt(key, now);
  evidence(ctx, key, key.spec.addresses, now);
  // Clients may have heard that round after its announcement, and it may not have: then nobody else tells it.
  if (spokeLast) oweWord(ctx, key, now);
}

/**
 * What we heard before we announced it ourselves tells of a former ownership: whoever still serves hears that, and says so. To a
 * later round of ours nothing is said while it may have crossed.
 */
function announcedBy(key: Key, member: string | null, now: Millis): boolean {
  const { heard } = key;
  if (heard === null || heard.member !== member || now - heard.at > EVIDENCE_KEPT_MS) return false;
  return heard.at >= key.announcedAt && heard.at + CROSSING_MS >= lastRoundAt(key, now);
}

/** A third one's configuration holds up planned moves. These two elect alike, and what the elected one serves is no plan. */
function servesBy(ctx: Context, key: Key, now: Millis): boolean {
  const { owner } = key.elected;
  return owner !== null && announcedBy(key, owner, now) && !ctx.view.drifted(key.spec.group, owner);
}

/** Elected again. The successor may have claimed it without our hearing of it, and then waits for our word. */
export function takeBack(ctx: Context, key: Key, now: Millis): void {
  // Whose announcement was seen serves, whoever was elected since.
  const successor = key.evidenced.size > 0 ? key.silencedBy : key.successor;
  const live: boolean = isLive(ctx.view, successor);
  if (key.evidenced.size > 0 && successor !== null && (!live || ctx.view.drifted(key.spec.group))) {
    // It took over and is held dead now, or serves by another configuration, which must not be talked over: a claim like any
    // other, after its lease and the wire's word.
    letGo(ctx, key, `${successor} took over, and ${live ? "configurations differ" : "is held dead"}`, now);
    key.holder = successor;
    beginClaim(ctx, key, now);
    return;
  }
  if (key.doubtful && (successor === null || ctx.view.missing())) {
    claimAnew(ctx, key, now);
    return;
  }
  if (silentFor(key) && live) {
    // It serves, and is in no hurry to stop: a hand-over like any other, which comes to nothing if the election was one of the moment.
    becomeClaimer(ctx, key);
    key.holder = successor;
    beginClaim(ctx, key, now);
    return;
  }
  // The successor takes our word for an announcement: one must have been made, for it may have served meanwhile, unheard by us.
  const announcedLately = now - (key.roundsFrom.at(-1) ?? Number.NEGATIVE_INFINITY) < CLAIM_AGAIN_MS;
  const unheard = key.evidenced.size > 0 || key.owesAnnouncement || (live && !announcedLately);
  key.doubtful = false;
  clearYielded(ctx, key);
  key.successor = null;
  enter(ctx, key, "owned", "elected again before the hand-over was done", now);
  if (unheard) {
    answer(ctx, key);
    announce(ctx, key, now);
  } else nameHeir(ctx, key);
  if (live && successor !== null) ctx.out.claimed(successor, 1, key.spec.addresses);
}

/** The hand-over takes long: does the successor wait for nothing because it serves already? One announcement asks. */
export function nudge(ctx: Context, key: Key, now: Millis): void {
  if (key.state !== "releasing" || silentFor(key)) return;
  if (isLive(ctx.view, key.successor)) {
    key.announcedAt = now;
    // Of a pair, one address may have been seen and the other's frames been lost.
    announceOn(ctx, key, unyielded(key), [0]);
  }
  arm(ctx, key, "nudge", now + NUDGE_MS);
}

/** The heir's announcement was seen: silent at once, and accepting for a while longer. */
export function evidence(ctx: Context, key: Key, addresses: readonly string[], now: Millis): void {
  const fresh = addresses.filter((address) => !key.evidenced.has(address));
  key.silencedBy = key.heard?.member ?? key.successor;
  if (fresh.length === 0) return;
  ctx.out.silence(placesOf(key, fresh));
  markYielded(ctx, key, fresh);
  if (silentFor(key)) arm(ctx, key, "drop", now + ACCEPT_AFTER_SILENCE_MS);
}

/** Other interfaces for the same addresses: silent where it is no longer announced, heard where it now is, and never off lo. */
export function relocate(ctx: Context, key: Key, spec: KeySpec, now: Millis): void {
  const former = key.spec.interfaces;
  const lost = former.filter((name) => !spec.interfaces.includes(name));
  const gained = spec.interfaces.filter((name) => !former.includes(name));
  if (lost.length === 0 && gained.length === 0) {
    key.spec = spec;
    return;
  }
  const answers = key.state === "owned" || key.state === "releasing";
  if (answers && lost.length === former.length) {
    // Nowhere where it was: that is another segment, where the wire must be asked first (law 5).
    letGo(ctx, key, "announced on another interface now", now);
    key.spec = spec;
    return;
  }
  if (answers) ctx.out.silence(lost.flatMap((name) => spec.addresses.map((address) => ({ address, interface: name }))));
  key.spec = spec;
  if (!answers) return;
  answer(ctx, key);
  announceOn(ctx, key, spec.addresses, ANNOUNCE_ROUNDS_MS, gained);
}

interface LetGoAs {
  readonly state: KeyState;
  readonly level: OwnershipEvent["level"];
}

/** Silent at once, and off lo. */
export function letGo(ctx: Context, key: Key, reason: string, now: Millis, as?: LetGoAs): void {
  if ((key.state === "owned" || key.state === "releasing") && !silentFor(key)) oweWord(ctx, key, now);
  ctx.out.silence(placesOf(key));
  offLo(ctx, key);
  clearYielded(ctx, key);
  key.namedHeir = undefined;
  key.successor = null;
  key.doubtful = false;
  const owner = key.elected.owner;
  const state = as?.state ?? (owner === null || owner === ctx.view.self ? "unowned" : "standby");
  enter(ctx, key, state, reason, now, { level: as?.level });
}
