/**
 * The watch: this host probes the few members that it ranks high for, directly and often, and judges them by their
 * silence. Purpose: detection that does not depend on luck. Boundary: never slowed by Lifeguard; time in which we ourselves
 * were late or frozen is not counted as anybody's silence, and whoever was late is more patient for a while.
 */
import type { Message, Millis } from "../messages.js";
import { WATCH_PATIENCE, WATCH_SPARED } from "../timing.js";
import type { Context } from "./context.js";
import { stillTalks } from "./ears.js";
import { accusationOf, isForeign, isLive, type Member } from "./members.js";
import { QUESTION_EXPIRY_MS, type Questions } from "./pending.js";
import { WatchRanks } from "./rank.js";
import { askHelpers } from "./relay.js";
import type { Verdicts } from "./verdicts.js";

/** Of a member whose answers are slow, the next one may take so many times as long as they take on average. */
const RTTS = 3;
/** In watch intervals: whoever passes for slow is asked this often though it asks us, lest it pass for slow for ever. */
const SLOW_ASKED_EVERY = 4;
/** In watch intervals: what was asked so recently belongs to the wave that is going on; a question so soon is no regular one. */
const SAME_WAVE = 0.75;
/** In watch intervals: whoever asked us within this asks us in each interval. */
const REGULAR = 1.5;
/** In watch intervals: who goes with another's wave asks by itself once that one is so late. Less than WATCH_PATIENCE. */
const WAVE_LATE = 1.05;
/** In shorter intervals a host hardly sleeps in between, and hosts that share a machine's cores would all want them at once. */
const WAVES_FROM_MS = 50;

interface Watch {
  readonly name: string;
  round: number;
  /** Silence is measured from here or from the last sign of life, whichever is later. */
  floorAt: Millis;
  dueAt: Millis;
  pingAt: Millis;
  /** When the regular question went out last. */
  sentAt: Millis;
  /** The first ping of this silence; null while the last one was answered. */
  askedAt: Millis | null;
  streamAsked: boolean;
}

export class WatchDuty {
  readonly #ctx: Context;
  readonly #questions: Questions;
  readonly #verdicts: Verdicts;
  readonly #ranks: WatchRanks;
  readonly #watches = new Map<string, Watch>();
  #rounds = 0;
  /** With whose questions ours go out, and when it asked last. */
  #pace: { readonly name: string; readonly at: Millis } | null = null;

  constructor(ctx: Context, questions: Questions, verdicts: Verdicts) {
    this.#ctx = ctx;
    this.#questions = questions;
    this.#verdicts = verdicts;
    this.#ranks = new WatchRanks(ctx.options.name);
  }

  get size(): number {
    return this.#watches.size;
  }

  watches(name: string): boolean {
    return this.#watches.has(name);
  }

  /** After a turn that touched these members: who is ours to watch now? */
  settle(touched: ReadonlySet<string>): void {
    let reranked = false;
    for (const name of touched) {
      const member = this.#ctx.table.get(name);
      const ours = member !== undefined && !member.self && !isForeign(member);
      const ranksChanged = this.#ranks.setWatcher(name, ours && member.state === "alive");
      const watchedChanged = this.#ranks.setWatched(name, ours && isLive(member.state));
      reranked ||= ranksChanged || watchedChanged;
      // Whoever is suspected, or does not hear us, is asked at once, whatever the watch's own rhythm is.
      if (member?.state === "suspect" || member?.deaf) this.#hasten(name);
    }
    if (reranked) this.#assign();
  }

  stop(): void {
    this.#watches.clear();
  }

  thawed(): void {
    const { now, profile, lateness } = this.#ctx;
    for (const watch of this.#watches.values()) {
      // A long freeze tells no more about the time to come than a gap that starvation makes.
      lateness.note(Math.min(now - watch.dueAt, profile.deadAfterMs), now);
      this.#begin(watch);
    }
  }

