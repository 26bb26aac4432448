/**
 * The lease of law 2, as a machine: healthy (extended a little at a time), or silent until this host has caught up
 * with the group. Purpose: decide the one deadline that the native thread checks before each frame. Boundary: pure;
 * it says when to exchange state, never with whom.
 */
import { UNSTEADY } from "./facts.js";
import type { Millis } from "./messages.js";

export type LeasePhase =
  /** Extended at every turn that is due, and by the driver between turns. */
  | "held"
  /** Silent: queued input is being handled before anything else. */
  | "thawing"
  /** Silent: an exchange with a peer, or every peer's failure to answer, ends it. */
  | "catching-up";

export interface LeaseTerms {
  readonly leaseMs: number;
  /** Turns that are closer to each other than this (nearly) do not extend it. */
  readonly extensionMs: number;
  /** Every peer failed to answer within this: go on alone. */
  readonly catchUpMs: number;
}

/** Between nanoseconds and fractions of a millisecond. */
const ROUNDING_MS = 0.001;
/** So many lapses within the window, and this host makes itself ineligible for the window (law 2, last sentence). */
export const LAPSES_MAX = 3;
const LAPSES_WINDOW_MS_MAX = 60_000;
/** What is again and again depends on what a lapse is: of a short lease it is a hiccup, of a long one a sick host. */
const LAPSES_WINDOW_LEASES = 250;
const LAPSES_WINDOW_MS_MIN = 5000;
/** Each time that it begins anew, peers have so much left of its time at least. */
const CATCH_UP_SPENT_MAX = 0.75;

export class Lease {
  readonly #terms: LeaseTerms;
  readonly #windowMs: Millis;
  #phase: LeasePhase = "catching-up";
  #until: Millis = Number.NEGATIVE_INFINITY;
  #extendedAt: Millis = Number.NEGATIVE_INFINITY;
  #turnedAt: Millis = Number.NEGATIVE_INFINITY;
  #catchUpSince: Millis = Number.NEGATIVE_INFINITY;
  /** What a catching-up that stalls broke off has taken already, without them. */
  #catchUpSpentMs = 0;
  #accused = false;
  #recent: Millis[] = [];
  #lapses = 0;

  constructor(terms: LeaseTerms) {
    this.#terms = terms;
    const windowMs = terms.leaseMs * LAPSES_WINDOW_LEASES;
    this.#windowMs = Math.min(LAPSES_WINDOW_MS_MAX, Math.max(LAPSES_WINDOW_MS_MIN, windowMs));
  }

  get phase(): LeasePhase {
    return this.#phase;
  }

  /** No frame may leave after this instant. */
  get until(): Millis {
    return this.#phase === "held" ? this.#until : Number.NEGATIVE_INFINITY;
  }

  get lapses(): number {
    return this.#lapses;
  }

  /**
   * Called first in every turn: true if the process was stalled or frozen since the last one, so that the lease ran out, or that
   * nobody's silence while it was catching up tells anything.
   */
  lapsed(now: Millis): boolean {
    const gapMs = now - this.#turnedAt;
    this.#turnedAt = now;
    if (this.#phase === "held") {
      if (now < this.#until) return false;
    } else {
      const asks = this.#phase === "catching-up" && this.#catchUpSince > Number.NEGATIVE_INFINITY;
      if (!asks || gapMs < this.#terms.leaseMs) return false;
      this.#catchUpSpentMs = now - gapMs - this.#catchUpSince;
    }
    this.#count(now);
    this.#phase = "thawing";
    return true;
  }

  /** The group holds us dead: silence until state has been exchanged. True if that is news. */
  accused(now: Millis): boolean {
    if (this.#phase !== "held") return false;
    this.#accused = true;
    this.catchUp(now);
    return true;
  }

  /** Queued input has been handled: catch up with the group now. */
  catchUp(now: Millis): void {
    const spentMs = Math.min(this.#catchUpSpentMs, this.#terms.catchUpMs * CATCH_UP_SPENT_MAX);
    this.#catchUpSpentMs = 0;
    this.#phase = "catching-up";
    this.#catchUpSince = now - spentMs;
  }

  /** True once the catching-up took longer than peers are given. */
  catchUpOverdue(now: Millis): boolean {
    return this.#phase === "catching-up" && now >= this.#catchUpSince + this.#terms.catchUpMs;
  }

  /**
   * State was exchanged with a peer, or (`alone`) every peer failed to answer. Held dead by those whom we hear, and
   * answered by nobody: others do not hear us, which counts like a lapse.
   */
  caughtUp(now: Millis, options: { alone: boolean }): void {
    if (this.#accused && options.alone) this.#count(now);
    this.#accused = false;
    this.#phase = "held";
    this.#extendNow(now);
  }

  /** The driver extended it between turns, by the same length, and until then. No later than what is known already: nothing. */
  renewed(until: Millis): void {
    if (this.#phase !== "held" || until <= this.#until + ROUNDING_MS) return;
    this.#until = until;
    this.#extendedAt = until - this.#terms.leaseMs;
  }

  /** A healthy turn: extends if an extension is due. True if the deadline moved. */
  extend(now: Millis): boolean {
    if (this.#phase !== "held" || now - this.#extendedAt < this.#terms.extensionMs * 0.9) return false;
    this.#extendNow(now);
    return true;
  }

  /** When to look after the lease again if no other turn does: turns in between have extended it meanwhile. */
  nextLookAt(now: Millis): Millis {
    return Math.max(this.dueAt, now + this.#terms.extensionMs);
  }

  /** The latest instant for the next extension. Silent: now. */
  get dueAt(): Millis {
    return this.#phase === "held" ? this.#extendedAt + this.#everyMs : Number.NEGATIVE_INFINITY;
  }

  /** How a driver may extend it between turns. */
  get renewal(): { readonly byMs: Millis; readonly everyMs: Millis } {
    return { byMs: this.#terms.leaseMs, everyMs: this.#everyMs };
  }

  get #everyMs(): Millis {
    return 1.5 * this.#terms.extensionMs;
  }

  /** Why this host should make itself ineligible, or "". */
  unsteady(now: Millis): string {
    if (this.#recent.length === 0) return "";
    this.#recent = this.#recent.filter((at) => now - at < this.#windowMs);
    if (this.#recent.length < LAPSES_MAX) return "";
    return `${UNSTEADY} (or held dead and unanswered) ${this.#recent.length} times within ${this.#windowMs / 1000} s`;
  }

  #count(now: Millis): void {
    this.#lapses += 1;
    this.#recent.push(now);
    if (this.#recent.length > 64) this.#recent.shift();
  }

  #extendNow(now: Millis): void {
    this.#extendedAt = now;
    this.#until = now + this.#terms.leaseMs;
  }
}
