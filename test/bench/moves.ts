/**
 * `npm run bench:moves`: every kind of planned move, round after round, under a datagram each 2 ms for every VIP and HTTP
 * requests that start by the clock, each on its own connection. Says by a capture of the switch what was lost and how long a
 * client waited for an answer, and beside it the client's own count; with `--why`, what became of each datagram that was lost.
 * Boundary: it measures; the laws are tests' business.
 */
import * as path from "node:path";
import { Capture } from "../lab/lib/capture.js";
import { fates } from "../lab/lib/fate.js";
import type { LabHost, RawConfig } from "../lab/lib/host.js";
import { MAIN } from "../lab/lib/host.js";
import { Lab } from "../lab/lib/lab.js";
import { type Losses, lossesNow, lossesSince } from "../lab/lib/losses.js";
import type { ProbeReport } from "../lab/lib/prober.js";
import { refused, served } from "../lab/lib/served.js";
import { nowMs, run, sh, sleep } from "../lab/lib/shell.js";
import { readFlags, scheduled, writeResult } from "./rig.js";

const USAGE = `usage: npm run bench:moves [-- --times=20 --hosts=3 --kinds=drain,resume,stop,failback,move,reload,check --normal --why]
  --normal  normal priority instead of the unit's real-time scheduling
  --why     what became of each lost datagram, and what the hosts logged then
`;
const DATAGRAM_MS = 2;
const HTTP_MS = 50;
/** Clients and servers run above the daemons, so that what is late is not the yardstick. */
const YARDSTICK = ["chrt", "--fifo", "20"];
/** The second round of announcements, and the old owner's linger after it. */
const AFTER_MS = 2500;