  fired(name: string, round: number): void {
    const watch = this.#watches.get(name);
    const member = this.#ctx.table.get(name);
    if (watch === undefined || member === undefined || watch.round !== round) return;
    this.#excuseLateness(watch, member);
    const { now } = this.#ctx;
    const silentSince = this.#silentSince(watch, member);
    const { timeoutMs, suspectMs, deadMs } = this.#patience(member);
    // Sums, not differences: timers are armed at these very sums, and fractions must not make them look early.
    if (now >= silentSince + deadMs && !stillTalks(this.#ctx, member)) {
      const sign = member.deaf ? "it asks, but does not hear: no answer" : "no sign of life";
      this.#verdicts.pronounce(member, `${sign} for ${Math.round(now - silentSince)} ms`);
      return;
    }
    if (now >= silentSince + suspectMs && member.state === "alive") this.#verdicts.accuse(member);
    this.#takeAnswer(watch, silentSince);
    const unanswered = watch.askedAt !== null && now >= watch.askedAt + timeoutMs;
    if (unanswered || (member.state === "suspect" && watch.askedAt !== null)) this.#insist(watch, member);
    else if (now >= watch.pingAt && !this.#spares(watch, member)) {
      this.#ask(watch, member);
      this.#askTogether((other) => other.pingAt <= now + this.#ctx.profile.watchIntervalMs / 2);
    }
    this.#armAt(watch, this.#nextAt(watch, member));
  }

  /**
   * When this timer is of use by now: signs of life that came since it was armed have put it off, and mostly nothing but them
   * happens. What is asked for here counts as due then, so that lateness is measured from the right instant.
   */
  dueAt(name: string, round: number, at: Millis): Millis {
    const watch = this.#watches.get(name);
    const member = this.#ctx.table.get(name);
    if (watch === undefined || member === undefined || watch.round !== round) return Number.POSITIVE_INFINITY;
    // A timer that is overdue must fire, so that its lateness is seen.
    if (this.#ctx.now >= at) return at;
    this.#takeAnswer(watch, this.#silentSince(watch, member));
    // An answer that is awaited keeps its date.
    if (watch.askedAt !== null) return at;
    if (watch.pingAt <= at) this.#spares(watch, member, at);
    watch.dueAt = Math.max(at, this.#nextAt(watch, member));
    return watch.dueAt;
  }

  /**
   * This member asks us just now. The questions of a group go out in waves: a host that is woken by a question asks its own at once,
   * and wakes once for both. The first by name of those that ask it in each interval sets its pace.
   */
  questioned(member: Member): void {
    const { now, profile, self } = this.#ctx;
    if (profile.watchIntervalMs < WAVES_FROM_MS || member.state !== "alive" || member.deaf || isForeign(member)) return;
    // A retry, or a probe besides the watch.
    if (now < member.askedUsAt + SAME_WAVE * profile.watchIntervalMs) return;
    const lately = now - REGULAR * profile.watchIntervalMs;
    const regular = member.askedUsAt >= lately;
    member.askedUsAt = now;
    // Those before us by name: whom we would make ask in turn must not make us.
    if (!regular || member.name > self.name) return;
    const pace = this.#pace;
    if (pace !== null && pace.name < member.name && pace.at >= lately) return;
    this.#pace = { name: member.name, at: now };
    this.#askTogether((watch) => watch.sentAt < now - SAME_WAVE * profile.watchIntervalMs);
  }

  #takeAnswer(watch: Watch, silentSince: Millis): void {
    if (watch.askedAt === null || silentSince < watch.askedAt) return;
    watch.askedAt = null;
    watch.streamAsked = false;
  }

  #assign(): void {
    for (const name of this.#ranks.watched()) {
      const ours = this.#ranks.rank(name) < this.#ctx.profile.watchers;
      if (ours && !this.#watches.has(name)) {
        const nothing = { round: 0, floorAt: 0, dueAt: 0, pingAt: 0, askedAt: null, streamAsked: false };
        const watch: Watch = { name, sentAt: Number.NEGATIVE_INFINITY, ...nothing };
        this.#watches.set(name, watch);
        this.#begin(watch);
      } else if (!ours) {
        this.#watches.delete(name);
      }
    }
    for (const name of this.#watches.keys()) {
      if (this.#ranks.rank(name) === Number.POSITIVE_INFINITY) this.#watches.delete(name);
    }
  }

  /** A fresh measurement from now, at a random phase: the waves of a large group begin at different moments. */
  #begin(watch: Watch): void {
    const { now, profile } = this.#ctx;
    watch.floorAt = now;
    watch.askedAt = null;
    watch.streamAsked = false;
    watch.pingAt = now + this.#ctx.random() * profile.watchIntervalMs;
    this.#armAt(watch, watch.pingAt);
  }

  #hasten(name: string): void {
    const watch = this.#watches.get(name);
    if (watch === undefined || watch.askedAt !== null) return;
    const { now } = this.#ctx;
    watch.pingAt = now;
    this.#armAt(watch, now);
  }

