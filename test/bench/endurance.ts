/**
 * `npm run bench:endurance`: drains, moves, stops and kills, one after the other without a rest, and what they leave behind in the
 * daemons: resident memory and open descriptors of each, sampled all the time, and what the heap holds after a collection, with
 * their slopes. One host is never ended, so that its memory tells of all of it. Boundary: it measures; a client's losses are bench:moves' business.
 */
import * as fs from "node:fs";
import type { LabHost } from "../lab/lib/host.js";
import { MAIN } from "../lab/lib/host.js";
import { Lab } from "../lab/lib/lab.js";
import { nowMs, run, sleep } from "../lab/lib/shell.js";
import { readFlags, scheduled, writeResult } from "./rig.js";

const USAGE = `usage: npm run bench:endurance [-- --minutes=10 --hosts=3 --vips=20 --normal]
  --vips    of each family
  --normal  normal priority instead of the unit's real-time scheduling
`;
const SAMPLE_MS = 5000;
/** Memory settles after the start: code is compiled, heaps find their size. The slope begins here, in share of the run. */
const WARM = 0.3;

interface Sample {
  readonly atMs: number;
  readonly host: string;
  /** Of this life of the daemon. */
  readonly pid: number;
  readonly rssMb: number;
  readonly files: number;
  readonly threads: number;
}

function sample(host: LabHost, beganMs: number): Sample | null {
  const { daemon } = host;
  if (!daemon?.running) return null;
  try {
    const status = fs.readFileSync(`/proc/${daemon.pid}/status`, "utf8");
    const number = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)?.[1]);
    const files = fs.readdirSync(`/proc/${daemon.pid}/fd`).length;
    const rssMb = number("VmRSS") / 1024;
    return { atMs: nowMs() - beganMs, host: host.name, pid: daemon.pid, rssMb, files, threads: number("Threads") };
  } catch {
    return null;
  }
}

/** Least squares, an hour. */
function slope<T extends { readonly atMs: number }>(samples: readonly T[], of: (one: T) => number): number {
  const xs = samples.map((one) => one.atMs / 3_600_000);
  const ys = samples.map(of);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(xs), mean(ys)];
  const over = xs.reduce((sum, x, i) => sum + (x - mx) * (ys[i]! - my), 0);
  return over / xs.reduce((sum, x) => sum + (x - mx) ** 2, 0);
}

async function vipd(host: LabHost, ...args: readonly string[]): Promise<void> {
  const argv = ["ip", "netns", "exec", host.namespace, process.execPath, MAIN, ...args, "--config", host.configFile];
  const ran = await run(argv, { timeoutMs: 40_000 });
  if (ran.code !== 0) throw new Error(`${host.name}: vipd ${args.join(" ")}: ${ran.stderr}`);
}

/** One round of everything; returns how many VIPs changed their owner. */
async function round(lab: Lab, victim: LabHost, steady: LabHost, via: { via: readonly string[] }): Promise<number> {
  let moves = 0;
  let before = await lab.settled(30_000);
  const count = async (deed: () => Promise<unknown>): Promise<void> => {
    await deed();
    const after = await lab.settled(30_000);
    moves += lab.vips.filter((vip) => after.get(vip) !== before.get(vip)).length;
    before = after;
  };
  for (const host of [steady, victim]) {
    await count(() => vipd(host, "drain", "--wait"));
    await count(() => vipd(host, "resume"));
  }
  const vip = lab.vips[Math.floor(Math.random() * lab.vips.length)]!;
  await count(() => vipd(steady, "move", vip, victim.name));
  await count(() => vipd(steady, "move", vip, "--undo"));
  await count(() => victim.kill9());
  await count(() => victim.startDaemon(via));
  await count(() => victim.stopDaemon());
  await count(() => victim.startDaemon(via));
  await count(async () => steady.reload());
  return moves;
}

async function main(): Promise<void> {
  const flags = readFlags(["minutes", "hosts", "vips", "normal"], USAGE);
  const runMs = flags.number("minutes", 10) * 60_000;
  const vips = flags.number("vips", 20);
  const via = scheduled(!flags.has("normal"));
  const lab = await Lab.create({ hosts: flags.number("hosts", 3), clients: 0, v4: vips, v6: vips, servers: false });
  const samples: Sample[] = [];
  const held: { readonly atMs: number; readonly mb: number }[] = [];
  let [rounds, moves] = [0, 0];
  const beganMs = nowMs();
  try {
    const [steady, ...others] = lab.hosts as [LabHost, ...LabHost[]];
    await steady.startDaemon({ ...via, preload: "tell-heap.mjs" });
    await Promise.all(others.map((host) => host.startDaemon(via)));
    await lab.atRest(30_000);
    const sampler = setInterval(() => {
      for (const host of lab.hosts) {
        const one = sample(host, beganMs);
        if (one !== null) samples.push(one);
      }
    }, SAMPLE_MS);
    try {
      while (nowMs() - beganMs < runMs) {
        moves += await round(lab, others[rounds++ % others.length]!, steady, via);
        const now = samples.findLast((one) => one.host === steady.name);
        if (now === undefined || rounds % 5 !== 0) continue;
        const mb = await steady.heldMb();
        held.push({ atMs: nowMs() - beganMs, mb });
        process.stdout.write(
          `${Math.round(now.atMs / 1000)} s: ${rounds} rounds, ${moves} moves; ${steady.name}: ${now.rssMb.toFixed(1)} MB resident, ${mb.toFixed(2)} MB held, ${now.files} descriptors, ${now.threads} threads\n`,
        );
      }
      // What was let go is collected by and by.
      await sleep(2 * SAMPLE_MS);
    } finally {
      clearInterval(sampler);
    }
    const warm = samples.filter((one) => one.host === steady.name && one.atMs > runMs * WARM);
    const warmHeld = held.filter((one) => one.atMs > runMs * WARM);
    const range = (of: (one: Sample) => number) => `${Math.min(...warm.map(of))} to ${Math.max(...warm.map(of))}`;
    process.stdout.write(
      `\n${rounds} rounds, ${moves} VIPs moved in ${Math.round((nowMs() - beganMs) / 60_000)} minutes; ${steady.name} after its warm-up:\n` +
        `  resident memory ${range((one) => Math.round(one.rssMb))} MB, slope ${slope(warm, (one) => one.rssMb).toFixed(1)} MB an hour\n` +
        `  held after a collection ${warmHeld.map((one) => one.mb.toFixed(2)).join(" ")} MB, slope ${slope(warmHeld, (one) => one.mb).toFixed(2)} MB an hour\n` +
        `  descriptors ${range((one) => one.files)}, slope ${slope(warm, (one) => one.files).toFixed(2)} an hour; threads ${range((one) => one.threads)}\n`,
    );
  } finally {
    await lab.destroy();
  }
  writeResult("endurance", { rounds, moves, samples, held });
}

await main();
