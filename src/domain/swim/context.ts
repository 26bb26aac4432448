/**
 * What all parts of the membership core share within a turn: the instant, the outputs so far, the member table, the
 * broadcast queue, chance, counters. Purpose: the one place where datagrams are composed within the packet budget.
 * Boundary: no protocol decisions here.
 */
import type { Endpoint, Message, Millis } from "../messages.js";
import { VIPD_VSN } from "../messages.js";
import type { Profile } from "../profile.js";
import { Awareness } from "./awareness.js";
import { BroadcastQueue, COMPOUND_BYTES, PART_OVERHEAD_BYTES, PARTS_MAX, retransmits } from "./broadcasts.js";
import { Lateness } from "./lateness.js";
import { isForeign, isLive, type Member, MemberTable } from "./members.js";
import type { MemberChange, SwimDrop, SwimEvent, SwimLimits, SwimOptions, SwimOutput, SwimTimer } from "./types.js";

export const LIMITS: SwimLimits = { members: 1024, broadcasts: 2048, pendingProbes: 4096 };

/** Above so many members the rest hears by gossip: what is said "straight to all" stays bounded. */
export const STRAIGHT_MAX = 128;

export interface SwimCounters {
  pings: number;
  indirectPings: number;
  relayedPings: number;
  acks: number;
  streamPings: number;
  exchanges: number;
  suspicions: number;
  verdicts: number;
  refutations: number;
  watchesExcused: number;
  probesFailed: number;
}

export class Context {
  readonly options: SwimOptions;
  readonly profile: Profile;
  readonly limits: SwimLimits;
  readonly table: MemberTable;
  readonly queue: BroadcastQueue;
  readonly awareness: Awareness;
  readonly lateness: Lateness;
  /** How long answers take on average, whoever gives them; null: nobody has answered yet. */
  rttMs: number | null = null;
  readonly counters: SwimCounters = {
    pings: 0,
    indirectPings: 0,
    relayedPings: 0,
    acks: 0,
    streamPings: 0,
    exchanges: 0,
    suspicions: 0,
    verdicts: 0,
    refutations: 0,
    watchesExcused: 0,
    probesFailed: 0,
  };
  readonly dropped = new Map<SwimDrop, number>();
  /** Members whose state, kind or place changed in this turn: the watch and the reconnects look at these afterwards. */
  readonly touched = new Set<string>();
  /** Members whose name somebody else claims: they are probed at once, for they may be gone. */
  readonly doubted = new Set<string>();
  now: Millis;
  leaving = false;
  /** Something urgent was queued in this turn: the gossip goes out at once, not at the next tick. */
  gossipAtOnce = false;
  #out: SwimOutput[] = [];

  constructor(options: SwimOptions, now: Millis) {
    this.options = options;
    this.profile = options.profile;
    this.limits = { ...LIMITS, ...options.limits };
    this.now = now;
    this.queue = new BroadcastQueue(this.limits.broadcasts);
    this.awareness = new Awareness(options.profile.awarenessMaxMultiplier);
    this.lateness = new Lateness(options.profile.deadAfterMs);
    this.table = new MemberTable({
      name: options.name,
      address: options.address,
      meta: options.meta,
      vsn: VIPD_VSN,
      incarnation: 1,
      now,
    });
  }

  get self(): Member {
    return this.table.self;
  }

