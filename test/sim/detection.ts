/** How soon a crash is known, first and last, and what the group costs at rest: measured in the simulated world. */
import { disagreement, holdSafety } from "./checks.js";
import { settingsOf } from "./settings.js";
import { PORT, World } from "./world.js";

export interface Detection {
  readonly firstMs: readonly number[];
  readonly lastMs: readonly number[];
  readonly datagramsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly joinedMs: number;
}

const REST_MS = 10_000;

export function measureDetection(of: { seed: number; hosts: number; crashes: number; addresses: number }): Detection {
  const settings = settingsOf({ addresses: of.addresses });
  const world = new World({ seed: of.seed, settings: of.addresses > 0 ? settings : { ...settings, groups: [] } });
  if (of.hosts <= 10) holdSafety(world);
  const address = (index: number) => ({ host: `10.0.${index >> 8}.${index & 255}`, port: PORT });
  const seeds = [1, 2, 3].map(address);
  const macs = new Map<number, string>();
  const boot = (index: number) => {
    const mac = macs.get(index) ?? world.newMac();
    macs.set(index, mac);
    return world.boot({ name: `h${index}`, address: address(index), seeds, mac });
  };
  let victim = "";
  let knownAt: number[] = [];
  world.watch({
    event: (_, event) => {
      if (event.event === "member.dead" && event.fields.member === victim) knownAt.push(world.now);
    },
  });
  for (let index = 1; index <= of.hosts; index++) boot(index);
  while (disagreement(world) !== null) world.run(10);
  const joinedMs = world.now;
  world.run(5000);
  const before = spent(world);
  world.run(REST_MS);
  const after = spent(world);
  const firstMs: number[] = [];
  const lastMs: number[] = [];
  for (let i = 0; i < of.crashes; i++) {
    world.run(world.between(1000, 1400));
    const index = 1 + Math.floor(world.random() * of.hosts);
    victim = `h${index}`;
    knownAt = [];
    const crashedAt = world.now;
    world.at(address(index))?.crash();
    world.run(3000);
    if (knownAt.length !== of.hosts - 1) {
      throw new Error(`${knownAt.length} of ${of.hosts - 1} learnt of ${victim}'s death`);
    }
    firstMs.push(Math.min(...knownAt) - crashedAt);
    lastMs.push(Math.max(...knownAt) - crashedAt);
    victim = "";
    boot(index);
    world.run(2000);
  }
  const share = of.hosts * (REST_MS / 1000);
  const datagramsPerSecond = (after.datagrams - before.datagrams) / share;
  return { firstMs, lastMs, joinedMs, datagramsPerSecond, bytesPerSecond: (after.bytes - before.bytes) / share };
}

function spent(world: World): { datagrams: number; bytes: number } {
  const total = { datagrams: 0, bytes: 0 };
  for (const { sent } of world.hosts) {
    total.datagrams += sent.datagrams;
    total.bytes += sent.bytes;
  }
  return total;
}

export function quantiles(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN);
  return [at(0), at(0.5), at(0.99), at(1)].join(" / ");
}
