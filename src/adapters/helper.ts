/**
 * The daemon's side of the helper process: started first, once; jobs go to it, results come back. Purpose: nothing that a
 * check or a hook does can hold the event loop. Boundary: bounded in jobs and in unread bytes; a helper that is gone or does
 * not answer is a failed job, and is started again.
 */
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { CheckResult } from "../domain/health.js";
import type { Log } from "../ports.js";
import { type Job, type JobDone, LINE_BYTES_MAX } from "./helper-protocol.js";
import { executeWithoutCapabilities } from "./native.js";

/** Without the id, which is the helper's business. */
export type NewJob = Job extends infer J ? (J extends Job ? Omit<J, "id"> : never) : never;

const START_AGAIN_MS = 1000;
/** Beyond a job's own time-out: the helper is busy, or stuck. */
const GRACE_MS = 1000;
const UNREAD_BYTES_MAX = 4 * 1024 * 1024;
const STOP_MS = 500;

export class Helper {
  readonly #log: Log;
  readonly #jobs = new Map<number, (result: CheckResult) => void>();
  #child: ChildProcess | null = null;
  #again: NodeJS.Timeout | undefined;
  #nextId = 1;
  #stopping = false;
  #restarts = 0;

  constructor(options: { readonly log: Log }) {
    this.#log = options.log;
  }

  get running(): boolean {
    return this.#child !== null;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** To be called before anything must be in time: it holds the loop until the process has begun. Idempotent. */
  start(): void {
    if (this.#child !== null || this.#stopping) return;
    clearTimeout(this.#again);
    const kept = executeWithoutCapabilities();
    if (kept !== "") {
      this.#ended(`it would have the daemon's capabilities: ${kept}`);
      return;
    }
    const [program, ...args] = helperCommand();
    const { NOTIFY_SOCKET: _notify, WATCHDOG_USEC: _usec, WATCHDOG_PID: _pid, ...env } = process.env;
    // Loaded where something wants a helper: most hosts start without.
    const { spawn } = process.getBuiltinModule("node:child_process");
    const { createInterface } = process.getBuiltinModule("node:readline");
    const child = spawn(program!, args, { stdio: ["pipe", "pipe", "inherit"], env, cwd: "/" });
    this.#child = child;
    child.stdin!.on("error", () => {});
    child.on("error", (error) => this.#gone(child, error.message));
    child.on("exit", (code, signal) => this.#gone(child, signal ?? `exit code ${code}`));
    createInterface({ input: child.stdout! }).on("line", (line) => this.#done(line));
    // Neither the process nor its pipes keep the daemon alive.
    child.unref();
  }

  run(job: NewJob): Promise<CheckResult> {
    const timeoutMs = job.kind === "check" ? job.check.timeoutMs : job.timeoutMs;
    const id = this.#nextId++;
    const line = `${JSON.stringify({ id, ...job })}\n`;
    const { stdin } = this.#child ?? {};
    if (!stdin?.writable) return refused("the helper process does not run");
    if (line.length > LINE_BYTES_MAX || stdin.writableLength > UNREAD_BYTES_MAX)
      return refused("the helper is overloaded");
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => finish({ ok: false, reason: "the helper does not answer", tookMs: timeoutMs }),
        timeoutMs + GRACE_MS,
      );
      const finish = (result: CheckResult): void => {
        clearTimeout(timer);
        this.#jobs.delete(id);
        resolve(result);
      };
      this.#jobs.set(id, finish);
      stdin.write(line);
    });
  }

  /** Ends it and all that it runs; it hears of it by the end of its stdin. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#again);
    const child = this.#child;
    if (child === null) return;
    child.stdin?.end();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        child.kill("SIGKILL");
        resolve();
      }, STOP_MS);
      child.once("exit", () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #done(line: string): void {
    let done: JobDone;
    try {
      done = JSON.parse(line) as JobDone;
    } catch {
      return;
    }
    this.#jobs.get(done.id)?.({ ok: done.ok, reason: done.reason, tookMs: done.tookMs });
  }

  #gone(child: ChildProcess, how: string): void {
    if (this.#child !== child) return;
    this.#child = null;
    this.#ended(how);
  }

  #ended(how: string): void {
    for (const finish of [...this.#jobs.values()])
      finish({ ok: false, reason: `the helper process ended: ${how}`, tookMs: 0 });
    if (this.#stopping) return;
    this.#restarts += 1;
    this.#log.write(
      "error",
      "helper.gone",
      { how },
      `the helper process for checks and hooks ended (${how}): starting it again`,
    );
    this.#again = setTimeout(() => this.start(), START_AGAIN_MS);
  }
}

function refused(reason: string): Promise<CheckResult> {
  return Promise.resolve({ ok: false, reason, tookMs: 0 });
}

/** util-linux's chrt takes the real-time priority away that systemd gave the daemon, and then becomes the helper. */
function helperCommand(): readonly string[] {
  const source = import.meta.url.endsWith(".ts");
  // By way of the folder: this code may run from the bundle, which is in another one.
  const program = fileURLToPath(new URL(`../adapters/helper-process.${source ? "ts" : "js"}`, import.meta.url));
  return [
    "chrt",
    "--other",
    "0",
    process.execPath,
    "--max-old-space-size=64",
    ...(source ? ["--import", import.meta.resolve("tsx")] : []),
    program,
  ];
}
