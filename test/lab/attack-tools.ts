/**
 * What the attack tests attack with, and what they measure of a victim: floods from a client's namespace (attack-flood.py),
 * streams (attack-streams.mjs), a recorder of gossip datagrams, the process's memory, processor time and loop lag.
 * Boundary: bounded floods inside of the lab's namespaces; judges nothing.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import type { Client } from "./lib/client.js";
import type { LabHost } from "./lib/host.js";
import type { Lab } from "./lib/lab.js";
import { ROOT, run, sleep, until } from "./lib/shell.js";

export const GOSSIP_PORT = 7979;

export interface Flood {
  readonly perSecond: number;
  readonly seconds: number;
  /** Addresses and ports that the datagrams claim to come from. */
  readonly from: readonly (readonly [string, number])[];
  readonly random?: { readonly bytes: number; readonly first?: number; readonly count?: number };
  /** Hex. */
  readonly payloads?: readonly string[];
  readonly tamper?: boolean;
}

/** Runs to its end; how many datagrams left. */
export async function flood(client: Client, victim: LabHost, spec: Flood): Promise<number> {
  const { perSecond: per_second, ...rest } = spec;
  const target = { device: "eth0", to_mac: victim.mac, to: victim.v4, port: GOSSIP_PORT };
  const script = path.join(ROOT, "test/lab/attack-flood.py");
  const ran = await run(["ip", "netns", "exec", client.namespace, "/usr/bin/python3", script, "-"], {
    input: JSON.stringify({ ...rest, ...target, per_second }),
    timeoutMs: (spec.seconds + 30) * 1000,
  });
  if (ran.code !== 0) throw new Error(`the flood failed: ${ran.stderr}`);
  return (JSON.parse(ran.stdout) as { sent: number }).sent;
}

/** Opens streams to the victim until the time is up; how many were opened. */
export async function streams(
  client: Client,
  victim: LabHost,
  { mode, count, seconds, from }: { mode: string; count: number; seconds: number; from: readonly string[] },
): Promise<number> {
  const script = path.join(ROOT, "test/lab/attack-streams.mjs");
  const words = [victim.v4, String(GOSSIP_PORT), mode, String(count), String(seconds), from.join(",")];
  const ran = await run(["ip", "netns", "exec", client.namespace, process.execPath, script, ...words], {
    timeoutMs: (seconds + 20) * 1000,
  });
  if (ran.code !== 0) throw new Error(`the streams failed: ${ran.stderr}`);
  return Number(ran.stdout);
}

/** Gossip datagrams as they crossed the switch within `ms`, as hex payloads. */
export async function recordGossip(lab: Lab, ms: number, filter = ""): Promise<readonly string[]> {
  const file = path.join(lab.dir, `gossip-${Date.now()}.pcap`);
  const words = `udp port ${GOSSIP_PORT} and ip${filter === "" ? "" : ` and ${filter}`}`;
  const argv = ["tcpdump", "-i", "br0", "-n", "-U", "--immediate-mode", "-Z", "root", "-w", file, words];
  const { namespace } = lab.switch;
  const tcpdump = lab.processes.spawn({ namespace, argv, logFile: `${file}.log` });
  await until("tcpdump listens", 5000, () => tcpdump.tail().includes("listening on"));
  await sleep(ms);
  await tcpdump.end("SIGTERM");
  return payloadsOf(fs.readFileSync(file));
}

/** Ethernet, IPv4 without options, UDP. */
function payloadsOf(pcap: Buffer): string[] {
  const out: string[] = [];
  for (let at = 24; at + 16 <= pcap.length; ) {
    const length = pcap.readUInt32LE(at + 8);
    const frame = pcap.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    if (frame.length > 42) out.push(frame.subarray(42, 14 + frame.readUInt16BE(16)).toString("hex"));
  }
  return out;
}

export interface Usage {
  readonly residentKiB: number;
  /** Processor time since the start, all threads. */
  readonly cpuMs: number;
}

export function usage(host: LabHost): Usage {
  const status = fs.readFileSync(`/proc/${host.pid}/status`, "utf8");
  const stat = fs
    .readFileSync(`/proc/${host.pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  // utime and stime, in ticks of 10 ms.
  const cpuMs = (Number(stat[11]) + Number(stat[12])) * 10;
  return { residentKiB: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0), cpuMs };
}

/** Lateness of the victim's timers, in ms: how long it takes to hear a status request, asked again and again. */
export async function answersWithin(host: LabHost, ms: number, everyMs = 100): Promise<readonly number[]> {
  const took: number[] = [];
  const end = performance.now() + ms;
  while (performance.now() < end) {
    const from = performance.now();
    await host.status(5000);
    took.push(performance.now() - from);
    await sleep(everyMs);
  }
  return took.sort((a, b) => a - b);
}

/** `vipd_event_loop_lag_seconds`, its largest quantile, in ms. */
export async function loopLagMs(host: LabHost): Promise<string> {
  const lines = (await host.get("/metrics"))
    .split("\n")
    .filter((line) => line.startsWith("vipd_event_loop_lag_seconds{"));
  return lines
    .map((line) =>
      line.replace(/^.*quantile="?([^"}]*)"?} (.*)$/, (_, q, s) => `${q}: ${Math.round(Number(s) * 1e4) / 10}`),
    )
    .join(", ");
}

/** Who lives and who owns what, in everybody's view. An incarnation that rises tells of a suspicion that was refuted. */
export async function standing(lab: Lab): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const host of lab.running) {
    const status = await host.status(5000);
    for (const m of status.members) lines.push(`${host.name}: ${m.name} is ${m.state}, incarnation ${m.incarnation}`);
    for (const v of status.vips) lines.push(`${host.name}: ${v.address} of ${v.owner}, ${v.state}`);
  }
  return lines.sort();
}

/** Lines of the daemons' logs that tell of a verdict or a moved VIP, since these offsets. */
export function verdictsIn(lab: Lab, offsets: ReadonlyMap<string, number>): readonly string[] {
  return lab.hosts.flatMap((host) =>
    host
      .log()
      .slice(offsets.get(host.name) ?? 0)
      .split("\n")
      .filter((line) => /"event":"(member\.|vip\.|lease)/.test(line) && !/vip\.announced/.test(line))
      .map((line) => `${host.name}: ${line.slice(0, 300)}`),
  );
}

export function logOffsets(lab: Lab): ReadonlyMap<string, number> {
  return new Map(lab.hosts.map((host) => [host.name, host.log().length]));
}
