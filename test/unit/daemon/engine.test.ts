/** Law 2 at the edge: what the engine does when its event loop came too late, and when nobody turns any more. */
import { describe, expect, it } from "vitest";
import { Engine } from "../../../src/daemon/engine.js";
import { PROFILES } from "../../../src/domain/profile.js";
import type { AddressHolder, GossipTransport, Responder } from "../../../src/ports.js";
import { decodeFacts, encodeFacts, measure } from "../../../src/wire/index.js";

const { leaseMs } = PROFILES.lan;
const SILENCE = Number.NEGATIVE_INFINITY;

/** A host that is alone, with its lease held; only what is asked of it here is there. */
function running() {
  let now = 0;
  let wake: () => void = () => {};
  let wakeAt = Number.POSITIVE_INFINITY;
  const leases: number[] = [];
  const responder: Partial<Responder> = {
    lease: (until) => leases.push(until),
    leaseUntil: () => leases.at(-1) ?? SILENCE,
    links: () => [],
  };
  const engine = new Engine(
    {
      clock: { now: () => now, wall: () => "" },
      createAlarm: (onDue) => {
        wake = onDue;
        return {
          set: (at) => {
            wakeAt = at;
          },
          close: () => {},
        };
      },
      transport: { receive: () => {}, send: () => {} } as Partial<GossipTransport> as GossipTransport,
      responder: responder as Responder,
      holder: {} as AddressHolder,
      log: { write: () => {} } as never,
      onEvent: () => {},
      onHostChanged: () => {},
      onLate: () => {},
    },
    {
      name: "a",
      address: { host: "10.0.0.1", port: 7979 },
      instance: 1,
      profile: PROFILES.lan,
      settings: { weight: 1, labels: {}, groups: [], quorum: null },
      seeds: [],
      aloneAfterMs: 100,
      codec: { encode: encodeFacts, decode: decodeFacts },
      random: () => 0.5,
      measure,
      packetBudget: 1350,
      renews: true,
    },
  );
  engine.turn({ kind: "start" });
  while (leases.at(-1) !== now + leaseMs) {
    now = wakeAt;
    wake();
  }
  return {
    engine,
    leases,
    wake: () => wake(),
    standStillFor: (ms: number) => {
      now += ms;
    },
  };
}

describe("the engine and its lease", () => {
  it("a loop that came too late to extend it falls silent at once, in the group's eyes, too", () => {
    const { engine, leases, standStillFor } = running();
    standStillFor(leaseMs + 1);
    engine.responderEvents([{ kind: "stalled" }]);
    expect(leases.at(-1)).toBe(SILENCE);
    expect(engine.group.standing().lease.phase).toBe("thawing");
  });

  it("so does one that lost the news of it among others", () => {
    const { engine, leases, standStillFor } = running();
    standStillFor(leaseMs + 1);
    engine.responderEvents([{ kind: "overflow", lost: 1 }]);
    expect(leases.at(-1)).toBe(SILENCE);
  });

  it("ends it with the engine: nobody turns any more, and late news change nothing", () => {
    const { engine, leases, wake } = running();
    engine.stop();
    expect(leases.at(-1)).toBe(SILENCE);
    engine.responderEvents([{ kind: "stalled" }]);
    wake();
    expect(leases.at(-1)).toBe(SILENCE);
  });
});
