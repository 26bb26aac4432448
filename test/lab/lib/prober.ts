/**
 * The prober's near side: starts prober.mjs in a client's namespace and collects its report. The gap that it reports
 * is the longest time between two answers, ends of the run included: how long a client got no answer.
 */
import * as path from "node:path";
import { SERVER_PORT } from "./host.js";
import type { Lab } from "./lab.js";
import type { LabProcess } from "./processes.js";
import { ROOT, YARDSTICK_NODE } from "./shell.js";

export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
  readonly lengthMs: number;
}

export interface Lost {
  readonly seq: number;
  readonly atMs: number;
}

export interface ProbeReport {
  readonly target: string;
  readonly sent: number;
  readonly answered: number;
  /** The client's port. */
  readonly by: number;
  /** Datagrams that nobody answered; what was sent a moment ago is none of them. */
  readonly lost: number;
  /** The first of them. */
  readonly lostOnes: readonly Lost[];
  /** Datagrams that were answered more than once. */
  readonly twice: number;
  readonly maxGap: Gap;
  /** Who answered, in the order of the questions, and when first (wall ms). */
  readonly servers: readonly { readonly name: string; readonly fromMs: number }[];
  /** How late the prober itself was at worst: gaps of that size may be its own. */
  readonly lateMs: number;
  readonly http: {
    readonly sent: number;
    readonly ok: number;
    readonly failed: readonly { readonly atMs: number; readonly reason: string }[];
    readonly slowestMs: number;
  };
}

export class Prober {
  private constructor(readonly process: LabProcess) {}

  static async start(options: {
    lab: Lab;
    namespace: string;
    targets: readonly string[];
    intervalMs: number;
    httpMs?: number;
    /** Goes before the program (`chrt …`). */
    via?: readonly string[];
  }): Promise<Prober> {
    const { lab, namespace, targets, intervalMs, httpMs = 0, via = [] } = options;
    const script = path.join(ROOT, "test/lab/lib/prober.mjs");
    const told = JSON.stringify({ port: SERVER_PORT, targets, intervalMs, httpMs });
    const argv = [...via, ...YARDSTICK_NODE, script, told];
    const prober = lab.processes.spawn({ namespace, argv, logFile: path.join(lab.dir, "prober.log"), ipc: true });
    await message(prober, "ready");
    return new Prober(prober);
  }

  /** What happened since the start, while it goes on. */
  async peek(): Promise<readonly ProbeReport[]> {
    return this.#ask("report");
  }

  /** Gaps count from now on: a program that has just started is late itself. */
  mark(): void {
    this.process.child.send("mark");
  }

  async stop(): Promise<readonly ProbeReport[]> {
    const reports = await this.#ask("finish");
    await this.process.end();
    return reports;
  }

  #ask(what: "report" | "finish"): Promise<readonly ProbeReport[]> {
    const report = message(this.process, "report");
    this.process.child.send(what);
    return report;
  }
}

/** The longest gap of all targets. */
export function worstGap(reports: readonly ProbeReport[]): ProbeReport {
  return reports.reduce((a, b) => (b.maxGap.lengthMs > a.maxGap.lengthMs ? b : a));
}

function message(prober: LabProcess, kind: string): Promise<readonly ProbeReport[]> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the prober does not answer: ${prober.tail()}`)), 10_000);
    const onMessage = (got: { kind: string; reports?: readonly ProbeReport[] }): void => {
      if (got.kind !== kind) return;
      clearTimeout(timer);
      prober.child.off("message", onMessage);
      resolve(got.reports ?? []);
    };
    prober.child.on("message", onMessage);
  });
}
