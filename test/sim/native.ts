/**
 * The native side of a simulated host, as its contract says (ports.ts): the responder thread, which answers, yields,
 * announces and asks by itself while the event loop stands still, and the addresses on lo. Purpose: what the segment
 * sees of a host. Boundary: it decides nothing that the native thread does not decide.
 */
import type { Answer, At, OwnIntentValue } from "../../src/domain/ownership/types.js";
import type { Host } from "./host.js";
import type { World } from "./world.js";

/** A claim of one address by one MAC is reported at most this often (native: claim_interval_ns). */
const CLAIM_INTERVAL_MS = 100;
/** Frames that wait for a stopped process. */
const FRAMES_MAX = 500;

interface Entry {
  hold: "owned" | "yielded";
  heirMac: string | null;
  /** Another announcement than that of this epoch is void. */
  epoch: number;
}

interface Question {
  readonly addresses: ReadonlySet<string>;
  readonly answers: Answer[];
}

export class Native {
  readonly #world: World;
  readonly #host: Host;
  readonly #entries = new Map<string, Entry>();
  readonly #watched = new Set<string>();
  readonly #claims = new Map<string, number>();
  readonly #frames: (() => void)[] = [];
  readonly #waiting: (() => void)[] = [];
  /** Questions of its own that are on the wire. */
  readonly #asks = new Set<Question>();
  readonly held = new Set<string>();
  /** Addresses that it was told to watch, or to watch no longer. */
  watchIntents = 0;
  /** In the host's own time. */
  #leaseUntil = Number.NEGATIVE_INFINITY;
  #epochs = 0;
  #loAt = 0;

  constructor(world: World, host: Host) {
    this.#world = world;
    this.#host = host;
  }

  /** Answers for the address, if it is asked now. */
  voices(address: string): boolean {
    return this.#entries.get(address)?.hold === "owned" && this.#able();
  }

  /** Which claim of its own it is that it answers for; undefined: none. */
  claim(address: string): number | undefined {
    const entry = this.#entries.get(address);
    return entry?.hold === "owned" ? entry.epoch : undefined;
  }

  /** Answers for anything at all. */
  speaks(): boolean {
    if (!this.#able()) return false;
    for (const entry of this.#entries.values()) if (entry.hold === "owned") return true;
    return false;
  }

  #able(): boolean {
    return this.#host.up && !this.#host.stopped && this.#host.link && this.#leaseAlive();
  }

  #leaseAlive(): boolean {
    return this.#host.clock() < this.#leaseUntil;
  }

  // ------------------------------------------------------------ intents

  own(intents: readonly OwnIntentValue[]): void {
    for (const { address, heirMac } of intents) {
      const known = this.#entries.get(address);
      if (known?.hold === "owned") known.heirMac = heirMac;
      else this.#entries.set(address, { hold: "owned", heirMac, epoch: ++this.#epochs });
    }
    this.#world.segment.changed();
  }

  silence(at: readonly At[]): void {
    for (const { address } of at) this.#entries.delete(address);
  }

  lease(until: number): void {
    const revived = !this.#leaseAlive();
    this.#leaseUntil = until;
    if (!revived || !this.#leaseAlive()) return;
    this.#world.segment.changed();
    for (const round of this.#waiting.splice(0)) round();
  }

  watch(addresses: readonly string[]): void {
    this.watchIntents += addresses.length;
    for (const address of addresses) this.#watched.add(address);
  }

  unwatch(addresses: readonly string[]): void {
    this.watchIntents += addresses.length;
    for (const address of addresses) this.#watched.delete(address);
  }

  announce(addresses: readonly string[], roundsMs: readonly number[]): void {
    const epochs = new Map(addresses.map((address) => [address, this.#entries.get(address)?.epoch]));
    for (const delay of roundsMs) this.#host.later(delay, () => this.#round(epochs));
  }

  #round(epochs: ReadonlyMap<string, number | undefined>): void {
    if (!this.#leaseAlive()) {
      this.#waiting.push(() => this.#round(epochs));
      return;
    }
    for (const [address, epoch] of epochs) {
      if (this.voices(address) && this.#entries.get(address)?.epoch === epoch) {
        this.#world.segment.announce(this.#host, address);
      }
    }
  }

  ask(id: number, addresses: readonly string[], timeoutMs: number): void {
    const question: Question = { addresses: new Set(addresses), answers: [] };
    for (const delay of [0, timeoutMs / 3, (2 * timeoutMs) / 3]) {
      this.#host.later(delay, () => {
        if (delay === 0) this.#asks.add(question);
        this.#world.segment.ask(this.#host, addresses, (answer) => hear(question, answer));
      });
    }
    this.#host.later(timeoutMs, () => {
      this.#asks.delete(question);
      this.#host.input({ kind: "asked", id, answers: [...question.answers] });
    });
  }

  // ------------------------------------------------------------ addresses on lo

  hold(addresses: readonly string[]): void {
    this.#onLo(() => {
      for (const address of addresses) this.held.add(address);
      this.#host.input({ kind: "held", addresses });
    });
  }

  drop(addresses: readonly string[]): void {
    this.#onLo(() => {
      for (const address of addresses) this.held.delete(address);
    });
  }

  /** In a thread of its own, one after the other. */
  #onLo(deed: () => void): void {
    const now = this.#host.clock();
    this.#loAt = Math.max(this.#loAt, now + this.#world.between(0.3, 4)) + 0.001;
    this.#host.later(this.#loAt - now, deed);
  }

  // ------------------------------------------------------------ frames

  /** Handled now, or when the process runs again. */
  frame(deed: () => void): void {
    if (!this.#host.up || !this.#host.link) return;
    if (!this.#host.stopped) deed();
    else if (this.#frames.length < FRAMES_MAX) this.#frames.push(deed);
  }

  /** The process runs again: what came in meanwhile, first. */
  resume(): void {
    for (const deed of this.#frames.splice(0)) deed();
    this.#world.segment.changed();
  }

  claimed(address: string, mac: string): void {
    if (mac === this.#host.mac) return;
    // Whoever announces what we ask for has answered (native: Asker::observe).
    const asked = [...this.#asks].filter(({ addresses }) => addresses.has(address));
    for (const question of asked) hear(question, { address, mac });
    const entry = this.#entries.get(address);
    if (entry === undefined && !this.#watched.has(address)) return;
    // An advertisement is told as the answer only, unless it contradicts an address of ours.
    if (entry === undefined && address.includes(":") && asked.length > 0) return;
    const yielded = entry?.hold === "owned" && entry.heirMac === mac;
    const key = `${address} ${mac}`;
    const now = this.#host.clock();
    const repeated = now - (this.#claims.get(key) ?? Number.NEGATIVE_INFINITY) < CLAIM_INTERVAL_MS;
    if (repeated && !yielded) return;
    this.#claims.set(key, now);
    if (yielded) entry.hold = "yielded";
    this.#host.later(0.1, () => this.#host.input({ kind: "claim-heard", address, mac, yielded }));
  }
}

function hear({ answers }: Question, { address, mac }: Answer): void {
  if (!answers.some((known) => known.address === address && known.mac === mac)) answers.push({ address, mac });
}
