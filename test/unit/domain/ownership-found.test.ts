/** What the simulation found in the ownership machine, a sentence each. */
import { describe, expect, it } from "vitest";
import type { MemberState } from "../../../src/domain/messages.js";
import { Ownership } from "../../../src/domain/ownership/machine.js";
import type { KeyPurpose, OwnershipOutput, View } from "../../../src/domain/ownership/types.js";

const V = "10.0.0.100";
const MACS = new Map(["a", "b", "c"].map((name) => [name, `02:00:00:00:00:0${name}`]));
const STRANGER = "66:66:66:66:66:66";

function world(self = "a") {
  const states = new Map<string, MemberState>([...MACS.keys()].map((name) => [name, "alive"]));
  const heardAt = new Map<string, number>();
  const deaf = new Set<string>();
  const unmet = new Set<string>();
  const view: View = {
    self,
    state: (member) => states.get(member),
    lastHeardAt: (member) => heardAt.get(member) ?? 0,
    silentSince: (member) => heardAt.get(member) ?? 0,
    leaseOf: () => 550,
    deaf: (member) => deaf.has(member),
    unmet: (member) => unmet.has(member),
    draining: () => false,
    memberByMac: (mac) => [...MACS].find(([, known]) => known === mac)?.[0],
    macOf: (member) => MACS.get(member) ?? null,
    missing: () => [...states.values()].includes("dead") || unmet.size > 0,
    drifted: () => false,
    carries: () => true,
    linkUp: () => true,
    canCarry: () => true,
    refuses: () => false,
  };
  const machine = new Ownership({ view, suspectAfterMs: 350, deafAfterMs: 140, askAfterMs: 655, askTimeoutMs: 90 });
  machine.configure([{ key: V, group: "web", interfaces: ["eth0"], local: true, addresses: [V] }], 0);
  machine.setActive(true, 0);
  const take = <K extends OwnershipOutput["kind"]>(kind: K) =>
    machine.flush().filter((output): output is Extract<OwnershipOutput, { kind: K }> => output.kind === kind);
  const elect = (owner: string, heir: string | null, now: number) => machine.elect([[V, { owner, heir }]], now);
  /** These answer the question that is open now; null: nobody. */
  const answer = (by: string | readonly string[] | null, now: number) => {
    const [ask] = take("ask");
    expect(ask).toBeDefined();
    const names = by === null ? [] : [by].flat();
    machine.asked(
      ask!.id,
      names.map((name) => ({ address: V, mac: MACS.get(name)! })),
      now,
    );
  };
  const own = (now: number) => {
    elect(self, self === "a" ? "b" : "a", now);
    answer(null, now);
    machine.held([V], now);
    expect(state()).toBe("owned");
    machine.flush();
  };
  /** A frame that claims it. */
  const claim = (by: string, now: number, yielded = false) =>
    machine.claimHeard({ address: V, mac: MACS.get(by) ?? by, yielded }, now);
  const fire = (purpose: KeyPurpose, arms: readonly Extract<OwnershipOutput, { kind: "arm" }>[], at?: number) => {
    const arm = arms.findLast(({ timer }) => timer.kind === "key" && timer.purpose === purpose);
    expect(arm).toBeDefined();
    machine.timer(arm!.timer, at ?? arm!.at);
    return arm!.at;
  };
  const state = () => machine.views()[0]!.state;
  const reason = () => machine.views()[0]!.reason;
  return { machine, states, heardAt, deaf, unmet, take, elect, answer, own, claim, fire, state, reason };
}

