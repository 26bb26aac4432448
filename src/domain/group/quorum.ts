/**
 * The quorum's word on the lease (law 4): how far it lets the lease reach, and whether this host may own anything. Purpose: the
 * states between losing a quorum (silent at once, letting go a little later) and having caught up after it came back. Boundary: pure; the evidence is the membership's
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
  readonly #graceMs: Millis;
  #terms: QuorumTerms | null = null;
  #held = false;
  #lostAt: Millis = Number.NEGATIVE_INFINITY;
  losses = 0;

  /** `graceMs`: a host that is silent for so short has only been slow, and keeps what is its if it is still elected. */
  constructor(of: { leaseMs: Millis; graceMs: Millis }) {
    this.#leaseMs = of.leaseMs;
    this.#graceMs = of.graceMs;
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

  /** Without a quorum for longer than the grace, or from the start: others shall own what was ours. */
  lacking(now: Millis): boolean {
    return !this.held && now - this.#lostAt >= this.#graceMs;
  }

  /** No frame may leave after this instant, `provenAt` being when enough hosts are known to have been reached. */
  until(provenAt: Millis): Millis {
    return this.#terms === null ? Number.POSITIVE_INFINITY : provenAt + this.#leaseMs;
  }

  /** True once: the evidence ran out. */
  lost(provenAt: Millis, now: Millis): boolean {
    if (this.#terms === null || !this.#held || now < this.until(provenAt)) return false;
    this.#held = false;
    this.#lostAt = now;
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
