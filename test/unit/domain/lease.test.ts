import { describe, expect, it } from "vitest";
import { LAPSES_MAX, Lease } from "../../../src/domain/lease.js";

function held(now: number): Lease {
  const lease = new Lease({ leaseMs: 450, extensionMs: 100, catchUpMs: 1000 });
  lease.caughtUp(now, { alone: false });
  return lease;
}

describe("the lease (law 2)", () => {
  it("is not held before the host has caught up with the group", () => {
    const lease = new Lease({ leaseMs: 450, extensionMs: 100, catchUpMs: 1000 });
    expect(lease.until).toBe(Number.NEGATIVE_INFINITY);
    expect(lease.extend(0)).toBe(false);
  });

  it("is extended a little at a time", () => {
    const lease = held(1000);
    expect(lease.until).toBe(1450);
    expect(lease.extend(1050)).toBe(false);
    expect(lease.extend(1100)).toBe(true);
    expect(lease.until).toBe(1550);
  });

  it("goes on from where the driver extended it to between turns", () => {
    const lease = held(1000);
    lease.renewed(1600);
    expect(lease.until).toBe(1600);
    expect(lease.dueAt).toBe(1300);
    expect(lease.lapsed(1599)).toBe(false);
    // Not before an extension since that one.
    expect(lease.extend(1200)).toBe(false);
    lease.renewed(1500);
    expect(lease.until).toBe(1600);
    expect(lease.lapsed(1600)).toBe(true);
    lease.renewed(2000);
    expect(lease.until).toBe(Number.NEGATIVE_INFINITY);
  });

  it("lapses once when the loop was stalled for longer than it, and is silent until the group was heard", () => {
    const lease = held(0);
    expect(lease.lapsed(449)).toBe(false);
    expect(lease.lapsed(450)).toBe(true);
    expect(lease.lapsed(460)).toBe(false);
    expect(lease.until).toBe(Number.NEGATIVE_INFINITY);
    expect(lease.extend(500)).toBe(false);
    lease.catchUp(500);
    expect(lease.catchUpOverdue(1499)).toBe(false);
    expect(lease.catchUpOverdue(1500)).toBe(true);
    lease.caughtUp(1500, { alone: true });
    expect(lease.until).toBe(1950);
  });

  it("starts catching up anew after a stall in the midst of it: nobody's silence meanwhile tells anything", () => {
    const lease = held(0);
    expect(lease.lapsed(450)).toBe(true);
    lease.catchUp(450);
    expect(lease.lapsed(899)).toBe(false);
    expect(lease.lapsed(1349)).toBe(true);
    expect(lease.phase).toBe("thawing");
    expect(lease.lapses).toBe(2);
    lease.catchUp(1350);
    expect(lease.lapsed(1460)).toBe(false);
    // What it was awake for counts.
    expect(lease.catchUpOverdue(1900)).toBe(false);
    expect(lease.catchUpOverdue(1901)).toBe(true);
  });

  it("a host that stalls again and again, alone, catches up all the same, and says that it is unsteady", () => {
    const lease = new Lease({ leaseMs: 18, extensionMs: 3, catchUpMs: 250 });
    lease.caughtUp(0, { alone: false });
    let held = 0;
    for (let now = 0; now < 10_000; ) {
      // Awake for 180 ms, a turn every 3 ms, then a stall of 20.
      for (const end = now + 180; now < end; now += 3) {
        if (lease.lapsed(now)) lease.catchUp(now);
        else if (lease.catchUpOverdue(now)) lease.caughtUp(now, { alone: true });
        if (lease.phase === "held") held += 3;
        lease.extend(now);
      }
      now += 20;
    }
    expect(held).toBeGreaterThan(1000);
    expect(lease.unsteady(10_000)).not.toBe("");
  });

  it("does not take the time before the first turn, nor before it is ready, for a stall", () => {
    const lease = new Lease({ leaseMs: 450, extensionMs: 100, catchUpMs: 1000 });
    expect(lease.lapsed(5000)).toBe(false);
    expect(lease.lapsed(9000)).toBe(false);
  });

  it("goes silent on hearing that the group holds this host dead, without counting a lapse", () => {
    const lease = held(0);
    expect(lease.accused(10)).toBe(true);
    expect(lease.accused(11)).toBe(false);
    expect(lease.until).toBe(Number.NEGATIVE_INFINITY);
    expect(lease.lapses).toBe(0);
  });

  it("counts it like a lapse when those who hold it dead do not answer", () => {
    const lease = held(0);
    for (let now = 1000; now <= 3000; now += 1000) {
      lease.accused(now);
      lease.caughtUp(now + 500, { alone: true });
    }
    expect(lease.unsteady(3500)).toContain("3 times");
    const answered = held(0);
    for (let now = 1000; now <= 3000; now += 1000) {
      answered.accused(now);
      answered.caughtUp(now + 5, { alone: false });
    }
    expect(answered.unsteady(3500)).toBe("");
  });

  it("makes the host ineligible when it lapses again and again, and forgives with time", () => {
    const lease = held(0);
    let now = 0;
    for (let i = 0; i < LAPSES_MAX; i++) {
      expect(lease.unsteady(now)).toBe("");
      now += 1000;
      lease.lapsed(now);
      lease.caughtUp(now, { alone: false });
    }
    expect(lease.unsteady(now)).toContain("3 times");
    expect(lease.unsteady(now + 60_000)).toBe("");
  });
});
