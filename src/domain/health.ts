/**
 * A health check's memory: rise and fall, last result, since when. Purpose: from single results to "passing" or "failing".
 * Boundary: pure; who runs the check, and when, is the daemon's business.
 */
import type { Millis } from "./messages.js";

export type HealthState = "unknown" | "passing" | "failing";

export interface CheckResult {
  readonly ok: boolean;
  /** In a few words; what was seen. */
  readonly reason: string;
  readonly tookMs: Millis;
}

export interface Health {
  readonly state: HealthState;
  /** What keeps it from passing, or "". */
  readonly reason: string;
}

export class CheckRecord {
  readonly #rise: number;
  readonly #fall: number;
  state: HealthState;
  since: Millis;
  /** Results in a row that speak against `state`. */
  #against = 0;
  last: (CheckResult & { readonly at: Millis }) | null = null;
  runs = 0;
  failures = 0;

  /** `assumed`: a check that is added to a group which serves already passes until it has said otherwise. */
  constructor(terms: { readonly rise: number; readonly fall: number }, now: Millis, assumed = false) {
    this.#rise = terms.rise;
    this.#fall = terms.fall;
    this.state = assumed ? "passing" : "unknown";
    this.since = now;
  }

  /** True: the state changed. The first result of all decides alone, so that a start waits for nothing. */
  record(result: CheckResult, now: Millis): boolean {
    this.last = { ...result, at: now };
    this.runs += 1;
    if (!result.ok) this.failures += 1;
    const says: HealthState = result.ok ? "passing" : "failing";
    if (says === this.state) {
      this.#against = 0;
      return false;
    }
    this.#against += 1;
    const needed = this.state === "unknown" ? 1 : result.ok ? this.#rise : this.#fall;
    if (this.#against < needed) return false;
    this.#against = 0;
    this.state = says;
    this.since = now;
    return true;
  }
}

/** All must pass: one that fails weighs more than one that has not said anything yet. */
export function healthOf(records: readonly { readonly name: string; readonly record: CheckRecord }[]): Health {
  const failing = records.find(({ record }) => record.state === "failing");
  if (failing !== undefined) {
    return { state: "failing", reason: `check ${failing.name} fails: ${failing.record.last?.reason ?? ""}` };
  }
  const unknown = records.find(({ record }) => record.state === "unknown");
  if (unknown !== undefined) return { state: "unknown", reason: `check ${unknown.name} has not finished yet` };
  return { state: "passing", reason: "" };
}
