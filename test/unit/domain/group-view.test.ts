import { describe, expect, it } from "vitest";
import type { Facts } from "../../../src/domain/facts.js";
import { GroupView } from "../../../src/domain/group/view.js";
import type { MemberState } from "../../../src/domain/messages.js";
import type { MemberView } from "../../../src/domain/swim/types.js";

/** Leases (with one extension) by host; every member was heard at 1000 and held dead since 1200. */
function view(leases: Readonly<Record<string, number>>): GroupView {
  return new GroupView({
    self: "a",
    defaultLeaseMs: 550,
    member: () =>
      ({
        lastHeardAt: 1000,
        witnessedAt: Number.NEGATIVE_INFINITY,
        since: 1200,
        state: "dead",
      }) as unknown as MemberView,
    facts: (name) => {
      const leaseMs = leases[name];
      return leaseMs === undefined ? undefined : ({ leaseMs, leaseExtensionMs: 0 } as Facts);
    },
    names: () => Object.keys(leases),
    drifted: () => false,
    linkUp: () => true,
    canCarry: () => true,
  });
}

describe("who is missing", () => {
  it.each<[string, Readonly<Record<string, MemberState>>, boolean]>([
    ["nobody, where all of whom facts are known live or are suspected", { b: "alive", c: "suspect" }, false],
    ["nobody, where one said goodbye", { b: "alive", c: "left" }, false],
    ["one that is held dead", { b: "alive", c: "dead" }, true],
    ["one of which only others have told: a newcomer has not met it", { b: "alive" }, true],
  ])("%s", (_what, states, expected) => {
    const source = {
      self: "a",
      defaultLeaseMs: 550,
      member: (name: string) => (name in states ? ({ state: states[name] } as MemberView) : undefined),
      facts: () => undefined,
      names: () => ["a", "b", "c"],
      drifted: () => false,
      linkUp: () => true,
      canCarry: () => true,
    };
    expect(new GroupView(source).missing()).toBe(expected);
  });
});

describe("from when a dead owner's lease counts", () => {
  it.each<[string, Readonly<Record<string, number>>, number]>([
    ["our last sign of life, where all have one lease", { a: 550, b: 550, c: 550 }, 1000],
    ["our last sign of life, where its lease is the shortest", { a: 550, b: 150, c: 550 }, 1000],
    ["the verdict, where a faster host may have been its judge", { a: 1750, b: 1750, c: 150 }, 1200],
    ["the verdict, where the heir itself is the faster one", { a: 150, b: 1750 }, 1200],
  ])("%s", (_what, leases, expected) => {
    expect(view(leases).silentSince("b")).toBe(expected);
  });

  it("is told anew after facts changed", () => {
    const leases: Record<string, number> = { a: 550, b: 550 };
    const seen = view(leases);
    expect(seen.silentSince("b")).toBe(1000);
    leases.c = 150;
    seen.forget();
    expect(seen.silentSince("b")).toBe(1200);
  });
});
