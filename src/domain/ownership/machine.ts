/**
 * The ownership machine: moves each key of this host from what is to what the election says, by the laws of
 * DESIGN.md (1, 3, 5, 6, 8). Purpose: every transition, its reason and its deeds. Boundary: pure; elections come in,
 * deeds go out through the outbox; the lease is the native thread's, only its lapse is told here.
 */
import type { Elected } from "../election.js";
import type { Millis } from "../messages.js";
import { abort, beginClaim, decide, mayStillAnswer, own } from "./claiming.js";
import { askAgain, defendAgain, refuses, strangerClaims } from "./conflicts.js";
import {
  announceAgain,
  arm,
  type Context,
  enter,
  GIVEN_UP,
  mayClaim,
  note,
  offLo,
  RIVALRY_MS_MIN,
  tellGivenUp,
} from "./context.js";
import { isLive, type Key, misnamedBy, newKey, silentFor, viewOf } from "./key.js";
import { Outbox } from "./outbox.js";
import { Questions } from "./questions.js";
import { fallSilent, giveUpClaim, keep, leave, letGo, nudge, relocate, takeBack, tellWord } from "./releasing.js";
import { giveWay, memberClaims, settleRivalry } from "./rivals.js";
import type { Answer, KeyPurpose, KeySpec, KeyState, KeyTimer, KeyView, OwnershipOutput, View } from "./types.js";

/** The kernel refused an address: it will hardly take it in the next second. */
const HOLD_FAILED_PAUSE_MS = 10_000;
/** Names of suspects that are remembered. */
const SUSPECTS_MAX = 1024;

const NONE_REFUSED: ReadonlyMap<string, readonly string[]> = new Map();
const NO_KEYS: readonly Key[] = [];
const BY_GOSSIP = { yielded: false, onWire: false };

export interface OwnershipOptions {
  readonly view: View;
  /** The profile's: how long a suspect has been silent at least, how much longer a deaf one, and from which silence on the wire is asked. */
  readonly suspectAfterMs: number;
  readonly deafAfterMs: number;
  readonly askAfterMs: number;
  readonly askTimeoutMs: number;
}

export class Ownership {
  readonly #keys = new Map<string, Key>();
  readonly #byAddress = new Map<string, Key>();
  readonly #ctx: Context;
  readonly #suspectAfterMs: Millis;
  /** Member -> when it was suspected last. */
  readonly #suspectAt = new Map<string, Millis>();

  constructor(options: OwnershipOptions) {
    this.#suspectAfterMs = options.suspectAfterMs;
    const out = new Outbox();
    const questions = new Questions(options, out);
    const now = { active: false, stopping: false, barred: "", refusing: new Set<Key>(), changed: new Set<Key>() };
    this.#ctx = { view: options.view, out, questions, ...now };
  }

  // ------------------------------------------------------------ what comes in

