import { describe, expect, it } from "vitest";
import { type Endpoint, type Message, type Meta, VIPD_VSN } from "../../../src/domain/messages.js";
import { PROFILES } from "../../../src/domain/profile.js";
import {
  Swim,
  type SwimEvent,
  type SwimInput,
  type SwimOptions,
  type SwimOutput,
} from "../../../src/domain/swim/index.js";
import { INCARNATION_MAX } from "../../../src/domain/swim/precedence.js";

const US: Endpoint = { host: "10.0.0.1", port: 7979 };
const B: Endpoint = { host: "10.0.0.2", port: 7979 };
const C: Endpoint = { host: "10.0.0.3", port: 7979 };
const STRANGER: Endpoint = { host: "10.0.0.66", port: 7979 };

function meta(instance: number): Meta {
  return { kind: "vipd", format: 1, instance, factsVersion: 1, factsDigest: 1 };
}

function alive(node: string, address: Endpoint, incarnation: number, instance = 7): Message {
  return { kind: "alive", node, address, incarnation, meta: meta(instance), vsn: VIPD_VSN };
}

/** A core at instant 0 that knows b and c, and a hand to drive it. */
function driven(limits = {}, seeds: Endpoint[] = [], options: Partial<SwimOptions> = {}) {
  const swim = new Swim(
    {
      name: "a",
      address: US,
      profile: PROFILES.lan,
      meta: meta(1),
      random: () => 0.5,
      measure: () => 60,
      packetBudget: 1350,
      seeds,
      limits,
      ...options,
    },
    0,
  );
  const hand = (input: SwimInput, now = 1): SwimOutput[] => swim.handle(input, now);
  const hear = (from: Endpoint, messages: Message[], now = 1) => hand({ kind: "datagram", from, messages }, now);
  hand({ kind: "start" }, 0);
  hear(B, [alive("b", B, 1)]);
  hear(C, [alive("c", C, 1)]);
  return { swim, hand, hear };
}

function sent(outputs: readonly SwimOutput[], to?: Endpoint): Message[] {
  return outputs.flatMap((output) =>
    output.kind === "send" && (to === undefined || output.to.host === to.host) ? [...output.messages] : [],
  );
}

function events(outputs: readonly SwimOutput[]): SwimEvent[] {
  return outputs.flatMap((output) => (output.kind === "event" ? [output.event] : []));
}

function drops(outputs: readonly SwimOutput[]): string[] {
  return events(outputs).flatMap((event) => (event.kind === "dropped" ? [event.reason] : []));
}

