/** The watch's questions in a small group of whole members: when they go out, seen from the wire. */
import { describe, expect, it } from "vitest";
import { type Endpoint, type Message, VIPD_VSN } from "../../../src/domain/messages.js";
import { PROFILES } from "../../../src/domain/profile.js";
import { Swim, type SwimInput } from "../../../src/domain/swim/index.js";
import { WATCH_PATIENCE } from "../../../src/domain/timing.js";

const { lan } = PROFILES;
const EVERY = lan.watchIntervalMs;
const TRAVEL_MS = 0.3;

interface Question {
  readonly at: number;
  readonly from: string;
  readonly to: string;
}

interface Misfortunes {
  /** Who says nothing from that instant on. */
  readonly silentFrom?: Readonly<Record<string, number>>;
  /** Each host stands still again and again, after so long at most, for less than its lease: what comes meanwhile waits, timers too. */
  readonly stallsAfterMs?: number;
  readonly quorum?: number;
}

/** All questions among `names` until `untilMs`, and who was held dead by whom. */
function questions(
  names: readonly string[],
  untilMs: number,
  { silentFrom = {}, stallsAfterMs = Number.POSITIVE_INFINITY, quorum = 0 }: Misfortunes = {},
): { asked: Question[]; dead: string[] } {
  const asked: Question[] = [];
  const dead: string[] = [];
  /** No input: it wakes from a stall. */
  const agenda: { at: number; to: string; input: SwimInput | null }[] = [];
  const put = (item: (typeof agenda)[number]) => {
    let i = agenda.length;
    while (i > 0 && agenda[i - 1]!.at > item.at) i--;
    agenda.splice(i, 0, item);
  };
  const endpointOf = (name: string): Endpoint => ({ host: `10.0.0.${names.indexOf(name) + 1}`, port: 7979 });
  const nameOf = (endpoint: Endpoint) => names[Number(endpoint.host.split(".")[3]) - 1]!;
  const metaOf = (name: string) => {
    const instance = names.indexOf(name) + 1;
    return { kind: "vipd", format: 1, instance, factsVersion: 1, factsDigest: 1 } as const;
  };
  let seed = 7;
  const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  const swims = new Map(
    names.map((name) => {
      const options = { name, address: endpointOf(name), profile: lan, meta: metaOf(name), seeds: [], limits: {} };
      return [name, new Swim({ ...options, random, measure: () => 60, packetBudget: 1350 }, 0)] as const;
    }),
  );
  const quiet = (name: string, at: number) => at >= (silentFrom[name] ?? Number.POSITIVE_INFINITY);
  const handle = (name: string, input: SwimInput | null, at: number) => {
    if (input === null || quiet(name, at)) return;
    for (const output of swims.get(name)!.handle(input, at)) {
      if (output.kind === "arm") put({ at: output.at, to: name, input: { kind: "timer", timer: output.timer } });
      if (output.kind === "event" && output.event.kind === "member" && output.event.change === "dead") {
        dead.push(`${name}: ${output.event.member.name} at ${at}`);
      }
      if (output.kind !== "send") continue;
      const to = nameOf(output.to);
      if (output.messages.some((message) => message.kind === "ping")) asked.push({ at, from: name, to });
      const messages: readonly Message[] = output.messages;
      put({ at: at + TRAVEL_MS, to, input: { kind: "datagram", from: endpointOf(name), messages } });
    }
  };
  for (const name of names) {
    handle(name, { kind: "start" }, 0);
    if (quorum > 0) handle(name, { kind: "quorum", hosts: quorum }, 0);
    const { instance, factsVersion } = metaOf(name);
    handle(name, { kind: "ack-payload", payload: { kind: "vipd", instance, factsVersion, viewDigest: 1 } }, 0);
  }
  for (const name of names) {
    for (const other of names.filter((one) => one !== name)) {
      const address = endpointOf(other);
      const alive = {
        kind: "alive",
        node: other,
        address,
        incarnation: 1,
        meta: metaOf(other),
        vsn: VIPD_VSN,
      } as const;
      handle(name, { kind: "datagram", from: address, messages: [alive] }, 1 + random() * EVERY);
    }
  }
  const stalls = new Map<string, { from: number; to: number }>();
  const stallAfter = (name: string, at: number) => {
    const from = at + stallsAfterMs * (0.5 + random() / 2);
    stalls.set(name, { from, to: from + 200 + random() * 270 });
  };
  for (const name of names) stallAfter(name, 0);
  const waiting = new Map<string, SwimInput[]>();
  for (let next = agenda.shift(); next !== undefined && next.at <= untilMs; next = agenda.shift()) {
    const { at, to, input } = next;
    const stall = stalls.get(to)!;
    if (at >= stall.to) {
      // What has arrived is handled before what is due (engine.ts).
      const queued = waiting.get(to) ?? [];
      waiting.delete(to);
      stallAfter(to, stall.to);
      for (const kind of ["datagram", "timer"]) {
        for (const one of queued.filter((item) => item.kind === kind)) handle(to, one, stall.to);
      }
    }
    if (at < stall.from || at >= stall.to) handle(to, input, at);
    else if (input !== null) {
      if (!waiting.has(to)) put({ at: stall.to, to, input: null });
      waiting.set(to, [...(waiting.get(to) ?? []), input]);
    }
  }
  return { asked, dead };
}

