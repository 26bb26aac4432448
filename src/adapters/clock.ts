/**
 * The daemon's clock: CLOCK_BOOTTIME, which goes on while the machine sleeps, read natively (Node offers CLOCK_MONOTONIC
 * only, under which a lease would outlive a suspend). Boundary: wall time is for people and never compared.
 */
import type { Clock } from "../ports.js";
import { bootTimeMs } from "./native.js";

export const bootClock: Clock = {
  now: bootTimeMs,
  wall: (at) => new Date(Date.now() - (bootTimeMs() - at)).toISOString(),
};

export function createClock(): Clock {
  return bootClock;
}
