/**
 * A suspicion that shortens with each independent confirmation (Lifeguard; memberlist-wire.md, section 12). Purpose:
 * when does somebody who does not watch the suspect itself believe that it is dead. Pure; the timer is armed by others.
 */
import type { Millis } from "../messages.js";
import type { Profile } from "../profile.js";

export interface SuspicionTerms {
  readonly minMs: number;
  readonly maxMs: number;
  /** Confirmations that bring the timer down to `minMs`. */
  readonly confirmations: number;
}

/** The watchers' verdict normally comes first: everybody else waits this many times as long as they do. */
const VIPD_PATIENCE = 2;
/** A vipd suspect that no watcher confirms gets so many times that; foreign ones get suspicionMaxTimeoutMult. */
const VIPD_MAX_MULT = 2;

/** n: estimated members. Foreign suspects get memberlist's own patience. */
export function suspicionTerms(profile: Profile, n: number, foreign: boolean): SuspicionTerms {
  const nodeScale = Math.trunc(Math.max(1, Math.log10(Math.max(1, n))) * 1000) / 1000;
  const minMs = foreign
    ? profile.suspicionMult * nodeScale * profile.foreign.probeIntervalMs
    : VIPD_PATIENCE * nodeScale * (profile.deadAfterMs - profile.suspectAfterMs);
  const wanted = Math.max(0, profile.suspicionMult - 2);
  const confirmations = n - 2 < wanted ? 0 : wanted;
  const maxMs = minMs * (foreign ? profile.suspicionMaxTimeoutMult : VIPD_MAX_MULT);
  return { minMs, maxMs, confirmations };
}

export class Suspicion {
  readonly incarnation: number;
  readonly round: number;
  readonly #terms: SuspicionTerms;
  readonly #accusers: Set<string>;
  #startedAt: Millis;
  #confirmed = 0;
  #dueAt: Millis;

  constructor(of: { incarnation: number; from: string; terms: SuspicionTerms; now: Millis; round: number }) {
    this.incarnation = of.incarnation;
    this.round = of.round;
    this.#terms = of.terms;
    // The first suspector is in the set so that its own repetition confirms nothing.
    this.#accusers = new Set([of.from]);
    this.#startedAt = of.now;
    this.#dueAt = of.now + this.totalMs();
  }

  get dueAt(): Millis {
    return this.#dueAt;
  }

  get minMs(): number {
    return this.#terms.minMs;
  }

  totalMs(): number {
    const { minMs, maxMs, confirmations } = this.#terms;
    if (confirmations === 0) return minMs;
    const share = Math.log(this.#confirmed + 1) / Math.log(confirmations + 1);
    return Math.max(minMs, Math.floor(maxMs - (maxMs - minMs) * share));
  }

  /** True if this voice is new and counts: then it is spread, and the timer armed again at `dueAt`. */
  confirm(from: string): boolean {
    if (this.#confirmed >= this.#terms.confirmations || this.#accusers.has(from)) return false;
    this.#accusers.add(from);
    this.#confirmed += 1;
    this.#dueAt = this.#startedAt + this.totalMs();
    return true;
  }

  /** Time in which we ourselves stood still, or in which the suspect was heard, does not count. */
  postpone(until: Millis): void {
    this.#dueAt = until;
  }

  restart(now: Millis): void {
    this.#startedAt = now;
    this.#dueAt = now + this.totalMs();
  }
}
