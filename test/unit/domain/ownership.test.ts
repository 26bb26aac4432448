import { describe, expect, it } from "vitest";
import type { MemberState } from "../../../src/domain/messages.js";
import { Ownership } from "../../../src/domain/ownership/machine.js";
import type { OwnershipOutput, View } from "../../../src/domain/ownership/types.js";

const V = "10.0.0.100";
const MAC = { b: "02:00:00:00:00:0b", c: "02:00:00:00:00:0c", self: "02:00:00:00:00:0a" } as const;

class World implements View {
  readonly self = "a";
  readonly states = new Map<string, MemberState>([
    ["a", "alive"],
    ["b", "alive"],
    ["c", "alive"],
  ]);
  heardAt = 0;
  drift = false;
  link = true;
  drainingHosts = new Set<string>();
  now = 0;
  readonly machine = new Ownership({
    view: this,
    suspectAfterMs: 350,
    deafAfterMs: 140,
    askAfterMs: 655,
    askTimeoutMs: 90,
  });
  /** All outputs since the last `take`. */
  #out: OwnershipOutput[] = [];

  constructor(options: { together?: boolean; conflict?: "defend" | "yield" } = {}) {
    const { conflict = "defend" } = options;
    const spec = { group: "web", interfaces: ["eth0"], local: true, conflict };
    this.machine.configure(
      options.together ? [{ key: "web", addresses: [V, "fd00::1"], ...spec }] : [{ key: V, addresses: [V], ...spec }],
      0,
    );
    this.machine.setActive(true, 0);
  }
  state(member: string) {
    return this.states.get(member);
  }
  lastHeardAt() {
    return this.heardAt;
  }
  silentSince() {
    return this.heardAt;
  }
  leaseOf() {
    return 550;
  }
  readonly deafHosts = new Set<string>();
  deaf(member: string) {
    return this.deafHosts.has(member);
  }
  unmet() {
    return false;
  }
  refuses() {
    return false;
  }
  draining(member: string) {
    return this.drainingHosts.has(member);
  }
  memberByMac(mac: string) {
    return { [MAC.b]: "b", [MAC.c]: "c", [MAC.self]: "a" }[mac];
  }
  macOf(member: string) {
    return MAC[member as "b"] ?? null;
  }
  missing() {
    return [...this.states.values()].includes("dead");
  }
  drifted() {
    return this.drift;
  }
  carries() {
    return true;
  }
  readonly down = new Set<string>();
  canCarry(name: string) {
    return !this.down.has(name);
  }
  linkUp() {
    return this.link;
  }
  elect(owner: string | null, heir: string | null = null, key = V) {
    this.machine.elect([[key, { owner, heir }]], this.now);
    return this;
  }
  take(kind?: OwnershipOutput["kind"]): OwnershipOutput[] {
    this.#out = [...this.machine.flush()];
    return kind === undefined ? this.#out : this.#out.filter((o) => o.kind === kind);
  }
  kinds(): string[] {
    return this.take()
      .map((o) => o.kind)
      .filter((kind) => kind !== "event" && kind !== "arm");
  }
  get key() {
    return this.machine.views()[0]!;
  }
  /** Own it as the first claimer. */
  own(heir: string | null = "b") {
    this.elect("a", heir, this.key.spec.key);
    const [ask] = this.take("ask") as Extract<OwnershipOutput, { kind: "ask" }>[];
    this.machine.asked(ask!.id, [], this.now);
    this.machine.held(this.key.spec.addresses, this.now);
    this.take();
    expect(this.key.state).toBe("owned");
    return this;
  }
  answer(mac: string | null) {
    const [ask] = this.take("ask") as Extract<OwnershipOutput, { kind: "ask" }>[];
    expect(ask).toBeDefined();
    this.machine.asked(ask!.id, mac === null ? [] : [{ address: V, mac }], this.now);
  }
}

