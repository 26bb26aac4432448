/** Law 2, between turns: how far the group lets its driver extend the lease, and what it makes of that. */
import { describe, expect, it } from "vitest";
import { Group } from "../../../src/domain/group/group.js";
import type { QuorumTerms } from "../../../src/domain/group/quorum.js";
import type { GroupInput, GroupOutput, GroupTimer, Renewal } from "../../../src/domain/group/types.js";
import { PROFILES } from "../../../src/domain/profile.js";
import { decodeFacts, encodeFacts, measure } from "../../../src/wire/index.js";

const LAN = PROFILES.lan;
const ALONE_MS = 1000;

/** One host that meets nobody, and its driver: an event loop that extends the lease if it is let, and wakes for what is due. */
function hostAlone({ renews = true, quorum = null }: { renews?: boolean; quorum?: QuorumTerms | null } = {}) {
  let now = 0;
  const timers: { timer: GroupTimer; at: number }[] = [];
  const leases: Extract<GroupOutput, { kind: "lease" }>[] = [];
  const turns: number[] = [];
  const events: string[] = [];
  let until = Number.NEGATIVE_INFINITY;
  let renewal: Renewal | null = null;
  let renewAt = Number.POSITIVE_INFINITY;
  const group = new Group(
    {
      name: "a",
      address: { host: "10.0.0.1", port: 7979 },
      instance: 1,
      profile: LAN,
      settings: { weight: 1, labels: {}, groups: [], quorum },
      seeds: [],
      aloneAfterMs: ALONE_MS,
      codec: { encode: encodeFacts, decode: decodeFacts },
      random: () => 0.5,
      measure,
      packetBudget: 1350,
      renews,
    },
    now,
  );
  const turn = (input: GroupInput) => {
    turns.push(now);
    group.renewed(until);
    for (const output of group.handle(input, now)) {
      if (output.kind === "arm") timers.push(output);
      else if (output.kind === "event") events.push(output.event.event);
      else if (output.kind === "drain-queue") timers.push({ timer: { kind: "rest" }, at: Number.POSITIVE_INFINITY });
      else if (output.kind === "lease") {
        leases.push(output);
        ({ until, renewal } = output);
        renewAt = renewal === null ? Number.POSITIVE_INFINITY : until - renewal.byMs + renewal.everyMs;
      }
    }
  };
  /** The loop runs until then. */
  const run = (toMs: number) => {
    for (;;) {
      for (const one of timers) one.at = group.dueAt(one.timer, one.at);
      timers.sort((x, y) => x.at - y.at);
      const next = Math.min(timers[0]?.at ?? Number.POSITIVE_INFINITY, renewAt);
      if (next > toMs) break;
      now = Math.max(now, next);
      if (renewAt <= now) {
        const alive = renewal !== null && now < until && now < renewal.endsAt;
        if (alive) until = now + renewal!.byMs;
        renewAt = alive ? now + renewal!.everyMs : Number.POSITIVE_INFINITY;
        if (!alive) turn({ kind: "wake" });
      } else turn({ kind: "timer", timer: timers.shift()!.timer });
    }
    now = toMs;
  };
  turn({ kind: "start" });
  return {
    group,
    turn,
    run,
    leases,
    events,
    turnsSince: (from: number) => turns.filter((at) => at > from),
    until: () => until,
    /** Nothing runs until then. */
    freeze: (toMs: number) => {
      now = toMs;
    },
  };
}

describe("a lease that the driver extends between turns", () => {
  it("costs a host that hears nobody a turn in 0.8 s, where it cost six, and never ends", () => {
    const host = hostAlone();
    host.run(ALONE_MS + 1000);
    for (let at = 2000; at < 12_000; at += 10) {
      host.run(at);
      expect(host.until()).toBeGreaterThan(at);
    }
    expect(host.turnsSince(2000).length).toBeLessThan(16);
    const without = hostAlone({ renews: false });
    without.run(12_000);
    expect(without.turnsSince(2000).length).toBeGreaterThan(45);
    for (const one of [host, without]) expect(one.events).not.toContain("lease.lapsed");
  });

  it("says by how much, how often, and until when at most without another word", () => {
    const host = hostAlone();
    host.run(5000);
    const saidAt = host.turnsSince(0).at(-1)!;
    expect(host.leases.at(-1)!.renewal).toEqual({
      byMs: LAN.leaseMs,
      everyMs: 1.5 * LAN.leaseExtensionMs,
      endsAt: saidAt + 1000,
    });
  });

  it("is none where a quorum's answers extend it, or nobody is there to extend it", () => {
    for (const options of [{ quorum: { hosts: 1, expect: null } }, { renews: false }]) {
      const host = hostAlone(options);
      host.run(5000);
      expect(host.leases.length).toBeGreaterThan(5);
      expect(host.leases.map(({ renewal }) => renewal).filter((one) => one !== null)).toEqual([]);
    }
  });

  it("a gap that is longer than it is a lapse, counted from the last extension; a shorter one is none", () => {
    const host = hostAlone();
    host.run(5000);
    const end = host.until();
    host.freeze(end - 1);
    host.turn({ kind: "drain", on: false });
    expect(host.events).not.toContain("lease.lapsed");
    host.run(end + 1000);
    host.freeze(host.until());
    host.turn({ kind: "drain", on: false });
    expect(host.events).toContain("lease.lapsed");
    expect(host.leases.at(-1)).toMatchObject({ until: Number.NEGATIVE_INFINITY, renewal: null });
  });

  it("a host that hears nobody notices at once that it stood still for longer", () => {
    const host = hostAlone();
    for (let at = 5000; at < 60_000; at += 5000 + (at % 777)) {
      host.run(at);
      const wokenAt = host.until() + 2;
      host.freeze(wokenAt);
      host.run(wokenAt);
      expect(host.until()).toBe(Number.NEGATIVE_INFINITY);
      host.turn({ kind: "queue-drained" });
      expect(host.until()).toBe(wokenAt + LAN.leaseMs);
    }
  });

  it("hangs on turns from the moment that a reload asks for a quorum", () => {
    for (let offset = 0; offset < 800; offset += 37) {
      const host = hostAlone();
      host.run(5000 + offset);
      const settings = { weight: 1, labels: {}, groups: [], quorum: { hosts: 1, expect: null } };
      host.turn({ kind: "reconfigure", settings });
      host.run(12_000);
      expect(host.events).not.toContain("lease.lapsed");
      expect(host.until()).toBeGreaterThan(12_000);
    }
  });

  it("is silent, and looked after often again, while the host catches up: a pause of its own making is no stall", () => {
    const host = hostAlone();
    host.run(5000);
    const from = host.until() + 1;
    host.freeze(from);
    host.turn({ kind: "queue-drained" });
    // Nobody is there whom it could ask: so it goes on alone at once.
    host.turn({ kind: "queue-drained" });
    expect(host.events.at(-1)).toBe("lease.caught-up");
    host.run(from + 5000);
    expect(host.events.filter((event) => event === "lease.lapsed")).toHaveLength(1);
  });
});
