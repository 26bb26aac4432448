/**
 * Failback "never" with thousands of VIPs: whoever joins takes nothing that is served, but for a group that is just starting.
 * Judged by order and count: who serves, how often a key moves, how much is told of it.
 */
import { expect, it } from "vitest";
import type { GroupSettings } from "../../src/domain/group/types.js";
import type { Host } from "./host.js";
import { PORT, World } from "./world.js";

const [A, B] = [1, 2].map((index) => ({ host: `10.0.0.${index}`, port: PORT })) as [Host["address"], Host["address"]];

function settingsOf(count: number): GroupSettings {
  const addresses = Array.from({ length: count }, (_, i) => `10.80.${i >> 8}.${i & 255}`);
  const many = { name: "many", digest: 1, interfaces: ["eth0"], addresses, together: false, local: true } as const;
  return { weight: 1, labels: {}, groups: [{ ...many, failback: "never" }] };
}

/** Host a starts alone and serves all; b starts so long after a. What happened from then on, and who serves in the end. */
function joined(count: number, afterMs: number, ms: number) {
  const world = new World({ seed: 1, settings: settingsOf(count), aloneAfterMs: 1000 });
  const seeds = [A, B];
  const a = world.boot({ name: "a", address: A, seeds });
  world.run(afterMs);
  const events: Record<string, number> = {};
  const counted = ["vip.owned", "vip.rival"];
  world.watch({
    event: (host, { event }) => {
      const what = `${host.name} ${event}`;
      if (counted.includes(event)) events[what] = (events[what] ?? 0) + 1;
    },
  });
  const b = world.boot({ name: "b", address: B, seeds });
  world.run(ms);
  const { addresses } = world.settings.groups[0]!;
  const voices = addresses.map((address) => [a, b].filter((host) => host.native.voices(address)).map((h) => h.name));
  const ofB = voices.filter(([first]) => first === "b").length;
  const versions = [a, b].map(
    (host) => host.group.pushPull(false).facts.find((one) => one.name === host.name)?.version,
  );
  return { events, ofB, notOne: voices.filter((some) => some.length !== 1).length, versions, a, b };
}

it.each([10_050, 12_000, 45_000])(
  "ten thousand VIPs are served; a host that joins %d ms later takes none",
  (afterMs) => {
    const { events, ofB, notOne } = joined(10_000, afterMs, 4000);
    expect({ events, ofB, notOne }).toEqual({ events: {}, ofB: 0, notOne: 0 });
  },
);

it("a group that is just starting shares its VIPs, each of which moves once", () => {
  const { events, ofB, notOne, versions, a, b } = joined(2000, 5000, 10_000);
  expect(notOne).toBe(0);
  expect(ofB).toBeGreaterThan(900);
  expect(events).toEqual({ "b vip.owned": ofB });
  // Told a few times, not once for each VIP; and the responder hears of what changed only.
  for (const version of versions) expect(version).toBeLessThan(20);
  for (const { native } of [a, b]) expect(native.watchIntents).toBeLessThan(4 * 2000);
});

it("while the start of a group ends, nobody becomes a rival, and no VIP moves twice", () => {
  for (let beforeMs = 600; beforeMs >= -60; beforeMs -= 30) {
    const { events, ofB, notOne } = joined(200, 10_000 - beforeMs, 3000);
    expect({ beforeMs, events, notOne }).toEqual({
      beforeMs,
      events: ofB === 0 ? {} : { "b vip.owned": ofB },
      notOne: 0,
    });
  }
});
