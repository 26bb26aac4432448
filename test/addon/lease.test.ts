/** The lease that the event loop extends by itself, without JavaScript: never by a loop that stands still (law 2). */
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { bootTimeMs, NativeEngine } from "../../src/adapters/native.js";
import { createResponder } from "../../src/adapters/responder.js";

const engines: NativeEngine[] = [];

function responder() {
  const engine = new NativeEngine();
  engines.push(engine);
  return createResponder(engine);
}

afterEach(() => {
  for (const engine of engines.splice(0)) engine.stop();
});

const never = () => bootTimeMs() + 1e6;

describe("a lease with a renewal", () => {
  it("goes on while the loop runs, a little at a time", async () => {
    const r = responder();
    const from = bootTimeMs();
    r.lease(from + 400, { byMs: 400, everyMs: 50, endsAt: never() });
    expect(r.leaseUntil()).toBeCloseTo(from + 400, 3);
    await sleep(600);
    const now = bootTimeMs();
    expect(r.leaseUntil()).toBeGreaterThan(now);
    expect(r.leaseUntil()).toBeLessThanOrEqual(now + 400);
  });

  it("ends where the loop stands still for longer, and is not revived by it", async () => {
    const r = responder();
    r.lease(bootTimeMs() + 100, { byMs: 100, everyMs: 30, endsAt: never() });
    await sleep(60);
    for (const end = bootTimeMs() + 250; bootTimeMs() < end; );
    const until = r.leaseUntil();
    expect(until).toBeLessThan(bootTimeMs());
    await sleep(200);
    expect(r.leaseUntil()).toBe(until);
    r.lease(bootTimeMs() + 100, { byMs: 100, everyMs: 30, endsAt: never() });
    await sleep(200);
    expect(r.leaseUntil()).toBeGreaterThan(bootTimeMs());
  });

  it("is extended at once where the turn that extended it took longer than it is to take", async () => {
    const r = responder();
    // Dated at the beginning of a turn that took 150 ms.
    r.lease(bootTimeMs() - 150 + 250, { byMs: 250, everyMs: 120, endsAt: never() });
    await sleep(200);
    expect(r.leaseUntil()).toBeGreaterThan(bootTimeMs());
  });

  it.each([
    ["the loop stood still for longer than it", 1e6, 250],
    ["it may not be extended any more", 150, 0],
  ])("tells so once when %s", async (_, allowedMs, blockedMs) => {
    const engine = new NativeEngine();
    engines.push(engine);
    const told: string[] = [];
    engine.onEvents((events) => told.push(...events.map(({ kind }) => kind)));
    const r = createResponder(engine);
    r.lease(bootTimeMs() + 100, { byMs: 100, everyMs: 30, endsAt: bootTimeMs() + allowedMs });
    await sleep(40);
    expect(told).toEqual([]);
    for (const end = bootTimeMs() + blockedMs; bootTimeMs() < end; );
    await sleep(250);
    expect(told).toEqual(["stalled"]);
  });

  it("goes no further than it was allowed without another word", async () => {
    const r = responder();
    const endsAt = bootTimeMs() + 100;
    r.lease(bootTimeMs() + 80, { byMs: 80, everyMs: 20, endsAt });
    await sleep(300);
    expect(r.leaseUntil()).toBeLessThan(endsAt + 80);
    expect(r.leaseUntil()).toBeLessThan(bootTimeMs());
  });

  it.each([
    ["a lease without one", 50],
    ["silence", Number.NEGATIVE_INFINITY],
  ])("is void after %s", async (_, ms) => {
    const r = responder();
    r.lease(bootTimeMs() + 100, { byMs: 100, everyMs: 10, endsAt: never() });
    r.lease(bootTimeMs() + ms);
    await sleep(150);
    expect(r.leaseUntil()).toBeLessThan(bootTimeMs());
  });
});
