/**
 * The daemon's clock: CLOCK_BOOTTIME, which goes on while the machine sleeps, read natively (Node offers CLOCK_MONOTONIC
 * only, under which a lease would outlive a suspend). Boundary: wall time is for people and never compared.
 */
import type { Alarm, Clock } from "../ports.js";
import { bootTimeMs, newAlarm } from "./native.js";

/** A wall clock that differs by more was set (NTP step, operator); less is the reading's own jitter. */
const STEP_MS = 20;
let offsetMs = Date.now() - bootTimeMs();

/** The same instant gives the same text each time, unless the wall clock was set. */
function wall(at: number): string {
  const offsetNowMs = Date.now() - bootTimeMs();
  if (Math.abs(offsetNowMs - offsetMs) > STEP_MS) offsetMs = offsetNowMs;
  return new Date(at + offsetMs).toISOString();
}

export const bootClock: Clock = { now: bootTimeMs, wall };

export function createClock(): Clock {
  return bootClock;
}

/** One wake-up at a time on the same clock, in fractions of a millisecond; node's timers have whole ones. */
export function createAlarm(onDue: () => void): Alarm {
  return newAlarm(onDue);
}
