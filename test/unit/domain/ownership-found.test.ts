/** What the simulation found in the ownership machine, a sentence each. */
import { describe, expect, it } from "vitest";
import type { MemberState } from "../../../src/domain/messages.js";
import { Ownership } from "../../../src/domain/ownership/machine.js";
import type { OwnershipOutput, View } from "../../../src/domain/ownership/types.js";

const V = "10.0.0.100";
const MACS = new Map(["a", "b", "c"].map((name) => [name, `02:00:00:00:00:0${name}`]));

function world() {
  const states = new Map<string, MemberState>([...MACS.keys()].map((name) => [name, "alive"]));
  const heardAt = new Map<string, number>();
  const view: View = {
    self: "a",
    state: (member) => states.get(member),
    lastHeardAt: (member) => heardAt.get(member) ?? 0,
    silentSince: (member) => heardAt.get(member) ?? 0,
    leaseOf: () => 550,
    draining: () => false,
    memberByMac: (mac) => [...MACS].find(([, known]) => known === mac)?.[0],
    macOf: (member) => MACS.get(member) ?? null,
    missing: () => [...states.values()].includes("dead"),
    drifted: () => false,
    linkUp: () => true,
    canCarry: () => true,
    refuses: () => false,
  };
  const machine = new Ownership({ view, suspectAfterMs: 350, askAfterMs: 655, askTimeoutMs: 90 });
  machine.configure([{ key: V, group: "web", interfaces: ["eth0"], local: true, addresses: [V] }], 0);
  machine.setActive(true, 0);
  const take = <K extends OwnershipOutput["kind"]>(kind: K) =>
    machine.flush().filter((output): output is Extract<OwnershipOutput, { kind: K }> => output.kind === kind);
  const elect = (owner: string, heir: string | null, now: number) => machine.elect([[V, { owner, heir }]], now);
  const answer = (by: string | null, now: number) => {
    const [ask] = take("ask");
    expect(ask).toBeDefined();
    machine.asked(ask!.id, by === null ? [] : [{ address: V, mac: MACS.get(by)! }], now);
  };
  const own = (now: number) => {
    elect("a", "b", now);
    answer(null, now);
    machine.held([V], now);
    expect(state()).toBe("owned");
    machine.flush();
  };
  const state = () => machine.views()[0]!.state;
  return { machine, states, heardAt, take, elect, answer, own, state };
}

describe("ownership: found by the simulation", () => {
  it("an announcement that was heard before our own is no evidence against us", () => {
    const { machine, elect, own, state, take } = world();
    machine.claimHeard({ address: V, mac: MACS.get("b")!, yielded: false }, 10);
    own(600);
    elect("b", "a", 900);
    expect(state()).toBe("releasing");
    expect(take("silence")).toEqual([]);
  });

  it("what a successor took over is claimed when it dies, not taken back: its lease and the wire come first", () => {
    const { machine, states, heardAt, elect, own, state, take } = world();
    own(0);
    elect("b", "a", 5000);
    machine.claimHeard({ address: V, mac: MACS.get("b")!, yielded: true }, 5001);
    heardAt.set("b", 5400);
    states.set("b", "dead");
    elect("a", "c", 5800);
    expect(state()).toBe("claiming");
    expect(take("own")).toEqual([]);
  });

  it("a successor that never took over does not end its predecessor's lease", () => {
    const { states, heardAt, elect, state, take } = world();
    elect("b", "c", 0);
    heardAt.set("b", 1000);
    states.set("b", "dead");
    elect("c", "a", 1300);
    elect("a", "c", 1350);
    expect(state()).toBe("claiming");
    expect(take("hold")).toEqual([]);
  });

  it("what the wire said to an earlier claim does not count for this one", () => {
    const { machine, states, elect, answer, take } = world();
    states.set("b", "dead").set("c", "dead");
    elect("a", "b", 10_000);
    const first = take("ask")[0]!;
    elect("c", "a", 10_010);
    machine.asked(first.id, [], 10_090);
    elect("a", "c", 10_500);
    expect(machine.views()[0]!.reason).toBe("asking the wire");
    answer(null, 10_590);
    expect(take("hold")).toHaveLength(1);
  });

  it("a pause after a refused claim ends, also if somebody else was elected meanwhile and the timer is early", () => {
    const { machine, states, elect, answer, state, take } = world();
    states.set("b", "dead");
    elect("a", "c", 10_000);
    answer("b", 10_090);
    expect(state()).toBe("standby");
    elect("c", "a", 10_200);
    machine.flush();
    elect("a", "c", 10_300);
    const [arm] = take("arm");
    expect(arm?.at).toBe(11_090);
    machine.timer(arm!.timer, 11_089.6);
    const [again] = take("arm");
    machine.timer(again!.timer, 11_090);
    expect(state()).toBe("claiming");
  });

  it("whoever hears a member that it holds dead announce the key that it is claiming gives way", () => {
    const { machine, states, elect, state } = world();
    states.set("b", "dead");
    elect("a", "c", 10_000);
    machine.claimHeard({ address: V, mac: MACS.get("b")!, yielded: false }, 10_050);
    expect(state()).toBe("standby");
    expect(machine.views()[0]!.reason).toContain("gossip is broken");
  });

  it("a key that is taken back after a side came back is announced: that side's clients have heard nothing", () => {
    const { machine, elect, own, take } = world();
    own(0);
    elect("b", "a", 5000);
    machine.memberChanged("b", "back", 5000);
    machine.flush();
    elect("a", "b", 5010);
    expect(take("announce")).toHaveLength(1);
  });

  it("a hand-over that nobody takes up is announced once in two seconds, so that a successor that serves already says so", () => {
    const { machine, elect, own, take } = world();
    own(0);
    elect("b", "a", 5000);
    const [arm] = take("arm");
    expect(arm?.at).toBe(7000);
    machine.timer(arm!.timer, 7000);
    expect(take("announce")).toMatchObject([{ roundsMs: [0] }]);
    machine.claimHeard({ address: V, mac: MACS.get("b")!, yielded: true }, 7001);
    machine.timer(arm!.timer, 9000);
    expect(take("announce")).toEqual([]);
  });
});
