/**
 * Who may cost us cryptography. Purpose: what passed the glance at its first block must not take the loop from live members, so a source
 * that never authenticated (and that we never wrote to) has a small budget of attempts, and all such sources together too. A
 * source is known by address and port, so that who forges a member's address must forge its port as well; a stranger's budget is
 * its address's.
 * Boundary: no sockets, time is an argument (ms, monotonic); both tables are bounded, the oldest entry goes first.
 */
import type { Endpoint } from "../domain/messages.js";

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

  /** This source has authenticated itself, or we write to it. */
  know(source: Endpoint, now: number): void {
    const key = keyOf(source);
    const until = this.#known.get(key);
    // Renewed in the last tenth only: nearly every datagram comes from a known host and should cost one look-up.
    if (until !== undefined && until - now > KNOWN_FOR_MS * 0.9) return;
    this.#known.delete(key);
    this.#known.set(key, now + KNOWN_FOR_MS);
    if (this.#known.size > KNOWN_MAX) this.#known.delete(this.#known.keys().next().value!);
  }

  /** False: drop the datagram unopened. */
  admit(source: Endpoint, now: number): boolean {
    const until = this.#known.get(keyOf(source));
    if (until !== undefined && until > now) return true;
    const { host } = source;
    let bucket = this.#strangers.get(host);
    if (bucket === undefined) {
      bucket = new Bucket(this.#strangerPerSecond, now);
      this.#strangers.set(host, bucket);
      if (this.#strangers.size > STRANGERS_MAX) this.#strangers.delete(this.#strangers.keys().next().value!);
    }
    return bucket.take(now) && this.#all.take(now);
  }
}

function keyOf(source: Endpoint): string {
  return `${source.host}/${source.port}`;
}
