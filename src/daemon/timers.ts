/**
 * One heap of timers and one setTimeout: what is due is handed over in order of its due time. Boundary: no meaning of
 * timers here; there is no cancel, the pure core checks whether a timer still applies.
 */
import type { Millis } from "../domain/messages.js";

export interface TimerHost {
  now(): Millis;
  /** Calls back once after about `ms`; a new call replaces the former. */
  wake(ms: number, callback: () => void): void;
  /** A wake-up came so many ms after it was due. */
  late(ms: number): void;
}

interface Entry<T> {
  readonly at: Millis;
  readonly order: number;
  readonly timer: T;
}

export class Timers<T> {
  readonly #host: TimerHost;
  readonly #fire: (timer: T, at: Millis) => void;
  readonly #heap: Entry<T>[] = [];
  #order = 0;
  #wakeAt: Millis = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(host: TimerHost, fire: (timer: T, at: Millis) => void) {
    this.#host = host;
    this.#fire = fire;
  }

  get size(): number {
    return this.#heap.length;
  }

  arm(timer: T, at: Millis): void {
    this.#push({ at, order: this.#order++, timer });
    if (at < this.#wakeAt) this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#heap.length = 0;
  }

  #schedule(): void {
    const next = this.#heap[0];
    if (next === undefined || this.#stopped) return;
    this.#wakeAt = next.at;
    this.#host.wake(Math.max(0, next.at - this.#host.now()), () => this.#due());
  }

  #due(): void {
    this.#wakeAt = Number.POSITIVE_INFINITY;
    // Node's timers may fire a fraction of a millisecond early.
    const now = this.#host.now() + 0.5;
    const due: Entry<T>[] = [];
    if (this.#heap[0] !== undefined) this.#host.late(now - 0.5 - this.#heap[0].at);
    while (this.#heap.length > 0 && this.#heap[0]!.at <= now) due.push(this.#pop());
    for (const entry of due) if (!this.#stopped) this.#fire(entry.timer, entry.at);
    this.#schedule();
  }

  #before(a: number, b: number): boolean {
    const x = this.#heap[a]!;
    const y = this.#heap[b]!;
    return x.at === y.at ? x.order < y.order : x.at < y.at;
  }

  #push(entry: Entry<T>): void {
    let child = this.#heap.push(entry) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!this.#before(child, parent)) return;
      this.#swap(child, parent);
      child = parent;
    }
  }

  #pop(): Entry<T> {
    const top = this.#heap[0]!;
    const last = this.#heap.pop()!;
    if (this.#heap.length === 0) return top;
    this.#heap[0] = last;
    let parent = 0;
    for (;;) {
      const left = 2 * parent + 1;
      const right = left + 1;
      let least = parent;
      if (left < this.#heap.length && this.#before(left, least)) least = left;
      if (right < this.#heap.length && this.#before(right, least)) least = right;
      if (least === parent) return top;
      this.#swap(parent, least);
      parent = least;
    }
  }

  #swap(a: number, b: number): void {
    const kept = this.#heap[a]!;
    this.#heap[a] = this.#heap[b]!;
    this.#heap[b] = kept;
  }
}
