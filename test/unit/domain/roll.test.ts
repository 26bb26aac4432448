import { describe, expect, it } from "vitest";
import { FACTS_FORMAT, type Facts } from "../../../src/domain/facts.js";
import { FactsStore } from "../../../src/domain/facts-store.js";
import { Roll } from "../../../src/domain/group/roll.js";
import type { GroupSpec } from "../../../src/domain/group/types.js";
import type { MemberState } from "../../../src/domain/messages.js";
import type { MemberView } from "../../../src/domain/swim/types.js";
import { decodeFacts, encodeFacts } from "../../../src/wire/index.js";

const GROUP: GroupSpec = {
  name: "web",
  digest: 1,
  interfaces: ["eth0"],
  addresses: ["10.0.0.100", "10.0.0.101"],
  together: false,
  failback: { afterMs: 0 },
  local: true,
};

function facts(weight = 1): Facts {
  return {
    format: FACTS_FORMAT,
    weight,
    labels: {},
    draining: false,
    barred: "",
    ready: true,
    leaseMs: 480,
    leaseExtensionMs: 120,
    defersTo: [],
    interfaces: [{ name: "eth0", mac: "02:00:00:00:00:01", up: true, carrier: true }],
    groups: [
      {
        name: "web",
        digest: 1,
        interface: "eth0",
        eligible: true,
        reason: "",
        settled: true,
        deferring: false,
        held: [],
      },
    ],
  };
}

/** Hosts a and b, both electable. */
function rolled() {
  const store = new FactsStore({ self: "a", instance: 1, codec: { encode: encodeFacts, decode: decodeFacts } });
  const states = new Map<string, MemberState>([
    ["a", "alive"],
    ["b", "alive"],
  ]);
  const members = () => [...states].map(([name, state]) => ({ name, state, foreign: false }) as MemberView);
  const tell = (version: number, weight: number) =>
    store.offer({ name: "b", instance: 2, version, body: encodeFacts(facts(weight)) }, undefined);
  store.publish(facts());
  tell(1, 1);
  const roll = new Roll(store, members);
  roll.configure([GROUP]);
  const change = (deed: () => void) => {
    deed();
    roll.changed();
    return roll.elect().elected.length;
  };
  return { roll, states, tell, change };
}

describe("the roll", () => {
  it("elects once for what it knows", () => {
    const { roll } = rolled();
    expect(roll.elect().elected).toHaveLength(2);
    expect(roll.elect().elected).toEqual([]);
  });

  it("a suspicion and its refutation leave the hosts what they were", () => {
    const { roll, states, change } = rolled();
    roll.elect();
    const hosts = roll.hosts();
    expect(change(() => states.set("b", "suspect"))).toBe(0);
    expect(change(() => states.set("b", "alive"))).toBe(0);
    expect(roll.hosts()).toBe(hosts);
  });

  it("a death elects anew, and so does a return", () => {
    const { roll, states, change } = rolled();
    roll.elect();
    expect(change(() => states.set("b", "dead"))).toBeGreaterThan(0);
    expect(change(() => states.set("b", "alive"))).toBeGreaterThan(0);
  });

  it("new facts elect anew", () => {
    const { roll, tell, change } = rolled();
    roll.elect();
    expect(change(() => tell(2, 1000))).toBeGreaterThan(0);
  });

  it("another order elects anew, the same does not", () => {
    const { roll } = rolled();
    const moves = new Map([[GROUP.addresses[0]!, "a"]]);
    roll.elect({ frozen: false, moves });
    expect(roll.elect({ frozen: false, moves }).elected).toEqual([]);
    const other = new Map([[GROUP.addresses[0]!, "b"]]);
    expect(roll.elect({ frozen: false, moves: other }).elected).toHaveLength(1);
  });

  it("another configuration elects anew", () => {
    const { roll } = rolled();
    roll.elect();
    roll.configure([{ ...GROUP, addresses: ["10.0.0.100"] }]);
    expect(roll.elect().elected).toHaveLength(1);
  });
});
