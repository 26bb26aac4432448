/**
 * `npm run bench:scrape`: what people who look cost the control plane at its worst moment. Ten thousand VIPs are taken over by two
 * hosts, once while nobody looks and once while curl asks both for `/status` and `/metrics` without a pause. Told are the event loop's
 * delay (how long a trivial request waits), the gossip's round trips, lapses and suspicions. Boundary: it measures.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { LabHost, RawConfig } from "../lab/lib/host.js";
import { Lab } from "../lab/lib/lab.js";
import { nowMs, sleep, until } from "../lab/lib/shell.js";
import { readFlags, scheduled, writeResult } from "./rig.js";

const USAGE = `usage: npm run bench:scrape [-- --vips=10000 --normal]
  --normal  normal priority instead of the unit's real-time scheduling
`;
const ASKER = fileURLToPath(new URL("scrape-asker.mjs", import.meta.url));
const YARDSTICK = ["chrt", "--fifo", "20"];
/** So long it is looked at after the cut: claims, announcements, and what follows. */
const LOOK_MS = 10_000;
const COUNTED = ["vipd_lease_lapses_total", "vipd_suspicions_total", "vipd_refutations_total"] as const;

interface Seen {
  readonly host: string;
  readonly loopMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number };
  /** Of the members that are left, the worst of what was sampled. */
  readonly roundTripMs: number;
  readonly counted: Readonly<Record<string, number>>;
  readonly polls: number;
}

const configure =
  (count: number) =>
  (config: RawConfig, index: number): RawConfig => ({
    ...config,
    // The first host has nearly all of them, so that all of them move when it goes.
    node: { ...(config.node as object), weight: index === 0 ? 1e6 : 1 },
    announce: { perSecond: 10_000 },
    vips: [
      {
        name: "many",
        addresses: [`10.80.0.0-10.80.${(count - 1) >> 8}.${(count - 1) & 255}`],
        interface: "eth0",
      },
    ],
  });

const values = (metrics: string, name: string): number[] =>
  [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))].map((match) => Number(match[1]));
const sumOf = (metrics: string, name: string): number => values(metrics, name).reduce((sum, one) => sum + one, 0);
const owned = async (host: LabHost): Promise<number> =>
  sumOf((await host.get("/metrics", 10_000)).replaceAll(/^vipd_vips\{.*state="(?!owned).*$/gm, ""), "vipd_vips");

/** curl after curl for both, until it is stopped; prints a dot an answer. */
function poll(host: LabHost): ChildProcess {
  const url = "http://127.0.0.1:7980";
  const loop = `while :; do curl -sS -o /dev/null ${url}/status && curl -sS -o /dev/null ${url}/metrics && printf ..; done`;
  const argv = ["netns", "exec", host.namespace, "setpriv", "--pdeathsig", "KILL", "sh", "-c", loop];
  return spawn("ip", argv, { stdio: ["ignore", "pipe", "ignore"] });
}

async function watched(host: LabHost, polled: boolean, work: Promise<unknown>): Promise<Seen> {
  const before = await host.get("/metrics", 10_000);
  const asker = spawn(YARDSTICK[0]!, [...YARDSTICK.slice(1), process.execPath, ASKER, host.socket]);
  let told = "";
  asker.stdout.on("data", (chunk: Buffer) => (told += chunk.toString()));
  const poller = polled ? poll(host) : null;
  let polls = 0;
  poller?.stdout?.on("data", (chunk: Buffer) => (polls += chunk.length));
  const roundTrips: number[] = [];
  let done = false;
  const sampling = (async () => {
    while (!done) {
      const { members } = await host.status(10_000);
      for (const one of members) if (one.state === "alive" && one.rttMs !== null) roundTrips.push(one.rttMs);
      await sleep(1000);
    }
  })();
  await work;
  done = true;
  await sampling;
  poller?.kill("SIGKILL");
  asker.kill("SIGTERM");
  await once(asker, "close");
  const after = await host.get("/metrics", 10_000);
  const sorted = (JSON.parse(told) as number[]).sort((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN) * 10) / 10;
  return {
    host: host.name,
    loopMs: { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) },
    roundTripMs: Math.max(...roundTrips),
    counted: Object.fromEntries(COUNTED.map((name) => [name, sumOf(after, name) - sumOf(before, name)])),
    polls,
  };
}

async function round(count: number, realTime: boolean, polled: boolean): Promise<readonly Seen[]> {
  const lab = await Lab.create({ hosts: 3, clients: 0, v4: 0, v6: 0, servers: false, configure: configure(count) });
  try {
    const [first, ...others] = lab.hosts as [LabHost, ...LabHost[]];
    await Promise.all(lab.hosts.map((host) => host.startDaemon({ ...scheduled(realTime), wait: false })));
    await until("the first host owns all", 90_000, async () => (await owned(first)) > 0.99 * count, { everyMs: 500 });
    await sleep(5000);
    const began = nowMs();
    let tookMs = 0;
    const taken = (async () => {
      await first.powerCut();
      await until(
        "all are owned again",
        60_000,
        async () => (await owned(others[0]!)) + (await owned(others[1]!)) === count,
      );
      tookMs = nowMs() - began;
      await sleep(Math.max(0, LOOK_MS - tookMs));
    })();
    const seen = await Promise.all(others.map((host) => watched(host, polled, taken)));
    process.stdout.write(`${polled ? "polled" : "nobody looks"}: all owned again after ${Math.round(tookMs)} ms\n`);
    for (const one of seen) process.stdout.write(`${lineOf(one)}\n`);
    return seen;
  } finally {
    await lab.destroy();
  }
}

function lineOf({ host, loopMs, roundTripMs, counted, polls }: Seen): string {
  const loop = `event loop ${loopMs.p50} / ${loopMs.p90} / ${loopMs.p99} / ${loopMs.max} ms (p50, p90, p99, worst)`;
  const counts = COUNTED.map((name) => `${name.slice(5, -6).replace("_", " ")} ${counted[name]}`).join(", ");
  return `  ${host}: ${loop}; gossip round trip at most ${roundTripMs.toFixed(2)} ms; ${counts}; ${polls} answers to curl`;
}

const flags = readFlags(["vips", "normal"], USAGE);
const [count, realTime] = [flags.number("vips", 10_000), !flags.has("normal")];
const quiet = await round(count, realTime, false);
const polled = await round(count, realTime, true);
writeResult("scrape", { vips: count, realTime, quiet, polled });