describe("ownership: found under real clients", () => {
  it("whoever is heard again after its death hands nothing over before it is known to hear us: it may hold us dead still", () => {
    const { machine, states, unmet, elect, answer, take, fire, state, reason } = world();
    // Our cable is back: we hear b, and what we say to it waits for the kernel's next ARP question.
    unmet.add("b");
    elect("b", "a", 0);
    elect("a", "b", 10);
    answer("b", 100);
    expect([state(), reason()]).toEqual(["standby", expect.stringContaining("may not hear us yet")]);
    expect(take("exchange-with")).toEqual([{ kind: "exchange-with", member: "b", soon: true }]);
    expect(states.get("b")).toBe("alive");
    unmet.delete("b");
    machine.met("b", 430);
    expect(fire("claim-again", take("arm"))).toBe(430);
    expect([state(), reason()]).toEqual(["claiming", "hand-over from b"]);
  });

  it("nor does anybody else hand over unasked, while such a one is there: it may be who serves", () => {
    const { unmet, elect, answer, reason } = world();
    unmet.add("c");
    elect("b", "a", 0);
    elect("a", "b", 10);
    expect(reason()).toBe("asking the wire");
    answer(["b", "c"], 100);
    expect(reason()).toContain("c answers for it, is back");
  });

  it("who gave up meanwhile is not waited for", () => {
    const { machine, unmet, elect, answer, take, fire, reason } = world();
    unmet.add("b");
    elect("b", "a", 0);
    elect("a", "b", 10);
    answer("b", 100);
    machine.claimNoticed({ member: "b", round: 0, addresses: [V] }, 300);
    expect(fire("claim-again", take("arm"))).toBe(300);
    expect(reason()).toBe("asking the wire");
  });

  it("a lapse during a hand-over silences at once and goes on accepting: the successor may not have announced it yet", () => {
    const { machine, elect, own, state, take, fire } = world();
    own(0);
    elect("b", "a", 5000);
    machine.flush();
    machine.lapse(5010);
    machine.setActive(false, 5010);
    const done = machine.flush();
    expect(done.map(({ kind }) => kind)).toContain("silence");
    expect(done.map(({ kind }) => kind)).not.toContain("drop");
    expect(state()).toBe("releasing");
    fire(
      "drop",
      done.filter((one) => one.kind === "arm"),
    );
    expect(state()).toBe("standby");
    expect(take("drop")).toHaveLength(1);
  });

  it("elected again after such a lapse, while a host is missing that may have taken over: claimed anew", () => {
    const { machine, states, elect, own, state, take } = world();
    own(0);
    elect("b", "a", 5000);
    machine.lapse(5010);
    machine.setActive(false, 5010);
    states.set("c", "dead");
    machine.setActive(true, 5100);
    machine.flush();
    elect("a", "b", 5200);
    expect(state()).toBe("claiming");
    expect(take("own")).toEqual([]);
  });
});

describe("ownership: a lapse while somebody is missing", () => {
  const claimedAnew = () => {
    const w = world();
    w.own(0);
    w.states.set("c", "dead");
    w.machine.lapse(5000);
    w.machine.setActive(false, 5000);
    w.machine.setActive(true, 5100);
    expect(w.state()).toBe("claiming");
    return w;
  };

  it("asks the wire in silence, and its clients are served meanwhile", () => {
    const { machine } = claimedAnew();
    const kinds = machine.flush().map(({ kind }) => kind);
    expect(kinds).toContain("silence");
    expect(kinds).toContain("ask");
    expect(kinds).not.toContain("drop");
  });

  it("says so to whoever is elected meanwhile, who may never have heard of it", () => {
    const { elect, take, state } = claimedAnew();
    take("tell-claimed");
    elect("b", "a", 5150);
    expect(state()).toBe("releasing");
    expect(take("tell-claimed")).toMatchObject([{ member: "b", round: 0, addresses: [V] }]);
  });

  it("goes on accepting then, silent, until the elected one's announcement was heard twice: it may be claiming still", () => {
    const { machine, elect, take, state } = claimedAnew();
    machine.flush();
    elect("b", "a", 5150);
    const kinds = machine.flush().map(({ kind }) => kind);
    expect(kinds).not.toContain("drop");
    expect(kinds).not.toContain("own");
    machine.claimNoticed({ member: "b", round: 1, addresses: [V] }, 5250);
    expect([state(), take("drop")]).toEqual(["releasing", []]);
    machine.claimNoticed({ member: "b", round: 2, addresses: [V] }, 6250);
    expect(state()).toBe("standby");
    expect(take("drop")).toHaveLength(1);
  });

  it("but not for ever, and not where nobody is elected", () => {
    const { machine, elect, take, state, fire } = claimedAnew();
    machine.flush();
    elect("b", "a", 5150);
    fire("drop", take("arm"));
    expect(state()).toBe("standby");
    const other = claimedAnew();
    other.machine.elect([[V, { owner: null, heir: null }]], 5150);
    expect(other.state()).toBe("unowned");
    expect(other.take("drop")).toHaveLength(1);
  });

  it("goes on accepting when it lapses once more, or is held dead by one after the other, and then asks anew", () => {
    const { machine, take, state } = claimedAnew();
    machine.flush();
    machine.lapse(5110);
    machine.setActive(false, 5110);
    expect([state(), take("drop")]).toEqual(["releasing", []]);
    machine.setActive(true, 5120);
    expect(state()).toBe("claiming");
    const kinds = machine.flush().map(({ kind }) => kind);
    expect(kinds).toContain("ask");
    expect(kinds).not.toContain("drop");
    expect(kinds).not.toContain("own");
  });

  it("has nothing to accept with once its addresses were taken off lo: then it is over at once", () => {
    const { machine, deaf, elect, claim, take, state } = claimedAnew();
    deaf.add("c");
    claim("c", 5120);
    expect([state(), take("drop")]).toEqual(["claiming", [{ kind: "drop", addresses: [V] }]]);
    elect("b", "a", 5150);
    expect([state(), machine.pending(), take("drop")]).toEqual(["standby", 0, [{ kind: "drop", addresses: [V] }]]);
  });

  it("asks anew where the elected one dies, of whom nothing was heard, and accepts on", () => {
    const { machine, states, own, elect, claim, take, state } = world();
    own(0);
    // It had fallen silent for another once.
    claim("b", 2000, true);
    machine.exchangedWith("b", 2001);
    machine.flush();
    states.set("c", "dead");
    machine.lapse(5000);
    machine.setActive(false, 5000);
    machine.setActive(true, 5100);
    machine.flush();
    elect("b", "a", 5150);
    states.set("b", "dead");
    elect("a", "c", 5300);
    expect([state(), take("drop")]).toEqual(["claiming", []]);
  });

  it("does not hold up a stop for which nobody comes", () => {
    const { machine, state } = claimedAnew();
    machine.stop(5150);
    expect([state(), machine.pending()]).toEqual(["standby", 0]);
    const other = claimedAnew();
    other.machine.lapse(5110);
    other.machine.setActive(false, 5110);
    expect(other.state()).toBe("releasing");
    other.machine.stop(5150);
    expect([other.state(), other.machine.pending()]).toEqual(["unowned", 0]);
  });

  it("accepts no longer once the wire has named another", () => {
    const { answer, take, state } = claimedAnew();
    answer("c", 5200);
    expect(state()).toBe("standby");
    expect(take("drop")).toHaveLength(1);
  });
});

