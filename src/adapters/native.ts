/**
 * The addon, loaded and typed: one engine (responder, address holder, their lease) and two functions. Purpose: the only
 * file that knows how native code is found and what it offers. Boundary: no policy; responder.ts and address-holder.ts
 * put the ports on it. Never shares an object with the native threads: all is copied in and out.
 */
import { fileURLToPath } from "node:url";
import load from "node-gyp-build";
import type { AskAnswer, LinkState, OwnIntent, ResponderEvent, ResponderStats } from "../ports.js";
import type { Aead } from "../wire/index.js";

/** What an engine can be told beside its defaults. */
export interface EngineOptions {
  /** Frames a second and interface, announcements only. Default 5000. */
  readonly announcePerSecond?: number;
  /** One broadcast a MAC, against FDB ageing. Default 60 000. */
  readonly refreshMacMs?: number;
  /** Every owned VIP once in this time. Default 300 000. */
  readonly refreshVipMs?: number;
}

interface Completion {
  readonly id: number;
  /** "" when done, else `ERRNO: what`. */
  readonly error: string;
  readonly addresses: readonly string[];
  readonly answers: readonly AskAnswer[];
}

interface RawEngine {
  start(): number;
  setInterfaces(names: readonly string[]): void;
  links(names: readonly string[]): LinkState[];
  own(intents: readonly OwnIntent[]): void;
  release(places: readonly { readonly address: string; readonly interface: string }[]): void;
  watch(places: readonly { readonly address: string; readonly interface: string }[]): void;
  unwatch(places: readonly { readonly address: string; readonly interface: string }[]): void;
  announce(iface: string, addresses: readonly string[], roundsMs: readonly number[]): void;
  setAnnounceRate(framesPerSecond: number): void;
  setRefresh(macMs: number, vipMs: number): void;
  /** All but the first together: it is extended by `byMs` each `everyMs` on the event loop until `endsAt`. */
  lease(until: number, byMs?: number, everyMs?: number, endsAt?: number): void;
  leaseUntil(): number;
  /** `once`: one question an address instead of two or three. `source`: who asks. */
  ask(iface: string, addresses: readonly string[], timeoutMs: number, once?: boolean, source?: string): number;
  hold(addresses: readonly string[]): number;
  drop(addresses: readonly string[]): number;
  sweep(): number;
  stats(): ResponderStats;
  setReferenced(on: boolean): void;
  stop(): void;
}

/** An interface and its addresses, as netlink told at one instant. */
export interface NativeInterface extends LinkState {
  readonly masterName: string;
  readonly masterKind: string;
  readonly ethernet: boolean;
  readonly addresses: readonly { readonly address: string; readonly prefix: number; readonly ours: boolean }[];
}

/** A bound UDP socket. Its memory and lengths are a batch's only until the batch's handler returns. */
export interface RawDatagrams {
  /** Returns the port; throws the errno's name. */
  bind(host: string, port: number): number;
  /** Slots of `DATAGRAM_SLOT_BYTES`. */
  memory(): ArrayBuffer;
  /** Of datagram i: its bytes at 2 i, its sender's port at 2 i + 1. */
  lengths(): ArrayBuffer;
  /** The address of datagram i's sender, with a zone where it has one. */
  sender(i: number): string;
  /** Hands over what has arrived, now; returns how many. */
  receive(): number;
  /** undefined, or the errno's name. */
  send(bytes: Uint8Array, host: string, port: number): string | undefined;
  close(): void;
}

interface RawAlarm {
  /** At this CLOCK_BOOTTIME in ms; replaces the former. Infinity: never. */
  set(at: number): void;
  close(): void;
}

interface Addon {
  Aead: new (key: Uint8Array) => Aead;
  Datagrams: new (onBatch: (count: number, errors: number) => void) => RawDatagrams;
  Alarm: new (onDue: () => void) => RawAlarm;
  Engine: new (
    onBatch: (events: ResponderEvent[], completions: Completion[]) => void,
    options: EngineOptions,
  ) => RawEngine;
  now(): number;
  sdNotify(message: string): string;
  hostInterfaces(): NativeInterface[];
  keepNeighbours(hosts: readonly string[]): string;
  releaseNeighbours(kept: readonly string[]): string;
  realTime(): boolean;
  become(program: string, argv: readonly string[]): string;
  executeWithoutCapabilities(): string;
}

const addon = load(fileURLToPath(new URL("../../native/", import.meta.url))) as Addon;

/** CLOCK_BOOTTIME in ms, with fractions. */
export function bootTimeMs(): number {
  return addon.now();
}

