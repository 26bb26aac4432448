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
});