describe("ownership: claiming", () => {
  it("asks the wire before a first claim, puts the address on lo, and only then answers and announces", () => {
    const world = new World().elect("a", "b");
    expect(world.key.state).toBe("claiming");
    world.answer(null);
    expect(world.kinds()).toEqual(["hold"]);
    world.machine.held([V], 5);
    expect(world.kinds()).toEqual(["own", "announce"]);
    expect(world.key).toMatchObject({ state: "owned", owner: "a", heir: "b" });
  });

  it("claims nothing while it is not active (starting, silent, catching up)", () => {
    const world = new World();
    world.machine.setActive(false, 0);
    world.elect("a");
    expect(world.kinds()).toEqual([]);
    world.machine.setActive(true, 1);
    expect(world.key.state).toBe("claiming");
  });

  it("takes over a dead owner's VIP only after its lease and one extension", () => {
    const world = new World().elect("b", "a");
    world.take();
    world.heardAt = 1000;
    world.now = 1400;
    world.states.set("b", "dead");
    world.elect("a", "c");
    expect(world.key).toMatchObject({ state: "claiming", reason: "waiting out the lease of b" });
    const arm = world.take("arm")[0] as Extract<OwnershipOutput, { kind: "arm" }>;
    expect(arm.at).toBe(1550);
    world.now = 1550;
    world.machine.timer(arm.timer, 1550);
    world.answer(null);
    expect(world.kinds()).toEqual(["hold"]);
  });

  it("does not claim, and says that gossip is broken, while the dead owner still answers on the wire", () => {
    const world = new World().elect("b", "a");
    world.states.set("b", "dead");
    world.now = 2000;
    world.elect("a", "c");
    world.answer(MAC.b);
    expect(world.key).toMatchObject({ state: "standby", owner: "b" });
    expect(world.key.reason).toContain("gossip is broken, not the owner");
    const arm = world.take("arm")[0] as Extract<OwnershipOutput, { kind: "arm" }>;
    world.now = arm.at;
    world.machine.timer(arm.timer, world.now);
    world.answer(null);
    expect(world.kinds()).toEqual(["hold"]);
  });

  it("holds off in conflict while a stranger answers for it", () => {
    const world = new World().elect("a");
    world.answer("66:66:66:66:66:66");
    expect(world.key).toMatchObject({ state: "conflict", owner: null });
    expect(world.kinds()).toEqual([]);
  });

  it("uses the answer that was asked for during the suspicion, so that the takeover waits for nothing", () => {
    const world = new World().elect("b", "a");
    world.states.set("b", "suspect");
    world.machine.memberChanged("b", "suspect", 1000);
    const arm = world.take("arm")[0] as Extract<OwnershipOutput, { kind: "arm" }>;
    expect(arm.at).toBe(1305);
    world.now = 1305;
    world.machine.timer(arm.timer, world.now);
    world.answer(null);
    world.now = 1410;
    world.states.set("b", "dead");
    world.elect("a", "c");
    expect(world.kinds()).toEqual(["hold"]);
  });

  it("claims at once what its owner hands over, and tells it so", () => {
    const world = new World().elect("b", "a");
    world.elect("a", "b");
    expect(world.kinds()).toEqual(["hold"]);
    world.machine.held([V], 0);
    expect(world.kinds()).toEqual(["own", "announce", "tell-claimed"]);
  });

  it("gives up for a while when the address cannot be put on lo", () => {
    const world = new World().elect("a");
    world.answer(null);
    world.take();
    world.machine.holdFailed([V], "EPERM", 10);
    expect(world.key.reason).toContain("EPERM");
    expect(world.kinds()).toEqual(["drop"]);
    world.elect("a", "c");
    expect(world.kinds()).toEqual([]);
  });
});

