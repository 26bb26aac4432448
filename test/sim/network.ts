/**
 * A simulated network (the gossip's, or the VIPs' segment): it loses, delays, reorders, duplicates, stalls as a whole, cuts
 * ways in one direction, and unplugs hosts. Purpose: decide the fate of each datagram, frame and stream, and remember when
 * a way was last disturbed. Boundary: it knows addresses, not members nor messages.
 */
import type { Random } from "./random.js";

export interface Weather {
  /** Chance that a datagram is lost. */
  loss: number;
  duplicate: number;
  /** One-way delay, ms: the least, and the mean of the exponential on top of it. */
  delayMs: number;
  jitterMs: number;
  /** Chance of a stray that comes up to a second late: reordering. */
  stray: number;
}

export const FAIR: Weather = { loss: 0, duplicate: 0, delayMs: 0.1, jitterMs: 0.1, stray: 0 };

export class Network {
  #weather: Weather = { ...FAIR };
  /** The whole network stands still until then: what is sent meanwhile is lost (a switch that reboots). */
  #stalledUntil = Number.NEGATIVE_INFINITY;
  readonly #cuts = new Set<string>();
  readonly #unplugged = new Set<string>();
  /** When a way ("a b"), a host ("a") or everything ("*") was last disturbed; what lasts is not in here. */
  readonly #disturbedAt = new Map<string, number>();
  readonly #random: Random;
  readonly #clock: () => number;

  constructor(random: Random, clock: () => number) {
    this.#random = random;
    this.#clock = clock;
  }

  get weather(): Weather {
    return this.#weather;
  }

  set weather(weather: Weather) {
    if (!this.fair) this.#disturbedAt.set("*", this.#clock());
    this.#weather = weather;
  }

  /** Nothing is lost, late or out of its order. */
  get fair(): boolean {
    const { loss, delayMs, jitterMs, stray } = this.#weather;
    return loss === 0 && stray === 0 && delayMs + jitterMs < 1;
  }

  stall(until: number): void {
    this.#stalledUntil = until;
    this.#disturbedAt.set("*", until);
  }

  /** From one host's address to another's, that direction only. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`);
  }

  unplug(host: string): void {
    this.#unplugged.add(host);
  }

  plug(host: string): void {
    if (this.#unplugged.delete(host)) this.#disturbedAt.set(host, this.#clock());
  }

  /** Mends cuts and stalls; plugs stay as they are. */
  heal(): void {
    const now = this.#clock();
    for (const way of this.#cuts) this.#disturbedAt.set(way, now);
    this.#cuts.clear();
    if (this.#stalledUntil > now) this.stall(now);
  }

  passes(from: string, to: string): boolean {
    return this.#passesToPort(from, to) && !this.#unplugged.has(to);
  }

  #passesToPort(from: string, to: string): boolean {
    if (this.#clock() < this.#stalledUntil || this.#unplugged.has(from)) return false;
    return this.#cuts.size === 0 || !this.#cuts.has(`${from} ${to}`);
  }

  /** Ms for which the ways between these two have been undisturbed in both directions. */
  soundMs(a: string, b: string): number {
    const now = this.#clock();
    if (!this.passes(a, b) || !this.passes(b, a) || !this.fair) return 0;
    let at = Number.NEGATIVE_INFINITY;
    for (const key of ["*", a, b, `${a} ${b}`, `${b} ${a}`]) {
      at = Math.max(at, this.#disturbedAt.get(key) ?? Number.NEGATIVE_INFINITY);
    }
    return now - at;
  }

  /** Delays after which copies of a datagram arrive: none if it is lost. */
  fate(from: string, to: string): number[] {
    return this.passes(from, to) ? this.fateToPort(from, to) : [];
  }

  /** The same to somebody else at that host's port of the switch: its own plug does not matter. */
  fateToPort(from: string, to: string): number[] {
    if (!this.#passesToPort(from, to) || this.#random() < this.#weather.loss) return [];
    const delays = [this.#delay()];
    if (this.#random() < this.#weather.duplicate) delays.push(this.#delay());
    return delays;
  }

  /** Ms that one direction of a stream takes, or null if it fails. TCP repeats what is lost after 200 ms, 400 ms, … */
  stream(from: string, to: string): number | null {
    if (!this.passes(from, to) || !this.passes(to, from)) return null;
    let ms = 2 * this.#delay();
    for (let again = 200; this.#random() < this.#weather.loss; again *= 2) {
      if (again > 3200) return null;
      ms += again;
    }
    return ms;
  }

  #delay(): number {
    const { delayMs, jitterMs, stray } = this.#weather;
    const late = stray > 0 && this.#random() < stray ? this.#random() * 1000 : 0;
    return delayMs - jitterMs * Math.log(1 - this.#random()) + late;
  }
}
