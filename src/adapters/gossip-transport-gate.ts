/**
 * Who may cost us cryptography. Purpose: a flood of sealed garbage must not take the loop from live members, so a source
 * that never authenticated (and that we never wrote to) has a small budget of attempts, and all such sources together too.
 * Boundary: no sockets, time is an argument (ms, monotonic); both tables are bounded, the oldest entry goes first.
 */
const KNOWN_MAX = 8192;
const KNOWN_FOR_MS = 60_000;
const STRANGERS_MAX = 4096;

export interface GateOptions {
  /** Attempts a second, and at once, of one stranger. */
  readonly strangerPerSecond?: number;
  /** Attempts a second, and at once, of all strangers together. */
  readonly strangersPerSecond?: number;
}

/** Holds `perSecond` tokens at most and gains as many in a second. */
class Bucket {
  #tokens: number;
  #at: number;

  constructor(
    readonly perSecond: number,
    now: number,
  ) {
    this.#tokens = perSecond;
    this.#at = now;
  }

  take(now: number): boolean {
    this.#tokens = Math.min(this.perSecond, this.#tokens + ((now - this.#at) * this.perSecond) / 1000);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

export class StrangerGate {
  readonly #known = new Map<string, number>();
  readonly #strangers = new Map<string, Bucket>();
  readonly #strangerPerSecond: number;
  readonly #all: Bucket;

  constructor(now: number, options: GateOptions = {}) {
    this.#strangerPerSecond = options.strangerPerSecond ?? 50;
    this.#all = new Bucket(options.strangersPerSecond ?? 1000, now);
  }

  /** This host has authenticated itself, or we write to it. */
  know(host: string, now: number): void {
    const until = this.#known.get(host);
    // Renewed in the last tenth only: nearly every datagram comes from a known host and should cost one look-up.
    if (until !== undefined && until - now > KNOWN_FOR_MS * 0.9) return;
    this.#known.delete(host);
    this.#known.set(host, now + KNOWN_FOR_MS);
    this.#strangers.delete(host);
    if (this.#known.size > KNOWN_MAX) this.#known.delete(this.#known.keys().next().value!);
  }

  /** False: drop the datagram unopened. */
  admit(host: string, now: number): boolean {
    const until = this.#known.get(host);
    if (until !== undefined && until > now) return true;
    let bucket = this.#strangers.get(host);
    if (bucket === undefined) {
      bucket = new Bucket(this.#strangerPerSecond, now);
      this.#strangers.set(host, bucket);
      if (this.#strangers.size > STRANGERS_MAX) this.#strangers.delete(this.#strangers.keys().next().value!);
    }
    return bucket.take(now) && this.#all.take(now);
  }
}
