/**
 * The quorum's word on the lease (law 4): how far it lets the lease reach, and whether this host may own anything. Purpose: the
 * state between losing a quorum and having caught up after it came back. Boundary: pure; the evidence is the membership's
 * (swim/quorum.ts), silence is the lease's deadline, letting go is ownership's.
 */
import type { Millis } from "../messages.js";

export const NO_QUORUM = "no quorum";

export interface QuorumTerms {
  readonly hosts: number;
  readonly expect: number | null;
}

export class QuorumStanding {
  readonly #leaseMs: Millis;
  #terms: QuorumTerms | null = null;
  #held = false;
  losses = 0;

  constructor(leaseMs: Millis) {
    this.#leaseMs = leaseMs;
  }

  get terms(): QuorumTerms | null {
    return this.#terms;
  }

  /** This host may own what is its: no quorum is asked for, or it has one and has caught up since it has. */
  get held(): boolean {
    return this.#terms === null || this.#held;
  }

  get needsOthers(): boolean {
    return this.#terms !== null && this.#terms.hosts > 1;
  }

  configure(terms: QuorumTerms | null): void {
    this.#terms = terms;
    if (terms === null) this.#held = false;
  }

  /** No frame may leave after this instant, `provenAt` being when enough hosts are known to have been reached. */
  until(provenAt: Millis): Millis {
    return this.#terms === null ? Number.POSITIVE_INFINITY : provenAt + this.#leaseMs;
  }

  /** True once: the evidence ran out. */
  lost(provenAt: Millis, now: Millis): boolean {
    if (this.#terms === null || !this.#held || now < this.until(provenAt)) return false;
    this.#held = false;
    this.losses += 1;
    return true;
  }

  /** There is evidence again, but this host has not caught up yet. */
  returns(provenAt: Millis, now: Millis): boolean {
    return this.#terms !== null && !this.#held && now < this.until(provenAt);
  }

  /** Caught up. True if that is news. */
  regain(provenAt: Millis, now: Millis): boolean {
    if (!this.returns(provenAt, now)) return false;
    this.#held = true;
    return true;
  }
}
