/**
 * `npm run bench:idle`: what a host costs while nothing happens: CPU of one core, datagrams a second, memory.
 * Boundary: a quiet machine is the caller's business; the load is written down.
 */
import * as fs from "node:fs";
import type { ProfileName } from "../../src/domain/profile.js";
import { parallel, sleep } from "../lab/lib/shell.js";
import { cpuMs, readFlags, startGroup, writeResult } from "./rig.js";

const USAGE = `usage: npm run bench:idle [-- --seconds=60 --hosts=3 --profiles=relaxed,lan,fast,extreme --vips=10 --normal]
  --vips    so many of each family
  --normal  normal priority instead of the unit's real-time scheduling
`;

async function bench(
  profile: ProfileName,
  options: { hosts: number; seconds: number; vips: number; realTime: boolean },
) {
  const lab = await startGroup({ ...options, profile });
  try {
    // Without the start's own work: compiling, settling, the announcements' later rounds.
    await sleep(8000);
    const look = () => parallel(lab.hosts, 1, async (host) => (await host.status()).gossip);
    const gossip = await look();
    const before = lab.hosts.map((host) => cpuMs(host.pid));
    await sleep(options.seconds * 1000);
    const cpuPercent = lab.hosts.map((host, i) => (cpuMs(host.pid) - before[i]!) / (options.seconds * 10));
    const after = await look();
    const perSecond = after.map((one, i) => (one.datagramsOut - gossip[i]!.datagramsOut) / options.seconds);
    const residentMb = lab.hosts.map((host) => residentOf(host.pid));
    const result = {
      profile,
      ...options,
      cpuPercent: round(cpuPercent),
      datagramsOutPerSecond: round(perSecond),
      residentMb,
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return result;
  } finally {
    await lab.destroy();
  }
}

function round(values: readonly number[]): number[] {
  return values.map((value) => Math.round(value * 100) / 100);
}

function residentOf(pid: number): number {
  const kb = /^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(kb) / 1024);
}

async function main(): Promise<void> {
  const flags = readFlags(["seconds", "hosts", "profiles", "vips", "normal"], USAGE);
  const options = {
    hosts: flags.number("hosts", 3),
    seconds: flags.number("seconds", 60),
    vips: flags.number("vips", 10),
    realTime: !flags.has("normal"),
  };
  const results: object[] = [];
  for (const profile of flags.list("profiles", ["relaxed", "lan", "fast", "extreme"]) as readonly ProfileName[]) {
    results.push(await bench(profile, options));
  }
  writeResult("idle", { results });
}

await main();