  /** The keys of a (new) configuration. Unchanged ones go on undisturbed; changed and missing ones are handed over. */
  configure(specs: readonly KeySpec[], now: Millis): void {
    const wanted = new Map(specs.map((spec) => [spec.key, spec]));
    for (const key of [...this.#keys.values()]) {
      const spec = wanted.get(key.spec.key);
      if (spec !== undefined && sameSpec(spec, key.spec)) {
        wanted.delete(spec.key);
        relocate(this.#ctx, key, spec, now);
        this.#ctx.changed.add(key);
      } else this.#retire(key, now);
    }
    for (const spec of wanted.values()) {
      const key = newKey(spec, now);
      this.#keys.set(spec.key, key);
      for (const address of spec.addresses) this.#byAddress.set(address, key);
    }
  }

  elect(results: Iterable<readonly [string, Elected]>, now: Millis): void {
    for (const [name, elected] of results) {
      const key = this.#keys.get(name);
      if (key === undefined) continue;
      const former = key.elected.owner;
      if (former !== null && former !== elected.owner && former !== this.#ctx.view.self) {
        const { holder } = key;
        if (holder !== null && holder !== former) {
          if (mayStillAnswer(this.#ctx.view, holder)) key.unsucceeded.add(holder);
          else key.handingOver = holder;
        }
        key.holder = former;
      }
      key.elected = elected;
      this.#ctx.changed.add(key);
      this.#evaluate(key, now);
    }
  }

  /** True: ready, lease held, so claims may be made. Turning active settles everything that was put off. */
  setActive(active: boolean, now: Millis): void {
    if (active === this.#ctx.active) return;
    this.#ctx.active = active;
    this.#evaluateAll(now);
  }

  /** A reason for which this host may own nothing at all, or "". */
  setBarred(reason: string, now: Millis): void {
    if (reason === this.#ctx.barred) return;
    this.#ctx.barred = reason;
    this.#evaluateAll(now);
  }

  /** The lease ran out (or the group held us dead): whatever we owned, others may own now. */
  lapse(now: Millis): void {
    for (const key of this.#keys.values()) {
      if (key.state === "owned" || key.state === "releasing") key.doubtful = true;
      if (key.state === "releasing" && !silentFor(key))
        fallSilent(this.#ctx, key, `the lease ran out during the hand-over to ${key.successor}`, now);
      if (key.state === "claiming") giveUpClaim(this.#ctx, key, "the lease ran out during the claim", now);
    }
  }

  /** The daemon is stopping: what nobody else can take is dropped, the rest handed over. */
  stop(now: Millis): void {
    this.#ctx.stopping = true;
    this.#evaluateAll(now);
  }

  /** Keys that are still to be handed over. */
  pending(): number {
    let count = 0;
    for (const key of this.#keys.values()) {
      if (key.state === "owned" || key.state === "releasing" || key.state === "claiming") count += 1;
    }
    return count;
  }

  held(addresses: readonly string[], now: Millis): void {
    for (const address of addresses) {
      const key = this.#byAddress.get(address);
      if (key === undefined || key.state !== "claiming" || !key.holding) continue;
      key.held.add(address);
      if (key.held.size < key.spec.addresses.length) continue;
      const { trusting } = key;
      if (trusting === null || isLive(this.#ctx.view, trusting)) own(this.#ctx, key, now);
      else {
        // Off again: the claim may come to nothing by now.
        offLo(this.#ctx, key);
        key.holding = false;
        decide(this.#ctx, key, now);
      }
    }
  }

  holdFailed(addresses: readonly string[], error: string, now: Millis): void {
    for (const key of new Set(addresses.map((address) => this.#byAddress.get(address)))) {
      if (key === undefined || key.state !== "claiming") continue;
      key.notBefore = now + HOLD_FAILED_PAUSE_MS;
      note(this.#ctx, "error", "vip.claim-failed", key, { error }, `cannot put ${key.spec.key} on lo: ${error}`);
      abort(this.#ctx, key, `claim failed: ${error}`, now);
      arm(this.#ctx, key, "claim-again", key.notBefore);
    }
  }

  asked(id: number, answers: readonly Answer[], now: Millis): void {
    const done = this.#ctx.questions.answered(id, answers, now);
    for (const name of done) {
      const key = this.#keys.get(name);
      if (key?.state === "claiming" && key.held.size === 0) decide(this.#ctx, key, now);
      else if (key?.state === "conflict") this.#evaluate(key, now);
      else if (key?.state === "owned") giveWay(this.#ctx, key, now);
    }
  }

  /** Somebody's frame claims an address: evidence, a rival, or a stranger (laws 6 and 8, RFC 5227). */
  claimHeard(heard: { address: string; mac: string; yielded: boolean }, now: Millis): void {
    const key = this.#byAddress.get(heard.address);
    if (key === undefined) return;
    const member = this.#ctx.view.memberByMac(heard.mac);
    if (member === this.#ctx.view.self) return;
    if (member === undefined) {
      strangerClaims(this.#ctx, key, heard, now);
      return;
    }
    memberClaims(this.#ctx, key, member, [heard.address], { yielded: heard.yielded, round: 1, onWire: true }, now);
  }

  /** The same evidence by gossip. */
  claimNoticed(notice: { member: string; round: number; addresses: readonly string[] }, now: Millis): void {
    const byKey = new Map<Key, string[]>();
    for (const address of notice.addresses) {
      const key = this.#byAddress.get(address);
      if (key !== undefined) byKey.set(key, [...(byKey.get(key) ?? []), address]);
    }
    for (const [key, addresses] of byKey) {
      memberClaims(this.#ctx, key, notice.member, addresses, { ...BY_GOSSIP, round: notice.round }, now);
      if (notice.round === GIVEN_UP) this.#lookAgain(key, notice.member, now);
    }
  }

  /**
   * Suspected: ask the wire meanwhile. Cleared: what we announced while it was silent, its part of the segment may have missed.
   * Back from the dead: the winner announces again (law 8).
   */
  memberChanged(member: string, change: "suspect" | "cleared" | "back", now: Millis): void {
    if (change === "cleared") {
      const unheardSince = (this.#suspectAt.get(member) ?? now) - this.#suspectAfterMs;
      for (const key of this.#keys.values()) {
        if (key.elected.owner === member) tellGivenUp(this.#ctx, key);
        if (key.announcedAt >= unheardSince) key.contested ??= member;
        this.#payContested(key, member, now);
      }
    } else if (change === "suspect") {
      if (this.#suspectAt.size >= SUSPECTS_MAX) this.#suspectAt.clear();
      this.#suspectAt.set(member, now);
      const mine = this.#heirTo(member);
      if (mine.length > 0 && this.#ctx.active) this.#ctx.questions.schedule(member, now);
    } else if (change === "back") {
      for (const key of this.#keys.values()) {
        if (key.elected.owner === member) tellGivenUp(this.#ctx, key);
        this.#noLongerHeldBack(key, member, now);
        const elsewhere = key.state === "releasing" || key.elected.owner !== this.#ctx.view.self;
        if (elsewhere && (key.state === "releasing" || key.state === "owned")) key.owesAnnouncement = true;
        // Where configurations differ the election moves nothing: two that serve must hear each other.
        const keeps = !elsewhere || this.#ctx.view.drifted(key.spec.group);
        if (key.state !== "owned" || !keeps || !this.#ctx.active) continue;
        if (this.#ctx.view.macOf(member, key.spec.group) === null) continue;
        announceAgain(this.#ctx, key, member, now);
      }
    }
  }

  /** It is known to hear us: whatever waits for its hand-over is looked at again, after the elections that may follow. */
  met(member: string, now: Millis): void {
    for (const key of this.#keys.values()) this.#lookAgain(key, member, now);
  }

  #lookAgain(key: Key, member: string, now: Millis): void {
    if (waitsNoLonger(key, member, now)) arm(this.#ctx, key, "claim-again", now);
  }

  /** Whom the wire told us of hands over by gossip now. It may have fallen silent for us already. */
  #noLongerHeldBack(key: Key, member: string, now: Millis): void {
    if (waitsNoLonger(key, member, now)) this.#evaluate(key, now);
  }

  /** Configurations are alike again: whoever else owned a key by another election hears that it is ours, and moves are made. */
  driftOver(group: string, now: Millis): void {
    for (const key of this.#keys.values()) {
      if (key.state !== "owned" || key.spec.group !== group || !this.#ctx.active) continue;
      if (key.elected.owner === this.#ctx.view.self) announceAgain(this.#ctx, key, null, now);
      else this.#evaluate(key, now);
    }
  }

  /** State was exchanged with this member: rivalries with it are settled by the election as it is now. */
  exchangedWith(member: string, now: Millis): void {
    for (const key of this.#keys.values()) {
      if (key.stubborn === member) key.stubborn = null;
      if (key.elected.owner === member) tellGivenUp(this.#ctx, key);
      if (key.heard?.member === member && key.rivalryAt > Number.NEGATIVE_INFINITY)
        settleRivalry(this.#ctx, key, true, now);
      this.#payContested(key, member, now);
    }
  }

  /** A rival that could not be reached is heard again: what it announced meanwhile is put right (law 8). */
  #payContested(key: Key, member: string, now: Millis): void {
    if (key.contested !== member) return;
    key.contested = null;
    const mine = key.state === "owned" && key.elected.owner === this.#ctx.view.self;
    if (mine && this.#ctx.active) announceAgain(this.#ctx, key, member, now);
  }

  timer(timer: KeyTimer, now: Millis): void {
    if (timer.kind === "question") {
      if (this.#ctx.view.state(timer.member) === "suspect")
        this.#ctx.questions.ask(timer.member, this.#heirTo(timer.member), now);
      return;
    }
    const key = this.#keys.get(timer.key);
    if (key === undefined) return;
    if ((timer.purpose === "given-up" ? key.wordNo : key.stamp) !== timer.stamp) return;
    this.#due(key, timer.purpose, now);
  }

  flush(): readonly OwnershipOutput[] {
    this.#ctx.questions.flush();
    return this.#ctx.out.flush();
  }

  /** Keys that this host wants others to try, whoever is elected (conflict "yield"): group -> keys. */
  refusing(now: Millis): ReadonlyMap<string, readonly string[]> {
    const { refusing } = this.#ctx;
    if (refusing.size === 0) return NONE_REFUSED;
    const byGroup = new Map<string, string[]>();
    for (const key of refusing) {
      if (!refuses(key, now) || this.#keys.get(key.spec.key) !== key) refusing.delete(key);
      else byGroup.set(key.spec.group, [...(byGroup.get(key.spec.group) ?? []), key.spec.key].sort());
    }
    return byGroup;
  }

  /** Keys whose state, election or configuration changed since this was asked last; those that are configured no more, too. */
  takeChanged(): readonly Key[] {
    const { changed } = this.#ctx;
    if (changed.size === 0) return NO_KEYS;
    const taken = [...changed];
    changed.clear();
    return taken;
  }

  views(): KeyView[] {
    return Array.from(this.#keys.values(), (key) => viewOf(key, this.#ctx.view));
  }

  /** By group, who serves VIPs of it and does not carry it. */
  misnaming(): ReadonlyMap<string, ReadonlySet<string>> {
    const found = new Map<string, Set<string>>();
    for (const key of this.#keys.values()) {
      const member = misnamedBy(this.#ctx.view, key);
      if (member === null) continue;
      const { group } = key.spec;
      found.set(group, (found.get(group) ?? new Set()).add(member));
    }
    return found;
  }

  keys(): IterableIterator<Key> {
    return this.#keys.values();
  }

  // ------------------------------------------------------------ transitions

  #evaluateAll(now: Millis): void {
    for (const key of this.#keys.values()) this.#evaluate(key, now);
  }

  #evaluate(key: Key, now: Millis): void {
    const mine = key.elected.owner === this.#ctx.view.self;
    switch (key.state) {
      case "standby":
      case "unowned":
      case "conflict":
        if (mine && mayClaim(this.#ctx) && now >= key.notBefore) {
          if (key.state === "conflict") askAgain(this.#ctx, key, now);
          else beginClaim(this.#ctx, key, now);
        } else if (!mine) this.#rest(key, now);
        // The timer of the pause may have lost its meaning while somebody else was elected.
        else if (now < key.notBefore) arm(this.#ctx, key, "claim-again", key.notBefore);
        return;
      case "claiming":
        if (!mine || !mayClaim(this.#ctx))
          giveUpClaim(this.#ctx, key, mine ? "this host may not claim now" : "elected elsewhere", now);
        return;
      case "owned":
        if (this.#ctx.barred !== "") letGo(this.#ctx, key, this.#ctx.barred, now);
        else if (!this.#ctx.active) return;
        else if (mine) keep(this.#ctx, key, now);
        else leave(this.#ctx, key, now);
        return;
      case "releasing":
        if (this.#ctx.barred !== "" || !this.#ctx.view.linkUp(key.spec.group))
          letGo(this.#ctx, key, this.#ctx.barred || "link is down", now);
        else if (!mine) leave(this.#ctx, key, now);
        else if (mayClaim(this.#ctx)) takeBack(this.#ctx, key, now);
        else if (this.#ctx.stopping && silentFor(key))
          letGo(this.#ctx, key, "stopping, and nobody else is elected", now);
        return;
    }
  }

  /** Not ours: standby behind whoever is elected, or nobody. */
  #rest(key: Key, now: Millis): void {
    const owner = key.elected.owner;
    const yielded = refuses(key, now);
    // Every host yielded: that nobody is elected has a reason, and it has a MAC.
    const state: KeyState = owner !== null ? "standby" : yielded ? "conflict" : "unowned";
    const { barred } = this.#ctx;
    const none = barred === "" ? "nobody is eligible" : `${barred}: this host owns nothing`;
    const nobody = yielded ? `yielded to a stranger with MAC ${key.stranger?.mac}` : none;
    const reason = owner === null ? nobody : `${owner} is elected`;
    if (key.state === state && key.reason === reason) return;
    enter(this.#ctx, key, state, reason, now, { level: yielded ? "debug" : undefined });
    if (yielded) arm(this.#ctx, key, "claim-again", key.refusedUntil);
  }

  #retire(key: Key, now: Millis): void {
    if (key.state === "owned" || key.state === "releasing") letGo(this.#ctx, key, "no longer configured", now);
    else if (key.state === "claiming") abort(this.#ctx, key, "no longer configured", now);
    key.elected = { owner: null, heir: null };
    this.#ctx.changed.add(key);
    this.#keys.delete(key.spec.key);
    for (const address of key.spec.addresses) this.#byAddress.delete(address);
  }

  // ------------------------------------------------------------ timers

  #due(key: Key, purpose: KeyPurpose, now: Millis): void {
    switch (purpose) {
      case "claim-again":
        // Timers may come a fraction of a millisecond early: whoever takes that for "not yet" waits for ever.
        if (now < key.notBefore) arm(this.#ctx, key, "claim-again", key.notBefore);
        else if (key.state === "claiming") decide(this.#ctx, key, now);
        else {
          // Can state be exchanged by now with the one that we gave way to?
          if (key.stubborn !== null && isLive(this.#ctx.view, key.stubborn)) this.#ctx.out.exchangeWith(key.stubborn);
          this.#evaluate(key, now);
        }
        return;
      case "second-notice":
        if (key.state === "owned" && key.evidenced.size === 0 && isLive(this.#ctx.view, key.holder))
          this.#ctx.out.claimed(key.holder, 2, key.spec.addresses);
        return;
      case "drop":
        if (key.state === "releasing" && silentFor(key))
          letGo(this.#ctx, key, key.silencedBy === null ? "silent for long enough" : `${key.successor} took over`, now);
        return;
      case "nudge":
        nudge(this.#ctx, key, now);
        return;
      case "given-up":
        tellWord(this.#ctx, key, now);
        return;
      case "defend":
        defendAgain(this.#ctx, key, now);
        return;
      case "rivalry":
        // That of a rivalry that was settled before it is not the next one's.
        if (key.rivalryAt > Number.NEGATIVE_INFINITY && now >= key.rivalryAt + RIVALRY_MS_MIN)
          settleRivalry(this.#ctx, key, false, now);
        return;
    }
  }

  #heirTo(member: string): Key[] {
    return [...this.#keys.values()].filter(
      (key) => key.elected.owner === member && key.elected.heir === this.#ctx.view.self && key.state === "standby",
    );
  }
}

/** True if a claim of ours waited for this member, which answered on the wire: it may be made from now on. */
function waitsNoLonger(key: Key, member: string, now: Millis): boolean {
  if (key.heldBackBy !== member || key.state !== "standby") return false;
  key.heldBackBy = null;
  key.notBefore = now;
  return true;
}

function sameSpec(a: KeySpec, b: KeySpec): boolean {
  return a.group === b.group && a.local === b.local && a.addresses.join() === b.addresses.join();
}
