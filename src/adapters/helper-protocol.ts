/**
 * What the daemon and its helper process say to each other: a JSON line each way. Boundary: types and bounds only.
 */
import type { Check } from "../config/types.js";

export type Job =
  | { readonly id: number; readonly kind: "check"; readonly check: Exclude<Check, { type: "arp" }> }
  | {
      readonly id: number;
      readonly kind: "hook";
      readonly command: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      /** A line for its stdin. */
      readonly input: string;
      readonly timeoutMs: number;
    };

export interface JobDone {
  readonly id: number;
  readonly ok: boolean;
  readonly reason: string;
  readonly tookMs: number;
}

/** Checks and hooks that run at a time. */
export const JOBS_MAX = 64;
/** A hook's job with all its text. */
export const LINE_BYTES_MAX = 256 * 1024;
/** What a program says that is passed on. */
export const OUTPUT_BYTES_MAX = 300;