/** Gaps between questions that are longer than a wave takes to go through the group. */
const between = (asked: readonly Question[]) =>
  asked.slice(1).flatMap(({ at }, i) => (at - asked[i]!.at > EVERY / 4 ? [at - asked[i]!.at] : []));

describe("the watch's questions", () => {
  it.each([
    ["three hosts", ["a", "b", "c"], 3],
    ["four, each of which watches the others", ["a", "b", "c", "d"], 6],
  ])("of %s go out in one wave an interval, one for each pair", (_what, names, pairs) => {
    const settled = questions(names, 60_000).asked.filter(({ at }) => at > 10_000);
    const waves = between(settled);
    expect(Math.min(...waves)).toBeGreaterThan(0.9 * EVERY);
    expect(Math.max(...waves)).toBeLessThan(WATCH_PATIENCE * EVERY);
    expect(settled.length / (waves.length + 1)).toBeCloseTo(pairs, 1);
  });

  it("go on when the one that set the pace is gone, each pair within the patience that is reckoned with", () => {
    const { asked } = questions(["a", "b", "c", "d"], 20_000, { silentFrom: { a: 10_000 } });
    const rest = asked.filter(({ at, from, to }) => at > 9000 && from !== "a" && to !== "a");
    for (const pair of ["bc", "bd", "cd"]) {
      const times = rest.filter(({ from, to }) => [from, to].sort().join("") === pair).map(({ at }) => at);
      const gaps = times.slice(1).map((at, i) => at - times[i]!);
      expect(Math.max(...gaps), pair).toBeLessThan(WATCH_PATIENCE * EVERY);
      expect(times.at(-1)).toBeGreaterThan(20_000 - WATCH_PATIENCE * EVERY);
    }
  });

  it("for a quorum have a rhythm of their own, which waves do not quicken", () => {
    const names = ["a", "b", "c", "d", "e"];
    const settled = questions(names, 30_000, { quorum: 3 }).asked.filter(({ at }) => at > 10_000);
    const perHost = settled.length / names.length / 20;
    // Two others are asked every quarter of a lease, less what the watch asks anyway.
    expect(perHost).toBeLessThan((2 * 1000) / (lan.leaseMs / 4) + 1);
  });

  it("tell nothing of others while their asker stands still: nobody is held dead for another's stalls", () => {
    const names = Array.from({ length: 12 }, (_, i) => `host-${String.fromCharCode(97 + i)}`);
    expect(questions(names, 400_000, { stallsAfterMs: 3000 }).dead).toEqual([]);
  });
});
