/**
 * What claims do: alive, suspect, dead, about others and about ourselves. Purpose: apply the precedence table, start and
 * clear suspicions, refute. Boundary: no probing; who judges by silence (watch, probe, suspicion timers) calls this.
 */
import { type Endpoint, formatEndpoint, type Message, type Millis, sameEndpoint } from "../messages.js";
import type { Context } from "./context.js";
import { stillTalks } from "./ears.js";
import {
  type AliveMessage,
  accusationOf,
  aliveOf,
  isForeign,
  isLive,
  type Member,
  sameInstance,
  sameMeta,
  sameVsn,
} from "./members.js";
import { ageOf, INCARNATION_MAX, refutation, rule, speaksSense } from "./precedence.js";
import type { Rivals } from "./rivals.js";
import { Suspicion, suspicionTerms } from "./suspicion.js";

export type SuspectMessage = Extract<Message, { kind: "suspect" }>;
export type DeadMessage = Extract<Message, { kind: "dead" }>;

/** While another host uses our name, both refute at most this often, so that the incarnations do not race. */
const REFUTE_IN_CONFLICT_MS = 1000;
/** A name conflict between two others is reported, and the older one told, at most this often. */
const CONFLICT_REPORT_MS = 1000;
/** Of one member, outdated accusers are put right at most this often. */
const CORRECT_EVERY_MS = 50;

/** Timers may come a fraction of a millisecond early. */
const TIMER_EARLY_MS = 1;

export class Verdicts {
  readonly #ctx: Context;
  readonly #rivals: Rivals;
  #suspicionRounds = 0;
  #refutedAt: Millis = Number.NEGATIVE_INFINITY;
  /** What is told now came in during a gap of ours. */
  #queued = false;
  /** When the last gap was over. */
  #thawedAt: Millis = Number.NEGATIVE_INFINITY;

  constructor(ctx: Context, rivals: Rivals) {
    this.#ctx = ctx;
    this.#rivals = rivals;
  }

  // ------------------------------------------------------------ alive

  alive(claim: AliveMessage, from: Endpoint | null): void {
    const { table } = this.#ctx;
    if (claim.incarnation > INCARNATION_MAX) {
      this.#ctx.drop("absurd-incarnation");
      return;
    }
    if (!speaksSense(claim.vsn)) {
      this.#ctx.drop("bad-version");
      return;
    }
    if (claim.node === this.#ctx.self.name) {
      this.#aliveAboutUs(claim, from);
      return;
    }
    const member = table.get(claim.node);
    if (member === undefined) {
      this.#join(claim);
      return;
    }
    switch (rule(member.state, "alive", ageOf(claim.incarnation, member.incarnation))) {
      case "accept":
        if (member.deaf && member.state !== "alive" && !sameMeta(member.meta, claim.meta))
          this.#newsOfTheDeaf(member, claim);
        else this.#acceptAlive(member, claim);
        return;
      case "older":
        this.#ctx.drop("old-incarnation");
        return;
      default:
        return;
    }
  }

