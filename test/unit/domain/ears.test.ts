/** Who does not hear us, from one host's side: two others of which each hears or does not, and asks all the same. */
import { describe, expect, it } from "vitest";
import { type Endpoint, type Message, type Meta, VIPD_VSN } from "../../../src/domain/messages.js";
import { PROFILES } from "../../../src/domain/profile.js";
import { Swim, type SwimInput, type SwimTimer } from "../../../src/domain/swim/index.js";

const { lan } = PROFILES;
const ADDRESS = new Map(["a", "b", "c"].map((name, i) => [name, { host: `10.0.0.${i + 1}`, port: 7979 } as Endpoint]));
const HEARD_UNTIL = 2000;
const STEP_MS = 10;

function metaOf(name: string, factsVersion = 1): Meta {
  return { kind: "vipd", format: 1, instance: name.charCodeAt(0), factsVersion, factsDigest: factsVersion };
}

function aliveOf(node: string, incarnation: number, factsVersion?: number): Message {
  return {
    kind: "alive",
    node,
    address: ADDRESS.get(node)!,
    incarnation,
    meta: metaOf(node, factsVersion),
    vsn: VIPD_VSN,
  };
}

/** A host `a` that hears all of `others`; from HEARD_UNTIL on those in `deaf` do not hear it, and say so. */
function play(others: readonly string[], deaf: readonly string[], untilMs: number) {
  const timers: { at: number; timer: SwimTimer }[] = [];
  const inbox: { from: string; messages: readonly Message[] }[] = [];
  const deaths = new Map<string, number>();
  const swim = new Swim(
    {
      name: "a",
      address: ADDRESS.get("a")!,
      profile: lan,
      meta: metaOf("a"),
      random: () => 0.5,
      measure: () => 60,
      packetBudget: 1350,
      seeds: [],
    },
    0,
  );
  let now = 0;
  let number = 1000;
  const ping = (from: string): Message => {
    number += 1;
    return { kind: "ping", seqNo: number, node: "a", source: { address: ADDRESS.get(from)!, name: from } };
  };
  const hand = (input: SwimInput) => {
    for (const output of swim.handle(input, now)) {
      if (output.kind === "arm") timers.push({ at: output.at, timer: output.timer });
      else if (output.kind === "send") answer(output.to, output.messages);
      else if (output.kind === "event" && output.event.kind === "member" && output.event.change === "dead")
        deaths.set(output.event.member.name, now);
    }
  };
  const answer = (to: Endpoint, messages: readonly Message[]) => {
    const name = others.find((other) => ADDRESS.get(other)!.host === to.host);
    if (name === undefined || (deaf.includes(name) && now >= HEARD_UNTIL)) return;
    for (const message of messages) {
      if (message.kind !== "ping") continue;
      const instance = name.charCodeAt(0);
      const payload = { kind: "vipd", instance, factsVersion: 1, viewDigest: 0, asked: number } as const;
      inbox.push({ from: name, messages: [{ kind: "ack", seqNo: message.seqNo, payload }] });
    }
  };
  const hear = (from: string, messages: readonly Message[]) =>
    hand({ kind: "datagram", from: ADDRESS.get(from)!, messages });
  hand({ kind: "start" });
  for (const name of others) hear(name, [aliveOf(name, 1)]);
  const run = (until: number) => {
    for (; now < until; now += STEP_MS) {
      for (const { timer } of timers.splice(0).filter((one) => one.at <= now || !timers.push(one)))
        hand({ kind: "timer", timer });
      for (const { from, messages } of inbox.splice(0)) hear(from, messages);
      for (const name of others) {
        const unhearing = deaf.includes(name) && now >= HEARD_UNTIL;
        // Every watch interval while all is well; each retry in vain comes sooner, and accuses once it suspects.
        if (now % (unhearing ? lan.watchRetryMs : lan.watchIntervalMs) !== 0) continue;
        const accuses = unhearing && now >= HEARD_UNTIL + lan.suspectAfterMs;
        hear(name, accuses ? [ping(name), { kind: "suspect", incarnation: 1, node: "a", from: name }] : [ping(name)]);
      }
    }
  };
  run(untilMs);
  return { swim, hear, deaths };
}

describe("who does not hear us", () => {
  it("and asks all the same is held dead as soon as a silent one would be", () => {
    const { deaths, swim } = play(["b", "c"], ["c"], HEARD_UNTIL + 1500);
    expect(deaths.get("c")! - HEARD_UNTIL).toBeLessThanOrEqual(lan.deadAfterMs + lan.watchIntervalMs);
    expect(swim.member("c")).toMatchObject({ state: "dead", deaf: true });
    expect(swim.member("b")).toMatchObject({ state: "alive", deaf: false });
  });

  it("is told from who does by its questions, once it is back from the dead", () => {
    const { swim, hear } = play(["b", "c"], ["b"], HEARD_UNTIL + 1500);
    const ask = (seqNo: number): Message => ({
      kind: "ping",
      seqNo,
      node: "a",
      source: { address: ADDRESS.get("b")!, name: "b" },
    });
    expect(swim.member("b")).toMatchObject({ state: "dead", unmet: false });
    hear("c", [aliveOf("b", 2)]);
    expect(swim.member("b")).toMatchObject({ state: "alive", unmet: true });
    hear("b", [ask(2000), { kind: "dead", incarnation: 1, node: "a", from: "b" }]);
    expect(swim.member("b")?.unmet).toBe(true);
    hear("b", [ask(2001)]);
    expect(swim.member("b")?.unmet).toBe(false);
  });

  it("is not judged for questions that cross our refutation", () => {
    const { swim } = play(["b", "c"], ["c"], HEARD_UNTIL + lan.suspectAfterMs + lan.watchTimeoutMs);
    expect(swim.member("c")).toMatchObject({ state: "alive", deaf: false });
  });

  it("is none of the others where all say so: it is we who are not heard", () => {
    const { deaths, swim } = play(["b", "c"], ["b", "c"], HEARD_UNTIL + 5000);
    expect([...deaths]).toEqual([]);
    expect(swim.members().map(({ deaf }) => deaf)).toEqual([false, false, false]);
  });

  it("is its own side of a partition where there is nobody else", () => {
    const { deaths } = play(["c"], ["c"], HEARD_UNTIL + 1500);
    expect(deaths.has("c")).toBe(true);
  });

  it("does not come back by news of itself, but by a refutation", () => {
    const { hear, swim } = play(["b", "c"], ["c"], HEARD_UNTIL + 1500);
    hear("c", [aliveOf("c", 2, 2)]);
    expect(swim.member("c")).toMatchObject({ state: "dead", incarnation: 2 });
    hear("c", [aliveOf("c", 3, 2)]);
    expect(swim.member("c")).toMatchObject({ state: "alive", incarnation: 3, deaf: false });
  });

  it("holds us dead in vain: no other's word is doubted for it", () => {
    const { swim } = play(["b", "c"], ["c"], HEARD_UNTIL + 1500);
    const silenced = (from: string) => {
      const before = swim.member("a")!.incarnation;
      const accusation: Message = { kind: "dead", incarnation: before, node: "a", from };
      const outputs = swim.handle(
        { kind: "datagram", from: ADDRESS.get(from)!, messages: [accusation] },
        HEARD_UNTIL + 1500,
      );
      expect(swim.member("a")!.incarnation).toBe(before + 1);
      return outputs.some((output) => output.kind === "event" && output.event.kind === "self-accused");
    };
    expect([silenced("c"), silenced("b")]).toEqual([false, true]);
  });
});
