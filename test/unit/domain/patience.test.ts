import { describe, expect, it } from "vitest";
import { type Endpoint, type Message, VIPD_VSN } from "../../../src/domain/messages.js";
import { PROFILES } from "../../../src/domain/profile.js";
import { Swim, type SwimInput, type SwimOutput } from "../../../src/domain/swim/index.js";
import { Lateness } from "../../../src/domain/swim/lateness.js";

const A: Endpoint = { host: "10.0.0.1", port: 7979 };
const B: Endpoint = { host: "10.0.0.2", port: 7979 };
const { lan } = PROFILES;

const PAYLOAD = { kind: "vipd", instance: 2, factsVersion: 1, viewDigest: 1, asked: 1 } as const;

function meta(instance: number) {
  return { kind: "vipd", format: 1, instance, factsVersion: 1, factsDigest: 1 } as const;
}

/** How long b, which falls silent at `silentAt`, is silent before a suspects it and holds it dead. */
function noticed(of: {
  silentAt: number;
  /** After which b answers a question until then. */
  answerMs: number;
  /** How late the timer comes that is due at this instant. */
  lateMs: (at: number) => number;
  /** Answers are quick from then on, and b asks us so often that we need not ask it. */
  asksFrom?: number;
}): { suspectMs: number; deadMs: number } {
  const options = { name: "a", address: A, profile: lan, meta: meta(1), seeds: [], limits: {} };
  const swim = new Swim({ ...options, random: () => 0.5, measure: () => 60, packetBudget: 1350 }, 0);
  const { asksFrom = Number.POSITIVE_INFINITY } = of;
  const agenda: { at: number; input: SwimInput }[] = [];
  const times = new Map<string, number>();
  const handle = (input: SwimInput, now: number) => {
    for (const output of swim.handle(input, now)) take(output, now);
    const state = swim.member("b")?.state ?? "unknown";
    if (!times.has(state)) times.set(state, now);
  };
  const take = (output: SwimOutput, now: number) => {
    if (output.kind === "arm") {
      agenda.push({ at: output.at + of.lateMs(output.at), input: { kind: "timer", timer: output.timer } });
    } else if (output.kind === "send" && output.to.host === B.host && now < of.silentAt) {
      const acks = output.messages.flatMap((message): Message[] =>
        message.kind === "ping" ? [{ kind: "ack", seqNo: message.seqNo, payload: PAYLOAD }] : [],
      );
      const answerMs = now >= asksFrom ? 1 : of.answerMs;
      if (acks.length > 0) agenda.push({ at: now + answerMs, input: { kind: "datagram", from: B, messages: acks } });
    }
  };
  handle({ kind: "start" }, 0);
  const alive = { kind: "alive", node: "b", address: B, incarnation: 1, meta: meta(2), vsn: VIPD_VSN } as const;
  handle({ kind: "datagram", from: B, messages: [alive] }, 1);
  for (let at = asksFrom; at < of.silentAt; at += lan.watchIntervalMs / 2) {
    const ping = { kind: "ping", seqNo: at, node: "a", source: { address: B, name: "b" } } as const;
    agenda.push({ at, input: { kind: "datagram", from: B, messages: [ping] } });
  }
  while (!times.has("dead")) {
    agenda.sort((x, y) => x.at - y.at);
    const next = agenda.shift();
    if (next === undefined || next.at > of.silentAt + 20_000) throw new Error("its death is not noticed");
    handle(next.input, next.at);
  }
  return { suspectMs: times.get("suspect")! - of.silentAt, deadMs: times.get("dead")! - of.silentAt };
}

const punctual = () => 0;

describe("a watcher's patience", () => {
  it("is the profile's where nobody is late", () => {
    const { suspectMs, deadMs } = noticed({ silentAt: 5000, answerMs: 0.3, lateMs: punctual });
    expect(suspectMs).toBeLessThanOrEqual(lan.suspectAfterMs);
    expect(deadMs).toBeLessThanOrEqual(lan.deadAfterMs);
    expect(deadMs).toBeGreaterThan(lan.deadAfterMs - lan.watchIntervalMs);
  });

  it("grows with the time that the member's answers have been taking, so that slow answers are no silence", () => {
    const { suspectMs, deadMs } = noticed({ silentAt: 20_000, answerMs: 200, lateMs: punctual });
    // Its last answer may have come up to an interval before.
    expect(suspectMs).toBeGreaterThan(lan.suspectAfterMs + 3 * 200 - lan.watchIntervalMs);
    expect(deadMs).toBeLessThan(lan.deadAfterMs + 4 * 200);
  });

  it("is the profile's again for one that was slow once, though it asks us so often that it need not be asked", () => {
    const { deadMs } = noticed({ silentAt: 60_000, answerMs: 200, lateMs: punctual, asksFrom: 20_000 });
    expect(deadMs).toBeLessThanOrEqual(lan.deadAfterMs);
  });

  it("grows with its own lateness, and is the profile's again once it has been in time for a while", () => {
    const late = noticed({ silentAt: 5000, answerMs: 0.3, lateMs: (at) => (at > 4000 && at < 5000 ? 300 : 0) });
    const recovered = noticed({ silentAt: 9000, answerMs: 0.3, lateMs: (at) => (at > 4000 && at < 5000 ? 300 : 0) });
    expect(late.suspectMs).toBeGreaterThan(lan.suspectAfterMs);
    expect(recovered.suspectMs).toBeLessThanOrEqual(lan.suspectAfterMs);
  });

  it("is bounded, and the latest lateness does not shorten a longer one", () => {
    const lateness = new Lateness(lan.deadAfterMs);
    lateness.note(60_000, 0);
    expect(lateness.patienceMs(0)).toBe(4 * lan.deadAfterMs);
    lateness.note(100, 1);
    expect(lateness.patienceMs(1)).toBeGreaterThan(3 * lan.deadAfterMs);
    expect(lateness.patienceMs(10_000)).toBe(0);
  });
});