  #join(claim: AliveMessage): void {
    const { table, limits, now } = this.#ctx;
    if (table.size >= limits.members && !this.#makeRoom()) {
      this.#ctx.drop("too-many-members");
      return;
    }
    const { node: name, address, meta, vsn, incarnation } = claim;
    const member = table.insert({ name, self: false, address, meta, vsn, incarnation, now });
    this.#ctx.spreadMember(name, claim);
    this.#ctx.changed(member, "joined", `at ${formatEndpoint(address)}, incarnation ${incarnation}`);
  }

  /** The longest dead member makes room for a living one. */
  #makeRoom(): boolean {
    let oldest: Member | null = null;
    for (const member of this.#ctx.table.all()) {
      if (!isLive(member.state) && (oldest === null || member.since < oldest.since)) oldest = member;
    }
    if (oldest === null) return false;
    this.forget(oldest, "room for a living member");
    return true;
  }

  #acceptAlive(member: Member, claim: AliveMessage): void {
    const { table, now } = this.#ctx;
    const moved = !sameEndpoint(member.address, claim.address);
    // The dead and the departed may come back elsewhere; one instance is one host wherever it is. Else two share a name.
    if (moved && this.#holdsItsPlace(member) && !sameInstance(member.meta, claim.meta)) {
      this.#report(member, claim);
      return;
    }
    const before = member.state;
    const news = moved || !sameMeta(member.meta, claim.meta);
    member.suspicion = null;
    member.assuredAt = now;
    table.update(member, claim);
    table.setState(member, "alive", now);
    this.#ctx.spreadMember(member.name, claim);
    if (before !== "alive") {
      this.#ctx.changed(member, "alive", `incarnation ${claim.incarnation}, after ${before}`);
    } else if (news) {
      this.#ctx.changed(member, "updated", `incarnation ${claim.incarnation}`);
    }
  }

  /**
   * Whoever does not hear us tells of its own change, which it would have told anyway: that refutes nothing. What it is held for
   * holds for the new incarnation, too, and those hear it whom it asks nothing.
   */
  #newsOfTheDeaf(member: Member, claim: AliveMessage): void {
    const { self, table } = this.#ctx;
    table.update(member, claim);
    const accusation = accusationOf(member, self.name);
    if (accusation === null) return;
    this.#ctx.sayToAll(accusation, member.name);
    this.#ctx.spreadMember(member.name, accusation);
  }

  /**
   * A suspect that has been silent for as long as a watcher waits does not keep a living claimant out; nor does who was heard
   * only before a gap of ours, or in what was queued during it: the name may have changed hands meanwhile.
   */
  #holdsItsPlace(member: Member): boolean {
    const { now, profile } = this.#ctx;
    const heardAt = Math.max(member.lastHeardAt, member.assuredAt);
    if (this.#queued || heardAt <= this.#thawedAt) return false;
    const silentMs = now - heardAt;
    return member.state === "alive" || (member.state === "suspect" && silentMs < profile.deadAfterMs);
  }

  /** Somebody else uses its name: a rival where it holds its place, and nobody that we would know of else. */
  conflict(member: Member, rival: AliveMessage): void {
    if (this.#holdsItsPlace(member)) this.#report(member, rival);
  }

  /** Two others share a name: the one that we hold stays, and hears of its rival so that it can ask it. */
  #report(member: Member, rival: AliveMessage): void {
    const { now } = this.#ctx;
    if (now - member.conflictAt < CONFLICT_REPORT_MS) return;
    member.conflictAt = now;
    this.#ctx.doubted.add(member.name);
    this.#ctx.event({ kind: "name-conflict", name: member.name, endpoint: rival.address, self: false });
    this.#ctx.send(member.address, [rival]);
  }

  // ------------------------------------------------------------ suspect, dead

  suspect(claim: SuspectMessage, from: Endpoint | null): void {
    if (claim.incarnation >= INCARNATION_MAX) {
      this.#ctx.drop("absurd-incarnation");
      return;
    }
    if (claim.node === this.#ctx.self.name) {
      this.#accused("suspect", claim, from);
      return;
    }
    const member = this.#ctx.table.get(claim.node);
    if (member === undefined) {
      this.#ctx.drop("unknown-member");
      return;
    }
    switch (rule(member.state, "suspect", ageOf(claim.incarnation, member.incarnation))) {
      case "accept":
        this.#acceptSuspect(member, claim);
        return;
      case "confirm":
        this.#confirm(member, claim);
        return;
      case "raise":
        this.#raise(member, claim.incarnation);
        return;
      case "older":
        this.#outdated(member, from);
        return;
      case "known":
        return;
    }
  }

  #acceptSuspect(member: Member, claim: SuspectMessage): void {
    const { table, now, profile } = this.#ctx;
    const before = member.state;
    member.incarnation = claim.incarnation;
    member.suspicion = new Suspicion({
      incarnation: claim.incarnation,
      from: claim.from,
      terms: suspicionTerms(profile, table.live, isForeign(member)),
      now,
      round: ++this.#suspicionRounds,
    });
    table.setState(member, "suspect", now);
    this.#armSuspicion(member);
    this.#ctx.spreadMember(member.name, claim);
    this.#ctx.counters.suspicions += 1;
    if (before !== "suspect") this.#ctx.changed(member, "suspect", `suspected by ${claim.from}`);
  }

  #confirm(member: Member, claim: SuspectMessage): void {
    if (member.suspicion === null || !member.suspicion.confirm(claim.from)) return;
    this.#armSuspicion(member);
    this.#ctx.spreadMember(member.name, claim);
  }

  #raise(member: Member, incarnation: number): void {
    member.incarnation = incarnation;
    this.#ctx.table.changed(member);
  }

  dead(claim: DeadMessage, from: Endpoint | null): void {
    const { self, table } = this.#ctx;
    const said = claim.from === claim.node ? "left" : "dead";
    if (claim.incarnation >= INCARNATION_MAX) {
      this.#ctx.drop("absurd-incarnation");
      return;
    }
    if (claim.node === self.name) {
      this.#accused("dead", claim, from);
      return;
    }
    const member = table.get(claim.node);
    if (member === undefined) {
      this.#ctx.drop("unknown-member");
      return;
    }
    if (said === "dead" && claim.from !== self.name && this.#heardJustNow(member, claim.from)) {
      // We heard it ourselves a moment ago: somebody's link is bad. To us this is one voice of suspicion; our own
      // silence or the suspicion's timer decides, and no owner changes while the lease runs anyway.
      this.suspect({ ...claim, kind: "suspect" }, from);
      return;
    }
    switch (rule(member.state, said, ageOf(claim.incarnation, member.incarnation))) {
      case "accept":
        this.#acceptDead(member, claim, said);
        return;
      case "raise":
        this.#raise(member, claim.incarnation);
        return;
      case "older":
        this.#outdated(member, from);
        return;
      default:
        return;
    }
  }

  /** The accuser has missed a refutation: it hears it from us. */
  #outdated(member: Member, from: Endpoint | null): void {
    const { now } = this.#ctx;
    this.#ctx.drop("old-incarnation");
    if (from === null || member.state !== "alive" || now - member.correctedAt < CORRECT_EVERY_MS) return;
    member.correctedAt = now;
    this.#ctx.send(from, [aliveOf(member)]);
  }

  /**
   * By the patience of whoever is less patient, the accuser or we: a dead host has been silent to everybody for as long as its accuser's
   * lease at least (timing.ts). By our own alone, a patient host would go on believing in one that the others have succeeded.
   */
  #heardJustNow(member: Member, accuser: string): boolean {
    const { now, profile, options } = this.#ctx;
    const heardAt = Math.max(member.lastHeardAt, member.witnessedAt);
    const patienceMs = Math.min(profile.suspectAfterMs, options.leaseOf?.(accuser) ?? Number.POSITIVE_INFINITY);
    return isLive(member.state) && !isForeign(member) && now - heardAt < patienceMs;
  }

  #acceptDead(member: Member, claim: DeadMessage, said: "dead" | "left"): void {
    const { table, now } = this.#ctx;
    const before = member.state;
    member.incarnation = claim.incarnation;
    member.suspicion = null;
    table.setState(member, said, now);
    this.#ctx.spreadMember(member.name, claim);
    if (before !== said)
      this.#ctx.changed(member, said, said === "left" ? "it said goodbye" : `found dead by ${claim.from}`);
  }

  /** Our own verdict: straight to all, the condemned first, so that a living one refutes at once. */
  pronounce(member: Member, reason: string): void {
    const { self, table, now } = this.#ctx;
    const claim: DeadMessage = { kind: "dead", incarnation: member.incarnation, node: member.name, from: self.name };
    member.suspicion = null;
    table.setState(member, "dead", now);
    this.#ctx.counters.verdicts += 1;
    this.#ctx.send(member.address, [claim]);
    this.#ctx.sayToAll(claim, member.name);
    this.#ctx.spreadMember(member.name, claim);
    this.#ctx.changed(member, "dead", reason);
  }

  /** Our own suspicion, by silence: the suspect hears it first. */
  accuse(member: Member): void {
    const { self } = this.#ctx;
    const claim: SuspectMessage = {
      kind: "suspect",
      incarnation: member.incarnation,
      node: member.name,
      from: self.name,
    };
    this.#ctx.send(member.address, [claim]);
    if (!isForeign(member)) this.#ctx.sayToAll(claim, member.name);
    this.suspect(claim, null);
  }

  // ------------------------------------------------------------ suspicion timers

  suspicionFired(name: string, incarnation: number, round: number): void {
    const { table, now, profile } = this.#ctx;
    const member = table.get(name);
    const suspicion = member?.suspicion ?? null;
    if (member === undefined || suspicion === null || member.state !== "suspect") return;
    if (suspicion.round !== round || suspicion.incarnation !== incarnation) return;
    // Another timer is armed for a date that was put off; one that is a little early is this one.
    if (now < suspicion.dueAt - TIMER_EARLY_MS) return;
    const lateMs = now - suspicion.dueAt;
    if (lateMs > 2 * profile.watchRetryMs) {
      // We stood still: in that time nobody's refutation could reach us.
      suspicion.postpone(now + Math.min(lateMs, suspicion.minMs));
      this.#armSuspicion(member);
      return;
    }
    const heard = now - member.lastHeardAt < Math.max(profile.suspectAfterMs, suspicion.minMs / 2);
    if (heard || stillTalks(this.#ctx, member)) {
      // It lives, its refutation is under way or gets lost: not dead by a timer.
      suspicion.postpone(now + suspicion.minMs);
      this.#armSuspicion(member);
      return;
    }
    this.pronounce(member, "suspected for too long");
  }

  /** Nobody is judged for time in which we were frozen. */
  thawed(queued: boolean): void {
    this.#queued = queued;
    this.#thawedAt = this.#ctx.now;
    for (const member of this.#ctx.table.all()) {
      if (member.suspicion === null) continue;
      member.suspicion.restart(this.#ctx.now);
      this.#armSuspicion(member);
    }
  }

  #armSuspicion(member: Member): void {
    const { suspicion, name } = member;
    if (suspicion === null) return;
    const { incarnation, round, dueAt } = suspicion;
    this.#ctx.arm({ kind: "suspicion", member: name, incarnation, round }, dueAt);
  }

  // ------------------------------------------------------------ about ourselves

  #aliveAboutUs(claim: AliveMessage, from: Endpoint | null): void {
    const { self, now, leaving } = this.#ctx;
    if (leaving) {
      this.#ctx.drop("leaving");
      return;
    }
    const elsewhere = !sameEndpoint(claim.address, self.address);
    // Our own past at another address does not answer; a living rival does.
    if (elsewhere && !sameInstance(claim.meta, self.meta)) this.#rivals.suspected(claim.address);
    if (claim.incarnation < self.incarnation) return;
    const echo = !elsewhere && sameMeta(claim.meta, self.meta) && sameVsn(claim.vsn, self.vsn);
    if (claim.incarnation === self.incarnation && echo) return;
    if (claim.incarnation >= INCARNATION_MAX) {
      this.#ctx.drop("absurd-incarnation");
      return;
    }
    if (elsewhere && this.#rivals.active && now - this.#refutedAt < REFUTE_IN_CONFLICT_MS) return;
    this.#refute(claim.incarnation, from);
  }

  #accused(state: "suspect" | "dead", claim: SuspectMessage | DeadMessage, from: Endpoint | null): void {
    const { self, table, now, leaving } = this.#ctx;
    if (leaving) {
      this.#ctx.drop("leaving");
      return;
    }
    if (claim.incarnation < self.incarnation) {
      // Refuted long ago, but this one has not heard: tell it alone.
      this.#ctx.drop("old-incarnation");
      if (from !== null) this.#ctx.send(from, [aliveOf(self)]);
      return;
    }
    if (this.#rivals.active && now - this.#refutedAt < REFUTE_IN_CONFLICT_MS) return;
    // Our own farewell, from a former life: outdone, but nobody accuses us.
    if (claim.from === self.name) {
      this.#refute(claim.incarnation, from);
      return;
    }
    this.#refute(claim.incarnation, from);
    // It would hold everybody dead: that is not the group's word.
    if (table.get(claim.from)?.deaf) return;
    this.#ctx.awareness.apply(1);
    this.#ctx.event({ kind: "self-accused", state, from: claim.from });
  }

  #refute(accused: number, from: Endpoint | null): void {
    this.#refutedAt = this.#ctx.now;
    this.#ctx.counters.refutations += 1;
    this.announceSelf(refutation(this.#ctx.self.incarnation, accused), from);
  }

  /** A new incarnation of ours, straight to all, and to `from`, who may hold us dead. */
  announceSelf(incarnation: number, from: Endpoint | null): void {
    const { self, table } = this.#ctx;
    self.incarnation = incarnation;
    table.changed(self);
    const claim = aliveOf(self);
    const known = from === null ? undefined : table.at(from);
    if (from !== null && (known === undefined || !isLive(known.state))) this.#ctx.send(from, [claim]);
    this.#ctx.sayToAll(claim);
    this.#ctx.spreadMember(self.name, claim);
  }

  // ------------------------------------------------------------ forgetting

  forget(member: Member, reason: string): void {
    const view = this.#ctx.table.view(member);
    this.#ctx.table.forget(member);
    this.#ctx.touched.add(member.name);
    this.#ctx.event({ kind: "member", change: "forgotten", member: view, reason });
  }
}
