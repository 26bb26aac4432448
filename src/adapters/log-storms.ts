/**
 * Storms of lines, summed up: of one event, so many lines a second are written, and of the rest one line tells how many they
 * were and what the last one said. Purpose: a host that hands over 16 384 VIPs leaves a log, and a feed, that a person can read.
 * Boundary: counts and decides; writes through what it is given. At rest it has no timer.
 */
import type { LogLevel } from "../ports.js";
import { bootTimeMs } from "./native.js";

export const STORM_LINES = 50;
const WINDOW_MS = 1000;

interface Storm {
  readonly event: string;
  readonly why: string;
  lines: number;
  untold: number;
  /** The most severe of those that were not written. */
  level: LogLevel;
  lastText: string;
  timer: NodeJS.Timeout | null;
  beganAt: number;
}

export type TellStorm = (
  level: LogLevel,
  event: string,
  fields: { count: number; overMs: number },
  text: string,
  why: string,
) => void;

/** Beyond so many, those that are over are forgotten. */
const STORMS_MAX = 1000;

const SEVERITY: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error"];

export class Storms {
  readonly #tell: TellStorm;
  readonly #linesMax: number;
  readonly #now: () => number;
  readonly #storms = new Map<string, Storm>();

  constructor(tell: TellStorm, linesMax = STORM_LINES, now: () => number = bootTimeMs) {
    this.#tell = tell;
    this.#linesMax = linesMax;
    this.#now = now;
  }

  /** True: write it. False: it will be counted in a sum, with others of that event and `why`. */
  pass(level: LogLevel, event: string, text: string | undefined, why = ""): boolean {
    // Whoever asks for these wants each of them.
    if (level === "debug" || level === "trace") return true;
    const now = this.#now();
    const slot = `${event} ${why}`;
    let storm = this.#storms.get(slot);
    if (storm === undefined || (storm.untold === 0 && now - storm.beganAt >= WINDOW_MS)) {
      if (this.#storms.size >= STORMS_MAX) this.#forget(now);
      storm = { event, why, lines: 0, untold: 0, level, lastText: "", timer: null, beganAt: now };
      this.#storms.set(slot, storm);
    }
    if (++storm.lines <= this.#linesMax) return true;
    storm.untold++;
    storm.lastText = text ?? "";
    if (SEVERITY.indexOf(level) > SEVERITY.indexOf(storm.level)) storm.level = level;
    storm.timer ??= setTimeout(() => this.#end(slot), Math.max(0, storm.beganAt + WINDOW_MS - now)).unref();
    return false;
  }

  get size(): number {
    return this.#storms.size;
  }

  /** Sums up what was not written yet: at the end of the process, say. */
  settle(): void {
    for (const slot of [...this.#storms.keys()]) this.#end(slot);
  }

  #forget(now: number): void {
    for (const [slot, { untold, beganAt }] of this.#storms)
      if (untold === 0 && now - beganAt >= WINDOW_MS) this.#storms.delete(slot);
  }

  #end(slot: string): void {
    const storm = this.#storms.get(slot);
    this.#storms.delete(slot);
    if (storm === undefined || storm.untold === 0) return;
    if (storm.timer !== null) clearTimeout(storm.timer);
    const { event, why, untold: count, level, lastText, beganAt } = storm;
    const overMs = Math.round(this.#now() - beganAt);
    const last = lastText === "" ? "" : `; the last: ${lastText}`;
    this.#tell(level, event, { count, overMs }, `${count} more of ${event} within ${overMs} ms${last}`, why);
  }
}
