/**
 * The stall that a profile promises to ride out: the whole network delivers nothing for exactly so long, at any instant of the
 * watch's rhythm, and nobody is held dead for it.
 */
import { describe, expect, it } from "vitest";
import { PROFILES, type ProfileName } from "../../src/domain/profile.js";
import { disagreement, holdLiveness } from "./checks.js";
import { settingsOf } from "./settings.js";
import { PORT, World } from "./world.js";

const STALLS = 30;

function deathsBy(seed: number, profile: ProfileName, count: number): number {
  const world = new World({ seed, settings: settingsOf({}), profileOf: () => PROFILES[profile] });
  const address = (index: number) => ({ host: `10.0.0.${index}`, port: PORT });
  for (let i = 1; i <= count; i++) world.boot({ name: `h${i}`, address: address(i), seeds: [address(1), address(2)] });
  holdLiveness(world, 6000, () => disagreement(world));
  let deaths = 0;
  world.watch({ event: (_, event) => void (deaths += Number(event.event === "member.dead")) });
  const { stallMs, watchIntervalMs, deadAfterMs } = PROFILES[profile];
  for (let i = 0; i < STALLS; i++) {
    world.run(2 * deadAfterMs + world.random() * watchIntervalMs);
    for (const net of [world.gossip, world.wire]) net.stall(world.now + stallMs);
    world.run(stallMs);
  }
  world.run(2 * deadAfterMs);
  return deaths;
}

describe.each(["relaxed", "lan", "fast", "extreme"] as const)("%s rides out the stall that it promises", (profile) => {
  it.each([3, 5, 10])("with %i hosts", (hosts) => {
    const deaths = [1, 2].map((seed) => deathsBy(seed, profile, hosts));
    expect(deaths).toEqual([0, 0]);
  });
});