  takeOutputs(): SwimOutput[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  arm(timer: SwimTimer, at: Millis): void {
    this.#out.push({ kind: "arm", timer, at });
  }

  output(output: SwimOutput): void {
    this.#out.push(output);
  }

  event(event: SwimEvent): void {
    this.#out.push({ kind: "event", event });
  }

  /** It hears us: it answered, itself and directly, or asks us without holding anything against us, or state was exchanged. */
  met(member: Member): void {
    if (!member.unmet) return;
    member.unmet = false;
    this.table.changed(member);
    this.event({ kind: "met", member: member.name });
  }

  changed(member: Member, change: MemberChange, reason: string): void {
    this.touched.add(member.name);
    this.event({ kind: "member", change, member: this.table.view(member), reason });
  }

  drop(reason: SwimDrop): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1);
    this.event({ kind: "dropped", reason });
  }

  /** A period of the profile, longer by as much as this host is late: who is behind does less, not the same later. */
  period(ms: Millis): Millis {
    return ms + this.lateness.patienceMs(this.now);
  }

  // ------------------------------------------------------------ saying things

  /** One datagram (more if the messages do not fit one), the rest of its room filled with what is to be spread. */
  send(to: Endpoint, messages: readonly Message[]): void {
    // At rest this is every datagram, and to measure it means to encode it once more.
    if (messages.length === 1 && this.queue.size === 0) {
      this.#out.push({ kind: "send", to, messages });
      return;
    }
    let parts: Message[] = [];
    let room = this.options.packetBudget - COMPOUND_BYTES;
    for (const message of messages) {
      const bytes = this.options.measure(message) + PART_OVERHEAD_BYTES;
      if (parts.length > 0 && (bytes > room || parts.length >= PARTS_MAX)) {
        this.#out.push({ kind: "send", to, messages: parts });
        parts = [];
        room = this.options.packetBudget - COMPOUND_BYTES;
      }
      parts.push(message);
      room -= bytes;
    }
    parts.push(...this.#piggyback(to, room, PARTS_MAX - parts.length));
    if (parts.length > 0) this.#out.push({ kind: "send", to, messages: parts });
  }

  /** A datagram of what is to be spread only. False: there is nothing. */
  gossip(to: Endpoint): boolean {
    const parts = this.#piggyback(to, this.options.packetBudget - COMPOUND_BYTES, PARTS_MAX);
    if (parts.length === 0) return false;
    this.#out.push({ kind: "send", to, messages: parts });
    return true;
  }

  fits(message: Message): boolean {
    return this.options.measure(message) + PART_OVERHEAD_BYTES + COMPOUND_BYTES <= this.options.packetBudget;
  }

  /** Straight to the vipd members that live, at most STRAIGHT_MAX of them by lot. */
  sayToAll(message: Message, except: string | null = null): void {
    const chosen = this.pick(
      STRAIGHT_MAX,
      (member) => !member.self && member.name !== except && isLive(member.state) && !isForeign(member),
    );
    for (const member of chosen) this.send(member.address, [message]);
  }

  spread(subject: string, message: Message): void {
    if (!this.fits(message) || !this.queue.put(subject, message, this.options.measure(message))) {
      this.drop("broadcast-queue-full");
    }
  }

  spreadMember(name: string, message: Message): void {
    this.spread(`member ${name}`, message);
  }

  #piggyback(to: Endpoint, room: number, parts: number): Message[] {
    if (this.queue.size === 0) return [];
    const target = this.table.at(to);
    const { live } = this.table;
    // What is said straight to all needs gossip only for whom that did not reach.
    const times = retransmits(this.profile.retransmitMult, live <= STRAIGHT_MAX ? 1 : live);
    // Serf's agents take type 8 for their own words: ours are not for them.
    return this.queue.take(room, parts, times, target === undefined || !isForeign(target));
  }

  // ------------------------------------------------------------ chance

  random(): number {
    return this.options.random();
  }

  /** 0 <= result < n. */
  randomIndex(n: number): number {
    return Math.min(n - 1, Math.floor(this.options.random() * n));
  }

  /** Up to `count` members by lot among those that qualify. */
  pick(count: number, qualifies: (member: Member) => boolean): Member[] {
    const candidates: Member[] = [];
    for (const member of this.table.all()) if (qualifies(member)) candidates.push(member);
    if (candidates.length <= count) return candidates;
    for (let i = 0; i < count; i++) {
      const j = i + this.randomIndex(candidates.length - i);
      const swapped = candidates[i]!;
      candidates[i] = candidates[j]!;
      candidates[j] = swapped;
    }
    return candidates.slice(0, count);
  }
}
