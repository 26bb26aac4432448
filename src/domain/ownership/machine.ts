/**
 * The ownership machine: moves each key of this host from what is to what the election says, by the laws of
 * DESIGN.md (1, 3, 5, 6, 8). Purpose: every transition, its reason and its deeds. Boundary: pure; elections come in,
 * deeds go out through the outbox; the lease is the native thread's, only its lapse is told here.
 */
import type { Elected } from "../election.js";
import type { Millis } from "../messages.js";
import { isLive, type Key, newKey, placesOf, silentFor, viewOf } from "./key.js";
import { Outbox } from "./outbox.js";
import { judge, Questions } from "./questions.js";
import type {
  Answer,
  KeyPurpose,
  KeySpec,
  KeyState,
  KeyTimer,
  KeyView,
  OwnershipEvent,
  OwnershipOutput,
  View,
  WireVerdict,
} from "./types.js";

/** Rounds of an announcement after a claim: at once, a quick repeat against loss, then spaced out (FACTS.md, 2). */
export const ANNOUNCE_ROUNDS_MS = [0, 150, 1000, 3000] as const;
const SECOND_NOTICE_MS = 1000;
/** A former owner goes on accepting for so long after it went silent, unless the second round is heard before. */
const ACCEPT_AFTER_SILENCE_MS = 1500;
const CLAIM_AGAIN_MS = 1000;
const HOLD_FAILED_PAUSE_MS = 10_000;
/** Rivals exchange state first; without an answer for so long, the elected one announces all the same. */
const RIVALRY_MS = 500;
const CROSSING_MS = 200;
/** RFC 5227, section 2.4. */
const DEFEND_INTERVAL_MS = 10_000;

export interface OwnershipOptions {
  readonly view: View;
  /** The profile's: a question during a suspicion is asked when the suspect's lease has run out. */
  readonly suspectAfterMs: number;
  readonly askTimeoutMs: number;
}

export class Ownership {
  readonly #view: View;
  readonly #keys = new Map<string, Key>();
  readonly #byAddress = new Map<string, Key>();
  readonly #out = new Outbox();
  readonly #questions: Questions;
  #active = false;
  #stopping = false;
  #barred = "";

  constructor(options: OwnershipOptions) {
    this.#view = options.view;
    this.#questions = new Questions(options, this.#out);
  }

  // ------------------------------------------------------------ what comes in

