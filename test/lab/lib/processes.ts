/**
 * Processes that a lab started: spawned inside a namespace, logged to a file, known by pid until they ended.
 * `ip netns exec` replaces itself by the program, so the pid is the program's own. Never ends anything else.
 */
import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import { nowMs } from "./shell.js";

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly atMs: number;
}

export interface SpawnOptions {
  readonly namespace: string;
  readonly argv: readonly string[];
  /** stdout and stderr are appended to it. */
  readonly logFile: string;
  /** They go there instead (a pipe that somebody reads); `logFile` is then what that one writes. */
  readonly outputTo?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Opens Node's message channel to the child. */
  readonly ipc?: boolean;
  /** Runs on when this process ends (the kept demo). */
  readonly detached?: boolean;
}

export class LabProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  exit: Exit | null = null;

  constructor(
    readonly child: ChildProcess,
    readonly logFile: string,
    onExit: () => void,
  ) {
    this.pid = child.pid!;
    this.exited = new Promise((resolve) => {
      child.on("exit", (code, signal) => {
        this.exit = { code, signal, atMs: nowMs() };
        onExit();
        resolve(this.exit);
      });
    });
  }

  get running(): boolean {
    return this.exit === null;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.child.kill(signal);
  }

  /** Sends the signal and waits for the end; after the bound SIGKILL, and the exit then shows it. */
  async end(signal: NodeJS.Signals = "SIGTERM", boundMs = 10_000): Promise<Exit> {
    // A stopped process takes SIGTERM only once it goes on.
    this.signal(signal);
    this.signal("SIGCONT");
    const timer = setTimeout(() => this.signal("SIGKILL"), boundMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  /** The end of its log, for messages. */
  tail(lines = 15): string {
    return fs.existsSync(this.logFile)
      ? fs.readFileSync(this.logFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n")
      : "";
  }
}

/** The processes of one lab. */
export class Processes {
  readonly #living = new Set<LabProcess>();

  spawn({ namespace, argv, logFile, outputTo, env = {}, ipc = false, detached = false }: SpawnOptions): LabProcess {
    const log = fs.openSync(outputTo ?? logFile, "a");
    const child = spawn("ip", ["netns", "exec", namespace, ...argv], {
      stdio: ipc ? ["ignore", log, log, "ipc"] : ["ignore", log, log],
      env: { ...process.env, ...env },
      detached,
    });
    fs.closeSync(log);
    if (child.pid === undefined) throw new Error(`cannot start ${argv.join(" ")} in ${namespace}`);
    const started: LabProcess = new LabProcess(child, logFile, () => this.#living.delete(started));
    this.#living.add(started);
    if (detached) child.unref();
    return started;
  }

  get living(): readonly LabProcess[] {
    return [...this.#living];
  }

  async endAll(): Promise<void> {
    await Promise.all(this.living.map((one) => one.end("SIGKILL")));
  }
}
