/** Law 4: with a quorum the lease reaches as far as the answers of enough hosts allow, each dated at its question's sending. */
import { describe, expect, it } from "vitest";
import type { GroupSpec } from "../../../src/domain/group/types.js";
import { type Endpoint, type Message, type Sighting, VIPD_VSN } from "../../../src/domain/messages.js";
import { PROFILES } from "../../../src/domain/profile.js";
import { Swim, type SwimInput, type SwimOutput } from "../../../src/domain/swim/index.js";
import { World } from "./group-world.js";

const US: Endpoint = { host: "10.0.0.1", port: 7979 };
const at = (index: number): Endpoint => ({ host: `10.0.0.${index + 1}`, port: 7979 });

/** A core that knows members m1, m2, … with instances 101, 102, … and needs `hosts` of them and itself. */
function asking(hosts: number, members: number) {
  const swim = new Swim(
    {
      name: "a",
      address: US,
      profile: PROFILES.lan,
      meta: { kind: "vipd", format: 1, instance: 100, factsVersion: 1, factsDigest: 1 },
      random: () => 0.5,
      measure: () => 60,
      packetBudget: 1350,
      seeds: [],
    },
    0,
  );
  const timers: { at: number; timer: Extract<SwimInput, { kind: "timer" }>["timer"] }[] = [];
  const take = (outputs: SwimOutput[]): SwimOutput[] => {
    for (const output of outputs) if (output.kind === "arm") timers.push(output);
    return outputs;
  };
  const hand = (input: SwimInput, now: number) => take(swim.handle(input, now));
  hand({ kind: "quorum", hosts }, 0);
  for (let i = 1; i <= members; i++) {
    const meta = { kind: "vipd", format: 1, instance: 100 + i, factsVersion: 1, factsDigest: 1 } as const;
    const alive: Message = { kind: "alive", node: `m${i}`, address: at(i), incarnation: 1, meta, vsn: VIPD_VSN };
    hand({ kind: "datagram", from: at(i), messages: [alive] }, 0);
  }
  hand({ kind: "start" }, 0);
  /** Runs the quorum's own timer at this instant and returns whom it asks: member -> sequence number. */
  const ask = (now: number): Map<string, number> => {
    const due = timers.findLast(({ timer }) => timer.kind === "quorum");
    const asked = new Map<string, number>();
    for (const output of hand({ kind: "timer", timer: due!.timer }, now)) {
      if (output.kind !== "send") continue;
      for (const message of output.messages) if (message.kind === "ping") asked.set(message.node, message.seqNo);
    }
    return asked;
  };
  const ack = (member: number, seqNo: number, now: number, sightings: Sighting[] = [], instance = 100 + member) => {
    const payload = { kind: "vipd", instance, factsVersion: 1, viewDigest: 0, sightings } as const;
    hand({ kind: "datagram", from: at(member), messages: [{ kind: "ack", seqNo, payload }] }, now);
  };
  return { swim, ask, ack, hand };
}

const number = (name: string) => Number(name.slice(1));

describe("the evidence for a quorum", () => {
  it("is dated at the question, however late the answer comes", () => {
    const { swim, ask, ack } = asking(3, 4);
    const asked = [...ask(10)];
    expect(asked).toHaveLength(2);
    expect(swim.quorumAt).toBe(Number.NEGATIVE_INFINITY);
    for (const [name, seqNo] of asked) ack(number(name), seqNo, 300);
    expect(swim.quorumAt).toBe(10);
  });

  it("is the oldest of those that are needed", () => {
    const { swim, ask, ack } = asking(3, 4);
    const [first, second] = [...ask(10)];
    ack(number(first![0]), first![1], 20);
    const [third] = [...ask(90)].filter(([name]) => name !== second![0]);
    ack(number(third![0]), third![1], 95);
    expect(swim.quorumAt).toBe(10);
  });

  it("is no answer of another life of that host, and nothing that was merely heard", () => {
    const { swim, ask, ack, hand } = asking(2, 1);
    const [[name, seqNo]] = [...ask(10)] as [[string, number]];
    ack(number(name), seqNo, 20, [], 999);
    const ping: Message = { kind: "ping", seqNo: 1, node: "a", source: { address: at(1), name: "m1" } };
    hand({ kind: "datagram", from: at(1), messages: [ping] }, 21);
    expect(swim.quorumAt).toBe(Number.NEGATIVE_INFINITY);
  });

  it("comes through others, as old as the chain of questions is", () => {
    const { swim, ask, ack } = asking(9, 20);
    const asked = [...ask(1000)];
    expect(asked).toHaveLength(5);
    const [name, seqNo] = asked[0]!;
    const others = Array.from({ length: 20 }, (_, i) => i + 1).filter((i) => i !== number(name));
    const sightings = others.map((i) => ({ instance: 100 + i, answeredAgoMs: 10 * i, heardAgoMs: null }));
    ack(number(name), seqNo, 1200, sightings);
    // Eight others are needed: the one that answered, and the seven that it had answers of last.
    expect(swim.quorumAt).toBe(1000 - 10 * others[6]!);
  });

  it("does not count hosts through others that were only heard, nor strangers, nor ourselves", () => {
    const { swim, ask, ack } = asking(3, 2);
    const [[name, seqNo]] = [...ask(10)] as [[string, number]];
    const other = name === "m1" ? 102 : 101;
    ack(number(name), seqNo, 20, [
      { instance: other, answeredAgoMs: null, heardAgoMs: 1 },
      { instance: 100, answeredAgoMs: 1, heardAgoMs: 1 },
      { instance: 555, answeredAgoMs: 1, heardAgoMs: 1 },
    ]);
    expect(swim.quorumAt).toBe(Number.NEGATIVE_INFINITY);
    expect(swim.member(`m${other - 100}`)?.witnessedAt).toBe(9);
  });

  it("takes nobody's word for others from whom was missing just now: a paused machine's ages are too small", () => {
    const { swim, ask, ack, hand } = asking(3, 2);
    const meta = { kind: "vipd", format: 1, instance: 101, factsVersion: 1, factsDigest: 1 } as const;
    const dead: Message = { kind: "dead", node: "m1", from: "m2", incarnation: 1 };
    const alive: Message = { kind: "alive", node: "m1", address: at(1), incarnation: 2, meta, vsn: VIPD_VSN };
    hand({ kind: "datagram", from: at(2), messages: [dead] }, 1000);
    hand({ kind: "datagram", from: at(1), messages: [alive] }, 3000);
    const other = { instance: 102, answeredAgoMs: 60, heardAgoMs: 10 };
    const asked = ask(3010);
    ack(1, asked.get("m1")!, 3011, [other]);
    expect(swim.quorumAt).toBe(Number.NEGATIVE_INFINITY);
    // That it lives is believed: to wait for its lease too long does no harm.
    expect(swim.member("m2")?.witnessedAt).toBe(3000);
    const again = ask(3000 + PROFILES.lan.leaseMs);
    ack(1, again.get("m1")!, 3001 + PROFILES.lan.leaseMs, [other]);
    expect(swim.quorumAt).toBe(3000 + PROFILES.lan.leaseMs - 60);
  });

  it("is asked for at a cost that does not grow with the group", () => {
    for (const members of [20, 100, 200]) {
      const { ask } = asking(Math.floor(members / 2) + 1, members);
      expect(ask(100).size).toBe(5);
    }
  });
});

