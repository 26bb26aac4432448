import { describe, expect, it } from "vitest";
import type { GroupSpec } from "../../../src/domain/group/types.js";
import { CheckRecord, healthOf } from "../../../src/domain/health.js";
import { type Host, World } from "./group-world.js";

const OK = { ok: true, reason: "connected", tookMs: 1 };
const BAD = { ok: false, reason: "ECONNREFUSED", tookMs: 1 };

describe("a check's record", () => {
  it.each<[string, boolean[], string]>([
    ["the first success decides alone", [true], "passing"],
    ["the first failure decides alone", [false], "failing"],
    ["two failures of three do not turn it", [true, false, false], "passing"],
    ["three failures in a row turn it", [true, false, false, false], "failing"],
    ["a success between them counts anew", [true, false, false, true, false, false], "passing"],
    ["one success does not turn a failing one", [false, true], "failing"],
    ["two in a row do", [false, true, true], "passing"],
  ])("%s", (_, results, state) => {
    const record = new CheckRecord({ rise: 2, fall: 3 }, 0);
    for (const ok of results) record.record(ok ? OK : BAD, 1);
    expect(record.state).toBe(state);
  });

  it("a check that was added to a group which serves passes until it has failed often enough", () => {
    const record = new CheckRecord({ rise: 2, fall: 2 }, 0, true);
    expect([record.record(BAD, 1), record.state]).toEqual([false, "passing"]);
    expect([record.record(BAD, 2), record.state, record.since]).toEqual([true, "failing", 2]);
  });

  it("of several in a group all must pass", () => {
    const make = (...results: (typeof OK)[]) => {
      const record = new CheckRecord({ rise: 1, fall: 1 }, 0);
      for (const result of results) record.record(result, 1);
      return { name: "tcp", record };
    };
    expect(healthOf([make(OK), make(OK)])).toEqual({ state: "passing", reason: "" });
    expect(healthOf([make(OK), make()]).state).toBe("unknown");
    expect(healthOf([make(), make(BAD)])).toEqual({ state: "failing", reason: "check tcp fails: ECONNREFUSED" });
  });
});

const ADDRESSES = Array.from({ length: 9 }, (_, i) => `10.0.0.${100 + i}`);

function cluster(names: string, more: Partial<GroupSpec>): World {
  const world = new World(1);
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

function health(host: Host, state: "passing" | "failing" | "unknown"): void {
  host.turn({ kind: "health", group: "web", health: { state, reason: state === "passing" ? "" : "check tcp fails" } });
}

function owned(world: World): Record<string, number> {
  return Object.fromEntries(
    world.hosts.map((host) => [
      host.options.name,
      ADDRESSES.filter((address) => world.voices(address).includes(host.options.name)).length,
    ]),
  );
}

function served(world: World): () => void {
  return () => {
    for (const address of ADDRESSES) {
      if (world.voices(address).length === 0) throw new Error(`${world.now}: nobody answers for ${address}`);
    }
  };
}

describe("health in the election", () => {
  it("nothing is claimed before the checks have said something", () => {
    const world = cluster("ab", { checked: true });
    world.run(5000);
    expect(owned(world)).toEqual({ a: 0, b: 0 });
    health(world.hosts[0]!, "passing");
    world.run(3000);
    expect(owned(world)).toEqual({ a: 9, b: 0 });
  });

  it("a host whose check fails gives its VIPs away make before break, and gets them back", () => {
    const world = cluster("abc", { checked: true });
    for (const host of world.hosts) health(host, "passing");
    world.run(8000);
    const before = owned(world);
    health(world.hosts[1]!, "failing");
    world.run(3000, served(world));
    expect(owned(world).b).toBe(0);
    expect(world.hosts[1]!.group.alarms().join()).toContain("check tcp fails");
    health(world.hosts[1]!, "passing");
    world.run(3000, served(world));
    expect(owned(world)).toEqual(before);
  });

  it.each(["keep", "withdraw"] as const)("with nobody healthy: %s", (whenNoneHealthy) => {
    const world = cluster("abc", { checked: true, whenNoneHealthy });
    for (const host of world.hosts) health(host, "passing");
    world.run(8000);
    for (const host of world.hosts) health(host, "failing");
    world.run(4000, whenNoneHealthy === "keep" ? served(world) : undefined);
    const total = Object.values(owned(world)).reduce((a, b) => a + b, 0);
    expect(total).toBe(whenNoneHealthy === "keep" ? 9 : 0);
    health(world.hosts[2]!, "passing");
    world.run(4000);
    expect(owned(world)).toEqual({ a: 0, b: 0, c: 9 });
  });
});

describe("placement by labels", () => {
  function labelled(more: Partial<GroupSpec>): World {
    const world = cluster("abc", more);
    const racks = ["r1", "r2", "r2"];
    world.hosts.forEach((host, i) => {
      host.turn({
        kind: "reconfigure",
        settings: { weight: 1, labels: { rack: racks[i]! }, groups: host.options.groups },
      });
    });
    world.run(8000);
    return world;
  }

  it("only hosts with the required label own anything, also when they die", () => {
    const world = labelled({ hosts: { require: { rack: ["r2"] }, prefer: {} } });
    const { a, b, c } = owned(world) as { a: number; b: number; c: number };
    expect([a, b + c, b > 0, c > 0]).toEqual([0, 9, true, true]);
    world.hosts[1]!.alive = false;
    world.hosts[2]!.alive = false;
    world.run(3000);
    expect(owned(world)).toEqual({ a: 0, b: 0, c: 0 });
  });

  it("preferred hosts own everything while one of them can, and then the others do", () => {
    const world = labelled({ hosts: { require: {}, prefer: { rack: ["r1"] } } });
    expect(owned(world)).toEqual({ a: 9, b: 0, c: 0 });
    world.hosts[0]!.alive = false;
    world.run(3000);
    expect(owned(world).a).toBe(0);
    expect(Object.values(owned(world)).reduce((x, y) => x + y, 0)).toBe(9);
  });
});

describe("an even spread in the group", () => {
  it("is even after a start, a death and a return, and nothing is silent on the way back", () => {
    const world = cluster("abc", { spread: "even" });
    world.run(40_000);
    expect(owned(world)).toEqual({ a: 3, b: 3, c: 3 });
    world.hosts[1]!.alive = false;
    world.run(3000);
    expect(Object.values(owned(world)).sort()).toEqual([0, 4, 5]);
    world.hosts[1]!.boot();
    world.run(5000, served(world));
    expect(owned(world)).toEqual({ a: 3, b: 3, c: 3 });
    world.hosts[2]!.turn({ kind: "drain", on: true });
    world.run(4000, served(world));
    expect(Object.values(owned(world)).sort()).toEqual([0, 4, 5]);
    world.hosts[2]!.turn({ kind: "drain", on: false });
    world.run(4000, served(world));
    expect(owned(world)).toEqual({ a: 3, b: 3, c: 3 });
  });
});
