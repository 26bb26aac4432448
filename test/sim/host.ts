/**
 * A simulated host: its driven core, its timers, its socket. Purpose: deliver inputs and do the outputs' deeds as the
 * daemon does, also when it is frozen, slow, crashed or starts again. The clock is BOOTTIME: it goes on while frozen.
 */
import type { Endpoint, Message, PushPull } from "../../src/domain/messages.js";
import { formatEndpoint } from "../../src/domain/messages.js";
import type { MemberView, SwimEvent, SwimInput, SwimOutput } from "../../src/domain/swim/index.js";
import type { Driven } from "./driven.js";
import type { World } from "./world.js";

/** What a socket buffer holds while its host is frozen. */
const SOCKET_BUFFER = 2000;
/** The daemon tells its core of a gap longer than the lease. */
const GAP_MS = 450;

export interface HostOptions {
  readonly name: string;
  readonly address: Endpoint;
  readonly instance: number;
  readonly seeds: readonly Endpoint[];
}

export class Host {
  readonly name: string;
  readonly address: Endpoint;
  readonly instance: number;
  readonly seeds: readonly Endpoint[];
  readonly #world: World;
  readonly #core: Driven;
  readonly #startedAt: number;
  up = true;
  /** Graceful leave is under way or done. */
  left = false;
  frozenUntil = 0;
  /** Each input waits this long in a slow host. */
  slowMs = 0;
  /** Datagrams sent, for the cost table. */
  sent = 0;
  #backlog: SwimInput[] = [];
  #timers: SwimInput[] = [];
  #lastTurnAt: number;

  constructor(world: World, core: Driven, options: HostOptions) {
    this.#world = world;
    this.#core = core;
    this.name = options.name;
    this.address = options.address;
    this.instance = options.instance;
    this.seeds = options.seeds;
    this.#startedAt = world.now;
    this.#lastTurnAt = world.now;
  }

  get startedAt(): number {
    return this.#startedAt;
  }

  get frozen(): boolean {
    return this.#world.now < this.frozenUntil;
  }

  members(): readonly MemberView[] {
    return this.#core.members();
  }

  bounds(): ReturnType<Driven["bounds"]> {
    return this.#core.bounds();
  }

  pushPull(join: boolean): PushPull {
    return this.#core.pushPull(join);
  }

  start(): void {
    this.input({ kind: "start" });
  }

  leave(): void {
    this.left = true;
    this.input({ kind: "leave" });
  }

  crash(): void {
    this.up = false;
  }

  freeze(ms: number): void {
    this.frozenUntil = this.#world.now + ms;
    this.#world.agenda.at(this.frozenUntil, () => this.#thaw());
  }

  datagram(from: Endpoint, messages: readonly Message[]): void {
    this.input({ kind: "datagram", from, messages });
  }

  input(input: SwimInput): void {
    if (!this.up) return;
    if (this.frozen) {
      if (input.kind === "timer") this.#timers.push(input);
      else if (this.#backlog.length < SOCKET_BUFFER) this.#backlog.push(input);
      return;
    }
    if (this.slowMs > 0) this.#world.agenda.after(this.#world.random() * this.slowMs, () => this.#turn(input));
    else this.#turn(input);
  }

  /** Queued input is handled before overdue timers, and after a gap timers start anew (law 2). */
  #thaw(): void {
    if (!this.up || this.frozen) return;
    const backlog = this.#backlog;
    const timers = this.#timers;
    this.#backlog = [];
    this.#timers = [];
    const gapMs = this.#world.now - this.#lastTurnAt;
    for (const input of backlog) this.#turn(input);
    if (gapMs > GAP_MS) this.#turn({ kind: "thawed" });
    for (const input of timers) this.#turn(input);
  }

  #turn(input: SwimInput): void {
    if (!this.up) return;
    if (this.frozen) {
      this.input(input);
      return;
    }
    this.#lastTurnAt = this.#world.now;
    for (const output of this.#core.handle(input, this.#world.now)) this.#do(output);
    this.#world.check(this);
  }

  #do(output: SwimOutput): void {
    const { agenda } = this.#world;
    switch (output.kind) {
      case "send":
        this.sent += 1;
        this.#world.datagram(this, output.to, output.messages);
        return;
      case "arm": {
        const input: SwimInput = { kind: "timer", timer: output.timer };
        agenda.at(output.at, () => this.input(input));
        return;
      }
      case "exchange":
        this.#world.exchange(this, output.with, output.join);
        return;
      case "stream-ping":
        this.#world.streamPing(this, output);
        return;
      case "event":
        this.#event(output.event);
        return;
    }
  }

  #event(event: SwimEvent): void {
    if (event.kind === "left") {
      this.up = false;
      this.#world.note(`${this.name} has left`);
    }
    if (event.kind === "member") {
      const { member, change, reason } = event;
      this.#world.note(`${this.name}@${formatEndpoint(this.address)}: ${member.name} ${change} (${reason})`);
    } else if (event.kind !== "dropped" && event.kind !== "ack-payload") {
      this.#world.note(`${this.name}@${formatEndpoint(this.address)}: ${event.kind} ${JSON.stringify(event)}`);
    }
    this.#world.onEvent(this, event);
  }
}
