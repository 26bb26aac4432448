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
  return isoText(at + offsetMs);
}

let second = Number.NaN;
let secondText = "";

/** As `toISOString`, at a third of its cost where many instants lie within one second, as those of a takeover do. */
export function isoText(ms: number): string {
  const whole = Math.floor(ms);
  const itsSecond = Math.floor(whole / 1000);
  if (itsSecond !== second) {
    second = itsSecond;
    secondText = new Date(itsSecond * 1000).toISOString().slice(0, -4);
  }
  return `${secondText}${String(whole - itsSecond * 1000).padStart(3, "0")}Z`;
}

export const bootClock: Clock = { now: bootTimeMs, wall };

export function createClock(): Clock {
  return bootClock;
}

/** One wake-up at a time on the same clock, in fractions of a millisecond; node's timers have whole ones. */
export function createAlarm(onDue: () => void): Alarm {
  return newAlarm(onDue);
}