const VIPS = Array.from({ length: 10 }, (_, i) => `10.0.0.${100 + i}`);

function group(names: string, expected: number): World {
  const world = new World(7);
  const spec: GroupSpec = {
    name: "web",
    digest: 1,
    interfaces: ["eth0"],
    addresses: VIPS,
    together: false,
    failback: { afterMs: 0 },
    local: true,
  };
  const quorum = { hosts: Math.floor(expected / 2) + 1, expect: expected };
  for (const name of names) world.add({ name, groups: [spec], seeds: ["a", "b"], quorum, aloneAfterMs: 2000 });
  return world;
}

const voicing = (world: World): string[] => [...new Set(VIPS.flatMap((vip) => world.voices(vip)))].sort();

describe("a group with a quorum", () => {
  it("falls silent on the smaller side within the lease, serves on the larger, and heals by itself", () => {
    const world = group("abcde", 5);
    world.run(5000);
    expect(voicing(world)).toEqual(["a", "b", "c", "d", "e"]);
    const [a, b, ...rest] = world.hosts;
    world.partition([a!, b!], rest);
    world.run(PROFILES.lan.leaseMs);
    expect(voicing(world)).toEqual(["c", "d", "e"]);
    world.run(1500);
    for (const vip of VIPS) expect([vip, world.voices(vip).length]).toEqual([vip, 1]);
    expect(a!.group.standing()).toMatchObject({ ready: false, barred: "no quorum" });
    expect(a!.group.standing().readyReason).toContain("2 of 3 hosts answer");
    expect(a!.group.alarms().join()).toContain("no quorum");
    expect(a!.held.size + b!.held.size).toBe(0);
    expect(a!.events.join()).toContain("quorum.lost");
    world.wireCut.clear();
    world.run(4000);
    expect(voicing(world)).toEqual(["a", "b", "c", "d", "e"]);
    expect(a!.group.alarms()).toEqual([]);
    expect(a!.events.join()).toContain("quorum.reached");
  });

  it("takes the VIPs of a host that is heard, but hears nobody", () => {
    const world = group("abcde", 5);
    world.run(5000);
    const [deaf, ...rest] = world.hosts;
    for (const other of rest) world.wireCut.add(`${other.options.name}>${deaf!.options.name}`);
    world.run(3000);
    expect(voicing(world)).toEqual(["b", "c", "d", "e"]);
    for (const vip of VIPS) expect([vip, world.voices(vip).length]).toEqual([vip, 1]);
  });

  it("serves nothing while too few have started, and says so", () => {
    const world = group("ab", 5);
    world.run(5000);
    expect(voicing(world)).toEqual([]);
    for (const host of world.hosts) expect(host.group.standing()).toMatchObject({ ready: false, barred: "no quorum" });
  });

  it("says that more hosts are there than expected", () => {
    const world = group("abcde", 3);
    world.run(5000);
    expect(world.hosts[0]!.group.alarms().join()).toContain("expect: 5 hosts are known, 3 were expected");
  });

  it("of two: the survivor of the other's death falls silent", () => {
    const world = group("ab", 2);
    world.run(5000);
    expect(voicing(world)).toEqual(["a", "b"]);
    world.hosts[0]!.alive = false;
    world.run(PROFILES.lan.leaseMs);
    expect(voicing(world)).toEqual([]);
  });
});
