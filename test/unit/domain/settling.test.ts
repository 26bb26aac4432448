import { describe, expect, it } from "vitest";
import { Settling } from "../../../src/domain/group/settling.js";

const settled = (instance: number) => ({ instance, settledIn: new Set(["web"]) });
const unsettled = (instance: number) => ({ instance, settledIn: new Set<string>() });

function fresh(afterMs: number): Settling {
  const settling = new Settling();
  settling.configure([{ name: "web", afterMs }]);
  return settling;
}

describe("settling (law 9)", () => {
  it("counts at once where nobody is settled, and defers to nobody who settles later", () => {
    const host = fresh(1000);
    host.meet(unsettled(7));
    expect(host.eligible("web", true, [unsettled(7)], 0)).toBe(1000);
    expect(host.standing("web")).toEqual({ settled: false, deferring: false });
    host.meet(settled(7));
    expect(host.standing("web").deferring).toBe(false);
    expect(host.settle(1000)).toBe(true);
    expect(host.standing("web")).toEqual({ settled: true, deferring: false });
  });

  it("ranks behind the settled until it was eligible for afterMs", () => {
    const host = fresh(1000);
    host.eligible("web", true, [settled(7), unsettled(8)], 0);
    expect(host.standing("web")).toEqual({ settled: false, deferring: true });
    expect(host.defersTo()).toEqual([7]);
    expect(host.settle(998)).toBe(false);
    expect(host.settle(1000)).toBe(true);
    expect(host.defersTo()).toEqual([]);
  });

  it("starts anew when its eligibility is interrupted", () => {
    const host = fresh(1000);
    host.eligible("web", true, [], 0);
    host.settle(1000);
    host.eligible("web", false, [], 5000);
    expect(host.standing("web").settled).toBe(false);
    expect(host.eligible("web", true, [settled(7)], 6000)).toBe(7000);
    expect(host.standing("web").deferring).toBe(true);
  });

  it("defers to a settled host that it meets while it is not settled itself", () => {
    const host = fresh(1000);
    host.eligible("web", true, [], 0);
    host.meet(settled(9));
    expect(host.defersTo()).toEqual([9]);
  });

  it("is never unsettled by meeting others once it is settled", () => {
    const host = fresh(1000);
    host.eligible("web", true, [], 0);
    host.settle(1000);
    host.meet(settled(9));
    expect(host.standing("web")).toEqual({ settled: true, deferring: false });
  });

  it("settles at once with afterMs 0", () => {
    const host = fresh(0);
    expect(host.eligible("web", true, [settled(7)], 0)).toBeNull();
    expect(host.standing("web")).toEqual({ settled: true, deferring: false });
  });

  describe("a host that goes up and down", () => {
    /** Loses eligibility and has it again 1 ms later, `times` times, each time after `everyMs`; returns each wait. */
    function flap(host: Settling, times: number, everyMs: number): (number | null)[] {
      const waits: (number | null)[] = [];
      let now = 0;
      host.eligible("web", true, [settled(7)], now);
      for (let i = 0; i < times; i++) {
        now += everyMs;
        host.eligible("web", false, [], now);
        const at = host.eligible("web", true, [settled(7)], ++now);
        waits.push(at === null ? null : at - now);
        // A timer that is due by now.
        host.settle(now);
      }
      return waits;
    }

    it.each([
      { afterMs: 0, waits: [null, 10_000, 20_000, 40_000] },
      { afterMs: 1000, waits: [1000, 10_000, 20_000, 40_000] },
      { afterMs: 300_000, waits: [300_000, 600_000, 1_200_000, 1_800_000] },
      { afterMs: 3_600_000, waits: [3_600_000, 3_600_000, 3_600_000, 3_600_000] },
    ])("waits longer each time, within a bound, with afterMs $afterMs", ({ afterMs, waits }) => {
      expect(flap(fresh(afterMs), 4, 5000)).toEqual(waits);
    });

    it("is forgiven a fall for each minute without interruption", () => {
      const host = fresh(0);
      expect(flap(host, 3, 60_000)).toEqual([null, null, null]);
      expect(host.flapping("web")).toBeNull();
    });

    it("never waits longer than half an hour, and an operator's word forgives all", () => {
      const host = fresh(0);
      expect(flap(host, 40, 1000).at(-1)).toBe(1_800_000);
      host.settleAtOnce();
      expect(host.flapping("web")).toBeNull();
      expect(host.standing("web")).toEqual({ settled: true, deferring: false });
    });
  });
});
