/**
 * How late this host's own timers have been of late: on a machine that is short of CPU we read answers late, and what is read late
 * looks like silence. Purpose: a host that was late is as much more patient for a while, and does what it does less often.
 * Boundary: a record with a time; what follows is watch.ts's and context.ts's business. Pure.
 */
import type { Millis } from "../messages.js";

/** In verdicts' patience: so much longer does a host wait at most. */
const MOST = 4;
/** What a lateness adds to our patience goes by so many ms each ms. */
const FADES = 0.5;

export class Lateness {
  /** Bounds the patience: whoever is late for good must give its verdicts nonetheless. */
  readonly mostMs: Millis;
  #ms = 0;
  #at: Millis = Number.NEGATIVE_INFINITY;

  constructor(deadAfterMs: Millis) {
    this.mostMs = MOST * deadAfterMs;
  }

  note(lateMs: Millis, now: Millis): void {
    const ms = Math.min(lateMs, this.mostMs);
    if (ms <= this.patienceMs(now)) return;
    this.#ms = ms;
    this.#at = now;
  }

  patienceMs(now: Millis): Millis {
    return this.#ms === 0 ? 0 : Math.max(0, this.#ms - FADES * (now - this.#at));
  }
}
