/**
 * Runs one program for the helper: no shell, its own process group, killed with all of it after the time-out; what it
 * says first is kept as the reason. Boundary: never waits longer than the time-out, whatever the program does.
 */
import { spawn } from "node:child_process";
import { OUTPUT_BYTES_MAX } from "./helper-protocol.js";

export interface Outcome {
  readonly ok: boolean;
  readonly reason: string;
}

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const living = new Set<number>();

export function runProgram(
  command: readonly string[],
  options: { readonly timeoutMs: number; readonly env?: Readonly<Record<string, string>>; readonly input?: string },
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command[0]!, command.slice(1), {
      cwd: "/",
      env: { PATH, HOME: "/", LANG: "C.UTF-8", ...options.env },
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      detached: true,
    });
    let said = "";
    const listen = (part: Buffer): void => {
      if (said.length < OUTPUT_BYTES_MAX) said += part.toString("utf8");
    };
    child.stdout?.on("data", listen);
    child.stderr?.on("data", listen);
    // A program that does not read its input is no mistake.
    child.stdin?.on("error", () => {});
    child.stdin?.end(options.input);
    const { pid } = child;
    if (pid !== undefined) living.add(pid);
    const end = (outcome: Outcome): void => {
      clearTimeout(timer);
      if (pid !== undefined) {
        killGroup(pid);
        living.delete(pid);
      }
      // What it started may hold the pipes open.
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(
      () => end({ ok: false, reason: `killed after ${options.timeoutMs} ms` }),
      options.timeoutMs,
    );
    child.on("error", (error: NodeJS.ErrnoException) => {
      end({ ok: false, reason: `${command[0]}: ${error.code ?? error.message}` });
    });
    child.on("exit", (code, signal) => {
      // One more turn of the loop, so that its last words are read.
      setImmediate(() => end({ ok: code === 0, reason: reasonOf(code, signal, said) }));
    });
  });
}

/** At the helper's own end. */
export function killAll(): void {
  for (const pid of living) killGroup(pid);
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // ESRCH: all of it is gone already.
  }
}

function reasonOf(code: number | null, signal: string | null, said: string): string {
  const how = signal === null ? `exit code ${code}` : signal;
  const line = said
    .replace(/\p{C}+/gu, " ")
    .trim()
    .slice(0, OUTPUT_BYTES_MAX);
  return line === "" ? how : `${how}: ${line}`;
}
