/**
 * One heap of timers and one alarm: what is due is handed over in order of its due time. Before sleeping for a timer, its owner is
 * asked whether it is still of use: most were put off meanwhile, and a wake-up for nothing is the dearest thing that an idle
 * daemon does. Boundary: no meaning of timers here; there is no cancel, the pure core checks whether a timer still applies.
 */
import type { Millis } from "../domain/messages.js";

/** A timer that is due so soon is handled now: another wake-up would cost more than its being early. */
const EARLY_MS = 0.5;

export interface TimerHost<T> {
  now(): Millis;
  /** Calls `due` at this instant; replaces the former. Infinity: not at all. */
  wake(at: Millis): void;
  /** A wake-up came so many ms after it was due. */
  late(ms: number): void;
  /** When this timer, armed for `at`, is due by now: `at` or later; Infinity: never. */
  dueAt(timer: T, at: Millis): Millis;
}

interface Entry<T> {
  readonly at: Millis;
  readonly order: number;
  readonly timer: T;
}

export class Timers<T> {
  readonly #host: TimerHost<T>;
  readonly #fire: (timer: T, at: Millis) => void;
  readonly #heap: Entry<T>[] = [];
  #order = 0;
  #wakeAt: Millis = Number.POSITIVE_INFINITY;
  #stopped = false;

  constructor(host: TimerHost<T>, fire: (timer: T, at: Millis) => void) {
    this.#host = host;
    this.#fire = fire;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** Call `settle` when the turn is over. */
  arm(timer: T, at: Millis): void {
    this.#push({ at, order: this.#order++, timer });
  }

  stop(): void {
    this.#stopped = true;
    this.#heap.length = 0;
  }

  /** At the end of a turn: puts off what is no longer due so early, and sets the alarm to what remains. */
  settle(): void {
    if (this.#stopped) return;
    let next = this.#heap[0];
    // Ends: each round takes one away or puts it behind the instant that it was armed for.
    while (next !== undefined) {
      const at = this.#host.dueAt(next.timer, next.at);
      if (at <= next.at) break;
      const { timer } = this.#pop();
      if (at < Number.POSITIVE_INFINITY) this.#push({ at, order: this.#order++, timer });
      next = this.#heap[0];
    }
    const wakeAt = next?.at ?? Number.POSITIVE_INFINITY;
    if (wakeAt === this.#wakeAt) return;
    this.#wakeAt = wakeAt;
    this.#host.wake(wakeAt);
  }

  /** The alarm went off. */
  due(): void {
    const next = this.#heap[0];
    // It is set again even where it came early.
    this.#wakeAt = Number.NaN;
    const now = this.#host.now();
    if (next !== undefined && now >= next.at) this.#host.late(now - next.at);
    const due: Entry<T>[] = [];
    // What is due within the same moment is handled in the same wake-up.
    while (this.#heap.length > 0 && this.#heap[0]!.at <= now + EARLY_MS) due.push(this.#pop());
    for (const entry of due) if (!this.#stopped) this.#fire(entry.timer, entry.at);
    this.settle();
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