describe("ownership: make before break (law 6)", () => {
  it("answers until the heir's announcement is seen, accepts until its second round", () => {
    const world = new World().own("c").elect("b", "c");
    expect(world.key.state).toBe("releasing");
    const own = world.take("own")[0] as Extract<OwnershipOutput, { kind: "own" }>;
    expect(own.intents[0]!.heirMac).toBe(MAC.b);
    world.machine.claimHeard({ address: V, mac: MAC.b, yielded: true }, 5);
    expect(world.kinds()).toEqual(["silence"]);
    expect(world.key).toMatchObject({ state: "releasing", owner: "b" });
    world.machine.claimNoticed({ member: "b", round: 2, addresses: [V] }, 900);
    expect(world.kinds()).toEqual(["silence", "drop"]);
    expect(world.key.state).toBe("standby");
  });

  it("hears of the heir's claim by gossip as well", () => {
    const world = new World().own().elect("b");
    world.take();
    world.machine.claimNoticed({ member: "b", round: 1, addresses: [V] }, 5);
    expect(world.kinds()).toEqual(["silence"]);
  });

  it("does not own anew what it owns, lest it takes back a yield that it does not know of yet", () => {
    const world = new World().own("b");
    world.elect("a", "b");
    world.machine.setActive(false, 1);
    world.machine.setActive(true, 2);
    expect(world.kinds()).toEqual([]);
    world.elect("a", "c");
    expect(world.kinds()).toEqual(["own"]);
  });

  it("keeps serving without evidence and without a claimer", () => {
    const world = new World().own().elect("b");
    world.take();
    world.machine.claimHeard({ address: V, mac: MAC.c, yielded: false }, 5);
    // Two that answer while the successor does not come: state is exchanged first.
    expect(world.kinds()).toEqual(["exchange-with"]);
    world.elect(null);
    expect(world.key).toMatchObject({ state: "releasing", owner: "a" });
  });

  it("takes back a hand-over that is no longer wanted; claims it like any other where it had fallen silent", () => {
    const world = new World().own().elect("b");
    world.take();
    world.elect("a", "b");
    // A word by gossip all the same: the successor may have claimed it unheard, and then waits for evidence.
    expect(world.kinds()).toEqual(["tell-claimed"]);
    world.elect("b", "a");
    world.machine.claimHeard({ address: V, mac: MAC.b, yielded: true }, 5);
    world.take();
    world.elect("a", "b");
    expect(world.kinds()).toEqual(["hold"]);
    // The successor serves, so an election of the moment, which others never held, does no harm; whoever still sends here is served.
    world.elect("b", "a");
    expect(world.kinds()).toEqual([]);
    world.elect("a", "b");
    world.take();
    world.machine.held([V], 6);
    expect(world.kinds()).toEqual(["own", "announce", "tell-claimed"]);
  });

  it("lets go at once when its link is down or it may own nothing", () => {
    const down = new World().own();
    down.link = false;
    expect(down.elect("b").kinds()).toEqual(["silence", "drop", "tell-claimed"]);
    const barred = new World().own();
    barred.machine.setBarred("name-conflict", 1);
    expect(barred.kinds()).toEqual(["silence", "drop"]);
    expect(barred.key.reason).toBe("name-conflict");
    // Its clients believe it still: whoever is elected says so to them, though it may have claimed before.
    expect(barred.elect("b").kinds()).toEqual([]);
    barred.machine.exchangedWith("b", 10);
    expect(barred.kinds()).toEqual(["tell-claimed"]);
  });

  it("hands over address by address when two go together", () => {
    const world = new World({ together: true });
    world.elect("a", "b", "web");
    world.answer(null);
    world.take();
    world.machine.held([V, "fd00::1"], 0);
    world.elect("b", null, "web");
    world.take();
    world.machine.claimHeard({ address: V, mac: MAC.b, yielded: true }, 5);
    expect((world.take("silence")[0] as Extract<OwnershipOutput, { kind: "silence" }>).at).toHaveLength(1);
    expect(world.key.owner).toBe("a");
    world.machine.claimHeard({ address: "fd00::1", mac: MAC.b, yielded: true }, 6);
    expect(world.key.owner).toBe("b");
  });

  it("stops at once for what nobody else can take, and hands the rest over", () => {
    const alone = new World().own(null).elect(null);
    expect(alone.key.state).toBe("owned");
    alone.machine.stop(1);
    expect(alone.kinds()).toEqual(["silence", "drop"]);
    expect(alone.machine.pending()).toBe(0);
    const two = new World().own().elect("b");
    two.machine.stop(1);
    expect(two.machine.pending()).toBe(1);
  });
});