describe("claims about others", () => {
  it("an old suspicion does not touch a member that refuted it", () => {
    const { swim, hear } = driven();
    hear(C, [{ kind: "suspect", incarnation: 1, node: "b", from: "c" }]);
    hear(B, [alive("b", B, 2)]);
    const outputs = hear(C, [{ kind: "dead", incarnation: 1, node: "b", from: "c" }], 2000);
    expect(swim.member("b")).toMatchObject({ state: "alive", incarnation: 2 });
    expect(drops(outputs)).toContain("old-incarnation");
    expect(sent(outputs, C)).toContainEqual(expect.objectContaining({ kind: "alive", node: "b", incarnation: 2 }));
  });

  it("the suspicion's own timer does not kill a member that refuted", () => {
    const { swim, hand, hear } = driven();
    const outputs = hear(C, [{ kind: "suspect", incarnation: 1, node: "b", from: "c" }]);
    const armed = outputs.find((output) => output.kind === "arm" && output.timer.kind === "suspicion");
    if (armed?.kind !== "arm") throw new Error("no suspicion timer");
    hear(C, [alive("b", B, 2)]);
    hand({ kind: "timer", timer: armed.timer }, armed.at);
    expect(swim.member("b")?.state).toBe("alive");
  });

  it("a death of which we heard the contrary a moment ago is only a suspicion", () => {
    const { swim, hand, hear } = driven();
    hear(B, [{ kind: "ack", seqNo: pingB(hand), payload: null }], 1000);
    hear(C, [{ kind: "dead", incarnation: 1, node: "b", from: "c" }], 1200);
    expect(swim.member("b")?.state).toBe("suspect");
    hear(C, [{ kind: "dead", incarnation: 1, node: "b", from: "c" }], 1000 + PROFILES.lan.suspectAfterMs);
    expect(swim.member("b")?.state).toBe("dead");
  });

  it("whoever is patient itself believes a death by the patience of the one that tells it", () => {
    const profile = PROFILES.relaxed;
    const { swim, hand, hear } = driven({}, [], { profile, leaseOf: (name) => (name === "c" ? 130 : undefined) });
    const dead = (from: string): Message => ({ kind: "dead", incarnation: 1, node: "b", from });
    hear(B, [{ kind: "ack", seqNo: pingB(hand), payload: null }], 1000);
    hear(C, [dead("c")], 1129);
    expect(swim.member("b")?.state).toBe("suspect");
    hear(C, [dead("unheard-of")], 1131);
    expect(swim.member("b")?.state).toBe("suspect");
    hear(C, [dead("c")], 1131);
    expect(swim.member("b")?.state).toBe("dead");
  });

  it("a farewell counts at once", () => {
    const { swim, hear } = driven();
    hear(B, [{ kind: "dead", incarnation: 1, node: "b", from: "b" }]);
    expect(swim.member("b")?.state).toBe("left");
  });

  it("the dead may come back elsewhere, with a newer incarnation only", () => {
    const { swim, hear } = driven();
    hear(C, [{ kind: "dead", incarnation: 1, node: "b", from: "c" }], 5000);
    hear(STRANGER, [alive("b", STRANGER, 1, 8)], 5001);
    expect(swim.member("b")?.state).toBe("dead");
    hear(STRANGER, [alive("b", STRANGER, 2, 8)], 5002);
    expect(swim.member("b")).toMatchObject({ state: "alive", address: STRANGER });
  });

  it("who is back from the dead is met once it answers us or exchanges state; who was only suspect is", () => {
    const { swim, hand, hear } = driven();
    hear(C, [{ kind: "suspect", incarnation: 1, node: "b", from: "c" }], 4000);
    hear(C, [alive("b", B, 2)], 4001);
    expect(swim.member("b")).toMatchObject({ state: "alive", unmet: false });
    hear(C, [{ kind: "dead", incarnation: 2, node: "b", from: "c" }], 5000);
    hear(C, [alive("b", B, 3)], 5001);
    expect(swim.member("b")).toMatchObject({ state: "alive", unmet: true });
    hear(C, [{ kind: "suspect", incarnation: 3, node: "b", from: "c" }], 5002);
    expect(swim.member("b")).toMatchObject({ state: "suspect", unmet: true });
    hear(C, [alive("b", B, 4)], 5003);
    const state = { join: false, nodes: [], facts: [] };
    const met = hand({ kind: "exchanged", with: B, state, initiator: true }, 5004);
    expect(swim.member("b")?.unmet).toBe(false);
    expect(events(met)).toContainEqual({ kind: "met", member: "b" });
  });

  it("a second claimant of a living member's name is reported and not believed", () => {
    const { swim, hear } = driven();
    const outputs = hear(STRANGER, [alive("b", STRANGER, 9, 8)], 10);
    expect(events(outputs)).toContainEqual({ kind: "name-conflict", name: "b", endpoint: STRANGER, self: false });
    expect(swim.member("b")?.address).toEqual(B);
    expect(sent(outputs, B)).toContainEqual(expect.objectContaining({ kind: "alive", address: STRANGER }));
  });

  it("after a gap of ours a name may have changed hands: what was queued raises no conflict, and keeps nobody's place", () => {
    const { swim, hear, hand } = driven();
    hand({ kind: "thawed", queued: true }, 9000);
    hear(B, [alive("b", B, 2)], 9001);
    expect(events(hear(STRANGER, [alive("b", STRANGER, 3, 8)], 9002)).map(({ kind }) => kind)).toEqual(["member"]);
    expect(events(hear(B, [alive("b", B, 4)], 9003)).map(({ kind }) => kind)).toEqual(["member"]);
    hand({ kind: "thawed", queued: false }, 9004);
    const asks = { kind: "ping", seqNo: 9, node: "a", source: { address: STRANGER, name: "b" } } as const;
    expect(events(hear(STRANGER, [asks], 9004))).toEqual([]);
    expect(events(hear(C, [alive("b", STRANGER, 5, 8)], 9005)).map(({ kind }) => kind)).toEqual(["member"]);
    expect(swim.member("b")?.address).toEqual(STRANGER);
    // Heard since: whoever claims the name now is a rival.
    expect(events(hear(B, [alive("b", B, 6)], 9006)).map(({ kind }) => kind)).toContain("name-conflict");
  });

  it.each([
    ["an empty protocol range", { ...alive("d", STRANGER, 1), vsn: [0, 0, 0, 0, 0, 0] } as Message, "bad-version"],
    ["an absurd incarnation", alive("d", STRANGER, 0xffff_ffff), "absurd-incarnation"],
    [
      "a suspicion of nobody we know",
      { kind: "suspect", incarnation: 1, node: "x", from: "c" } as Message,
      "unknown-member",
    ],
    [
      "a suspicion that nobody could refute",
      { kind: "suspect", incarnation: INCARNATION_MAX, node: "a", from: "c" } as Message,
      "absurd-incarnation",
    ],
    ["a ping for another name", { kind: "ping", seqNo: 1, node: "z", source: null } as Message, "ping-for-other-name"],
    ["an ack that nobody asked for", { kind: "ack", seqNo: 1, payload: null } as Message, "ack-nobody-asked"],
  ])("%s is dropped by its name", (_, message, reason) => {
    const { swim, hear } = driven();
    expect(drops(hear(C, [message]))).toContain(reason);
    expect(swim.members()).toHaveLength(3);
  });
});