  /** The keys of a (new) configuration. Unchanged ones go on undisturbed; changed and missing ones are handed over. */
  configure(specs: readonly KeySpec[], now: Millis): void {
    const wanted = new Map(specs.map((spec) => [spec.key, spec]));
    for (const key of [...this.#keys.values()]) {
      const spec = wanted.get(key.spec.key);
      if (spec !== undefined && sameSpec(spec, key.spec)) {
        wanted.delete(spec.key);
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
      if (former !== null && former !== elected.owner && former !== this.#view.self) key.holder = former;
      key.elected = elected;
      this.#evaluate(key, now);
    }
  }

  /** True: ready, lease held, so claims may be made. Turning active settles everything that was put off. */
  setActive(active: boolean, now: Millis): void {
    if (active === this.#active) return;
    this.#active = active;
    this.#evaluateAll(now);
  }

  /** A reason for which this host may own nothing at all, or "". */
  setBarred(reason: string, now: Millis): void {
    if (reason === this.#barred) return;
    this.#barred = reason;
    this.#evaluateAll(now);
  }

  /** The lease ran out (or the group held us dead): whatever we owned, others may own now. */
  lapse(now: Millis): void {
    for (const key of this.#keys.values()) {
      if (key.state === "owned") key.doubtful = true;
      if (key.state === "releasing") this.#letGo(key, "the lease ran out during the hand-over", now);
      if (key.state === "claiming") this.#abort(key, "the lease ran out during the claim", now);
    }
  }

  /** The daemon is stopping: what nobody else can take is dropped, the rest handed over. */
  stop(now: Millis): void {
    this.#stopping = true;
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
      if (key === undefined || key.state !== "claiming") continue;
      key.held.add(address);
      if (key.held.size === key.spec.addresses.length) this.#own(key, now);
    }
  }

  holdFailed(addresses: readonly string[], error: string, now: Millis): void {
    for (const key of new Set(addresses.map((address) => this.#byAddress.get(address)))) {
      if (key === undefined || key.state !== "claiming") continue;
      key.notBefore = now + HOLD_FAILED_PAUSE_MS;
      this.#note("error", "vip.claim-failed", key, { error }, `cannot put ${key.spec.key} on lo: ${error}`);
      this.#abort(key, `claim failed: ${error}`, now);
      this.#arm(key, "claim-again", key.notBefore);
    }
  }

  asked(id: number, answers: readonly Answer[], now: Millis): void {
    const done = this.#questions.answered(id, answers, now);
    for (const name of done) {
      const key = this.#keys.get(name);
      if (key?.state === "claiming" && key.held.size === 0) this.#decide(key, now);
    }
  }

  /** Somebody's frame claims an address: evidence, a rival, or a stranger (laws 6 and 8, RFC 5227). */
  claimHeard(heard: { address: string; mac: string; yielded: boolean }, now: Millis): void {
    const key = this.#byAddress.get(heard.address);
    if (key === undefined) return;
    const member = this.#view.memberByMac(heard.mac);
    if (member === this.#view.self) return;
    if (member === undefined) {
      this.#stranger(key, heard.mac, now);
      return;
    }
    this.#memberClaims(key, member, [heard.address], { yielded: heard.yielded, round: 1 }, now);
  }

  /** The same evidence by gossip. */
  claimNoticed(notice: { member: string; round: number; addresses: readonly string[] }, now: Millis): void {
    const byKey = new Map<Key, string[]>();
    for (const address of notice.addresses) {
      const key = this.#byAddress.get(address);
      if (key !== undefined) byKey.set(key, [...(byKey.get(key) ?? []), address]);
    }
    for (const [key, addresses] of byKey) {
      this.#memberClaims(key, notice.member, addresses, { yielded: false, round: notice.round }, now);
    }
  }

  /** Suspected: ask the wire meanwhile. Back from the dead: the winner announces again (law 8). */
  memberChanged(member: string, change: "suspect" | "back" | "other", now: Millis): void {
    if (change === "suspect") {
      const mine = this.#heirTo(member);
      if (mine.length > 0 && this.#active) this.#questions.schedule(member, now);
    } else if (change === "back") {
      for (const key of this.#keys.values()) {
        if (key.state !== "owned" || key.elected.owner !== this.#view.self || !this.#active) continue;
        if (this.#view.macOf(member, key.spec.group) === null) continue;
        this.#announceAgain(key, member, now);
      }
    }
  }

  /** State was exchanged with this member, or could not be: rivalries with it are settled by the election as it is now. */
  exchangedWith(member: string, now: Millis): void {
    for (const key of this.#keys.values()) {
      if (key.heard?.member === member && key.rivalryAt > Number.NEGATIVE_INFINITY) this.#settleRivalry(key, now);
    }
  }

  timer(timer: KeyTimer, now: Millis): void {
    if (timer.kind === "question") {
      if (this.#view.state(timer.member) === "suspect") this.#questions.ask(timer.member, this.#heirTo(timer.member));
      return;
    }
    const key = this.#keys.get(timer.key);
    if (key === undefined || key.stamp !== timer.stamp) return;
    this.#due(key, timer.purpose, now);
  }

  flush(): OwnershipOutput[] {
    this.#questions.flush();
    return this.#out.flush();
  }

  views(): KeyView[] {
    return Array.from(this.#keys.values(), (key) => viewOf(key, this.#view));
  }

  keys(): IterableIterator<Key> {
    return this.#keys.values();
  }

  // ------------------------------------------------------------ transitions

  #evaluateAll(now: Millis): void {
    for (const key of this.#keys.values()) this.#evaluate(key, now);
  }

  #evaluate(key: Key, now: Millis): void {
    const mine = key.elected.owner === this.#view.self;
    switch (key.state) {
      case "standby":
      case "unowned":
      case "conflict":
        if (mine && this.#mayClaim() && now >= key.notBefore) this.#beginClaim(key, now);
        else if (!mine) this.#rest(key, now);
        return;
      case "claiming":
        if (!mine || !this.#mayClaim())
          this.#abort(key, mine ? "this host may not claim now" : "elected elsewhere", now);
        return;
      case "owned":
        if (this.#barred !== "") this.#letGo(key, this.#barred, now);
        else if (!this.#active) return;
        else if (mine) this.#keep(key, now);
        else this.#leave(key, now);
        return;
      case "releasing":
        if (this.#barred !== "" || !this.#view.linkUp(key.spec.group))
          this.#letGo(key, this.#barred || "link is down", now);
        else if (mine && this.#mayClaim()) this.#takeBack(key, now);
        else this.#leave(key, now);
        return;
    }
  }

  #mayClaim(): boolean {
    return this.#active && !this.#stopping && this.#barred === "";
  }

  /** Not ours: standby behind whoever is elected, or nobody. */
  #rest(key: Key, now: Millis): void {
    const owner = key.elected.owner;
    const state: KeyState = owner === null ? "unowned" : "standby";
    const reason = owner === null ? "nobody is eligible" : `${owner} is elected`;
    if (key.state !== state || key.reason !== reason) this.#enter(key, state, reason, now);
  }

  #beginClaim(key: Key, now: Millis): void {
    key.held.clear();
    key.tookOver = key.holder !== null;
    this.#enter(key, "claiming", key.holder === null ? "first claim" : `after ${key.holder}`, now);
    this.#decide(key, now);
  }

  /** Claims at once where the former owner hands over or said goodbye; else only after its lease and the wire's word. */
  #decide(key: Key, now: Millis): void {
    const holder = key.holder === this.#view.self ? null : key.holder;
    if (isLive(this.#view, holder)) {
      if (!this.#view.drifted(key.spec.group) || this.#view.draining(holder)) {
        this.#hold(key, `hand-over from ${holder}`, now);
        return;
      }
    } else if (holder !== null) {
      if (this.#view.state(holder) === "left") {
        this.#hold(key, `${holder} left`, now);
        return;
      }
      const notBefore = this.#view.lastHeardAt(holder) + this.#view.leaseOf(holder);
      if (now < notBefore) {
        key.reason = `waiting out the lease of ${holder}`;
        this.#arm(key, "claim-again", notBefore);
        return;
      }
    }
    const answers = this.#questions.verdict(key, holder, now);
    if (answers === "pending") key.reason = "asking the wire";
    else this.#apply(key, judge(answers, this.#view), now);
  }

  #apply(key: Key, verdict: WireVerdict, now: Millis): void {
    switch (verdict.kind) {
      case "silent":
        this.#hold(key, key.holder === null ? "nobody answered for it" : `${key.holder} is dead, nobody answers`, now);
        return;
      case "stranger":
        key.stranger = { mac: verdict.mac, at: now };
        key.notBefore = now + 2 * CLAIM_AGAIN_MS;
        this.#enter(key, "conflict", `a stranger with MAC ${verdict.mac} answers for it`, now);
        this.#arm(key, "claim-again", key.notBefore);
        return;
      case "member":
        key.holder = verdict.member;
        if (isLive(this.#view, verdict.member) && !this.#view.drifted(key.spec.group)) {
          this.#hold(key, `hand-over from ${verdict.member}`, now);
          return;
        }
        key.notBefore = now + CLAIM_AGAIN_MS;
        this.#enter(key, "standby", heldBack(verdict.member, isLive(this.#view, verdict.member)), now);
        this.#arm(key, "claim-again", key.notBefore);
        return;
    }
  }

  #hold(key: Key, reason: string, now: Millis): void {
    key.reason = reason;
    if (key.spec.local) this.#out.hold(key.spec.addresses);
    else this.#own(key, now);
  }

  /** The addresses are on lo: answer and announce. */
  #own(key: Key, now: Millis): void {
    const from = key.holder;
    key.evidenced.clear();
    key.doubtful = false;
    key.ownedSince = now;
    this.#enter(key, "owned", key.reason, now);
    this.#answer(key);
    this.#announce(key, now);
    if (isLive(this.#view, from)) {
      this.#out.claimed(from, 1, key.spec.addresses);
      this.#arm(key, "second-notice", now + SECOND_NOTICE_MS);
    } else key.holder = null;
  }

  #answer(key: Key): void {
    const heir = key.state === "releasing" ? key.successor : key.elected.heir;
    const heirMac = heir === null ? null : this.#view.macOf(heir, key.spec.group);
    this.#out.own(
      placesOf(key)
        .filter((at) => !key.evidenced.has(at.address))
        .map((at) => ({ ...at, heirMac })),
    );
  }

  #announce(key: Key, now: Millis): void {
    key.announcedAt = now;
    this.#out.announce(key.spec.interface, key.spec.addresses, ANNOUNCE_ROUNDS_MS);
  }

  /** Owned and still ours: name the (new) heir; after a lapse, say so to the segment again. */
  #keep(key: Key, now: Millis): void {
    if (key.doubtful) {
      key.doubtful = false;
      key.evidenced.clear();
      this.#note(
        "info",
        "vip.reclaimed",
        key,
        {},
        `${key.spec.key}: caught up with the group, still elected, announcing again`,
      );
      this.#answer(key);
      this.#announce(key, now);
      if (key.elected.heir !== null) this.#out.claimed(key.elected.heir, 1, key.spec.addresses);
    } else this.#answer(key);
  }

  /** Owned or releasing, and elected elsewhere. */
  #leave(key: Key, now: Millis): void {
    const successor = key.elected.owner;
    const { group } = key.spec;
    if (!this.#view.linkUp(group)) this.#letGo(key, "link is down", now);
    else if (key.doubtful) this.#letGo(key, "others took over while this host was silent", now);
    else if (successor === null) {
      if (this.#stopping) this.#letGo(key, "stopping, and nobody else is eligible", now);
      else key.reason = "nobody else is eligible";
    } else if (key.state === "releasing") {
      if (successor === key.successor) return;
      key.successor = successor;
      key.reason = `to ${successor}`;
      this.#answer(key);
      this.#useOldEvidence(key, now);
    } else if (this.#view.drifted(group) && !this.#stopping && !this.#view.draining(this.#view.self)) {
      key.reason = "configurations differ: no planned moves";
    } else {
      key.successor = successor;
      this.#enter(key, "releasing", `to ${successor}`, now);
      this.#answer(key);
      this.#useOldEvidence(key, now);
    }
  }

  /** The successor may have announced before we knew that it is elected. */
  #useOldEvidence(key: Key, now: Millis): void {
    if (key.heard === null || key.heard.member !== key.successor || now - key.heard.at > 2000) return;
    this.#evidence(key, key.spec.addresses, now);
  }

  #takeBack(key: Key, now: Millis): void {
    const wasSilent = key.evidenced.size > 0;
    const { successor } = key;
    key.evidenced.clear();
    key.successor = null;
    this.#enter(key, "owned", "elected again before the hand-over was done", now);
    this.#answer(key);
    if (!wasSilent) return;
    this.#announce(key, now);
    if (successor !== null) this.#out.claimed(successor, 1, key.spec.addresses);
  }

  /** The heir's announcement was seen: silent at once, and accepting for a while longer. */
  #evidence(key: Key, addresses: readonly string[], now: Millis): void {
    const fresh = addresses.filter((address) => !key.evidenced.has(address));
    if (fresh.length === 0) return;
    for (const address of fresh) key.evidenced.add(address);
    this.#out.silence(placesOf(key, fresh));
    if (silentFor(key)) this.#arm(key, "drop", now + ACCEPT_AFTER_SILENCE_MS);
  }

  /** Silent at once, and off lo. */
  #letGo(key: Key, reason: string, now: Millis): void {
    this.#out.silence(placesOf(key));
    if (key.spec.local) this.#out.drop(key.spec.addresses);
    key.evidenced.clear();
    key.held.clear();
    key.successor = null;
    key.doubtful = false;
    const owner = key.elected.owner;
    this.#enter(key, owner === null || owner === this.#view.self ? "unowned" : "standby", reason, now);
  }

  #abort(key: Key, reason: string, now: Millis): void {
    if (key.spec.local) this.#out.drop(key.spec.addresses);
    key.held.clear();
    this.#enter(key, key.elected.owner === null ? "unowned" : "standby", reason, now);
  }

  #retire(key: Key, now: Millis): void {
    if (key.state === "owned" || key.state === "releasing") this.#letGo(key, "no longer configured", now);
    else if (key.state === "claiming") this.#abort(key, "no longer configured", now);
    this.#keys.delete(key.spec.key);
    for (const address of key.spec.addresses) this.#byAddress.delete(address);
  }

  // ------------------------------------------------------------ others' claims

  #memberClaims(
    key: Key,
    member: string,
    addresses: readonly string[],
    how: { yielded: boolean; round: number },
    now: Millis,
  ): void {
    key.heard = { member, at: now };
    if (key.state === "releasing") {
      if (member !== key.successor) return;
      this.#evidence(key, addresses, now);
      if (how.round >= 2 && silentFor(key)) this.#letGo(key, `${member} took over`, now);
    } else if (key.state === "owned") {
      if (how.yielded) for (const address of addresses) key.evidenced.add(address);
      if (key.elected.owner !== this.#view.self && key.elected.owner === member) this.#leave(key, now);
      else this.#rivalry(key, member, how.yielded, now);
    }
  }

  /** Law 8: exchange state first, elect again, then the winner announces; never a volley. */
  #rivalry(key: Key, member: string, yielded: boolean, now: Millis): void {
    if (key.rivalryAt > Number.NEGATIVE_INFINITY) return;
    // Our own announcement may have crossed theirs: give it a moment to be heard.
    if (!yielded && now - key.announcedAt < CROSSING_MS) return;
    key.rivalryAt = now;
    this.#note(
      "warn",
      "vip.rival",
      key,
      { rival: member },
      `${member} announces ${key.spec.key}, too: exchanging state`,
    );
    this.#out.exchangeWith(member);
    this.#arm(key, "rivalry", now + RIVALRY_MS);
  }

  #settleRivalry(key: Key, now: Millis): void {
    key.rivalryAt = Number.NEGATIVE_INFINITY;
    if (key.state !== "owned" || key.elected.owner !== this.#view.self || !this.#mayClaim()) return;
    const rival = key.heard?.member ?? null;
    if (rival !== null && isLive(this.#view, rival) && this.#view.drifted(key.spec.group) && rival < this.#view.self) {
      // Two configurations, each electing its own: one must give way, and both must agree which.
      key.holder = rival;
      key.notBefore = now + CLAIM_AGAIN_MS;
      this.#letGo(key, `configurations differ, ${rival} keeps it`, now);
      this.#arm(key, "claim-again", key.notBefore);
    } else this.#announceAgain(key, rival, now);
  }

  #announceAgain(key: Key, toward: string | null, now: Millis): void {
    // Never a volley: one announcement a second, unless we fell silent for the rival and must speak up again.
    if (key.evidenced.size === 0 && now - key.announcedAt < CLAIM_AGAIN_MS) return;
    key.evidenced.clear();
    this.#answer(key);
    this.#announce(key, now);
    if (!isLive(this.#view, toward)) return;
    this.#out.claimed(toward, 1, key.spec.addresses);
    key.holder = toward;
    this.#arm(key, "second-notice", now + SECOND_NOTICE_MS);
  }

  #stranger(key: Key, mac: string, now: Millis): void {
    key.stranger = { mac, at: now };
    if (key.state !== "owned" || now - key.defendedAt < DEFEND_INTERVAL_MS) return;
    key.defendedAt = now;
    this.#note(
      "error",
      "vip.conflict",
      key,
      { mac },
      `a stranger with MAC ${mac} claims ${key.spec.key}: defending it`,
    );
    this.#out.announce(key.spec.interface, key.spec.addresses, [0]);
  }

  // ------------------------------------------------------------ timers

  #due(key: Key, purpose: KeyPurpose, now: Millis): void {
    switch (purpose) {
      case "claim-again":
        if (key.state === "claiming") this.#decide(key, now);
        else this.#evaluate(key, now);
        return;
      case "second-notice":
        if (key.state === "owned" && isLive(this.#view, key.holder))
          this.#out.claimed(key.holder, 2, key.spec.addresses);
        return;
      case "drop":
        if (key.state === "releasing" && silentFor(key)) this.#letGo(key, `${key.successor} took over`, now);
        return;
      case "rivalry":
        if (key.rivalryAt > Number.NEGATIVE_INFINITY) this.#settleRivalry(key, now);
        return;
    }
  }

  #arm(key: Key, purpose: KeyPurpose, at: Millis): void {
    this.#out.arm({ kind: "key", key: key.spec.key, stamp: key.stamp, purpose }, at);
  }

  #heirTo(member: string): Key[] {
    return [...this.#keys.values()].filter(
      (key) => key.elected.owner === member && key.elected.heir === this.#view.self && key.state === "standby",
    );
  }