describe("ownership: found by the simulation", () => {
  it("an announcement that was heard before our own is no evidence against us", () => {
    const { machine, elect, own, state, take } = world();
    machine.claimHeard({ address: V, mac: MACS.get("b")!, yielded: false }, 10);
    own(600);
    elect("b", "a", 900);
    expect(state()).toBe("releasing");
    expect(take("silence")).toEqual([]);
  });

  it("nor is one that a later round of ours went out after: whoever still serves would have answered that", () => {
    const { machine, elect, own, claim, take } = world();
    own(0);
    claim("b", 600);
    machine.exchangedWith("b", 601);
    elect("b", "c", 1900);
    expect(take("silence")).toEqual([]);
  });

  it("whoever spoke last after a deaf host's round says so when that one is elected: clients heard it after the other", () => {
    const { machine, deaf, elect, own, claim, take } = world();
    own(0);
    deaf.add("b");
    claim("b", 5000);
    expect(take("announce")).toMatchObject([{ roundsMs: [0] }]);
    deaf.clear();
    elect("b", "c", 5050);
    expect(machine.flush()).toContainEqual({ kind: "tell-claimed", member: "b", round: 0, addresses: [V] });
  });

  it("but for a round of ours that may have crossed it: to that nothing is said", () => {
    const { machine, elect, own, claim, state, take } = world();
    own(0);
    claim("b", 900);
    machine.exchangedWith("b", 901);
    elect("b", "c", 1050);
    expect(state()).toBe("releasing");
    expect(take("silence")).toHaveLength(1);
  });

  it("whoever falls silent unheard says so, until the elected owner announces again", () => {
    const { machine, elect, own, take, fire } = world();
    own(0);
    machine.lapse(5000);
    machine.setActive(false, 5000);
    elect("b", "c", 5000);
    machine.setActive(true, 5100);
    const done = machine.flush();
    const told = { kind: "tell-claimed", member: "b", round: 0, addresses: [V] };
    expect(done).toContainEqual(told);
    fire(
      "given-up",
      done.filter((one) => one.kind === "arm"),
    );
    expect(take("tell-claimed")).toEqual([told]);
    machine.memberChanged("b", "cleared", 7200);
    expect(take("tell-claimed")).toEqual([told]);
    machine.claimNoticed({ member: "b", round: 1, addresses: [V] }, 7300);
    machine.memberChanged("b", "cleared", 7400);
    expect(take("tell-claimed")).toEqual([]);
  });

  it("the elected owner that hears so announces again, and what the other announced is no evidence any more", () => {
    const { machine, elect, own, claim, take } = world();
    own(0);
    claim("b", 4000);
    machine.flush();
    machine.claimNoticed({ member: "b", round: 0, addresses: [V] }, 5000);
    expect(take("announce")).toHaveLength(1);
    elect("b", "c", 5100);
    expect(take("silence")).toEqual([]);
  });

  it("so does one that had just fallen silent for it: the other's announcement was a late one", () => {
    const { machine, own, claim, take } = world();
    own(0);
    claim("b", 5000, true);
    expect(take("silence")).toHaveLength(1);
    machine.claimNoticed({ member: "b", round: 0, addresses: [V] }, 5001);
    expect(machine.flush().map(({ kind }) => kind)).toEqual(expect.arrayContaining(["own", "announce"]));
  });

  it("a claim whose trusted owner dies before the address is on lo leaves nothing there", () => {
    const { machine, states, elect, take, state } = world();
    elect("b", "a", 0);
    elect("a", "b", 5000);
    expect(take("hold")).toHaveLength(1);
    states.set("b", "dead");
    machine.held([V], 6000);
    const outputs = machine.flush();
    expect(outputs.filter(({ kind }) => kind === "drop")).toHaveLength(1);
    const [ask] = outputs.filter((output) => output.kind === "ask");
    machine.asked(ask!.id, [{ address: V, mac: MACS.get("b")! }], 6100);
    expect(state()).toBe("standby");
  });

  it("an announcement that is owed when the key stays ours after all is made", () => {
    const { machine, elect, own, take } = world();
    own(0);
    elect("c", "a", 5000);
    machine.memberChanged("b", "back", 5001);
    elect("a", "c", 5002);
    expect(take("announce").length).toBeGreaterThan(0);
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

  it("whoever claims after one that died before it had claimed tells the one that was handing over to that", () => {
    const { machine, states, heardAt, answer, elect, take } = world();
    elect("b", "c", 0);
    elect("c", "a", 5000);
    heardAt.set("c", 5000);
    states.set("c", "dead");
    elect("a", "b", 5900);
    answer(null, 6000);
    machine.held([V], 6001);
    expect(take("tell-claimed")).toMatchObject([{ member: "b", round: 1, addresses: [V] }]);
  });

  it("and so is what a third one announced since, whom gossip holds dead", () => {
    const { states, elect, own, claim, state, take } = world();
    own(0);
    elect("b", "c", 5000);
    claim("b", 5001, true);
    states.set("c", "dead");
    claim("c", 5400);
    elect("a", "b", 5800);
    expect(state()).toBe("claiming");
    expect(take("own")).toEqual([]);
  });

  it("also if a third one announced in between, and the successor again", () => {
    const { states, elect, own, claim, state, take } = world();
    own(0);
    elect("b", "c", 5000);
    claim("b", 5001, true);
    claim("c", 5100);
    claim("b", 5151);
    states.set("b", "dead");
    elect("a", "c", 5800);
    expect(state()).toBe("claiming");
    expect(take("own")).toEqual([]);
  });

  it("and so is what it took over while somebody else has been elected since", () => {
    const { machine, states, heardAt, elect, own, state, take } = world();
    own(0);
    elect("b", "c", 5000);
    machine.claimHeard({ address: V, mac: MACS.get("b")!, yielded: true }, 5001);
    heardAt.set("b", 5400);
    states.set("b", "dead");
    elect("c", "a", 5800);
    elect("a", "c", 5801);
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

  it("an address that comes on lo for a claim that was given up does not finish the next one", () => {
    const { machine, states, elect, answer, take, state, reason } = world();
    elect("b", "a", 0);
    elect("a", "b", 10_000);
    expect(take("hold")).toHaveLength(1);
    elect("b", "a", 10_001);
    states.set("c", "dead");
    elect("a", "b", 10_002);
    machine.held([V], 10_003);
    expect(state()).toBe("claiming");
    expect(reason()).toBe("asking the wire");
    answer("c", 10_090);
    expect(state()).toBe("standby");
    expect(take("own")).toEqual([]);
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

describe("ownership: while a host is missing, it may serve behind a torn gossip (law 5)", () => {
  it.each([
    { is: "handed over when its owner answers", by: "b", hold: 1, state: "claiming", why: "hand-over from b" },
    { is: "claimed when nobody answers", by: null, hold: 1, state: "claiming", why: "nobody answers" },
    { is: "left alone when the missing one answers", by: "c", hold: 0, state: "standby", why: "c is held dead" },
    { is: "left alone when both answer", by: ["b", "c"], hold: 0, state: "standby", why: "c is held dead" },
  ])("what a living owner hands over is asked for first, and $is", ({ by, hold, state: becomes, why }) => {
    const { states, elect, answer, take, state, reason } = world();
    elect("b", "a", 0);
    states.set("c", "dead");
    elect("a", "b", 10_000);
    expect(reason()).toBe("asking the wire");
    answer(by, 10_090);
    expect(take("hold")).toHaveLength(hold);
    expect(state()).toBe(becomes);
    expect(reason()).toContain(why);
  });

  it("what was owned before a lapse is claimed anew, with the wire's word, not resumed", () => {
    const { machine, states, own, take, state, answer } = world();
    own(0);
    states.set("c", "dead");
    machine.lapse(10_000);
    machine.setActive(false, 10_000);
    machine.setActive(true, 10_100);
    expect(state()).toBe("claiming");
    answer("c", 10_190);
    expect(take("own")).toEqual([]);
    expect(state()).toBe("standby");
  });

  it("what was asked about a suspect is asked again if somebody has announced the key since", () => {
    const { machine, states, elect, answer, claim, reason, state } = world();
    elect("b", "a", 0);
    states.set("b", "suspect");
    machine.memberChanged("b", "suspect", 1000);
    machine.timer({ kind: "question", member: "b" }, 1300);
    answer(null, 1390);
    claim("b", 1392);
    states.set("b", "dead");
    elect("a", "c", 1400);
    expect(reason()).toBe("asking the wire");
    answer("b", 1490);
    expect(state()).toBe("standby");
    expect(reason()).toContain("gossip is broken, not the owner: b");
  });

  it("a hand-over from one who is held dead before it is done is void: its lease counts again", () => {
    const { machine, states, heardAt, elect, take, reason } = world();
    elect("b", "a", 0);
    elect("a", "c", 10_000);
    expect(take("hold")).toHaveLength(1);
    heardAt.set("b", 9900);
    states.set("b", "dead");
    machine.held([V], 10_004);
    expect(take("own")).toEqual([]);
    expect(reason()).toBe("waiting out the lease of b");
  });
});

describe("ownership: rivals that cannot exchange state (law 8)", () => {
  it("the greater name gives way to one that lives and announces again after its second chance", () => {
    const { answer, own, claim, fire, take, state, reason } = world("b");
    own(0);
    claim("a", 5000);
    // 500 ms, of which the wire's question takes 90.
    expect(fire("rivalry", take("arm"))).toBe(5410);
    expect(state()).toBe("owned");
    claim("a", 5600);
    expect(fire("rivalry", take("arm"))).toBe(5820);
    expect(state()).toBe("owned");
    answer("a", 5910);
    expect(state()).toBe("standby");
    expect(reason()).toContain("gossip is broken: no state can be exchanged with a");
  });

  it("the greater name keeps it when the other is not heard again: it gave way", () => {
    const { own, claim, fire, take, state } = world("b");
    own(0);
    claim("a", 5000);
    fire("rivalry", take("arm"));
    fire("rivalry", take("arm"));
    expect(state()).toBe("owned");
  });

  it("the greater name gives way at once to one that it holds dead: there is nothing to wait for", () => {
    const { answer, states, own, claim, fire, take, state } = world("b");
    own(0);
    states.set("a", "dead");
    claim("a", 5000);
    fire("rivalry", take("arm"));
    answer("a", 5500);
    expect(state()).toBe("standby");
  });

  it("whoever is silent already gives way to the one that answers, whatever their names: nobody is talked over", () => {
    const { answer, own, claim, fire, take, state, reason } = world("a");
    own(0);
    claim("b", 5000, true);
    fire("rivalry", take("arm"));
    answer("b", 5500);
    expect(take("announce")).toEqual([]);
    expect(state()).toBe("standby");
    expect(reason()).toContain("gossip is broken: no state can be exchanged with b");
  });

  it("of two that are silent for one address of a pair each, and answer for the other, the lesser name keeps it", () => {
    const { machine, take, fire } = world("a");
    const addresses = [V, "fd00::100"];
    machine.configure([{ key: "pair", group: "web", interfaces: ["eth0"], local: true, addresses }], 0);
    machine.elect([["pair", { owner: "a", heir: "b" }]], 0);
    machine.asked(take("ask")[0]!.id, [], 90);
    machine.held(addresses, 91);
    machine.flush();
    machine.claimHeard({ address: V, mac: MACS.get("b")!, yielded: true }, 5000);
    fire("rivalry", take("arm"));
    machine.asked(take("ask")[0]!.id, [{ address: V, mac: MACS.get("b")! }], 5500);
    expect(machine.views()[0]!.state).toBe("owned");
    expect(take("announce")).toHaveLength(1);
  });

  it("and to a third one that announced it while the wire was asked: it did not answer yet then", () => {
    const { answer, own, claim, fire, take, state } = world("a");
    own(0);
    claim("b", 5000, true);
    fire("rivalry", take("arm"));
    claim("c", 5450);
    answer(null, 5500);
    expect(state()).toBe("standby");
  });

  it("what gossip tells of an announcement may be old: it is no answer", () => {
    const { machine, answer, own, claim, fire, take, state } = world("a");
    own(0);
    claim("b", 5000, true);
    fire("rivalry", take("arm"));
    machine.claimNoticed({ member: "c", round: 1, addresses: [V] }, 5450);
    answer(null, 5500);
    expect(state()).toBe("owned");
  });

  it("whoever is silent tells nobody of its second round", () => {
    const { machine, own, claim, fire, take } = world("a");
    own(0);
    machine.memberChanged("b", "back", 5000);
    const arms = take("arm");
    claim("b", 5500, true);
    machine.flush();
    fire("second-notice", arms, 6000);
    expect(take("tell-claimed")).toEqual([]);
  });

  it("nor defends against a stranger what it yielded to a member", () => {
    const { machine, own, claim, take } = world("a");
    own(0);
    claim("b", 5000, true);
    machine.flush();
    claim(STRANGER, 5100);
    expect(take("announce")).toEqual([]);
  });

  it("nobody gives way to a rival that the wire does not hear any more", () => {
    const { states, own, claim, fire, take, answer, state } = world("b");
    own(0);
    states.set("a", "dead");
    claim("a", 5000);
    fire("rivalry", take("arm"));
    answer(null, 5500);
    expect(state()).toBe("owned");
  });

  it("what was heard during a gap is no rivalry any more once we announce again", () => {
    const { machine, own, claim, fire, take, state } = world("b");
    own(0);
    machine.lapse(5000);
    machine.setActive(false, 5000);
    claim("a", 5000);
    const arms = take("arm");
    machine.setActive(true, 5100);
    expect(take("announce")).toHaveLength(1);
    fire("rivalry", arms);
    expect(take("ask")).toEqual([]);
    expect(state()).toBe("owned");
  });

  it("whoever fell silent for a rival does not speak up because somebody else came back", () => {
    const { machine, own, claim, take } = world();
    own(0);
    claim("b", 5000, true);
    machine.flush();
    machine.memberChanged("c", "back", 5100);
    expect(take("own")).toEqual([]);
    machine.exchangedWith("b", 5200);
    expect(take("announce")).toHaveLength(1);
  });

  it("a yield whose news came late is a yield all the same: silent, whatever the responder was told since", () => {
    const { own, elect, claim, take } = world();
    own(0);
    elect("a", "c", 5000);
    claim("b", 5000, true);
    expect(take("silence")).toHaveLength(1);
  });

  it("while it hands over, a host falls silent for a third one that announced it later", () => {
    const { machine, own, elect, claim, take } = world();
    own(0);
    elect("c", "b", 5000);
    claim("b", 5000);
    expect(take("exchange-with")).toHaveLength(1);
    machine.exchangedWith("b", 5002);
    expect(take("silence")).toHaveLength(1);
  });

  it.each([
    ["b", "a", true],
    ["a", "b", false],
  ])("while two hand over and announce at once, the lesser name serves (%s hears %s)", (self, other, silent) => {
    const { machine, own, elect, claim, take } = world(self);
    own(0);
    elect("c", null, 5000);
    machine.exchangedWith(other, 5000);
    const arms = take("arm");
    const nudge = arms.findLast(({ timer }) => timer.kind === "key" && timer.purpose === "nudge");
    machine.timer(nudge!.timer, 7000);
    claim(other, 7001);
    machine.flush();
    machine.exchangedWith(other, 7003);
    expect(take("silence")).toHaveLength(silent ? 1 : 0);
  });

  it("the smaller name announces, and keeps it when the other announces once more", () => {
    const { own, claim, fire, take, state, machine } = world("a");
    own(0);
    claim("b", 5000);
    fire("rivalry", take("arm"));
    const outputs = machine.flush();
    expect(outputs.filter((output) => output.kind === "announce")).toHaveLength(1);
    claim("b", 5600);
    fire(
      "rivalry",
      outputs.filter((output) => output.kind === "arm"),
    );
    expect(state()).toBe("owned");
  });

  it("whoever fell silent for an heir asks the wire before it speaks up against one that is held dead", () => {
    const { states, own, claim, fire, take, state, answer, reason } = world("a");
    own(0);
    claim("b", 5000, true);
    states.set("c", "dead");
    claim("c", 5300);
    fire("rivalry", take("arm"));
    expect(state()).toBe("claiming");
    answer("c", 5590);
    expect(take("own")).toEqual([]);
    expect(state()).toBe("standby");
    expect(reason()).toContain("gossip is broken, not the owner: c");
  });

  it("one that announces before we know that it is back is asked at once, however lately we have announced", () => {
    const { machine, states, own, claim, take } = world("a");
    own(0);
    claim("b", 100);
    expect(take("exchange-with")).toEqual([]);
    states.set("c", "left");
    claim("c", 101);
    expect(take("exchange-with")).toEqual([{ kind: "exchange-with", member: "c", soon: false }]);
    machine.flush();
  });

  it("a state that was exchanged ends it: the elected one announces", () => {
    const { machine, own, claim, take, state } = world("b");
    own(0);
    claim("a", 5000);
    machine.flush();
    machine.exchangedWith("a", 5010);
    expect(state()).toBe("owned");
    expect(take("announce")).toHaveLength(1);
  });
});

describe("ownership: a stop", () => {
  it("yields to any living member that announces the key, since the group has elected without us by then", () => {
    const { machine, elect, own, claim, take } = world();
    own(0);
    elect("b", "c", 5000);
    claim("c", 5100);
    expect(take("silence")).toEqual([]);
    machine.stop(5200);
    claim("c", 5300);
    expect(take("silence")).toHaveLength(1);
  });

  it("does not yield to a member that is held dead", () => {
    const { machine, states, elect, own, claim, take } = world();
    own(0);
    elect("b", null, 5000);
    states.set("c", "dead");
    machine.stop(5200);
    claim("c", 5300);
    expect(take("silence")).toEqual([]);
  });
});

describe("ownership: strangers (RFC 5227, section 2.4)", () => {
  it("a claim within DEFEND_INTERVAL of the last defence is answered once when the interval is over", () => {
    const { own, claim, fire, take } = world();
    own(0);
    claim(STRANGER, 20_000);
    expect(take("announce")).toHaveLength(1);
    claim(STRANGER, 23_000);
    claim(STRANGER, 27_000);
    const arms = take("arm");
    // A timer may come a fraction of a millisecond early.
    expect(fire("defend", arms, 29_999.5)).toBe(30_000);
    expect(take("announce")).toMatchObject([{ addresses: [V], roundsMs: [0] }]);
    fire("defend", arms, 30_000);
    expect(take("announce")).toEqual([]);
  });

  it("what was let go of meanwhile is not defended", () => {
    const { machine, own, claim, fire, take } = world();
    own(0);
    claim(STRANGER, 20_000);
    claim(STRANGER, 23_000);
    const arms = take("arm");
    machine.setBarred("name-conflict", 25_000);
    machine.flush();
    fire("defend", arms);
    expect(take("announce")).toEqual([]);
  });

  it.each(["asking the wire", "putting it on lo"])(
    "one that is heard while we are %s is an answer: no claim",
    (stage) => {
      const { machine, elect, answer, claim, take, state } = world();
      elect("a", "b", 0);
      if (stage === "putting it on lo") {
        answer(null, 90);
        machine.flush();
      }
      claim(STRANGER, 91);
      expect(state()).toBe("conflict");
      machine.held([V], 95);
      expect(take("own")).toEqual([]);
    },
  );
});
