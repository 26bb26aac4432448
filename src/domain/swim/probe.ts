/**
 * memberlist's own failure detection: one member at a time in a shuffled round, directly, then through others and by
 * TCP, stretched by Lifeguard's health score. Purpose: whatever the watch does not cover, foreign members first of all.
 * Boundary: it only suspects; the suspicion's timer gives the verdict.
 */
import { type Message, type Millis, sameEndpoint } from "../messages.js";
import type { Context } from "./context.js";
import { accusationOf, isForeign, isLive, type Member } from "./members.js";
import type { Question, Questions } from "./pending.js";
import { askHelpers } from "./relay.js";
import type { Verdicts } from "./verdicts.js";
import type { WatchDuty } from "./watch.js";

/** PMax from which a member answers TCP pings. */
const STREAM_PING_PMAX = 3;

/** Intervals until the next look where nobody was to be probed. */
const IDLE_ROUNDS = 4;

export class RoundRobin {
  readonly #ctx: Context;
  readonly #questions: Questions;
  readonly #verdicts: Verdicts;
  readonly #watch: WatchDuty;
  #order: string[] = [];
  #listed = new Set<string>();
  #next = 0;
  #round = 0;

  constructor(ctx: Context, questions: Questions, verdicts: Verdicts, watch: WatchDuty) {
    this.#ctx = ctx;
    this.#questions = questions;
    this.#verdicts = verdicts;
    this.#watch = watch;
  }

  start(): void {
    this.#arm(this.#ctx.random() * this.#ctx.profile.probeIntervalMs);
  }

