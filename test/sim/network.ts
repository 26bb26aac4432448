/**
 * The simulated network: it loses, delays, reorders, duplicates, stalls as a whole, and cuts ways in one direction.
 * Purpose: decide the fate of each datagram and stream. Boundary: it knows addresses, not members nor messages.
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
  weather: Weather = { ...FAIR };
  /** The whole network stands still until then: what is sent meanwhile is lost (a switch that reboots). */
  #stalledUntil = 0;
  readonly #cuts = new Set<string>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  stall(until: number): void {
    this.#stalledUntil = until;
  }

  /** From hosts of one IP address to another's, that direction only. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`);
  }

  heal(): void {
    this.#cuts.clear();
    this.#stalledUntil = 0;
  }

  get whole(): boolean {
    return this.#cuts.size === 0;
  }

  passes(from: string, to: string, now: number): boolean {
    return now >= this.#stalledUntil && !this.#cuts.has(`${from} ${to}`);
  }

  /** Delays after which copies of a datagram arrive: none if it is lost. */
  fate(from: string, to: string, now: number): number[] {
    if (!this.passes(from, to, now) || this.#random() < this.weather.loss) return [];
    const delays = [this.#delay()];
    if (this.#random() < this.weather.duplicate) delays.push(this.#delay());
    return delays;
  }

  /**
   * Milliseconds that one direction of a stream takes, or null if it fails. TCP repeats what is lost after 200 ms, 400 ms, …
   */
  stream(from: string, to: string, now: number): number | null {
    if (!this.passes(from, to, now) || !this.passes(to, from, now)) return null;
    let ms = 2 * this.#delay();
    for (let again = 200; this.#random() < this.weather.loss; again *= 2) {
      if (again > 3200) return null;
      ms += again;
    }
    return ms;
  }

  #delay(): number {
    const { delayMs, jitterMs, stray } = this.weather;
    const late = this.#random() < stray ? this.#random() * 1000 : 0;
    return delayMs - jitterMs * Math.log(1 - this.#random()) + late;
  }
}
