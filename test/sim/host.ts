/**
 * A simulated host: the real Group, its clock, its event loop, its timers, and the native side. Purpose: hand inputs in and
 * do the outputs' deeds as the daemon's engine does, also when the loop is slow or stands still, when the process is stopped,
 * and when the whole machine is paused. Boundary: one life of a daemon; a restart is another Host at the same address.
 */
import type { Group } from "../../src/domain/group/group.js";
import type { GroupInput, GroupOutput, GroupSettings, GroupTimer, Renewal } from "../../src/domain/group/types.js";
import type { Endpoint, Message, PushPull } from "../../src/domain/messages.js";
import { formatEndpoint } from "../../src/domain/messages.js";
import { Native } from "./native.js";
import type { World } from "./world.js";

/** What a socket buffer holds while its host stands still. */
const SOCKET_BUFFER = 2000;
/** The daemon's bounds for a stop (daemon.ts). */
const HAND_OVER_MAX_MS = 5000;
const GOODBYE_MAX_MS = 500;

export interface HostOptions {
  readonly name: string;
  readonly address: Endpoint;
  readonly mac: string;
  readonly instance: number;
  readonly settings: GroupSettings;
  /** What CLOCK_BOOTTIME says more (or less) than the world's time. */
  readonly clockOffsetMs: number;
}

export class Host {
  readonly name: string;
  readonly address: Endpoint;
  readonly mac: string;
  readonly instance: number;
  readonly startedAt: number;
  readonly native: Native;
  readonly group: Group;
  readonly #world: World;
  #clockOffsetMs: number;
  settings: GroupSettings;
  up = true;
  /** A stop is under way. */
  leaving = false;
  link = true;
  /** Each turn of the loop waits up to so long. */
  slowMs = 0;
  /** The loop stands still, while the native thread goes on. */
  #stalledUntil = 0;
  /** Nothing of the process runs. */
  #stoppedUntil = 0;
  /** The clock stands still as well. */
  #pausedSince: number | null = null;
  /** When the loop, the process or the machine last stood still or was slow; when the clock last did. */
  #troubledAt = Number.NEGATIVE_INFINITY;
  /** The last turn, in the host's own time. */
  #turnedAt = Number.NEGATIVE_INFINITY;
  /** The same in the world's time. */
  #turnAt = Number.NEGATIVE_INFINITY;
  #pausedAt = Number.NEGATIVE_INFINITY;
  /** How long the clock stood still then. */
  pausedMs = 0;
  /** When it woke from a gap longer than its lease, and when an exchange of state ended last, well or not. */
  gapEndedAt = Number.NEGATIVE_INFINITY;
  /** Of the time that peers have to answer after a gap, what had passed already when the next one came. */
  catchUpSpentMs = 0;
  /** When it last woke from a gap that was shorter than its lease. */
  goesOnAt = Number.NEGATIVE_INFINITY;
  exchangedAt = Number.NEGATIVE_INFINITY;
  /** The lease that the group gave last, or to which it was extended since, in the host's own time. */
  leaseUntil = Number.NEGATIVE_INFINITY;
  #renewal: Renewal | null = null;
  /** Which word of the group the extension goes by: a newer one voids what is under way. */
  #renewals = 0;
  /** For the cost table. */
  sent = { datagrams: 0, bytes: 0 };
  #queue: GroupInput[] = [];
  #overdue: GroupInput[] = [];
  #pumping = false;

  constructor(world: World, options: HostOptions, makeGroup: (host: Host) => Group) {
    this.#world = world;
    this.name = options.name;
    this.address = options.address;
    this.mac = options.mac;
    this.instance = options.instance;
    this.settings = options.settings;
    this.startedAt = world.now;
    this.#clockOffsetMs = options.clockOffsetMs;
    this.native = new Native(world, this);
    this.group = makeGroup(this);
  }

  // ------------------------------------------------------------ time

