import { describe, expect, it, vi } from "vitest";
import { Paths } from "../../../src/daemon/paths.js";
import { FACTS_FORMAT, type Facts } from "../../../src/domain/facts.js";
import type { AskRequest } from "../../../src/ports.js";

const OWN = "10.0.0.1";

function factsOf(address: string | undefined, carrier = true): Facts {
  const one = { name: "eth1", mac: "02:00:00:00:00:01", up: true, carrier };
  return {
    format: FACTS_FORMAT,
    weight: 1,
    labels: {},
    draining: false,
    barred: "",
    ready: true,
    leaseMs: 480,
    leaseExtensionMs: 120,
    defersTo: [],
    interfaces: [address === undefined ? one : { ...one, address }],
    groups: [],
  };
}

interface Peer {
  readonly facts: Facts;
  readonly state?: "alive" | "dead";
  readonly foreign?: boolean;
}

/** `answering` may be changed between rounds; `tookMs` is how long a question takes. */
function world(peers: Readonly<Record<string, Peer>>) {
  const given = { answering: [] as string[], tookMs: 0, gone: false, places: new Map([["eth1", OWN]]) };
  const told: string[] = [];
  const asked: AskRequest[] = [];
  let now = 0;
  const paths = new Paths({
    name: "a",
    clock: { now: () => now },
    random: () => 0.5,
    members: () =>
      Object.entries(peers).map(([name, { state = "alive", foreign = false }]) => ({ name, state, foreign })),
    facts: (member) => peers[member]?.facts,
    places: () => given.places,
    onPath: (iface, reached) => told.push(`${iface} ${reached ? "reached" : "not reached"}`),
    responder: {
      ask: async (request) => {
        asked.push(request);
        now += given.tookMs;
        if (given.gone) throw new Error("no such interface");
        return request.addresses
          .filter((address) => given.answering.includes(address))
          .map((address) => ({ address, mac: "02:00:00:00:00:02", afterMs: 1 }));
      },
    },
  });
  const rounds = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await paths.probe("eth1", OWN);
  };
  return { given, told, asked, rounds, paths };
}

const TWO = { b: { facts: factsOf("10.0.0.2") }, c: { facts: factsOf("10.0.0.3") } };

describe("service paths (law 5)", () => {
  it("are broken after three rounds without an answer, whole again with the first one, and told once each", async () => {
    const { given, told, asked, rounds } = world(TWO);
    await rounds(2);
    expect(told).toEqual([]);
    await rounds(3);
    expect(told).toEqual(["eth1 not reached"]);
    given.answering = ["10.0.0.3"];
    await rounds(2);
    expect(told).toEqual(["eth1 not reached", "eth1 reached"]);
    expect(asked[0]).toMatchObject({ interface: "eth1", addresses: ["10.0.0.2", "10.0.0.3"], source: OWN });
  });

  it("one answer between two losses begins the count anew", async () => {
    const { given, told, rounds } = world(TWO);
    await rounds(2);
    given.answering = ["10.0.0.2"];
    await rounds(1);
    given.answering = [];
    await rounds(2);
    expect(told).toEqual([]);
  });

  it.each([
    { who: "one other only", peers: { b: TWO.b } },
    { who: "another that is dead", peers: { b: TWO.b, c: { ...TWO.c, state: "dead" as const } } },
    { who: "another that is foreign", peers: { b: TWO.b, c: { ...TWO.c, foreign: true } } },
    { who: "another that tells no address", peers: { b: TWO.b, c: { facts: factsOf(undefined) } } },
    { who: "another without carrier", peers: { b: TWO.b, c: { facts: factsOf("10.0.0.3", false) } } },
    { who: "another of the other family", peers: { b: TWO.b, c: { facts: factsOf("fd00::3") } } },
    { who: "only itself and another", peers: { a: { facts: factsOf(OWN) }, b: TWO.b } },
  ])("with $who nobody is asked, since nobody could tell whose path is broken", async ({ peers }) => {
    const { told, asked, rounds } = world(peers);
    await rounds(5);
    expect([told, asked]).toEqual([[], []]);
  });

  it("a stall of this host, and an interface that is gone, tell nothing of the path", async () => {
    const { given, told, rounds } = world(TWO);
    given.tookMs = 5000;
    await rounds(5);
    given.tookMs = 0;
    given.gone = true;
    await rounds(5);
    expect(told).toEqual([]);
  });

  it("cost nothing where the gossip's interface carries all VIPs, and begin when that changes", () => {
    vi.useFakeTimers();
    try {
      const { given, asked, paths } = world(TWO);
      given.places = new Map();
      paths.start();
      expect(vi.getTimerCount()).toBe(0);
      given.places = new Map([["eth1", OWN]]);
      paths.start();
      paths.start();
      expect(vi.getTimerCount()).toBe(1);
      vi.advanceTimersByTime(1000);
      expect(asked).not.toEqual([]);
      paths.stop();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
