import { describe, expect, it } from "vitest";
import type { Endpoint, Message } from "../../src/domain/messages.js";
import { PROFILES } from "../../src/domain/profile.js";
import { disagreement, holdLiveness, holdSafety } from "./checks.js";
import { measureDetection } from "./detection.js";
import { PORT, World } from "./world.js";

const FAIR_AGAIN = { loss: 0.1, duplicate: 0.01, delayMs: 0.2, jitterMs: 1, stray: 0.001 };

function address(index: number) {
  return { host: `10.0.0.${index}`, port: PORT };
}

function boot(world: World, name: string, at: number) {
  return world.boot({ name, address: address(at), seeds: [address(1), address(2)] });
}

/** A group that has formed, and the verdicts that it spoke since. */
function formed(seed: number, hosts: number): { world: World; verdicts: string[] } {
  const world = new World({ seed });
  const verdicts: string[] = [];
  holdSafety(world);
  for (let index = 1; index <= hosts; index++) boot(world, `h${index}`, index);
  holdLiveness(world, 2000, () => disagreement(world));
  world.run(3000);
  world.watch({
    event: (host, event) => {
      if (event.event === "member.dead") verdicts.push(`${host.name}: ${String(event.fields.member)}`);
    },
  });
  return { world, verdicts };
}

describe("no false verdict", () => {
  it.each([
    [3, 50],
    [10, 20],
  ])("among %i hosts in %i stalls of the whole network for 500 ms", (hosts, stalls) => {
    const { world, verdicts } = formed(12, hosts);
    for (let i = 0; i < stalls; i++) {
      for (const net of [world.gossip, world.wire]) net.stall(world.now + 500);
      world.run(1500 + world.random() * 500);
    }
    expect(verdicts).toEqual([]);
  });

  it("at 10 % loss of every datagram for five minutes", () => {
    const { world, verdicts } = formed(13, 3);
    world.gossip.weather = FAIR_AGAIN;
    world.run(300_000);
    expect(verdicts).toEqual([]);
  });

  it.each(["stall", "stop"] as const)("by a host that stood still itself (%s)", (how) => {
    const { world, verdicts } = formed(14, 3);
    for (const ms of [600, 1500, 5000]) {
      world.at(address(2))?.[how](ms);
      world.run(ms + 4000);
      expect(verdicts.filter((verdict) => verdict.startsWith("h2"))).toEqual([]);
      expect(disagreement(world)).toBeNull();
    }
  });
});

describe("detection", () => {
  it.each([3, 10])(
    "a crash among %i hosts is known to all within the patience of the profile and a moment",
    (hosts) => {
      const { lastMs, datagramsPerSecond } = measureDetection({ seed: 5, hosts, crashes: 10, addresses: 10 });
      expect(Math.max(...lastMs)).toBeLessThan(PROFILES.lan.deadAfterMs + 50);
      expect(datagramsPerSecond).toBeLessThan(40);
    },
  );

  it("a partition heals within a second", () => {
    const { world } = formed(15, 6);
    for (const a of [1, 2, 3])
      for (const b of [4, 5, 6]) world.separate(address(a).host, address(b).host, [world.gossip]);
    world.run(20_000);
    const dead = world
      .at(address(1))
      ?.group.members()
      .filter((member) => member.state === "dead");
    expect(dead).toHaveLength(3);
    world.gossip.heal();
    expect(holdLiveness(world, 1000, () => disagreement(world))).toBeLessThan(1000);
  });
});

describe("recorded datagrams", () => {
  it("of a host that is dead, of this and of a former life, do not keep it alive nor bring it back", () => {
    const { world } = formed(18, 4);
    const victim = "10.0.0.4";
    const recorded: { to: Endpoint; messages: readonly Message[] }[] = [];
    world.watch({
      sent: (from, to, messages) => {
        if (from.address.host === victim) recorded.push({ to, messages });
      },
    });
    world.run(20_000);
    world.at(address(4))!.crash();
    boot(world, "h4", 4);
    world.run(20_000);
    world.at(address(4))!.crash();
    expect(recorded.length).toBeGreaterThan(300);
    const held = () =>
      [1, 2, 3].map((index) => {
        const members = world.at(address(index))!.group.members();
        return members.find((member) => member.name === "h4")?.state;
      });
    for (let i = 0; i < 4000; i++) {
      const { to, messages } = recorded[Math.floor(world.random() * recorded.length)]!;
      world.at(to)?.datagram(address(4), messages);
      world.run(5);
      if (i > 200) expect(held()).toEqual(["dead", "dead", "dead"]);
    }
  });
});

describe("two hosts with one name", () => {
  it.each([2, 3, 5])("both say so within seconds and own nothing, until one of them goes (%i hosts)", (hosts) => {
    const { world } = formed(16, hosts);
    const first = world.at(address(hosts))!;
    const second = boot(world, first.name, 99);
    world.run(8000);
    for (let i = 0; i < 10; i++) {
      world.run(200);
      for (const host of [first, second]) expect(host.group.standing().barred).toBe("name-conflict");
    }
    expect(Math.max(...first.group.members().map((member) => member.incarnation))).toBeLessThan(30);
    second.crash();
    world.run(20_000);
    expect(first.group.standing().barred).toBe("");
    expect(disagreement(world)).toBeNull();
  });

  it("a host that came back elsewhere has no rival in its own past", () => {
    const { world } = formed(17, 4);
    world.at(address(4))?.crash();
    const moved = boot(world, "h4", 44);
    let barred = false;
    world.watch({ turn: (host) => void (barred ||= host === moved && host.group.standing().barred !== "") });
    holdLiveness(world, 5000, () => disagreement(world));
    world.run(5000);
    expect(barred).toBe(false);
  });
});