describe("claims about ourselves", () => {
  it.each(["suspect", "dead"] as const)("'%s' is refuted above the accusation, to all and to the accuser", (kind) => {
    const { swim, hear } = driven();
    const outputs = hear(STRANGER, [{ kind, incarnation: 41, node: "a", from: "c" }]);
    expect(swim.member("a")?.incarnation).toBe(42);
    for (const to of [B, C, STRANGER]) {
      expect(sent(outputs, to)).toContainEqual(expect.objectContaining({ kind: "alive", node: "a", incarnation: 42 }));
    }
    expect(events(outputs)).toContainEqual({ kind: "self-accused", state: kind, from: "c" });
  });

  it("our former life at the same address is outdone quietly", () => {
    const { swim, hear } = driven();
    const outputs = hear(B, [alive("a", US, 5, 99)]);
    expect(swim.member("a")?.incarnation).toBe(6);
    expect(events(outputs).map((event) => event.kind)).not.toContain("name-conflict");
  });

  it("our name elsewhere is asked, and is a rival only if it answers", () => {
    const { hear } = driven();
    const asked = sent(hear(B, [alive("a", STRANGER, 5, 99)]), STRANGER).find((message) => message.kind === "ping");
    if (asked?.kind !== "ping") throw new Error("nobody was asked");
    expect(asked.node).toBe("a");
    const answer = hear(STRANGER, [{ kind: "ack", seqNo: asked.seqNo, payload: null }], 2);
    expect(events(answer)).toContainEqual({ kind: "name-conflict", name: "a", endpoint: STRANGER, self: true });
  });

  it("who leaves refutes nothing any more, says goodbye three times, and is then out", () => {
    const { swim, hand, hear } = driven();
    let outputs = hand({ kind: "leave" }, 10);
    let goodbyes = 0;
    for (let i = 0; i < 4; i++) {
      goodbyes += sent(outputs, B).filter((message) => message.kind === "dead" && message.from === "a").length;
      const next = outputs.find((output) => output.kind === "arm" && output.timer.kind === "gossip");
      if (next?.kind !== "arm") break;
      outputs = hand({ kind: "timer", timer: next.timer }, next.at);
    }
    expect(goodbyes).toBe(3);
    expect(events(outputs)).toContainEqual({ kind: "left" });
    expect(drops(hear(B, [{ kind: "dead", incarnation: 9, node: "a", from: "b" }], 2000))).toContain("leaving");
    expect(swim.member("a")).toMatchObject({ state: "left", incarnation: 1 });
  });
});

