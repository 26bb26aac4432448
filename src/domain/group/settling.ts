/**
 * Settling (law 9): a host that joins others which are settled ranks behind them until it has been eligible for
 * `failback.afterMs` without interruption; one that flaps waits longer each time. Purpose: this host's own standing in each
 * group. Boundary: pure; it judges only itself; who ranks behind whom is read from the facts by candidates.ts.
 */
import type { Millis } from "../messages.js";

/** Timers may come a fraction of a millisecond early; there is only one for each settling. */
const TIMER_EARLY_MS = 1;

/** The second time that eligibility is lost, and each further time, doubles the wait; with `afterMs` 0 it begins at twice this. */
const FLAP_WAIT_MS = 5000;
const FLAP_WAIT_MS_MAX = 1_800_000;
/** More would change no wait. */
const FALLS_MAX = 16;
/** So long without interruption forgives one fall. */
const FORGIVE_MS = 60_000;

interface Standing {
  readonly afterMs: number;
  /** How often eligibility was lost, less what was forgiven. */
  falls: number;
  /** How long it is to stay eligible this time. */
  waitMs: number;
  eligibleSince: Millis | null;
  settled: boolean;
  /** Instances of the members that were settled when this host met them. */
  defersTo: Set<number>;
}

export interface SettledMember {
  readonly instance: number;
  /** Groups in which it is settled. */
  readonly settledIn: ReadonlySet<string>;
}

export class Settling {
  readonly #groups = new Map<string, Standing>();
  /** Members met before: that one of them settles later changes nothing between us. */
  readonly #met = new Set<number>();

  /** Sets the groups; a group whose `afterMs` is unchanged keeps its standing. */
  configure(groups: readonly { readonly name: string; readonly afterMs: number }[]): void {
    const wanted = new Map(groups.map((group) => [group.name, group.afterMs]));
    for (const name of [...this.#groups.keys()]) if (!wanted.has(name)) this.#groups.delete(name);
    for (const [name, afterMs] of wanted) {
      const known = this.#groups.get(name);
      if (known?.afterMs === afterMs) continue;
      this.#groups.set(name, {
        afterMs,
        falls: known?.falls ?? 0,
        waitMs: afterMs,
        eligibleSince: null,
        settled: false,
        defersTo: new Set(),
      });
    }
  }

  /** Tells whether this host is eligible for the group; returns when it will settle, if that is to be waited for. */
  eligible(group: string, eligible: boolean, others: Iterable<SettledMember>, now: Millis): Millis | null {
    const standing = this.#groups.get(group);
    if (standing === undefined) return null;
    if (!eligible) {
      if (standing.eligibleSince !== null) standing.falls = fallsAfter(standing, now - standing.eligibleSince);
      standing.eligibleSince = null;
      standing.settled = false;
      standing.defersTo.clear();
      return null;
    }
    if (standing.eligibleSince !== null) return null;
    standing.eligibleSince = now;
    standing.waitMs = waitMsOf(standing);
    if (standing.waitMs === 0) {
      standing.settled = true;
      return null;
    }
    for (const other of others) if (other.settledIn.has(group)) standing.defersTo.add(other.instance);
    return now + standing.waitMs;
  }

  /** A member is met for the first time (once this host is ready): where it is settled and we are not, we defer. */
  meet(member: SettledMember): void {
    if (this.#met.has(member.instance)) return;
    if (this.#met.size > 4096) this.#met.clear();
    this.#met.add(member.instance);
    for (const [name, standing] of this.#groups) {
      if (standing.eligibleSince === null || standing.settled || !member.settledIn.has(name)) continue;
      standing.defersTo.add(member.instance);
    }
  }

  /** Settles what is due. True if anything changed. */
  settle(now: Millis): boolean {
    let changed = false;
    for (const standing of this.#groups.values()) {
      if (standing.settled || standing.eligibleSince === null) continue;
      if (now - standing.eligibleSince < standing.waitMs - TIMER_EARLY_MS) continue;
      standing.settled = true;
      standing.defersTo.clear();
      changed = true;
    }
    return changed;
  }

  /** An operator wants this host to count now: settled wherever it is eligible, or as soon as it is. */
  settleAtOnce(): void {
    for (const standing of this.#groups.values()) {
      standing.defersTo.clear();
      standing.falls = 0;
      if (standing.eligibleSince !== null) standing.settled = true;
    }
  }

  /** How often it fell of late, and how long it waits for that; null for a host that does not flap. */
  flapping(group: string): { readonly falls: number; readonly waitMs: number } | null {
    const standing = this.#groups.get(group);
    return standing === undefined || standing.falls < 2 ? null : { falls: standing.falls, waitMs: standing.waitMs };
  }

  standing(group: string): { settled: boolean; deferring: boolean } {
    const standing = this.#groups.get(group);
    return { settled: standing?.settled ?? false, deferring: (standing?.defersTo.size ?? 0) > 0 };
  }

  defersTo(): number[] {
    const all = new Set<number>();
    for (const standing of this.#groups.values()) for (const instance of standing.defersTo) all.add(instance);
    return [...all].sort((a, b) => a - b);
  }
}

function fallsAfter({ falls }: Standing, eligibleForMs: number): number {
  const forgiven = Math.floor(eligibleForMs / FORGIVE_MS);
  return Math.min(FALLS_MAX, Math.max(0, falls - forgiven) + 1);
}

/** Once is an accident and waits as it was configured. */
function waitMsOf({ afterMs, falls }: Standing): number {
  if (falls < 2) return afterMs;
  const longest = Math.max(afterMs, FLAP_WAIT_MS_MAX);
  return Math.min(longest, Math.max(afterMs, FLAP_WAIT_MS) * 2 ** (falls - 1));
}