  #silentSince(watch: Watch, member: Member): Millis {
    return Math.max(watch.floorAt, member.lastHeardAt, member.assuredAt, member.witnessedAt);
  }

  /** A timer that fires late by more than a retry means that we stood still: that time is nobody's silence. */
  #excuseLateness(watch: Watch, member: Member): void {
    const { now, profile } = this.#ctx;
    const lateMs = now - watch.dueAt;
    if (lateMs <= profile.watchRetryMs) return;
    watch.floorAt = Math.min(now, this.#silentSince(watch, member) + lateMs);
    this.#ctx.lateness.note(lateMs, now);
    this.#ctx.counters.watchesExcused += 1;
  }

  /**
   * What a missing answer is waited for, and a silence borne: the profile's, and longer where we were late ourselves, or its answers
   * have been taking so long that their absence tells nothing yet.
   */
  #patience(member: Member): { timeoutMs: Millis; retryMs: Millis; suspectMs: Millis; deadMs: Millis } {
    const { now, profile, lateness } = this.#ctx;
    const slow = this.#isSlow(member) ? Math.min(RTTS * this.#rttMs(member), lateness.mostMs) : 0;
    const more = Math.max(lateness.patienceMs(now), slow);
    return {
      timeoutMs: profile.watchTimeoutMs + Math.min(more, profile.watchIntervalMs),
      retryMs: profile.watchRetryMs + Math.min(more, profile.watchIntervalMs),
      suspectMs: profile.suspectAfterMs + more,
      deadMs: profile.deadAfterMs + more,
    };
  }

  /** Of a newcomer it is not known yet: then as long as others take. */
  #rttMs(member: Member): Millis {
    return member.rttMs ?? this.#ctx.rttMs ?? 0;
  }

  #isSlow(member: Member): boolean {
    return this.#rttMs(member) > this.#ctx.profile.watchTimeoutMs;
  }

  /**
   * Whoever talked to us just now need not be asked. Of two that watch each other one asks, and the other, the later by
   * name, is a little more patient: it hears a question in each interval, and never has to ask itself.
   */
  #spares(watch: Watch, member: Member, at = this.#ctx.now): boolean {
    const { profile, self } = this.#ctx;
    if (member.state !== "alive" || watch.askedAt !== null) return false;
    const patient = member.name < self.name;
    const { watchIntervalMs } = profile;
    if (this.#isSlow(member) && at >= watch.sentAt + SLOW_ASKED_EVERY * watchIntervalMs) return false;
    // Sums, not differences, as everywhere here: else a fraction could make this instant look early for ever.
    if (at >= member.lastHeardAt + watchIntervalMs * (patient ? WATCH_PATIENCE : WATCH_SPARED)) return false;
    watch.pingAt = member.lastHeardAt + watchIntervalMs * (patient ? WATCH_PATIENCE : 1);
    return true;
  }

  /** The regular question. */
  #ask(watch: Watch, member: Member): void {
    const { now, profile } = this.#ctx;
    this.#ping(member);
    watch.sentAt = now;
    watch.askedAt ??= now;
    const everyMs = profile.watchIntervalMs;
    // Our own rhythm is kept while we are in time.
    watch.pingAt = this.#follows() ? now + WAVE_LATE * everyMs : Math.max(watch.pingAt + everyMs, now + everyMs / 2);
  }

  #follows(): boolean {
    return this.#pace !== null && this.#pace.at >= this.#ctx.now - REGULAR * this.#ctx.profile.watchIntervalMs;
  }

  /** One wake-up for all questions: from then on all of them fall due together. */
  #askTogether(isWanted: (watch: Watch) => boolean): void {
    const { now, profile, self, table } = this.#ctx;
    for (const watch of this.#watches.values()) {
      const member = table.get(watch.name);
      // Whoever asks us is heard without being asked.
      if (member === undefined || member.state !== "alive" || member.name < self.name) continue;
      // Overdue: we stood still, and its timer must tell.
      if (now > watch.dueAt + profile.watchRetryMs) continue;
      this.#takeAnswer(watch, this.#silentSince(watch, member));
      if (watch.askedAt !== null || !isWanted(watch)) continue;
      watch.pingAt = now;
      this.#ask(watch, member);
      this.#armAt(watch, this.#nextAt(watch, member));
    }
  }

  /** No answer: directly again, through others, and once by TCP. */
  #insist(watch: Watch, member: Member): void {
    const { now, profile } = this.#ctx;
    const question = this.#ping(member);
    askHelpers(this.#ctx, this.#questions, question, { member, nack: false });
    if (!watch.streamAsked) {
      watch.streamAsked = true;
      const deadline = now + profile.deadAfterMs;
      const { seqNo } = question;
      this.#ctx.counters.streamPings += 1;
      this.#ctx.output({ kind: "stream-ping", to: member.address, seqNo, node: member.name, deadline });
    }
    watch.pingAt = now + profile.watchIntervalMs;
  }

  #ping(member: Member) {
    const { now, self } = this.#ctx;
    const { name: node, address: endpoint } = member;
    const expiresAt = now + QUESTION_EXPIRY_MS;
    const question = this.#questions.ask({ purpose: "watch", node, endpoint, expiresAt });
    const source = { address: self.address, name: self.name };
    const messages: Message[] = [{ kind: "ping", seqNo: question.seqNo, node, source }];
    const accusation = accusationOf(member, self.name);
    if (accusation !== null) messages.push(accusation);
    this.#ctx.counters.pings += 1;
    this.#ctx.send(endpoint, messages);
    return question;
  }

  /** The next instant at which something may be due: answer, retry, next ping, suspicion, verdict. */
  #nextAt(watch: Watch, member: Member): Millis {
    const { now } = this.#ctx;
    const { timeoutMs, retryMs, suspectMs, deadMs } = this.#patience(member);
    const silentSince = this.#silentSince(watch, member);
    let next = watch.pingAt;
    if (watch.askedAt !== null) {
      const timeoutAt = watch.askedAt + timeoutMs;
      next = timeoutAt > now ? timeoutAt : now + retryMs;
    }
    for (const threshold of [silentSince + suspectMs, silentSince + deadMs]) {
      if (threshold > now) next = Math.min(next, threshold);
    }
    return next;
  }

  #armAt(watch: Watch, at: Millis): void {
    watch.round = ++this.#rounds;
    watch.dueAt = at;
    this.#ctx.arm({ kind: "watch", member: watch.name, round: watch.round }, at);
  }
}