describe("ownership: meeting again (law 8)", () => {
  it("the winner announces again when a host comes back from the dead", () => {
    const world = new World().own("c");
    world.now = 5000;
    world.machine.memberChanged("b", "back", 5000);
    expect(world.kinds()).toEqual(["own", "announce", "tell-claimed"]);
  });

  it("a rival's announcement leads to an exchange first, then one announcement, never a volley", () => {
    const world = new World().own("b");
    world.now = 5000;
    world.machine.claimHeard({ address: V, mac: MAC.b, yielded: true }, 5000);
    world.machine.claimHeard({ address: V, mac: MAC.b, yielded: true }, 5001);
    expect(world.kinds()).toEqual(["silence", "exchange-with"]);
    world.machine.exchangedWith("b", 5010);
    expect(world.kinds()).toEqual(["own", "announce", "tell-claimed"]);
    world.machine.exchangedWith("b", 5011);
    expect(world.kinds()).toEqual([]);
  });

  it("a rival that does not hear us does not silence us: a frame of ours follows each of its own, and no volley", () => {
    const world = new World({ together: true }).own("b");
    world.deafHosts.add("b");
    const claim = (address: string, now: number) => {
      world.machine.claimHeard({ address, mac: MAC.b, yielded: true }, now);
      const outputs = world.take();
      expect(outputs.map(({ kind }) => kind)).not.toContain("silence");
      expect(outputs.map(({ kind }) => kind)).toContain("own");
      return outputs.filter(({ kind }) => kind === "announce");
    };
    const once = (address: string) => [{ kind: "announce", interface: "eth0", addresses: [address], roundsMs: [0] }];
    expect([claim(V, 5000), claim("fd00::1", 5001)]).toEqual([once(V), once("fd00::1")]);
    expect([claim(V, 5002), claim("fd00::1", 5099)]).toEqual([[], []]);
    expect(claim(V, 5150)).toEqual(once(V));
    expect(world.key.state).toBe("owned");
  });

  it("and the rounds that its frame ended go on", () => {
    const world = new World().own("b");
    world.deafHosts.add("b");
    world.machine.claimHeard({ address: V, mac: MAC.b, yielded: true }, 500);
    expect(world.take("announce").map((output) => output.kind === "announce" && output.roundsMs)).toEqual([
      [500, 2500],
      [0],
    ]);
    expect(world.key.state).toBe("owned");
  });

  it("what a host announces that does not hear us holds no claim back, only the wire's own word does", () => {
    const world = new World().elect("b", "a");
    world.states.set("c", "dead");
    world.states.set("b", "dead");
    world.deafHosts.add("c");
    world.now = 1000;
    world.elect("a", null);
    const [before] = world.take("ask") as Extract<OwnershipOutput, { kind: "ask" }>[];
    world.machine.claimHeard({ address: V, mac: MAC.c, yielded: false }, 1010);
    world.machine.asked(before!.id, [], 1090);
    expect(world.key.state).toBe("claiming");
    world.answer(null);
    world.machine.held([V], 1100);
    expect(world.key.state).toBe("owned");
  });

  it("the loser goes silent as soon as it learns that the rival is elected", () => {
    const world = new World().own("c");
    world.now = 5000;
    world.machine.claimHeard({ address: V, mac: MAC.b, yielded: false }, 5000);
    world.take();
    world.now = 5020;
    world.elect("b", "a");
    expect(world.kinds()).toEqual(["silence"]);
    expect(world.key.owner).toBe("b");
  });

  it("a host that was frozen lets go silently of what others took, and announces again what is still its own", () => {
    const lost = new World().own();
    lost.machine.lapse(10_000);
    lost.machine.setActive(false, 10_000);
    lost.elect("b");
    expect(lost.kinds()).toEqual([]);
    lost.machine.setActive(true, 10_050);
    // Still accepting: whoever is elected may not have announced it yet.
    expect(lost.kinds()).toEqual(["silence", "tell-claimed"]);
    expect(lost.key).toMatchObject({ state: "releasing", owner: "b" });
    lost.machine.claimNoticed({ member: "b", round: 2, addresses: [V] }, 10_900);
    expect(lost.kinds()).toEqual(["silence", "drop"]);
    const kept = new World().own();
    kept.machine.lapse(10_000);
    kept.machine.setActive(false, 10_000);
    kept.machine.setActive(true, 10_050);
    expect(kept.kinds()).toEqual(["own", "announce", "tell-claimed"]);
  });

  it("defends against a stranger's claim at most once in DEFEND_INTERVAL", () => {
    const world = new World().own();
    world.machine.claimHeard({ address: V, mac: "66:66:66:66:66:66", yielded: false }, 20_000);
    expect(world.kinds()).toEqual(["announce"]);
    world.machine.claimHeard({ address: V, mac: "66:66:66:66:66:66", yielded: false }, 29_999);
    expect(world.kinds()).toEqual([]);
    expect(world.key.state).toBe("owned");
    world.machine.claimHeard({ address: V, mac: "66:66:66:66:66:66", yielded: false }, 30_000);
    expect(world.kinds()).toEqual(["announce"]);
  });

  it("defends each address of a pair by itself", () => {
    const world = new World({ together: true }).own();
    const claim = (address: string, now: number) => {
      world.machine.claimHeard({ address, mac: "66:66:66:66:66:66", yielded: false }, now);
      return (world.take("announce") as Extract<OwnershipOutput, { kind: "announce" }>[]).flatMap((o) => o.addresses);
    };
    expect(claim(V, 20_000)).toEqual([V]);
    expect(claim("fd00::1", 20_001)).toEqual(["fd00::1"]);
    expect(claim(V, 25_000)).toEqual([]);
  });

  it("shouts once a minute of one stranger, and counts every defence", () => {
    const world = new World().own();
    const levels: string[] = [];
    for (let now = 20_000; now < 85_000; now += 500) {
      world.machine.claimHeard({ address: V, mac: "66:66:66:66:66:66", yielded: false }, now);
      for (const output of world.take("event")) {
        if (output.kind === "event" && output.event.event === "vip.conflict") levels.push(output.event.level);
      }
    }
    expect(levels).toEqual(["error", "debug", "debug", "debug", "debug", "debug", "error"]);
  });

  it('with "yield" falls silent at once, and tells the others that they may try', () => {
    const world = new World({ conflict: "yield" }).own();
    world.machine.claimHeard({ address: V, mac: "66:66:66:66:66:66", yielded: false }, 20_000);
    expect(world.kinds()).toEqual(["silence", "drop"]);
    expect(world.key).toMatchObject({ state: "conflict", owner: null });
    expect(world.machine.refusing(20_001)).toEqual(new Map([["web", [V]]]));
    expect(world.machine.refusing(30_000)).toEqual(new Map());
  });

  it("asks again while in conflict without leaving it, every 2 s at first, at last every 10 s, and says it once", () => {
    const world = new World().elect("a");
    world.answer("66:66:66:66:66:66");
    const asks: number[] = [];
    let loud = 0;
    for (let outputs = world.take(); world.now < 100_000; outputs = world.take()) {
      for (const output of outputs) if (output.kind === "event" && output.event.level === "error") loud += 1;
      const ask = outputs.find((output) => output.kind === "ask");
      const arm = outputs.find((output) => output.kind === "arm");
      if (ask?.kind === "ask") {
        asks.push(world.now);
        world.machine.asked(ask.id, [{ address: V, mac: "66:66:66:66:66:66" }], (world.now += 90));
      } else if (arm?.kind === "arm") world.machine.timer(arm.timer, (world.now = arm.at));
      else break;
      expect(world.key.state).toBe("conflict");
    }
    const gaps = asks.slice(1).map((at, i) => Math.round((at - asks[i]!) / 1000));
    expect(gaps.slice(0, 9)).toEqual(Array(9).fill(2));
    expect(new Set(gaps.slice(10))).toEqual(new Set([10]));
    expect(loud).toBe(1);
  });

  it("claims when the stranger is silent at last", () => {
    const world = new World().elect("a");
    world.answer("66:66:66:66:66:66");
    const arm = world.take("arm").at(-1) as Extract<OwnershipOutput, { kind: "arm" }>;
    world.machine.timer(arm.timer, (world.now = arm.at));
    world.answer(null);
    expect(world.key.state).toBe("claiming");
    world.answer(null);
    expect(world.kinds()).toEqual(["hold"]);
  });
});

