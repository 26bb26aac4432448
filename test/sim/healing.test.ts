/** Law 8 in figures: full partitions of every kind, and how soon after the first contact each VIP has one voice. */
import { expect, it } from "vitest";
import { keysOf } from "../../src/domain/group/roll.js";
import { disagreement, holdLiveness } from "./checks.js";
import { settingsOf } from "./settings.js";
import { PORT, World } from "./world.js";

/** A second after the first contact, which itself comes up to a watch interval after the healing. */
const ONE_VOICE_MS = 1300;
const LOOK_EVERY_MS = 5;

function address(index: number) {
  return { host: `10.0.0.${index}`, port: PORT };
}

/** How long after the healing of a partition a VIP had no voice or two. `broken`: times that it healed for a moment before. */
function healed(seed: number, sides: readonly (readonly number[])[], broken: number): number {
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
  let lastMs = 0;
  for (let ms = 0; ms < 4000; ms += LOOK_EVERY_MS) {
    world.run(LOOK_EVERY_MS);
    const clear = vips.every((vip) => hosts.filter((host) => host.native.voices(vip)).length === 1);
    if (!clear) lastMs = ms;
  }
  return lastMs;
}

it.each([
  { what: "two sides", sides: [[1], [2, 3]], broken: 0 },
  { what: "three sides", sides: [[1], [2], [3]], broken: 0 },
  { what: "three sides of five hosts", sides: [[1], [2, 3], [4, 5]], broken: 0 },
  { what: "two sides that meet for a moment first, twice", sides: [[1, 2], [3]], broken: 2 },
])("$what: one voice for each VIP within a second after the first contact", ({ sides, broken }) => {
  const tooLate = Array.from({ length: 20 }, (_, seed) => ({ seed, ms: healed(seed, sides, broken) }));
  expect(tooLate.filter(({ ms }) => ms > ONE_VOICE_MS)).toEqual([]);
});
