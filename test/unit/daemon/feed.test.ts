import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { STORM_LINES } from "../../../src/adapters/log-storms.js";
import { createFeed } from "../../../src/daemon/feed.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("of thousands that happen for one reason some are told, and one tells how many more: their cause is not pushed out", () => {
  const feed = createFeed({ clock: { now: () => 0, wall: () => "" }, instance: "i1" });
  const reason = "host-b is dead";
  feed.publish("member.dead", { level: "warn", text: "member host-b dead", member: "host-b" });
  for (let i = 0; i < 10_000; i++)
    feed.publish("vip.owned", { level: "info", text: `${i}: owned`, vip: `${i}`, reason });
  vi.advanceTimersByTime(1000);
  const told = feed.since("");
  expect(told).toHaveLength(1 + STORM_LINES + 1);
  expect(told[0]?.event).toBe("member.dead");
  const count = 10_000 - STORM_LINES;
  expect(told.at(-1)).toMatchObject({ event: "vip.owned", fields: { level: "info", reason, count } });
  expect(told.at(-1)?.fields.text).toContain("the last: 9999: owned");
});

test("what happens for reasons of its own is told one by one", () => {
  const feed = createFeed({ clock: { now: () => 0, wall: () => "" }, instance: "i1" });
  for (let i = 0; i < 200; i++) feed.publish("vip.owned", { level: "info", text: "", reason: `reason ${i}` });
  expect(feed.since("")).toHaveLength(200);
});
