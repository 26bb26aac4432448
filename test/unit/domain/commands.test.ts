import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { GroupSpec } from "../../../src/domain/group/types.js";
import { give, MOVES_MAX, merge, NO_ORDERS, type Order, type Orders } from "../../../src/domain/orders.js";
import { type Host, World } from "./group-world.js";

const ADDRESSES = Array.from({ length: 12 }, (_, i) => `10.0.0.${100 + i}`);

function cluster(names: string, more: Partial<GroupSpec> = {}, seed = 1): World {
  const world = new World(seed);
  const group: GroupSpec = {
    name: "web",
    digest: 1,
    interfaces: ["eth0"],
    addresses: ADDRESSES,
    together: false,
    failback: { afterMs: 0 },
    local: true,
    ...more,
  };
  for (const name of names) world.add({ name, groups: [group], seeds: [...names] });
  return world;
}

function owners(world: World): Record<string, string[]> {
  return Object.fromEntries(ADDRESSES.map((address) => [address, world.voices(address)]));
}

/** Fails as soon as an address has no voice, or two for longer than an announcement takes to cross. */
function servedThroughout(world: World): () => void {
  const twoSince = new Map<string, number>();
  return () => {
    for (const address of ADDRESSES) {
      const voices = world.voices(address);
      if (voices.length === 0) throw new Error(`${world.now}: nobody answers for ${address}`);
      if (voices.length === 1) twoSince.delete(address);
      else if (!twoSince.has(address)) twoSince.set(address, world.now);
      if (world.now - (twoSince.get(address) ?? world.now) > 5)
        throw new Error(`${world.now}: ${voices} for ${address}`);
    }
  };
}

function order(host: Host, order: Order): void {
  host.turn({ kind: "order", order });
}

function owned(world: World, name: string): string[] {
  return ADDRESSES.filter((address) => world.voices(address).includes(name));
}

describe("drain and resume", () => {
  for (const failback of [{ afterMs: 0 }, { afterMs: 300_000 }, "never"] as const) {
    it(`give everything away and get it back, served throughout (failback ${JSON.stringify(failback)})`, () => {
      const world = cluster("abc", { failback });
      world.run(40_000);
      const before = owners(world);
      const b = world.hosts[1]!;
      b.turn({ kind: "drain", on: true });
      world.run(4000, servedThroughout(world));
      expect(owned(world, "b")).toEqual([]);
      expect(b.group.pending()).toBe(0);
      expect(b.held.size).toBe(0);
      b.turn({ kind: "drain", on: false });
      world.run(4000, servedThroughout(world));
      expect(owners(world)).toEqual(before);
    });
  }

  it("a host that was restarted while it drained owns nothing until it resumes, and then at once", () => {
    const world = cluster("abc", { failback: { afterMs: 300_000 } });
    world.run(40_000);
    const before = owners(world);
    const b = world.hosts[1]!;
    b.turn({ kind: "drain", on: true });
    world.run(4000);
    b.alive = false;
    world.run(2000);
    b.options.initial = { draining: true };
    b.boot();
    world.run(10_000, servedThroughout(world));
    expect(owned(world, "b")).toEqual([]);
    b.turn({ kind: "drain", on: false });
    world.run(4000, servedThroughout(world));
    expect(owners(world)).toEqual(before);
  });

  it("the last host goes on serving: nobody else is eligible", () => {
    const world = cluster("ab");
    world.run(10_000);
    for (const host of world.hosts) {
      host.turn({ kind: "drain", on: true });
      world.run(3000, servedThroughout(world));
    }
    expect(owned(world, "b")).toEqual(ADDRESSES);
    expect(world.hosts[1]!.group.pending()).toBe(ADDRESSES.length);
  });
});

