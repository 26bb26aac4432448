import { describe, expect, it } from "vitest";
import type { GroupSpec } from "../../../src/domain/group/types.js";
import { World } from "./group-world.js";

const ADDRESSES = Array.from({ length: 12 }, (_, i) => `10.0.0.${100 + i}`);

function spec(more: Partial<GroupSpec> = {}): GroupSpec {
  return {
    name: "web",
    digest: 1,
    interfaces: ["eth0"],
    addresses: ADDRESSES,
    together: false,
    failback: { afterMs: 0 },
    local: true,
    ...more,
  };
}

function cluster(names: string, more: Partial<GroupSpec> = {}, seed = 1): World {
  const world = new World(seed);
  for (const name of names) world.add({ name, groups: [spec(more)], seeds: [...names] });
  return world;
}

function owners(world: World): Record<string, string[]> {
  return Object.fromEntries(ADDRESSES.map((address) => [address, world.voices(address)]));
}

function expectOneVoiceEach(world: World): void {
  for (const [address, voices] of Object.entries(owners(world))) expect([address, voices.length]).toEqual([address, 1]);
}

/** Fails as soon as an address has two voices for longer than a hand-over's crossing. */
function twoVoices(world: World, boundMs: number): () => void {
  const since = new Map<string, number>();
  return () => {
    for (const address of ADDRESSES) {
      if (world.voices(address).length < 2) since.delete(address);
      else if (!since.has(address)) since.set(address, world.now);
      const began = since.get(address);
      if (began !== undefined && world.now - began > boundMs) {
        throw new Error(`two voices for ${address} since ${began}: ${world.voices(address).join(" ")}`);
      }
    }
  };
}

