/**
 * What the benches share: a lab whose daemons are scheduled as the unit does, a cable cutter with a clock, busy loops,
 * CPU time of a process, and figures. Boundary: it measures; what is good enough is the business.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ProfileName } from "../../src/domain/profile.js";
import { AS_THE_UNIT, type RawConfig } from "../lab/lib/host.js";
import { Lab } from "../lab/lib/lab.js";

const CUTTER = fileURLToPath(new URL("cut-cable.py", import.meta.url));

export interface Flags {
  number(name: string, fallback: number): number;
  list(name: string, fallback: readonly string[]): readonly string[];
  has(name: string): boolean;
}

/** `--name=value` and `--name`; anything else, or an unknown name, ends with the usage and 64. */
export function readFlags(known: readonly string[], usage: string): Flags {
  const values = new Map<string, string>();
  for (const argument of process.argv.slice(2)) {
    const match = /^--([a-z]+)(?:=(.+))?$/.exec(argument);
    if (match === null || !known.includes(match[1]!)) {
      process.stderr.write(usage);
      process.exit(64);
    }
    values.set(match[1]!, match[2] ?? "");
  }
  return {
    number: (name, fallback) => Number(values.get(name) ?? fallback),
    list: (name, fallback) => values.get(name)?.split(",") ?? fallback,
    has: (name) => values.has(name),
  };
}

export interface GroupOptions {
  readonly hosts: number;
  readonly profile: ProfileName;
  /** SCHED_FIFO, as the unit has it. */
  readonly realTime: boolean;
  readonly vips?: number;
}

/** A lab with one group at rest. */
export async function startGroup({ hosts, profile, realTime, vips = 10 }: GroupOptions): Promise<Lab> {
  const configure = (config: RawConfig): RawConfig => ({
    ...config,
    gossip: { ...(config.gossip as object), profile },
  });
  const lab = await Lab.create({ hosts, clients: 0, v4: vips, v6: vips, servers: false, configure });
  try {
    await Promise.all(lab.hosts.map((host) => host.startDaemon(scheduled(realTime))));
    await lab.atRest(30_000, 1000);
    return lab;
  } catch (error) {
    await lab.destroy();
    throw error;
  }
}

/** For `LabHost.startDaemon` and `powerOn`. */
export function scheduled(realTime: boolean): { via: readonly string[] } {
  return { via: realTime ? AS_THE_UNIT : [] };
}

/** Cuts cables of a lab's switch within microseconds, and knows when. */
export class Cutter {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  static async start(lab: Lab): Promise<Cutter> {
    const argv = ["netns", "exec", lab.switch.namespace, "chrt", "--fifo", "20", "python3", "-u", CUTTER];
    const cutter = new Cutter(spawn("ip", argv, { stdio: ["pipe", "pipe", "inherit"] }));
    await cutter.#lines.next();
    return cutter;
  }

  /** Wall time in ms at which the cable was cut: the clock of the capture's stamps. */
  async cut(port: string): Promise<number> {
    this.#child.stdin!.write(`${port}\n`);
    const line = await this.#lines.next();
    return Number(String(line.value).split(" ")[0]) * 1000;
  }

  stop(): void {
    this.#child.stdin!.end();
  }
}

/** Loops that eat every core at normal priority. */
export class BusyLoops {
  readonly #children: readonly ChildProcess[];

  constructor(count: number) {
    // They die with this process, however that ends: 64 orphans would eat the machine.
    this.#children = Array.from({ length: count }, () =>
      spawn("setpriv", ["--pdeathsig", "KILL", "sh", "-c", "while :; do :; done"], { stdio: "ignore" }),
    );
  }

  stop(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }
}

export const TICK_MS = 1000 / Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** User and system time that a process has used, all its threads. */
export function cpuMs(pid: number): number {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

export interface Figures {
  readonly count: number;
  readonly minMs: number;
  readonly medianMs: number;
  readonly maxMs: number;
}

export function figures(values: readonly number[]): Figures {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN) * 10) / 10;
  return { count: sorted.length, minMs: at(0), medianMs: at(0.5), maxMs: at(1) };
}

export function show({ minMs, medianMs, maxMs, count }: Figures): string {
  return `${minMs} / ${medianMs} / ${maxMs} ms (least / median / worst of ${count})`;
}

/** The result for programs, beside the words for people. */
export function writeResult(name: string, result: object): void {
  const machine = { cores: os.cpus().length, kernel: os.release(), node: process.version, load: os.loadavg() };
  const file = path.join(os.tmpdir(), `vipd-bench-${name}.json`);
  fs.writeFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), machine, ...result }, null, 2)}\n`);
  process.stdout.write(`written: ${file}\n`);
}