interface Round {
  readonly kind: string;
  /** On the wire: asked and not answered. */
  readonly lost: number;
  readonly sent: number;
  /** On the wire: the longest time that a question waited for the next answer. */
  readonly waitMs: number;
  readonly waitOf: string;
  /** Of VIPs whose answers came from another host then: how many changed, and the longest wait at the change. */
  readonly changed: number;
  readonly changeMs: number;
  readonly httpSent: number;
  readonly httpFailed: readonly string[];
  /** Of connections that were opened at another host. */
  readonly resetsMoved: number;
  /** Of connections that the resetting host was asked for itself. */
  readonly resetsNew: number;
  readonly httpSlowestMs: number;
  /** The client's own count, and how late it was itself. */
  readonly clientLost: number;
  readonly clientGapMs: number;
  readonly clientLateMs: number;
  /** Where it was lost: by a host that did not accept it (the daemon's), or on the yardstick's own way. */
  readonly losses: Losses;
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
  const capture = await Capture.start(lab, { traffic: true });
  const prober = await lab.client.probe(lab.vips, DATAGRAM_MS, { via: YARDSTICK });
  // A process of its own: a connection costs more than all the datagrams of an interval.
  const browser = await lab.client.probe(lab.vips, 0, { httpMs: HTTP_MS });
  await sleep(1000);
  prober.mark();
  const counted = lossesNow(lab);
  const fromMs = nowMs();
  await deed.run(lab, host);
  await sleep(AFTER_MS);
  const [reports, pages] = await Promise.all([prober.stop(), browser.stop()]);
  const losses = lossesSince(lab, counted);
  const frames = await capture.stop();
  const flows = served(frames, lab.vips, fromMs);
  const longest = flows.reduce((a, b) => (b.waitMs > a.waitMs ? b : a));
  const resets = refused(frames, lab.vips);
  const http = pages.map((page) => ({ target: page.target, ...page.http }));
  return {
    kind: deed.kind,
    lost: flows.reduce((total, flow) => total + flow.lost, 0),
    sent: flows.reduce((total, flow) => total + flow.asked, 0),
    waitMs: longest.waitMs,
    waitOf: longest.target,
    changed: flows.filter((flow) => flow.changeMs !== null).length,
    changeMs: Math.max(0, ...flows.map((flow) => flow.changeMs ?? 0)),
    httpSent: http.reduce((total, one) => total + one.sent, 0),
    httpFailed: http.flatMap((one) => one.failed.map((failed) => `${one.target}: ${failed.reason}`)),
    resetsMoved: resets.filter(({ kind }) => kind === "moved").length,
    resetsNew: resets.filter(({ kind }) => kind === "new").length,
    httpSlowestMs: Math.max(...http.map((one) => one.slowestMs)),
    clientLost: reports.reduce((total, report) => total + report.lost, 0),
    clientGapMs: Math.max(...reports.map((report) => report.maxGap.lengthMs)),
    clientLateMs: Math.max(...reports.map((report) => report.lateMs)),
    losses,
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

const COLUMNS: readonly (readonly [string, (of: readonly Round[]) => string])[] = [
  ["rounds", (of) => String(of.length)],
  ["datagrams lost", (of) => `${sum(of, "lost")} of ${sum(of, "sent")}`],
  ["VIPs moved", (of) => String(sum(of, "changed"))],
  ["wait at the move, ms (med/max)", (of) => spread(of, "changeMs")],
  ["longest wait", (of) => spread(of, "waitMs")],
  ["HTTP failed", (of) => `${of.reduce((total, one) => total + one.httpFailed.length, 0)} of ${sum(of, "httpSent")}`],
  ["reset: open, new", (of) => `${sum(of, "resetsMoved")}, ${sum(of, "resetsNew")}`],
  ["refused by hosts", (of) => String(of.reduce((total, one) => total + one.losses.refused, 0))],
  ["lost in queues", (of) => String(of.reduce((total, { losses }) => total + losses.serverFull + losses.backlog, 0))],
  ["client: lost", (of) => String(sum(of, "clientLost"))],
  ["client: gap", (of) => spread(of, "clientGapMs")],
  ["client: late", (of) => spread(of, "clientLateMs")],
];

type Figure = { [K in keyof Round]: Round[K] extends number ? K : never }[keyof Round];

function sum(of: readonly Round[], figure: Figure): number {
  return of.reduce((total, one) => total + one[figure], 0);
}

/** Median and maximum. */
function spread(of: readonly Round[], figure: Figure): string {
  const sorted = of.map((one) => one[figure]).sort((a, b) => a - b);
  return [0.5, 1].map((q) => sorted[Math.floor((sorted.length - 1) * q)]?.toFixed(1) ?? "-").join(" / ");
}

function table(kinds: readonly string[], rounds: readonly Round[]): string {
  const rows = kinds.map((kind) => {
    const of = rounds.filter((one) => one.kind === kind);
    return [kind, ...COLUMNS.map(([, cell]) => cell(of))];
  });
  const lines = [["kind", ...COLUMNS.map(([title]) => title)], ...rows];
  const width = lines[0]!.map((_, i) => Math.max(...lines.map((cells) => cells[i]!.length)));
  return lines.map((cells) => cells.map((cell, i) => cell.padStart(width[i]!)).join("  ")).join("\n");
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
        const {
          lost,
          waitMs,
          waitOf,
          changeMs,
          clientLost,
          clientGapMs,
          clientLateMs,
          httpFailed,
          resetsNew,
          losses,
          why,
        } = last;
        process.stdout.write(
          `${i + 1} ${deed.kind} ${host.name}: ${lost} lost, longest wait ${waitMs.toFixed(1)} ms (${waitOf}), at the move ${changeMs.toFixed(1)} ms; refused ${losses.refused}, server full ${losses.serverFull}, ` +
            `queues ${losses.backlog}, stolen ${losses.stolenMs.toFixed(0)} ms; ` +
            `client: ${clientLost} lost, gap ${clientGapMs.toFixed(1)} ms, late ${clientLateMs.toFixed(1)} ms; ` +
            `HTTP failed ${httpFailed.length}${resetsNew > 0 ? `, of new connections ${resetsNew}` : ""}\n`,
        );
        for (const line of why) process.stdout.write(`    ${line}\n`);
      }
    }
  } finally {
    await lab.destroy();
  }
  process.stdout.write(`\n${table(kinds, rounds)}\n`);
  writeResult("moves", { times, hosts: count, realTime, rounds });
}

/** What leads to a counted kind, or undoes it, must be done too. */
function needed(kind: string, kinds: readonly string[]): boolean {
  const other = { drain: "resume", resume: "drain", stop: "failback", failback: "stop" }[kind];
  return other !== undefined && kinds.includes(other);
}

await main();
