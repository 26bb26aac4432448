/** How soon a crash is known, first and last, and what the group costs at rest: measured in the simulated world. */
import { disagreement, holdSafety } from "./checks.js";
import { between } from "./random.js";
import { PORT, World } from "./world.js";

export interface Detection {
  readonly firstMs: readonly number[];
  readonly lastMs: readonly number[];
  readonly datagramsPerSecond: number;
  readonly joinedMs: number;
}

export function measureDetection(of: { seed: number; hosts: number; crashes: number }): Detection {
  const world = new World(of.seed);
  if (of.hosts <= 10) holdSafety(world);
  const address = (index: number) => ({ host: `10.0.${index >> 8}.${index & 255}`, port: PORT });
  const seeds = [1, 2, 3].map(address);
  let victim = "";
  let knownAt: number[] = [];
  world.watch({
    event: (_, event) => {
      if (event.kind === "member" && event.change === "dead" && event.member.name === victim) knownAt.push(world.now);
    },
  });
  for (let index = 1; index <= of.hosts; index++) world.boot(`h${index}`, address(index), seeds);
  while (disagreement(world) !== null) world.run(10);
  const joinedMs = world.now;
  world.run(5000);
  const sentBefore = world.hosts.reduce((sum, host) => sum + host.sent, 0);
  world.run(10_000);
  const sent = world.hosts.reduce((sum, host) => sum + host.sent, 0) - sentBefore;
  const firstMs: number[] = [];
  const lastMs: number[] = [];
  for (let i = 0; i < of.crashes; i++) {
    world.run(between(world.random, 1000, 1400));
    const index = 1 + Math.floor(world.random() * of.hosts);
    victim = `h${index}`;
    knownAt = [];
    const crashedAt = world.now;
    world.at(address(index))?.crash();
    world.run(3000);
    if (knownAt.length !== of.hosts - 1)
      throw new Error(`${knownAt.length} of ${of.hosts - 1} learnt of ${victim}'s death`);
    firstMs.push(Math.min(...knownAt) - crashedAt);
    lastMs.push(Math.max(...knownAt) - crashedAt);
    victim = "";
    world.boot(`h${index}`, address(index), seeds);
    world.run(2000);
  }
  return { firstMs, lastMs, datagramsPerSecond: sent / of.hosts / 10, joinedMs };
}

export function quantiles(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN);
  return [at(0), at(0.5), at(0.99), at(1)].join(" / ");
}