  #enter(key: Key, state: KeyState, reason: string, now: Millis): void {
    const from = key.state;
    key.stamp += 1;
    key.reason = reason;
    key.rivalryAt = Number.NEGATIVE_INFINITY;
    if (from === state) return;
    key.state = state;
    const tookMs = Math.round(now - key.since);
    key.since = now;
    const level = state === "conflict" ? "error" : state === "owned" || from === "owned" ? "info" : "debug";
    this.#note(level, `vip.${state}`, key, { from, tookMs, reason }, `${key.spec.key}: ${from} -> ${state}: ${reason}`);
  }

  #note(level: OwnershipEvent["level"], event: string, key: Key, more: Record<string, unknown>, text: string): void {
    const fields = { vip: key.spec.key, group: key.spec.group, interface: key.spec.interface, ...more };
    this.#out.event({ level, event, fields, text });
  }
}

function heldBack(member: string, live: boolean): string {
  return live
    ? `${member} answers for it and configurations differ: no planned moves`
    : `gossip is broken, not the owner: ${member} is held dead, but still answers on the wire`;
}

function sameSpec(a: KeySpec, b: KeySpec): boolean {
  return (
    a.group === b.group &&
    a.interface === b.interface &&
    a.local === b.local &&
    a.addresses.join() === b.addresses.join()
  );
}