describe("ownership: several interfaces", () => {
  const spec = { key: V, addresses: [V], group: "web", interfaces: ["eth0", "eth1"], local: true };

  function owner(): World {
    const world = new World();
    world.machine.configure([spec], 0);
    return world.own();
  }

  it("answers on all of them and announces on those that are up", () => {
    const world = new World();
    world.machine.configure([spec], 0);
    world.down.add("eth1");
    world.elect("a", "b");
    const ask = world.take("ask")[0] as Extract<OwnershipOutput, { kind: "ask" }>;
    expect(ask.interfaces).toEqual(["eth0"]);
    world.machine.asked(ask.id, [], 100);
    world.take();
    world.machine.held([V], 110);
    const out = world.take();
    const own = out.find((output) => output.kind === "own");
    expect(own?.kind === "own" && own.intents.map((intent) => intent.interface)).toEqual(["eth0", "eth1"]);
    const announced = out.flatMap((output) => (output.kind === "announce" ? [output.interface] : []));
    expect(announced).toEqual(["eth0"]);
  });

  it("an interface that is added by a reload is announced on, one that goes falls silent, and the VIP does not move", () => {
    const world = owner();
    world.machine.configure([{ ...spec, interfaces: ["eth1", "eth2"] }], 1000);
    const out = world.take();
    expect(out.find((o) => o.kind === "silence")).toEqual({ kind: "silence", at: [{ address: V, interface: "eth0" }] });
    expect(out.flatMap((o) => (o.kind === "announce" ? [o.interface] : []))).toEqual(["eth2"]);
    expect(out.some((o) => o.kind === "drop")).toBe(false);
    expect(world.key.state).toBe("owned");
  });

  it("another interface altogether is another segment: let go of, and asked for there", () => {
    const world = owner();
    world.machine.configure([{ ...spec, interfaces: ["eth7"] }], 1000);
    expect(world.kinds()).toEqual(["silence", "drop"]);
    expect(world.key.state).not.toBe("owned");
  });
});

describe("ownership: configurations that differ", () => {
  it("makes no planned move", () => {
    const world = new World().own();
    world.drift = true;
    world.elect("b");
    expect(world.key).toMatchObject({ state: "owned", owner: "a" });
    expect(world.key.reason).toContain("no planned moves");
  });

  it("does not claim what a live member answers for", () => {
    const world = new World();
    world.drift = true;
    world.elect("b", "a").elect("a");
    world.answer(MAC.b);
    expect(world.key.state).toBe("standby");
    expect(world.kinds()).toEqual([]);
  });
});

describe("ownership: a new configuration", () => {
  it("leaves an unchanged VIP alone and lets go of one that is gone", () => {
    const world = new World().own();
    const spec = { key: V, addresses: [V], group: "web", interfaces: ["eth0"], local: true };
    world.machine.configure([spec], 10);
    expect(world.kinds()).toEqual([]);
    expect(world.key.state).toBe("owned");
    world.machine.configure([], 20);
    expect(world.kinds()).toEqual(["silence", "drop"]);
    expect(world.machine.views()).toEqual([]);
  });
});
