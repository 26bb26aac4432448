/**
 * `npm run bench:moves`: every kind of planned move, round after round, under a datagram each 2 ms for every VIP and HTTP
 * requests that start by the clock, each on its own connection. Says what was lost and for how long a client got no answer;
 * with `--why`, what became of each datagram that was lost. Boundary: it measures; the laws are tests' business.
 */
import * as path from "node:path";
import { Capture } from "../lab/lib/capture.js";
import { fates } from "../lab/lib/fate.js";
import type { LabHost, RawConfig } from "../lab/lib/host.js";
import { MAIN } from "../lab/lib/host.js";
import { Lab } from "../lab/lib/lab.js";
import type { ProbeReport } from "../lab/lib/prober.js";
import { run, sh, sleep } from "../lab/lib/shell.js";
import { readFlags, scheduled, writeResult } from "./rig.js";

const USAGE = `usage: npm run bench:moves [-- --times=20 --hosts=3 --kinds=drain,resume,stop,failback,move,reload,check --normal --why]
  --normal  normal priority instead of the unit's real-time scheduling
  --why     capture the traffic, and say what became of each lost datagram
`;
const DATAGRAM_MS = 2;
const HTTP_MS = 50;
/** Clients and servers run above the daemons, so that what is late is not the yardstick. */
const YARDSTICK = ["chrt", "--fifo", "20"];
/** The second round of announcements, and the old owner's linger after it. */
const AFTER_MS = 2500;

interface Round {
  readonly kind: string;
  readonly lost: number;
  readonly sent: number;
  readonly httpSent: number;
  readonly httpFailed: readonly string[];
  readonly httpSlowestMs: number;
  readonly gapMs: number;
  /** How late the client was itself. */
  readonly clientLateMs: number;
  readonly why: readonly string[];
}

/** A deed, and whether VIPs are expected to have left or come. `host` is whose turn it is. */
interface Deed {
  readonly kind: string;
  readonly run: (lab: Lab, host: LabHost) => Promise<void>;
}

async function vipd(host: LabHost, ...args: readonly string[]): Promise<void> {
  const argv = ["ip", "netns", "exec", host.namespace, process.execPath, MAIN, ...args, "--config", host.configFile];
  const ran = await run(argv, { timeoutMs: 40_000 });
  if (ran.code !== 0) throw new Error(`${host.name}: vipd ${args.join(" ")}: ${ran.stderr}`);
}

function deeds(realTime: boolean): readonly Deed[] {
  const moved = new Map<Lab, string>();
  return [
    { kind: "drain", run: (_lab, host) => vipd(host, "drain", "--wait") },
    { kind: "resume", run: (_lab, host) => vipd(host, "resume") },
    { kind: "stop", run: async (_lab, host) => void (await host.stopDaemon()) },
    { kind: "failback", run: (_lab, host) => host.startDaemon(scheduled(realTime)) },
    {
      kind: "move",
      run: async (lab, host) => {
        const owners = await lab.settled();
        const vip = lab.vips.find((one) => owners.get(one) !== host.name)!;
        moved.set(lab, vip);
        await vipd(host, "move", vip, host.name);
        await sleep(AFTER_MS);
        await vipd(host, "move", vip, "--undo");
      },
    },
    {
      kind: "reload",
      run: async (_lab, host) => {
        // Another weight moves some VIPs here and back; the rest must not notice.
        const { config } = host;
        host.writeConfig({ ...config, node: { ...(config.node as object), weight: 3 } });
        await vipd(host, "reload");
        await sleep(AFTER_MS);
        host.writeConfig(config);
        await vipd(host, "reload");
      },
    },
    {
      kind: "check",
      run: async (_lab, host) => {
        host.exec("touch", path.join(host.dir, "ill"));
        await sleep(AFTER_MS);
        host.exec("rm", path.join(host.dir, "ill"));
        await sleep(1000);
      },
    },
  ];
}

