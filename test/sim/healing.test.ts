/** Law 8 in figures: full partitions of every kind, and how soon after the first contact each VIP has one voice. */
import { expect, it } from "vitest";
import { keysOf } from "../../src/domain/group/roll.js";
import { disagreement, holdLiveness } from "./checks.js";
import { settingsOf } from "./settings.js";
import { PORT, World } from "./world.js";

/** A second after the first contact, which itself comes up to a watch interval after the healing. */
const ONE_VOICE_MS = 1300;
/** What no client may wait for longer: a claim that was held back, or a rival whose word is awaited, must not take its usual time. */
const SILENT_MS = 100;
const LOOK_EVERY_MS = 5;

function address(index: number) {
  return { host: `10.0.0.${index}`, port: PORT };
}

interface Healing {
  /** When after the healing a VIP had no voice or two for the last time. */
  readonly clearMs: number;
  /** The longest time for which a VIP had no voice. */
  readonly silentMs: number;
}

/** `broken`: times that the partition healed for a moment before. */
function healed(seed: number, sides: readonly (readonly number[])[], broken: number): Healing {
  const world = new World({ seed });
  const hosts = sides.flat().map((index) => {
    return world.boot({ name: `h${index}`, address: address(index), seeds: [address(1), address(2)] });
  });
  const vips = settingsOf().groups.flatMap((group) => keysOf(group).flatMap((key) => key.addresses));
  holdLiveness(world, 3000, () => disagreement(world));
  world.run(5000);
  const nets = [world.gossip, world.wire];
  for (let i = 0; i <= broken; i++) {
    if (i > 0) world.run(20 + world.random() * 400);
    for (const side of sides) {
      for (const other of sides) {
        if (side === other) continue;
        for (const a of side) for (const b of other) world.separate(address(a).host, address(b).host, nets);
      }
    }
    world.run(2000 + world.random() * 1500);
    for (const net of nets) net.heal();
  }
  let clearMs = 0;
  let silentMs = 0;
  const silentFrom = new Map<string, number>();
  for (let ms = 0; ms < 4000; ms += LOOK_EVERY_MS) {
    world.run(LOOK_EVERY_MS);
    for (const vip of vips) {
      const voices = hosts.filter((host) => host.native.voices(vip)).length;
      if (voices !== 1) clearMs = ms;
      if (voices > 0) silentFrom.delete(vip);
      else if (!silentFrom.has(vip)) silentFrom.set(vip, ms);
      silentMs = Math.max(silentMs, ms - (silentFrom.get(vip) ?? ms));
    }
  }
  return { clearMs, silentMs };
}

it.each([
  { what: "two sides", sides: [[1], [2, 3]], broken: 0, told: [] },
  { what: "three sides", sides: [[1], [2], [3]], broken: 0, told: [5042] },
  { what: "three sides of five hosts", sides: [[1], [2, 3], [4, 5]], broken: 0, told: [5014, 5032, 5050, 5070, 5131] },
  { what: "two sides that meet for a moment first, twice", sides: [[1, 2], [3]], broken: 2, told: [] },
])("$what: one voice for each VIP within a second after the first contact, and none silent for 100 ms", (kind) => {
  const seeds = [...Array(20).keys(), ...kind.told];
  const told = seeds.map((seed) => ({ seed, ...healed(seed, kind.sides, kind.broken) }));
  expect(told.filter(({ clearMs, silentMs }) => clearMs > ONE_VOICE_MS || silentMs > SILENT_MS)).toEqual([]);
});