describe("the group, whole", () => {
  it("a cold start of three gives each VIP one owner, spread over all", () => {
    const world = cluster("abc");
    world.run(5000);
    expectOneVoiceEach(world);
    expect(new Set(Object.values(owners(world)).flat())).toEqual(new Set(["a", "b", "c"]));
    for (const address of ADDRESSES) {
      const beliefs = world.hosts.map((host) => host.group.keys().find((key) => key.spec.key === address)!.owner);
      expect(new Set(beliefs).size).toBe(1);
    }
  });

  it("a host that meets nobody serves alone after aloneAfterMs, and claims nothing before", () => {
    const world = new World();
    const host = world.add({ name: "a", groups: [spec()], seeds: ["b"], aloneAfterMs: 3000 });
    world.run(2900);
    expect(host.answering.size).toBe(0);
    world.run(1000);
    expectOneVoiceEach(world);
  });

  it("a power cut moves the dead host's VIPs within a second, and nobody else's", () => {
    const world = cluster("abc");
    world.run(8000);
    const before = owners(world);
    world.hosts[1]!.alive = false;
    world.run(1000);
    expectOneVoiceEach(world);
    for (const [address, [owner]] of Object.entries(before)) {
      if (owner !== "b") expect(world.voices(address)).toEqual([owner]);
      expect(world.cache.get(address)).toBe(world.voices(address)[0]);
    }
  });

  it("with afterMs 0 everything is back as it was after the host returns, without two voices", () => {
    const world = cluster("abc");
    world.run(8000);
    const before = owners(world);
    world.hosts[1]!.alive = false;
    world.run(3000);
    world.hosts[1]!.boot();
    world.run(4000, twoVoices(world, 5));
    expect(owners(world)).toEqual(before);
  });

  it("a host that came back ranks behind the settled until afterMs is over", () => {
    const world = cluster("abc", { failback: { afterMs: 20_000 } });
    world.run(25_000);
    const before = owners(world);
    world.hosts[1]!.alive = false;
    world.run(3000);
    world.hosts[1]!.boot();
    world.run(15_000);
    for (const voices of Object.values(owners(world))) expect(voices).not.toContain("b");
    world.run(10_000, twoVoices(world, 5));
    expect(owners(world)).toEqual(before);
  });

  it('with failback "never" nothing moves back, and a later death still moves everything on', () => {
    const world = cluster("abc", { failback: "never" });
    world.run(40_000);
    world.hosts[1]!.alive = false;
    world.run(3000);
    const after = owners(world);
    world.hosts[1]!.boot();
    world.run(10_000);
    expect(owners(world)).toEqual(after);
    world.hosts[0]!.alive = false;
    world.run(3000);
    expectOneVoiceEach(world);
    expect(new Set(Object.values(owners(world)).flat())).toEqual(new Set(["b", "c"]));
  });

  it("a stop hands everything over before it falls silent", () => {
    const world = cluster("abc");
    world.run(8000);
    const gap = new Map<string, number>();
    const stopping = world.hosts[1]!;
    stopping.turn({ kind: "stop" });
    world.run(3000, () => {
      for (const address of ADDRESSES) if (world.voices(address).length === 0) gap.set(address, world.now);
    });
    expect([...gap]).toEqual([]);
    expect(stopping.group.pending()).toBe(0);
    expect(stopping.held.size).toBe(0);
    stopping.turn({ kind: "leave" });
    world.run(2000);
    expect(stopping.left).toBe(true);
    stopping.alive = false;
    world.run(1000);
    expectOneVoiceEach(world);
    expect(world.hosts[0]!.group.members().find((m) => m.name === "b")?.state).toBe("left");
  });

  it("a frozen owner answers nothing before it has caught up, then takes back what is its own, with one voice", () => {
    const world = cluster("abc");
    world.run(8000);
    const before = owners(world);
    const frozen = world.hosts[1]!;
    world.freeze(frozen);
    world.run(10_000);
    expectOneVoiceEach(world);
    world.thaw(frozen);
    expect(frozen.leaseUntil).toBeLessThan(world.now);
    world.run(5000, twoVoices(world, 20));
    expect(owners(world)).toEqual(before);
    expect(frozen.group.standing().lease.lapses).toBe(1);
  });

  it("a stall shorter than the profile's promise moves nothing", () => {
    const world = cluster("abc");
    world.run(8000);
    const before = owners(world);
    const { announcements } = world;
    for (let i = 0; i < 20; i++) {
      world.partition(world.hosts, world.hosts, world.gossipCut);
      world.run(500);
      world.gossipCut.clear();
      world.run(1000 + 37 * i);
    }
    expect(owners(world)).toEqual(before);
    expect(world.announcements).toBe(announcements);
  });

  it("each side of a partition serves, and after healing there is one owner each, announced by the winner", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = cluster("abc", {}, seed);
      world.run(8000);
      const before = owners(world);
      const [a, b, c] = world.hosts;
      world.partition([a!], [b!, c!]);
      world.run(3000);
      for (const address of ADDRESSES) expect(world.voices(address)).toHaveLength(2);
      world.wireCut.clear();
      world.run(3000);
      expect(owners(world)).toEqual(before);
      for (const address of ADDRESSES) expect(world.cache.get(address)).toBe(world.voices(address)[0]);
    }
  });

  it("when only the gossip is cut nobody claims what its owner still answers for, and an alarm says so", () => {
    const world = cluster("abc");
    world.run(8000);
    const before = owners(world);
    const [a, b, c] = world.hosts;
    world.partition([a!], [b!, c!], world.gossipCut);
    world.run(8000, twoVoices(world, 1));
    expect(owners(world)).toEqual(before);
    expect(b!.group.alarms().join()).toContain("gossip is broken");
    world.gossipCut.clear();
    world.run(5000, twoVoices(world, 20));
    expect(owners(world)).toEqual(before);
    expect(b!.group.alarms()).toEqual([]);
  });

  it("a host whose link is lost lets go at once, and the others take over without waiting for its death", () => {
    const world = cluster("abc");
    world.run(8000);
    const host = world.hosts[1]!;
    host.turn({ kind: "link", link: { name: "eth0", mac: host.mac, up: true, carrier: false } });
    expect(host.answering.size).toBe(0);
    world.run(300);
    expectOneVoiceEach(world);
  });

  it("two hosts with one name: neither owns anything, the third serves", () => {
    const world = new World();
    world.add({ name: "a", groups: [spec()], seeds: ["a", "b", "c"] });
    world.add({ name: "b", groups: [spec()], seeds: ["a", "b", "c"] });
    world.run(8000);
    const twin = world.add({ name: "b", groups: [spec()], seeds: ["a"] });
    world.run(8000);
    expect(twin.answering.size).toBe(0);
    expect(world.hosts[1]!.answering.size).toBe(0);
    expect(twin.group.alarms().join()).toContain("name-conflict");
    expect(world.hosts[1]!.group.alarms().join()).toContain("name-conflict");
    expectOneVoiceEach(world);
  });

  it("configurations that differ move nothing, and both sides say so", () => {
    const world = cluster("ab");
    world.run(8000);
    const before = owners(world);
    const b = world.hosts[1]!;
    const settings = { weight: 5, labels: {}, groups: [spec({ digest: 2, failback: { afterMs: 1 } })] };
    b.turn({ kind: "reconfigure", settings });
    world.run(8000, twoVoices(world, 1));
    expect(owners(world)).toEqual(before);
    for (const host of world.hosts) expect(host.group.alarms().join()).toContain("drift");
  });

  it.each([..."abc"])(
    "where %s alone calls the group otherwise, each VIP has one voice, and whoever gave way says why",
    (name) => {
      const world = cluster("abc");
      world.run(8000);
      const misnaming = world.hosts.find((host) => host.options.name === name)!;
      const settings = (group: GroupSpec) => ({ weight: 1, labels: {}, groups: [group] });
      misnaming.turn({ kind: "reconfigure", settings: settings(spec({ name: "pool" })) });
      // Both announce before they know: they meet, exchange state, and one gives way.
      world.run(8000, twoVoices(world, 1500));
      expectOneVoiceEach(world);
      expect(world.hosts.flatMap((host) => host.group.alarms()).join()).toContain("drift");
      const before = owners(world);
      world.run(30_000, twoVoices(world, 1));
      expect(owners(world)).toEqual(before);
      misnaming.turn({ kind: "reconfigure", settings: settings(spec()) });
      world.run(15_000);
      expectOneVoiceEach(world);
      expect(world.hosts.map((host) => host.group.alarms())).toEqual([[], [], []]);
    },
  );

  it("a stranger that answers for a VIP keeps everybody from claiming it", () => {
    const world = new World();
    world.strangers.set(ADDRESSES[0]!, ["66:66:66:66:66:66"]);
    for (const name of "abc") world.add({ name, groups: [spec()], seeds: [..."abc"] });
    world.run(8000);
    expect(world.voices(ADDRESSES[0]!)).toEqual([]);
    world.strangers.clear();
    world.run(5000);
    expectOneVoiceEach(world);
  });

  it('with conflict "yield" an owner makes room for a stranger, others try in turn, and who tries last serves when it is gone', () => {
    const world = new World();
    for (const name of "abc") {
      world.add({ name, groups: [{ ...spec(), conflict: "yield" }], seeds: [..."abc"] });
    }
    world.run(8000);
    const [first] = world.voices(ADDRESSES[0]!);
    const others = ADDRESSES.slice(1).map((address) => world.voices(address));
    const mac = "66:66:66:66:66:66";
    world.strangers.set(ADDRESSES[0]!, [mac]);
    const owner = world.hosts.find((host) => host.options.name === first)!;
    owner.turn({ kind: "claim-heard", address: ADDRESSES[0]!, mac, yielded: false });
    world.run(4000, () => expect(world.voices(ADDRESSES[0]!)).toEqual([]));
    expect(world.hosts.map((host) => host.state(ADDRESSES[0]!))).toContain("conflict");
    const asked = world.hosts.filter((host) => host.events.some((event) => event.includes("vip.conflict")));
    expect(asked.length, "another host tried").toBeGreaterThan(1);
    expect(ADDRESSES.slice(1).map((address) => world.voices(address))).toEqual(others);
    world.run(200_000, () => expect(world.voices(ADDRESSES[0]!)).toEqual([]));
    world.strangers.clear();
    world.run(70_000);
    expectOneVoiceEach(world);
  });

  it("at rest nothing is announced and nothing is exchanged beyond the gossip", () => {
    const world = cluster("abcde");
    world.run(10_000);
    const { announcements } = world;
    const versions = world.hosts.map((host) => host.group.facts(host.options.name));
    world.run(20_000);
    expect(world.announcements).toBe(announcements);
    expect(world.hosts.map((host) => host.group.facts(host.options.name))).toEqual(versions);
  });
});