describe("move", () => {
  it("takes a VIP to a host until it is undone, also when hosts come and go, served throughout", () => {
    const world = cluster("abc");
    world.run(10_000);
    const key = ADDRESSES.find((address) => world.voices(address)[0] !== "b")!;
    const home = world.voices(key)[0];
    order(world.hosts[0]!, { kind: "move", key, host: "b" });
    world.run(3000, servedThroughout(world));
    expect(world.voices(key)).toEqual(["b"]);
    world.hosts[1]!.alive = false;
    world.run(2000);
    expect(world.voices(key)).toEqual([home]);
    world.hosts[1]!.boot();
    world.run(4000, servedThroughout(world));
    expect(world.voices(key)).toEqual(["b"]);
    order(world.hosts[2]!, { kind: "move", key, host: null });
    world.run(3000, servedThroughout(world));
    expect(world.voices(key)).toEqual([home]);
  });

  it("outlives the host that was told of it", () => {
    const world = cluster("abc");
    world.run(10_000);
    const key = ADDRESSES.find((address) => world.voices(address)[0] === "c")!;
    order(world.hosts[0]!, { kind: "move", key, host: "b" });
    world.run(3000);
    world.hosts[0]!.alive = false;
    world.run(3000);
    world.hosts[0]!.boot();
    world.run(5000);
    expect(world.voices(key)).toEqual(["b"]);
    expect(world.hosts[0]!.group.orders().moves).toHaveLength(1);
  });
});

describe("freeze and thaw", () => {
  it("nothing moves back while frozen, deaths still move everything on, and a thaw moves it back", () => {
    const world = cluster("abc");
    world.run(40_000);
    const before = owners(world);
    order(world.hosts[0]!, { kind: "freeze", on: true });
    world.run(2000, servedThroughout(world));
    world.hosts[1]!.alive = false;
    world.run(2000);
    const taken = owners(world);
    for (const voices of Object.values(taken)) expect(voices).toHaveLength(1);
    world.hosts[1]!.boot();
    world.run(10_000, servedThroughout(world));
    expect(owners(world)).toEqual(taken);
    order(world.hosts[1]!, { kind: "freeze", on: false });
    world.run(4000, servedThroughout(world));
    expect(owners(world)).toEqual(before);
  });
});

describe("rebalance", () => {
  for (const failback of [{ afterMs: 30_000 }, "never"] as const) {
    it(`brings a host's VIPs back before their time (failback ${JSON.stringify(failback)})`, () => {
      const world = cluster("abc", { failback });
      world.run(40_000);
      const before = owners(world);
      world.hosts[1]!.alive = false;
      world.run(3000);
      world.hosts[1]!.boot();
      world.run(5000, servedThroughout(world));
      expect(owned(world, "b")).toEqual([]);
      const { group } = world.hosts[0]!;
      order(world.hosts[0]!, { kind: "rebalance", instances: group.instances() });
      world.run(40_000, servedThroughout(world));
      expect(owners(world)).toEqual(before);
      // Whoever joins after it ranks as without it.
      world.hosts[2]!.alive = false;
      world.run(3000);
      world.hosts[2]!.boot();
      world.run(5000, servedThroughout(world));
      expect(owned(world, "c")).toEqual([]);
    });
  }
});

describe("orders", () => {
  const host = fc.constantFrom("", "a", "b");
  const epoch = fc.integer({ min: 0, max: 5 });
  const orders: fc.Arbitrary<Orders> = fc.record({
    freeze: fc.record({ on: fc.boolean(), epoch }),
    moves: fc.uniqueArray(fc.record({ key: fc.constantFrom("x", "y", "z"), host, epoch }), { selector: (m) => m.key }),
    rebalance: fc.record({ instances: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }), epoch }),
  });
  const sorted = (one: Orders): Orders => ({ ...one, moves: [...one.moves].sort((a, b) => (a.key < b.key ? -1 : 1)) });

  it("merge alike in whatever order they are heard, and hearing them again changes nothing", () => {
    fc.assert(
      fc.property(orders, orders, orders, (a, b, c) => {
        expect(sorted(merge(a, b))).toEqual(sorted(merge(b, a)));
        expect(sorted(merge(merge(a, b), c))).toEqual(sorted(merge(a, merge(b, c))));
        expect(merge(a, a)).toBe(a);
      }),
    );
  });

  it("an order is newer than everything that its giver knew", () => {
    fc.assert(
      fc.property(orders, fc.boolean(), (known, on) => {
        const after = give(known, { kind: "freeze", on });
        expect(merge(known, after).freeze).toEqual(after.freeze);
        expect(merge(after, known).freeze.on).toBe(on);
      }),
    );
  });

  it("moves are bounded, and undone ones are forgotten first", () => {
    let orders = give(NO_ORDERS, { kind: "move", key: "first", host: "a" });
    for (let i = 0; i < MOVES_MAX; i++) orders = give(orders, { kind: "move", key: `k${i}`, host: null });
    expect(orders.moves).toHaveLength(MOVES_MAX);
    expect(orders.moves.some((move) => move.key === "first")).toBe(true);
  });
});