/** What was recorded and is sent again opens like the first time: only what is newer than an answer of ours counts. */
describe("signs of life", () => {
  const pingOf = (seqNo: number): Message => ({ kind: "ping", seqNo, node: "a", source: { address: B, name: "b" } });
  const told = (asked: number, instance = 7) =>
    ({ kind: "vipd", instance, factsVersion: 1, viewDigest: 0, asked }) as const;

  it("no datagram counts before an answer has told where its sender's numbers are", () => {
    const { swim, hear } = driven();
    hear(B, [pingOf(5), alive("c", C, 1), { kind: "nack", seqNo: 1 }], 400);
    expect(swim.member("b")?.lastHeardAt).toBe(Number.NEGATIVE_INFINITY);
  });

  it.each<[string, number, number, boolean]>([
    ["a question after it counts", 1000, 1001, true],
    ["a recorded one from before does not", 1000, 999, false],
    ["the very last one does not", 1000, 1000, false],
    ["one of a former life does not", 1000, 3_000_000_000, false],
    ["numbers wrap", 2 ** 32 - 1, 3, true],
  ])("%s", (_what, asked, seqNo, counts) => {
    const { swim, hand, hear } = driven();
    hear(B, [{ kind: "ack", seqNo: pingB(hand), payload: told(asked) }], 303);
    hear(B, [pingOf(seqNo)], 500);
    expect(swim.member("b")?.lastHeardAt).toBe(counts ? 500 : 303);
  });

  it("each question counts once, and older ones never again", () => {
    const { swim, hand, hear } = driven();
    hear(B, [{ kind: "ack", seqNo: pingB(hand), payload: told(10) }], 303);
    for (const [i, seqNo] of [12, 12, 11, 10].entries()) hear(B, [pingOf(seqNo)], 400 + i);
    expect(swim.member("b")?.lastHeardAt).toBe(400);
  });

  it("a new life of the sender begins without credit", () => {
    const { swim, hand, hear } = driven();
    hear(B, [{ kind: "ack", seqNo: pingB(hand), payload: told(10) }], 303);
    hear(B, [alive("b", B, 2, 8)], 310);
    hear(B, [pingOf(11)], 400);
    expect(swim.member("b")?.lastHeardAt).toBe(303);
  });
});

/** Fires b's watch timer and returns the ping's number. */
function pingB(hand: (input: SwimInput, now?: number) => SwimOutput[]): number {
  for (let round = 1; round < 10; round++) {
    const outputs = hand({ kind: "timer", timer: { kind: "watch", member: "b", round } }, 301);
    const ping = sent(outputs, B).find((message) => message.kind === "ping");
    if (ping?.kind === "ping") return ping.seqNo;
  }
  throw new Error("b is not pinged");
}

describe("acks", () => {
  it("the asked one's counts as its sign of life and measures the round trip", () => {
    const { swim, hand, hear } = driven();
    hear(B, [{ kind: "ack", seqNo: pingB(hand), payload: null }], 303);
    expect(swim.member("b")).toMatchObject({ lastHeardAt: 303, rttMs: 2 });
  });

  it.each([
    ["before its return is known", 3000],
    ["after it", 3002],
  ])("that of a host that was frozen is a sign of life, and measures nothing: %s", (_, at) => {
    const { swim, hand, hear } = driven();
    const seqNo = pingB(hand);
    hear(C, [{ kind: "dead", incarnation: 1, node: "b", from: "c" }], 1200);
    if (at < 3001) hear(B, [{ kind: "ack", seqNo, payload: null }], at);
    hear(B, [alive("b", B, 2)], 3001);
    if (at > 3001) hear(B, [{ kind: "ack", seqNo, payload: null }], at);
    expect(swim.member("b")).toMatchObject({ state: "alive", lastHeardAt: at, rttMs: null });
  });

  it("a stranger's does not, though it guessed the number", () => {
    const { swim, hand, hear } = driven();
    expect(drops(hear(STRANGER, [{ kind: "ack", seqNo: pingB(hand), payload: null }], 303))).toEqual([
      "ack-from-stranger",
    ]);
    expect(swim.member("b")?.lastHeardAt).toBe(Number.NEGATIVE_INFINITY);
  });

  it("another instance in it leads to an exchange", () => {
    const { hand, hear } = driven();
    const payload = { kind: "vipd", instance: 1234, factsVersion: 1, viewDigest: 0 } as const;
    const outputs = hear(B, [{ kind: "ack", seqNo: pingB(hand), payload }], 303);
    expect(outputs).toContainEqual({ kind: "exchange", with: B, join: true });
  });
});

