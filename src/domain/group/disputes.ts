/**
 * Names that two hosts use: held against them until the rival was not heard for a while (law 7). Boundary: pure; who is a
 * rival is the membership's finding.
 */
import type { Millis } from "../messages.js";

/** A name stays in conflict for so long after the rival was heard last. */
const HELD_MS = 5000;

export class Disputes {
  readonly #until = new Map<string, Millis>();

  /** True if the conflict is news. */
  raise(name: string, now: Millis): boolean {
    const news = !this.#until.has(name);
    this.#until.set(name, now + HELD_MS);
    return news;
  }

  has(name: string, now: Millis): boolean {
    return (this.#until.get(name) ?? Number.NEGATIVE_INFINITY) > now;
  }

  names(now: Millis): string[] {
    return [...this.#until.keys()].filter((name) => this.has(name, now));
  }

  /** The names whose conflict is over. */
  expire(now: Millis): string[] {
    const over = [...this.#until.keys()].filter((name) => !this.has(name, now));
    for (const name of over) this.#until.delete(name);
    return over;
  }
}
