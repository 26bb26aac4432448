/**
 * `npm run bench:idle`: what a host costs while nothing happens: CPU of one core by thread, wake-ups and datagrams a second,
 * memory; beside it a bare node:dgram loop on the same machine at the same time, since a busy machine makes everybody dearer.
 * Boundary: a quiet machine is the caller's business; the load is written down.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import type { ProfileName } from "../../src/domain/profile.js";
import { parallel, sleep } from "../lab/lib/shell.js";
import { cpuMs, readFlags, startGroup, TICK_MS, writeResult } from "./rig.js";

const USAGE = `usage: npm run bench:idle [-- --seconds=60 --hosts=3 --profiles=relaxed,lan,fast,extreme --vips=10 --warm=8 --normal]
  --vips    so many of each family
  --warm    seconds before it is measured: V8 optimizes what is called often, which takes minutes in the slow profiles
  --normal  normal priority instead of the unit's real-time scheduling
`;

/** So many questions a second the reference asks itself: each is two wake-ups of a loop that does nothing else. */
const REFERENCE_PER_SECOND = 20;

interface Usage {
  readonly cpuMs: number;
  /** Times that the main thread went to sleep. */
  readonly sleeps: number;
  readonly threads: ReadonlyMap<string, number>;
}

async function bench(
  profile: ProfileName,
  options: { hosts: number; seconds: number; vips: number; warm: number; realTime: boolean },
) {
  const reference = spawn(process.execPath, ["-e", REFERENCE], { stdio: "ignore" });
  const lab = await startGroup({ ...options, profile });
  try {
    // Without the start's own work: compiling, settling, the announcements' later rounds.
    await sleep(options.warm * 1000);
    const look = () => parallel(lab.hosts, 1, async (host) => (await host.status()).gossip);
    const gossip = await look();
    const pids = lab.hosts.map((host) => host.pid);
    const before = pids.map(usageOf);
    const referenceBefore = usageOf(reference.pid!);
    await sleep(options.seconds * 1000);
    const spent = pids.map((pid, i) => difference(usageOf(pid), before[i]!, options.seconds));
    const bare = difference(usageOf(reference.pid!), referenceBefore, options.seconds);
    const after = await look();
    const perSecond = after.map((one, i) => (one.datagramsOut - gossip[i]!.datagramsOut) / options.seconds);
    const result = {
      profile,
      ...options,
      cpuPercent: spent.map((one) => one.cpuPercent),
      sleepsPerSecond: spent.map((one) => one.sleepsPerSecond),
      datagramsOutPerSecond: perSecond.map(round),
      residentMb: pids.map(residentOf),
      threadsPercent: spent[0]!.threads,
      bareLoop: { cpuPercent: bare.cpuPercent, sleepsPerSecond: bare.sleepsPerSecond },
      load: os.loadavg()[0],
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return result;
  } finally {
    reference.kill();
    await lab.destroy();
  }
}

/** One socket that sends to itself: half of its wake-ups are timers, half datagrams. */
const REFERENCE = `
const socket = require("node:dgram").createSocket("udp4");
socket.on("message", () => {});
socket.bind(0, "127.0.0.1", () => setInterval(
  () => socket.send(Buffer.alloc(100), socket.address().port, "127.0.0.1"), ${1000 / REFERENCE_PER_SECOND}));
`;

function usageOf(pid: number): Usage {
  const threads = new Map<string, number>();
  for (const thread of fs.readdirSync(`/proc/${pid}/task`)) {
    const status = fs.readFileSync(`/proc/${pid}/task/${thread}/comm`, "utf8").trim();
    const name = Number(thread) === pid ? "main" : status === "node" ? "v8" : status;
    threads.set(name, (threads.get(name) ?? 0) + threadMs(pid, thread));
  }
  const sleeps = /^voluntary_ctxt_switches:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return { cpuMs: cpuMs(pid), sleeps: Number(sleeps), threads };
}

/** The scheduler's own account, in ns, where the kernel keeps it: ticks of 10 ms are coarse for what sleeps nearly always. */
function threadMs(pid: number, thread: string): number {
  const schedstat = `/proc/${pid}/task/${thread}/schedstat`;
  if (fs.existsSync(schedstat)) return Number(fs.readFileSync(schedstat, "utf8").split(" ")[0]) / 1e6;
  const stat = fs.readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function difference(after: Usage, before: Usage, seconds: number) {
  const threads = [...after.threads].map(([name, ms]) => [
    name,
    round((ms - (before.threads.get(name) ?? 0)) / (seconds * 10)),
  ]);
  return {
    cpuPercent: round((after.cpuMs - before.cpuMs) / (seconds * 10)),
    sleepsPerSecond: round((after.sleeps - before.sleeps) / seconds),
    threads: Object.fromEntries(threads) as Record<string, number>,
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function residentOf(pid: number): number {
  const kb = /^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(kb) / 1024);
}

async function main(): Promise<void> {
  const flags = readFlags(["seconds", "hosts", "profiles", "vips", "warm", "normal"], USAGE);
  const options = {
    hosts: flags.number("hosts", 3),
    seconds: flags.number("seconds", 60),
    vips: flags.number("vips", 10),
    warm: flags.number("warm", 8),
    realTime: !flags.has("normal"),
  };
  const results: object[] = [];
  for (const profile of flags.list("profiles", ["relaxed", "lan", "fast", "extreme"]) as readonly ProfileName[]) {
    results.push(await bench(profile, options));
  }
  writeResult("idle", { results });
}

await main();