describe("the round-robin probe", () => {
  it("suspects who does not answer, though the next probe is asked at the very instant of the verdict", () => {
    const { swim, hand, hear } = driven();
    const agent: Message = {
      kind: "alive",
      node: "agent",
      address: STRANGER,
      incarnation: 1,
      meta: { kind: "foreign", bytes: new Uint8Array() },
      vsn: VIPD_VSN,
    };
    let now = 1;
    // The first round was armed by the start, half an interval away.
    const timers: { timer: Extract<SwimInput, { kind: "timer" }>["timer"]; at: number }[] = [
      { timer: { kind: "probe", round: 1 }, at: 500 },
    ];
    const keep = (outputs: readonly SwimOutput[]) => {
      for (const output of outputs) if (output.kind === "arm") timers.push(output);
    };
    keep(hear(STRANGER, [agent], now));
    for (let i = 0; i < 400 && now < 4000 && swim.member("agent")?.state === "alive"; i++) {
      timers.sort((a, b) => a.at - b.at);
      const due = timers.find(({ timer }) => timer.kind === "probe" || timer.kind === "probe-timeout");
      if (due === undefined) break;
      timers.splice(timers.indexOf(due), 1);
      now = due.at;
      keep(hand({ kind: "timer", timer: due.timer }, now));
    }
    expect(swim.member("agent")?.state).toBe("suspect");
  });
});

describe("bounds", () => {
  it("members: the dead make room, the living do not", () => {
    const { swim, hear } = driven({ members: 3 });
    expect(drops(hear(STRANGER, [alive("d", STRANGER, 1)]))).toContain("too-many-members");
    hear(C, [{ kind: "dead", incarnation: 1, node: "b", from: "b" }]);
    hear(STRANGER, [alive("d", STRANGER, 1)]);
    expect(swim.members().map((member) => member.name)).toEqual(["a", "c", "d"]);
  });

  it("relays: the 513th waiting one is refused", () => {
    const { swim, hear } = driven();
    const ask = (seqNo: number): Message => ({
      kind: "indirect-ping",
      seqNo,
      target: STRANGER,
      node: "x",
      nack: false,
      source: null,
    });
    const outputs = Array.from({ length: 600 }, (_, seqNo) => hear(B, [ask(seqNo)])).flat();
    expect(swim.stats().relays).toBe(512);
    expect(drops(outputs).filter((reason) => reason === "too-many-relays")).toHaveLength(88);
  });

  it("questions and broadcasts: old ones go", () => {
    const { swim, hand } = driven({ pendingProbes: 16, broadcasts: 8 }, [STRANGER]);
    for (let i = 0; i < 100; i++)
      hand({ kind: "broadcast", subject: `s${i}`, body: { kind: "facts-request", names: [] } });
    for (let round = 0; round < 400; round++)
      hand({ kind: "timer", timer: { kind: "reconnect", round } }, 1 + round * 100);
    expect(swim.stats().questions).toBeLessThanOrEqual(16);
    expect(swim.stats().queued).toBeLessThanOrEqual(8);
  });

  it("datagrams keep the packet budget however much is to be spread", () => {
    const { hand, hear } = driven();
    for (let i = 0; i < 200; i++)
      hand({ kind: "broadcast", subject: `s${i}`, body: { kind: "facts-request", names: [] } });
    const outputs = hear(B, [{ kind: "ping", seqNo: 1, node: "a", source: null }]);
    for (const output of outputs) {
      if (output.kind === "send") expect(output.messages.length * 62 + 2).toBeLessThanOrEqual(1350);
    }
  });
});

describe("push/pull", () => {
  it("a pool whose versions do not meet ours is refused whole", () => {
    const { swim, hand } = driven();
    const row = {
      name: "d",
      address: STRANGER,
      meta: meta(9),
      incarnation: 1,
      state: "alive",
      vsn: [1, 5, 2, 0, 0, 0],
    } as const;
    const state = { join: true, nodes: [row], facts: [] };
    const outputs = hand({ kind: "exchanged", with: STRANGER, state, initiator: true });
    expect(drops(outputs)).toContain("merge-refused");
    expect(events(outputs).map((event) => event.kind)).toContain("exchange-failed");
    expect(swim.member("d")).toBeUndefined();
  });

  it("a peer's dead are only suspected", () => {
    const { swim, hand } = driven();
    const row = { name: "b", address: B, meta: meta(7), incarnation: 1, state: "dead", vsn: VIPD_VSN } as const;
    const state = { join: false, nodes: [row], facts: [] };
    hand({ kind: "exchanged", with: C, state, initiator: true }, 5000);
    expect(swim.member("b")?.state).toBe("suspect");
  });
});
