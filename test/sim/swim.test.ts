import { describe, expect, it } from "vitest";
import { disagreement, holdLiveness, holdSafety } from "./checks.js";
import { measureDetection } from "./detection.js";
import type { Host } from "./host.js";
import { play } from "./story.js";
import { PORT, World } from "./world.js";

const FIXED_SEEDS = [1, 6, 44, 83];
const NEW_SEEDS = Array.from({ length: 3 }, () => Math.floor(Math.random() * 2 ** 31));

function address(index: number) {
  return { host: `10.0.0.${index}`, port: PORT };
}

/** A group that has formed, and the verdicts that it spoke since. */
function formed(seed: number, hosts: number): { world: World; verdicts: string[]; conflicts: Map<Host, number[]> } {
  const world = new World(seed);
  const verdicts: string[] = [];
  const conflicts = new Map<Host, number[]>();
  holdSafety(world);
  for (let index = 1; index <= hosts; index++) world.boot(`h${index}`, address(index), [address(1), address(2)]);
  holdLiveness(world, 2000);
  world.run(3000);
  world.watch({
    event: (host, event) => {
      if (event.kind === "member" && event.change === "dead") verdicts.push(`${host.name}: ${event.member.name}`);
      if (event.kind !== "name-conflict" || !event.self) return;
      conflicts.set(host, [...(conflicts.get(host) ?? []), world.now]);
    },
  });
  return { world, verdicts, conflicts };
}

describe("stories: any misfortune in any order, then healing", () => {
  it.each([...FIXED_SEEDS, ...NEW_SEEDS])("npm run sim -- --seed=%i --hosts=5 --minutes=0.5", (seed) => {
    expect(play({ seed, hosts: 5, minutes: 0.5 }).chapters).toBeGreaterThan(0);
  });
});

describe("no false verdict", () => {
  it("in 50 stalls of the whole network for 500 ms, three hosts", () => {
    const { world, verdicts } = formed(11, 3);
    for (let i = 0; i < 50; i++) {
      world.network.stall(world.now + 500);
      world.run(1500 + world.random() * 500);
    }
    expect(verdicts).toEqual([]);
  });

  it("in 20 stalls of the whole network for 500 ms, ten hosts", () => {
    const { world, verdicts } = formed(12, 10);
    for (let i = 0; i < 20; i++) {
      world.network.stall(world.now + 500);
      world.run(1500 + world.random() * 500);
    }
    expect(verdicts).toEqual([]);
  });

  it("at 10 % loss of every datagram for ten minutes", () => {
    const { world, verdicts } = formed(13, 3);
    world.network.weather = { loss: 0.1, duplicate: 0.01, delayMs: 0.2, jitterMs: 1, stray: 0.001 };
    world.run(600_000);
    expect(verdicts).toEqual([]);
  });

  it("by a host that was frozen itself", () => {
    const { world, verdicts } = formed(14, 3);
    for (const ms of [600, 1500, 5000]) {
      const sleeper = world.at(address(2));
      sleeper?.freeze(ms);
      world.run(ms + 4000);
      expect(verdicts.filter((verdict) => verdict.startsWith("h2"))).toEqual([]);
      expect(disagreement(world)).toBeNull();
    }
  });
});

describe("detection", () => {
  it.each([3, 10])("a crash among %i hosts is known to all within 800 ms", (hosts) => {
    const { lastMs, datagramsPerSecond } = measureDetection({ seed: 5, hosts, crashes: 10 });
    expect(Math.max(...lastMs)).toBeLessThan(800);
    expect(datagramsPerSecond).toBeLessThan(40);
  });

  it("a partition heals within a second", () => {
    const { world } = formed(15, 6);
    for (const a of [1, 2, 3]) {
      for (const b of [4, 5, 6]) {
        world.network.cut(address(a).host, address(b).host);
        world.network.cut(address(b).host, address(a).host);
      }
    }
    world.run(20_000);
    expect(
      world
        .at(address(1))
        ?.members()
        .filter((member) => member.state === "dead"),
    ).toHaveLength(3);
    world.network.heal();
    expect(holdLiveness(world, 1000)).toBeLessThan(1000);
  });
});

describe("two hosts with one name", () => {
  it.each([2, 3, 5])("both say so within seconds, again and again, and stop when one goes (%i hosts)", (hosts) => {
    const { world, conflicts } = formed(16, hosts);
    const first = world.at(address(hosts))!;
    const second = world.boot(first.name, address(99), [address(1), address(2)]);
    world.run(10_000);
    for (const host of [first, second]) {
      const times = conflicts.get(host) ?? [];
      expect(times[0]).toBeLessThan(8000);
      const gaps = times.slice(1).map((at, i) => at - times[i]!);
      expect(Math.max(...gaps)).toBeLessThan(1200);
      expect(world.now - times.at(-1)!).toBeLessThan(1200);
    }
    const incarnations = first.members().map((member) => member.incarnation);
    expect(Math.max(...incarnations)).toBeLessThan(30);
    second.crash();
    world.run(15_000);
    conflicts.clear();
    world.run(5000);
    expect(conflicts.size).toBe(0);
    expect(disagreement(world)).toBeNull();
  });

  it("a host that came back elsewhere has no rival in its own past", () => {
    const { world, conflicts } = formed(17, 4);
    world.at(address(4))?.crash();
    const moved = world.boot("h4", address(44), [address(1), address(2)]);
    holdLiveness(world, 5000);
    world.run(5000);
    expect(conflicts.get(moved)).toBeUndefined();
  });
});