  /** New members go to a random place of the round, so that nobody can foretell when they are probed first. */
  settle(touched: ReadonlySet<string>): void {
    for (const name of touched) {
      const member = this.#ctx.table.get(name);
      if (member === undefined || member.self || this.#listed.has(name)) continue;
      const at = this.#ctx.randomIndex(this.#order.length + 1);
      this.#order.splice(at, 0, name);
      this.#listed.add(name);
      if (at < this.#next) this.#next += 1;
    }
  }

  /** Out of turn, and without Lifeguard's patience: another claims this member's name. */
  doubt(name: string): void {
    const member = this.#ctx.table.get(name);
    if (member === undefined || !isLive(member.state) || this.#watch.watches(name)) return;
    if (this.#ctx.now - member.probedAt >= this.#ctx.profile.probeIntervalMs) this.#probe(member, 0);
  }

  fired(round: number): void {
    if (round !== this.#round) return;
    const target = this.#pickNext();
    if (target !== null) this.#probe(target, this.#ctx.awareness.score);
    // Where watchers ask everybody there is nobody left for this round: it looks again less often.
    const pause = target === null ? IDLE_ROUNDS : 1;
    this.#arm(pause * this.#ctx.awareness.scale(this.#ctx.profile.probeIntervalMs));
  }

  timedOut(seqNo: number): void {
    const question = this.#questions.get(seqNo);
    if (question === undefined || question.purpose !== "probe" || question.answered) return;
    const { now, profile, table } = this.#ctx;
    const member = table.get(question.node);
    if (member === undefined || !isLive(member.state)) {
      this.#questions.close(question);
      return;
    }
    if (now - question.dueAt > 2 * profile.watchRetryMs) {
      this.#questions.close(question);
      return;
    }
    if (now >= question.expiresAt) {
      this.#fail(question, member);
      return;
    }
    const asked = askHelpers(this.#ctx, this.#questions, question, { member, nack: true });
    if (asked === 0) question.nacksExpected = 0;
    if (member.vsn[1] >= STREAM_PING_PMAX) {
      this.#ctx.counters.streamPings += 1;
      const deadline = question.expiresAt;
      this.#ctx.output({ kind: "stream-ping", to: member.address, seqNo, node: member.name, deadline });
    }
    question.dueAt = question.expiresAt;
    this.#ctx.arm({ kind: "probe-timeout", seqNo }, question.expiresAt);
  }

  answered(question: Question): void {
    if (question.answered) return;
    question.answered = true;
    this.#ctx.awareness.apply(-1);
    this.#questions.close(question);
  }

  nacked(seqNo: number, helper: string): void {
    const question = this.#questions.get(seqNo);
    // One nack a helper: it is struck off the list only for this count, its late ack still counts.
    if (question?.helpers.has(helper) && question.nacks < question.nacksExpected) question.nacks += 1;
  }

  #pickNext(): Member | null {
    for (let looked = 0; looked <= this.#order.length; looked++) {
      if (this.#next >= this.#order.length) this.#wrap();
      const name = this.#order[this.#next++];
      const member = name === undefined ? undefined : this.#ctx.table.get(name);
      if (member !== undefined && this.#wants(member)) return member;
    }
    return null;
  }

  #wants(member: Member): boolean {
    if (!isLive(member.state) || this.#watch.watches(member.name)) return false;
    const { now, profile, awareness } = this.#ctx;
    // Foreign agents are not asked more often than they are used to, however fast our own profile is.
    return !isForeign(member) || now - member.probedAt >= 0.9 * awareness.scale(profile.foreign.probeIntervalMs);
  }

  #wrap(): void {
    this.#forgetTheLongGone();
    this.#order = this.#ctx.pick(Number.POSITIVE_INFINITY, (m) => !m.self).map((m) => m.name);
    for (let i = this.#order.length - 1; i > 0; i--) {
      const j = this.#ctx.randomIndex(i + 1);
      const swapped = this.#order[i]!;
      this.#order[i] = this.#order[j]!;
      this.#order[j] = swapped;
    }
    this.#listed = new Set(this.#order);
    this.#next = 0;
  }

  /** Departed members and dead foreign ones go after a while. Dead vipd members stay: they are tried again for ever. */
  #forgetTheLongGone(): void {
    const { now, profile, table } = this.#ctx;
    for (const member of [...table.all()]) {
      if (isLive(member.state) || (member.state === "dead" && !isForeign(member))) continue;
      if (now - member.since >= profile.gossipToTheDeadMs) this.#verdicts.forget(member, `${member.state} for long`);
    }
  }

  #probe(member: Member, score: number): void {
    const { now, self, profile } = this.#ctx;
    const times = isForeign(member) ? profile.foreign : profile;
    const expiresAt = now + times.probeIntervalMs * (score + 1);
    const { name: node, address: endpoint } = member;
    const question = this.#questions.ask({ purpose: "probe", node, endpoint, expiresAt });
    member.probedAt = now;
    const source = { address: self.address, name: self.name };
    const messages: Message[] = [{ kind: "ping", seqNo: question.seqNo, node, source }];
    const accusation = accusationOf(member, self.name);
    if (accusation !== null) messages.push(accusation);
    this.#ctx.counters.pings += 1;
    this.#ctx.send(endpoint, messages);
    question.dueAt = now + Math.min(times.probeTimeoutMs, times.probeIntervalMs);
    this.#ctx.arm({ kind: "probe-timeout", seqNo: question.seqNo }, question.dueAt);
  }

  /** Missing nacks tell that the fault may be ours; without any expected, one point goes against us. */
  #fail(question: Question, member: Member): void {
    this.#questions.close(question);
    // It moved meanwhile: that its former place is silent says nothing of it, nor of us.
    if (!sameEndpoint(question.endpoint, member.address)) return;
    const { nacksExpected, nacks } = question;
    this.#ctx.awareness.apply(nacksExpected > 0 ? nacksExpected - nacks : 1);
    this.#ctx.counters.probesFailed += 1;
    if (member.state === "suspect") {
      const { incarnation, name: node } = member;
      this.#verdicts.suspect({ kind: "suspect", incarnation, node, from: this.#ctx.self.name }, null);
    } else if (Math.max(member.lastHeardAt, member.assuredAt) < question.sentAt) {
      // Whoever came back or refuted since was silent in what is over.
      this.#verdicts.accuse(member);
    }
  }

  #arm(afterMs: Millis): void {
    this.#round += 1;
    this.#ctx.arm({ kind: "probe", round: this.#round }, this.#ctx.now + afterMs);
  }
}