  /** CLOCK_BOOTTIME of this host. */
  clock(): number {
    return (this.#pausedSince ?? this.#world.now) + this.#clockOffsetMs;
  }

  get stopped(): boolean {
    return this.#world.now < this.#stoppedUntil;
  }

  /** Neither the process nor its loop stands still. */
  get turning(): boolean {
    return !this.stopped && this.#world.now >= this.#stalledUntil;
  }

  /** Until when nothing of the process ran, or will. */
  get stoodUntil(): number {
    return this.#stoppedUntil;
  }

  get wakesAt(): number {
    return Math.max(this.#stoppedUntil, this.#stalledUntil);
  }

  /** Ms since the loop was last disturbed. */
  get steadyMs(): number {
    return this.slowMs > 0 || !this.turning ? 0 : this.#world.now - this.#troubledAt;
  }

  /** Ms since the clock last stood still. */
  get punctualMs(): number {
    return this.#pausedSince !== null ? 0 : this.#world.now - this.#pausedAt;
  }

  /** Does it in so many ms of the host's own time, if this life goes on then. */
  later(ms: number, deed: () => void): void {
    this.#atClock(this.clock() + Math.max(0, ms), deed);
  }

  #atClock(at: number, deed: () => void): void {
    this.#world.agenda.after(at - this.clock(), () => {
      if (!this.up) return;
      if (this.stopped) this.#world.agenda.at(this.#stoppedUntil, () => this.#atClock(at, deed));
      else if (this.clock() < at - 1e-6) this.#atClock(at, deed);
      else deed();
    });
  }

  // ------------------------------------------------------------ what happens to it

  start(): void {
    this.input({ kind: "link", link: this.#linkFacts() });
    this.input({ kind: "start" });
  }

  crash(): void {
    this.up = false;
  }

  stall(ms: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.#world.now + ms);
    this.#world.agenda.at(this.#stalledUntil, () => this.#resume());
  }

  /** SIGSTOP, or a machine in suspend: CLOCK_BOOTTIME goes on. */
  stop(ms: number): void {
    this.#stoppedUntil = Math.max(this.#stoppedUntil, this.#world.now + ms);
    this.#world.agenda.at(this.#stoppedUntil, () => this.#resume());
  }

  /** A virtual machine paused by its hypervisor: its clock does not know. */
  pause(ms: number): void {
    this.stop(ms);
    this.#pausedSince ??= this.#world.now;
  }

  setSlow(ms: number): void {
    this.#troubledAt = this.#world.now;
    this.slowMs = ms;
  }

  setLink(up: boolean): void {
    if (this.link === up) return;
    this.link = up;
    this.#world.segment.changed();
    this.later(0.5, () => this.input({ kind: "link", link: this.#linkFacts() }));
  }

  reconfigure(settings: GroupSettings): void {
    this.settings = settings;
    this.input({ kind: "reconfigure", settings });
  }

  /** As the daemon stops: hand over, bounded; say goodbye, bounded; go. */
  leave(): void {
    if (this.leaving) return;
    this.leaving = true;
    this.input({ kind: "stop" });
    this.#awaitHandOver(this.clock() + HAND_OVER_MAX_MS);
  }

  #awaitHandOver(deadline: number): void {
    this.later(20, () => {
      if (this.turning && this.#queue.length === 0 && (this.group.pending() === 0 || this.clock() >= deadline)) {
        this.input({ kind: "leave" });
        this.later(GOODBYE_MAX_MS, () => this.crash());
      } else this.#awaitHandOver(deadline);
    });
  }

  #linkFacts() {
    return { name: "eth0", mac: this.mac, up: true, carrier: this.link };
  }

  /** A quorum's answers may end the lease before the gap is as long as a lease: that alone asks for no exchange. */
  #gapped(): boolean {
    const { leaseMs } = this.#world.profileOf(this.name);
    const now = this.clock();
    return now >= this.leaseUntil && (!this.settings.quorum || now >= this.#turnedAt + leaseMs);
  }

  #resume(): void {
    if (!this.up || this.stopped) return;
    if (this.#pausedSince !== null) {
      this.pausedMs = this.#world.now - this.#pausedSince;
      this.#clockOffsetMs -= this.pausedMs;
      this.#pausedSince = null;
      this.#pausedAt = this.#world.now;
    }
    this.#troubledAt = this.#world.now;
    if (this.#gapped()) this.#gapEnds();
    else this.goesOnAt = this.#world.now;
    this.native.resume();
    this.#pump();
  }

  #gapEnds(): void {
    const stillAsking = this.leaseUntil === Number.NEGATIVE_INFINITY && this.exchangedAt < this.gapEndedAt;
    this.catchUpSpentMs = stillAsking ? this.catchUpSpentMs + this.#turnAt - this.gapEndedAt : 0;
    this.gapEndedAt = this.#world.now;
  }

  // ------------------------------------------------------------ the event loop

  pushPull(join: boolean): PushPull {
    return this.group.pushPull(join);
  }

  datagram(from: Endpoint, messages: readonly Message[]): void {
    if (this.#queue.length < SOCKET_BUFFER) this.input({ kind: "datagram", from, messages });
  }

  input(input: GroupInput): void {
    if (!this.up) return;
    if (this.turning && this.slowMs === 0 && !this.#pumping && this.#queue.length === 0) this.#turn(input);
    else {
      (input.kind === "timer" ? this.#overdue : this.#queue).push(input);
      this.#pump();
    }
  }

  #pump(): void {
    if (this.#pumping || !this.turning || this.#queue.length + this.#overdue.length === 0) return;
    this.#pumping = true;
    this.#world.agenda.after(this.slowMs > 0 ? this.#world.random() * this.slowMs : 0, () => {
      this.#pumping = false;
      if (this.up && this.turning) this.#drain();
    });
  }

  /** What has piled up, in the order of libuv's phases: which one comes first depends on where the loop stood. */
  #drain(): void {
    const timers = this.#overdue.splice(0);
    const rest = this.#queue.splice(0);
    const all = this.#world.random() < 0.5 ? [...timers, ...eventsFirst(rest)] : [...eventsFirst(rest), ...timers];
    for (const input of all) this.#turn(input);
  }

  #turn(input: GroupInput): void {
    if (!this.up) return;
    if (input.kind === "exchanged" || input.kind === "exchange-failed") this.exchangedAt = this.#world.now;
    this.#turnedAt = this.clock();
    this.#turnAt = this.#world.now;
    this.group.renewed(this.leaseUntil);
    for (const output of this.group.handle(input, this.clock())) this.#perform(output);
    this.#world.turned(this);
  }

  /** Once what is queued has been handled. */
  #drainQueue(): void {
    this.later(0.02, () => {
      if (this.#queue.length === 0 && this.turning) this.input({ kind: "queue-drained" });
      else this.#queue.push({ kind: "queue-drained" });
      this.#pump();
    });
  }

  #arm(timer: GroupTimer, at: number): void {
    // Timers of the daemon are up to half a millisecond early and a little late.
    const jitter = this.#world.between(-0.5, 1.2);
    this.#atClock(Math.max(this.clock(), at + jitter), () => {
      // The daemon's timers do not wake it for what was put off meanwhile.
      const dueAt = this.group.dueAt(timer, at);
      if (dueAt <= at) this.input({ kind: "timer", timer });
      else if (dueAt < Number.POSITIVE_INFINITY) this.#arm(timer, dueAt);
    });
  }

  #lease({ until, renewal }: Extract<GroupOutput, { kind: "lease" }>): void {
    this.leaseUntil = until;
    this.native.lease(until);
    this.#renewal = renewal;
    this.#renewals += 1;
    if (renewal !== null) this.#renewIn(until - renewal.byMs + renewal.everyMs - this.clock(), this.#renewals);
  }

  /** As the addon does on the event loop, without a turn (native/src/addon/lease_keeper.cc). */
  #renewIn(ms: number, round: number): void {
    const lateMs = this.slowMs > 0 ? this.#world.random() * this.slowMs : 0;
    this.later(ms + lateMs, () => {
      if (this.turning) this.#renew(round);
      else this.#world.agenda.at(this.wakesAt, () => this.#wakeToRenew(round));
    });
  }

  /** It may come before all that has piled up, or after it. */
  #wakeToRenew(round: number): void {
    if (this.up && this.turning && this.#world.random() < 0.5) this.#renew(round);
    else this.#renewIn(0, round);
  }

  #renew(round: number): void {
    const now = this.clock();
    if (this.#renewal === null || round !== this.#renewals) return;
    if (now >= this.#renewal.endsAt || now >= this.leaseUntil) {
      this.#renewal = null;
      this.input({ kind: "wake" });
      return;
    }
    this.leaseUntil = now + this.#renewal.byMs;
    this.native.lease(this.leaseUntil);
    this.#renewIn(this.#renewal.everyMs, this.#renewals);
  }

  #perform(output: GroupOutput): void {
    const world = this.#world;
    switch (output.kind) {
      case "send":
        world.datagram(this, output.to, output.messages);
        return;
      case "arm":
        this.#arm(output.timer, output.at);
        return;
      case "exchange":
        world.exchange(this, output.with, output.join);
        return;
      case "stream-ping":
        world.streamPing(this, output);
        return;
      case "lease":
        this.#lease(output);
        return;
      case "own":
        this.native.own(output.intents);
        return;
      case "silence":
        this.native.silence(output.at);
        return;
      case "announce":
        this.native.announce(output.addresses, output.roundsMs);
        return;
      case "ask":
        this.native.ask(output.id, output.addresses, output.timeoutMs);
        return;
      case "hold":
        this.native.hold(output.addresses);
        return;
      case "drop":
        this.native.drop(output.addresses);
        return;
      case "watch":
        this.native.watch(output.at.map(({ address }) => address));
        return;
      case "unwatch":
        this.native.unwatch(output.at.map(({ address }) => address));
        return;
      case "drain-queue":
        this.#drainQueue();
        return;
      case "event":
        world.noteEvent(this, output.event);
        return;
      case "left":
        world.note(`${this.name} has left`);
        this.crash();
        return;
    }
  }

  toString(): string {
    return `${this.name}@${formatEndpoint(this.address)}`;
  }
}

/** What the native threads had to tell comes in one batch, and what they heard before what they were asked for (adapters/native.ts). */
function eventsFirst(queue: readonly GroupInput[]): readonly GroupInput[] {
  const heard = queue.findLastIndex((input) => input.kind === "claim-heard") + 1;
  const completes = (input: GroupInput) => input.kind === "asked" || input.kind === "held";
  const early = queue.slice(0, heard);
  return [...early.filter((input) => !completes(input)), ...early.filter(completes), ...queue.slice(heard)];
}
