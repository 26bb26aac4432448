/** `explain` foretells what the group then does: it must be the elections' own arithmetic, on every host alike. */
import { describe, expect, it } from "vitest";
import { explanationText } from "../../../src/cli/explain.js";
import type { Explanation } from "../../../src/domain/group/explain.js";
import type { GroupSpec } from "../../../src/domain/group/types.js";
import { type Host, World } from "./group-world.js";

const ADDRESSES = Array.from({ length: 12 }, (_, i) => `10.0.0.${100 + i}`);

function cluster(more: Partial<GroupSpec> = {}): World {
  const world = new World(7);
  const spec: GroupSpec = {
    name: "web",
    digest: 1,
    interfaces: ["eth0"],
    addresses: ADDRESSES,
    together: false,
    failback: { afterMs: 0 },
    local: true,
    ...more,
  };
  for (const name of "abcd") world.add({ name, groups: [spec], seeds: [..."abcd"] });
  world.run(6000);
  return world;
}

function explain(host: Host, address: string): Explanation {
  const explained = host.group.explain(address);
  if (explained === null) throw new Error(`${address} is not explained`);
  return explained;
}

describe("explain", () => {
  it.each([{}, { spread: "even" }] as Partial<GroupSpec>[])("foretells who takes over when a host dies: %j", (more) => {
    const world = cluster(more);
    const [a, b] = world.hosts as [Host, Host];
    const foretold = ADDRESSES.map((address) => {
      const told = explain(a, address);
      expect(explain(b, address).hosts.map((one) => [one.name, one.score])).toEqual(
        told.hosts.map((one) => [one.name, one.score]),
      );
      return [address, told.hosts.find((one) => one.name === "d")!.without!.owner];
    });
    world.hosts[3]!.alive = false;
    world.run(3000);
    expect(ADDRESSES.map((address) => [address, world.voices(address)[0]])).toEqual(foretold);
  });

  it("says who is not eligible and why, what an operator moved, and nothing of what is none of ours", () => {
    const world = cluster();
    const [a, b] = world.hosts as [Host, Host];
    world.hosts[3]!.alive = false;
    b.turn({ kind: "drain", on: true });
    a.turn({ kind: "order", order: { kind: "move", key: ADDRESSES[0]!, host: "c" } });
    world.run(3000);
    const told = explain(a, ADDRESSES[0]!);
    const of = (name: string) => told.hosts.find((one) => one.name === name)!;
    expect([told.moved, told.fixed, told.view.owner, of("c").rank]).toEqual(["c", "c", "c", 1]);
    expect([of("b").why, of("d").why]).toEqual(["draining", "is held dead"]);
    expect([of("b").rank, of("b").score, of("b").without]).toEqual([null, null, null]);
    expect(a.group.explain("10.9.9.9")).toBeNull();
  });

  it("fits 80 columns as text", () => {
    const world = cluster();
    const { view, ...rest } = explain(world.hosts[0]!, ADDRESSES[0]!);
    const { spec, owner, heir, state, reason } = view;
    const shown = { ...rest, owner, heir, state, reason, since: "2026-01-01T00:00:00.000Z", addresses: spec.addresses };
    const text = explanationText({ ...shown, vip: spec.key, group: spec.group, interface: "eth0" });
    expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
    for (const name of "abcd") expect(text).toMatch(new RegExp(`^[1-4] +${name} +[\\d.]+ +alive`, "m"));
    expect(text).toContain(`owner ${owner}, heir ${heir}`);
  });
});