async function round(lab: Lab, deed: Deed, host: LabHost, why: boolean): Promise<Round> {
  const capture = why ? await Capture.start(lab, { traffic: true }) : null;
  const prober = await lab.client.probe(lab.vips, DATAGRAM_MS, { via: YARDSTICK });
  // A process of its own: a connection costs more than all the datagrams of an interval.
  const browser = await lab.client.probe(lab.vips, 0, { httpMs: HTTP_MS });
  await sleep(1000);
  prober.mark();
  await deed.run(lab, host);
  await sleep(AFTER_MS);
  const [reports, pages] = await Promise.all([prober.stop(), browser.stop()]);
  const frames = (await capture?.stop()) ?? [];
  const sum = (of: (report: ProbeReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const most = (of: (report: ProbeReport) => number) => Math.max(...reports.map(of));
  const http = pages.map((page) => ({ target: page.target, ...page.http }));
  return {
    kind: deed.kind,
    lost: sum((report) => report.lost),
    sent: sum((report) => report.sent),
    httpSent: http.reduce((total, one) => total + one.sent, 0),
    httpFailed: http.flatMap((one) => one.failed.map((failed) => `${one.target}: ${failed.reason}`)),
    httpSlowestMs: Math.max(...http.map((one) => one.slowestMs)),
    gapMs: most((report) => report.maxGap.lengthMs),
    clientLateMs: most((report) => report.lateMs),
    why: why ? [...fates(lab, frames, reports, 4), ...logsOf(lab, reports)] : [],
  };
}

/** What the hosts say of the VIPs that lost something, around the loss. */
function logsOf(lab: Lab, reports: readonly ProbeReport[]): readonly string[] {
  return reports.flatMap(({ target, lostOnes: [first] }) => {
    if (first === undefined) return [];
    const lines = lab.hosts.flatMap((host) =>
      host
        .log()
        .split("\n")
        .filter((line) => line.includes(target))
        .map((line) => ({
          at: Date.parse(/\d{4}-\d\d-\d\dT[\d:.]+Z/.exec(line)?.[0] ?? ""),
          text: `${host.name} ${line}`,
        })),
    );
    const near = lines.filter(({ at }) => Math.abs(at - first.atMs) < 4000).sort((a, b) => a.at - b.at);
    return [`lost from ${new Date(first.atMs).toISOString()}`, ...near.map(({ text }) => text)];
  });
}

function row(kind: string, rounds: readonly Round[]): string {
  const of = rounds.filter((one) => one.kind === kind);
  const at = (values: readonly number[], q: number) =>
    [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * q)]?.toFixed(1) ?? "-";
  const sum = (value: (one: Round) => number) => of.reduce((total, one) => total + value(one), 0);
  const gaps = of.map((one) => one.gapMs);
  const late = of.map((one) => one.clientLateMs);
  const cells = [
    kind.padEnd(9),
    String(of.length).padStart(6),
    `${sum((one) => one.lost)} of ${sum((one) => one.sent)}`.padStart(18),
    `${sum((one) => one.httpFailed.length)} of ${sum((one) => one.httpSent)}`.padStart(14),
    `${at(gaps, 0.5)} / ${at(gaps, 1)}`.padStart(16),
    `${at(late, 0.5)} / ${at(late, 1)}`.padStart(14),
    at(
      of.map((one) => one.httpSlowestMs),
      1,
    ).padStart(12),
  ];
  return cells.join("  ");
}

async function main(): Promise<void> {
  const flags = readFlags(["times", "hosts", "kinds", "normal", "why"], USAGE);
  const times = flags.number("times", 20);
  const count = flags.number("hosts", 3);
  const realTime = !flags.has("normal");
  const all = deeds(realTime);
  const kinds = flags.list(
    "kinds",
    all.map((deed) => deed.kind),
  );
  const configure = (config: RawConfig): RawConfig => {
    const dir = path.dirname((config.status as { socket: string }).socket);
    const command = ["/usr/bin/test", "!", "-e", path.join(dir, "ill")];
    const check = { type: "exec", command, intervalMs: 200, timeoutMs: 1000, rise: 2, fall: 2 };
    const log = { level: flags.has("why") ? "debug" : "info" };
    return { ...config, log, vips: (config.vips as object[]).map((group) => ({ ...group, check })) };
  };
  const lab = await Lab.create({ hosts: count, v4: 4, v6: 3, failbackMs: 0, configure });
  const rounds: Round[] = [];
  try {
    await Promise.all(lab.hosts.map((host) => host.startDaemon(scheduled(realTime))));
    for (const host of lab.hosts) sh("chrt", "--all-tasks", "--fifo", "--pid", "20", String(host.serverPid));
    await lab.atRest(30_000);
    for (let i = 0; i < times; i++) {
      const host = lab.hosts[i % count]!;
      for (const deed of all) {
        // A resume needs its drain and a failback its stop: those are done, and only not counted.
        const counted = kinds.includes(deed.kind);
        if (counted) rounds.push(await round(lab, deed, host, flags.has("why")));
        else if (needed(deed.kind, kinds)) await deed.run(lab, host);
        else continue;
        if (deed.kind !== "drain" && deed.kind !== "stop") await lab.atRest(30_000, 500);
        const last = rounds.at(-1);
        if (!counted || last === undefined) continue;
        const { lost, gapMs, clientLateMs, httpFailed, why } = last;
        process.stdout.write(
          `${i + 1} ${deed.kind} ${host.name}: ${lost} lost, gap ${gapMs.toFixed(1)} ms (client late ${clientLateMs.toFixed(1)} ms), ` +
            `HTTP failed ${httpFailed.length}${httpFailed.length > 0 ? ` (${httpFailed.join("; ")})` : ""}\n`,
        );
        for (const line of why) process.stdout.write(`    ${line}\n`);
      }
    }
  } finally {
    await lab.destroy();
  }
  process.stdout.write(
    `\n${"kind".padEnd(9)}  rounds  ${"datagrams lost".padStart(18)}  ${"HTTP failed".padStart(14)}  ${"gap, ms (med/max)".padStart(16)}  ${"client late".padStart(14)}  ${"HTTP max ms".padStart(12)}\n`,
  );
  for (const kind of kinds) process.stdout.write(`${row(kind, rounds)}\n`);
  writeResult("moves", { times, hosts: count, realTime, rounds });
}

/** What leads to a counted kind, or undoes it, must be done too. */
function needed(kind: string, kinds: readonly string[]): boolean {
  const other = { drain: "resume", resume: "drain", stop: "failback", failback: "stop" }[kind];
  return other !== undefined && kinds.includes(other);
}

await main();