/** One datagram to $NOTIFY_SOCKET (sd_notify(3)). Returns "" when sent, "ENOENT" where there is no service manager, else the errno. */
export function sdNotify(message: string): string {
  return addon.sdNotify(message);
}

/** Every interface of this network namespace with its addresses. Throws `ERRNO: …`. */
export function hostInterfaces(): readonly NativeInterface[] {
  return addon.hostInterfaces();
}

/** Kernel neighbour entries of these hosts that are never thrown out. Returns "", or the errno's name. */
export function keepNeighbours(hosts: readonly string[]): string {
  return addon.keepNeighbours(hosts);
}

/** What `keepNeighbours` kept, but for these, is ordinary again. Returns "", or the errno's name. */
export function releaseNeighbours(kept: readonly string[]): string {
  return addon.releaseNeighbours(kept);
}

/** Whether this process runs under SCHED_FIFO or SCHED_RR. */
export function isRealTime(): boolean {
  return addon.realTime();
}

/** execve(2): this process becomes another program, `argv[0]` its name. Returns only on failure, with the errno's name. */
export function become(program: string, argv: readonly string[]): string {
  return addon.become(program, argv);
}

/**
 * What this thread executes from now on has no capability and can get none; the process keeps its own. Returns "", or the
 * errno's name.
 */
export function executeWithoutCapabilities(): string {
  return addon.executeWithoutCapabilities();
}

/** UdpSocket::kBatch and kSlotBytes. */
export const DATAGRAM_SLOTS = 32;
export const DATAGRAM_SLOT_BYTES = 65_536;

export function newDatagrams(onBatch: (count: number, errors: number) => void): RawDatagrams {
  return new addon.Datagrams(onBatch);
}

/** AES-GCM by Node's own OpenSSL, in one call: node:crypto makes a stream for each datagram, which cost a tenth of a host at rest. */
export function newAead(key: Uint8Array): Aead {
  return new addon.Aead(key);
}

export function newAlarm(onDue: () => void): RawAlarm {
  return new addon.Alarm(onDue);
}

/** Node only warns of an exception in a native callback; a broken invariant upstairs must end the process. */
function guarded(handler: () => void): void {
  try {
    handler();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}

/** An engine with promises instead of completions. The two adapters of one daemon share one: they share its lease. */
export class NativeEngine {
  readonly raw: RawEngine;
  #onEvents: (events: readonly ResponderEvent[]) => void = () => {};
  readonly #waiting = new Map<number, { resolve(done: Completion): void; reject(error: Error): void }>();
  #held = false;
  #stopped = false;

  constructor(options: EngineOptions = {}) {
    this.raw = new addon.Engine((events, completions) => this.#deliver(events, completions), options);
  }

  onEvents(handler: (events: readonly ResponderEvent[]) => void): void {
    this.#onEvents = handler;
  }

  /** Waits for the completion of a request that `begin` starts. Rejects with the native error's text, `ERRNO: …`. */
  request(begin: (raw: RawEngine) => number): Promise<Completion> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(begin(this.raw), { resolve, reject });
      this.#reference();
    });
  }

  /** Whether the engine keeps the process alive although nothing is waited for: from start to stop. */
  keepAlive(on: boolean): void {
    this.#held = on;
    this.#reference();
  }

  /** Joins the threads. Whatever is still waited for is rejected. Idempotent. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.raw.stop();
    for (const waiter of this.#waiting.values()) waiter.reject(new Error("ECANCELED: the native engine stopped"));
    this.#waiting.clear();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  #deliver(events: readonly ResponderEvent[], completions: readonly Completion[]): void {
    // Completions first: an exception in the events' handler must not leave a promise waiting.
    for (const done of completions) {
      const waiter = this.#waiting.get(done.id);
      this.#waiting.delete(done.id);
      if (done.error === "") waiter?.resolve(done);
      else waiter?.reject(new Error(done.error));
    }
    this.#reference();
    if (events.length === 0) return;
    guarded(() => this.#onEvents(events));
  }

  #reference(): void {
    if (!this.#stopped) this.raw.setReferenced(this.#held || this.#waiting.size > 0);
  }
}

let shared: NativeEngine | null = null;

/**
 * The engine of this process's daemon: its responder and its address holder share one lease. A new one after a stop;
 * `options` are the new one's.
 */
export function sharedEngine(options: EngineOptions = {}): NativeEngine {
  if (shared === null || shared.stopped) shared = new NativeEngine(options);
  return shared;
}
