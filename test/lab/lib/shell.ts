/**
 * Programs, waiting and time for the lab. Boundary: nothing here knows of labs, hosts or VIPs. Never through a shell:
 * every command is an argument list.
 */
import { execFileSync, spawn } from "node:child_process";
import * as path from "node:path";
import { fileURLToPath } from "node:url";

/** The project's root. */
export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
/**
 * Node for what measures: it may run in real time, where a main thread that waits for its collector's helpers never lets them
 * run (ARCHITECTURE.md tells it of the daemon).
 */
export const YARDSTICK_NODE: readonly string[] = [process.execPath, "--single-threaded-gc"];

/** Wall time in ms with fractions: the clock of tcpdump's stamps. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Runs to its end and returns stdout; throws the program's own words. For set-up, where order matters more than speed. */
export function sh(...argv: readonly string[]): string {
  const [file, ...args] = argv;
  try {
    return execFileSync(file!, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26 });
  } catch (error) {
    const stderr = (error as { stderr?: string }).stderr ?? String(error);
    throw new Error(`${argv.join(" ")}: ${stderr.trim() || String(error)}`);
  }
}

/** As `sh`, for clean-up: a failure is the empty string. */
export function shQuiet(...argv: readonly string[]): string {
  try {
    return sh(...argv);
  } catch {
    return "";
  }
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs without blocking the event loop; a time limit ends it with SIGKILL and the code 124. Never rejects. */
export function run(
  argv: readonly string[],
  { timeoutMs = 15_000, input, env }: { timeoutMs?: number; input?: string; env?: Record<string, string> } = {},
): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(argv[0]!, argv.slice(1), {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    let stdout = "";
    let stderr = "";
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.on("error", () => {});
    child.stdin.end(input ?? "");
    const end = (code: number): void => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr });
    };
    child.on("error", (error) => {
      stderr += error.message;
      end(127);
    });
    child.on("close", (code) => end(late ? 124 : (code ?? 128)));
  });
}

/** Thrown by a probe of `until` when waiting on is of no use. */
export class GiveUp extends Error {}

/**
 * Asks again and again until `probe` returns something else than undefined or false. Throws with `what` and the last
 * thing that `probe` threw or that `describe` says.
 */
export async function until<T>(
  what: string,
  timeoutMs: number,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  { everyMs = 50, describe }: { everyMs?: number; describe?: () => string } = {},
): Promise<T> {
  const end = nowMs() + timeoutMs;
  let last = "";
  for (;;) {
    try {
      const got = await probe();
      if (got !== undefined && got !== false) return got;
      last = "";
    } catch (error) {
      if (error instanceof GiveUp) throw new Error(`${what}: ${error.message}`);
      last = error instanceof Error ? error.message : String(error);
    }
    if (nowMs() > end) {
      const why = [last, describe?.() ?? ""].filter((text) => text !== "").join("; ");
      throw new Error(`${what}: not within ${timeoutMs} ms${why ? ` (${why})` : ""}`);
    }
    await sleep(everyMs);
  }
}

/** Runs `work` over `items`, at most `width` at once; results in order. */
export async function parallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
