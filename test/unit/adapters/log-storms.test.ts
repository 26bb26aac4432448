import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { STORM_LINES, Storms } from "../../../src/adapters/log-storms.js";

describe("a storm of log lines", () => {
  const told: unknown[][] = [];
  let storms: Storms;
  const pass = (count: number, level: "info" | "error" | "debug", event = "vip.standby") =>
    Array.from({ length: count }, (_, i) => storms.pass(level, event, `line ${i}`)).filter(Boolean).length;

  beforeEach(() => {
    vi.useFakeTimers();
    told.length = 0;
    storms = new Storms(
      (...line) => told.push(line),
      STORM_LINES,
      () => performance.now(),
    );
  });
  afterEach(() => vi.useRealTimers());

  test("of 16 384 lines within a second some are written, and one tells how many more there were", () => {
    expect(pass(16_384, "info")).toBe(STORM_LINES);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(1000);
    const count = 16_384 - STORM_LINES;
    const text = `${count} more of vip.standby within 1000 ms; the last: line 16383`;
    expect(told).toEqual([["info", "vip.standby", { count, overMs: 1000 }, text, ""]]);
    expect(vi.getTimerCount()).toBe(0);
    expect(pass(1, "info")).toBe(1);
  });

  test("each event has its own, a sum is as severe as the worst that it stands for, debug lines all pass", () => {
    expect(pass(STORM_LINES, "info")).toBe(STORM_LINES);
    expect(pass(STORM_LINES, "info", "vip.owned")).toBe(STORM_LINES);
    expect(pass(100, "debug")).toBe(100);
    pass(1, "error");
    pass(1, "info");
    vi.advanceTimersByTime(1000);
    expect(told.map(([level, event, fields]) => [level, event, fields])).toEqual([
      ["error", "vip.standby", { count: 2, overMs: 1000 }],
    ]);
  });

  test("what happens for different reasons is summed up apart, and thousands of reasons are not kept", () => {
    for (const why of ["after host-b", "hand-over from host-c"])
      for (let i = 0; i < STORM_LINES + 3; i++) storms.pass("info", "vip.owned", `line ${i}`, why);
    vi.advanceTimersByTime(1000);
    expect(told.map(([, , fields, , why]) => [fields, why])).toEqual([
      [{ count: 3, overMs: 1000 }, "after host-b"],
      [{ count: 3, overMs: 1000 }, "hand-over from host-c"],
    ]);
    for (let i = 0; i < 5000; i++) {
      expect(storms.pass("info", "vip.owned", "", `reason ${i}`)).toBe(true);
      vi.advanceTimersByTime(1);
    }
    expect(storms.size).toBeLessThanOrEqual(2000);
  });

  test("few lines need no timer, a slow trickle is never summed up, and an end sums up at once", () => {
    for (let second = 0; second < 5; second++) {
      expect(pass(STORM_LINES - 1, "info")).toBe(STORM_LINES - 1);
      vi.advanceTimersByTime(1000);
    }
    expect([told, vi.getTimerCount()]).toEqual([[], 0]);
    pass(STORM_LINES + 5, "info");
    storms.settle();
    expect(told).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
