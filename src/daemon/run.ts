/**
 * `vipd run`: from a validated configuration to a running daemon, and to the exit code. Purpose: signals and the order of
 * start and stop. Boundary: the parts are assembled in daemon.ts; here is only their life.
 */
import type { Config, Loaded, Problem } from "../config/types.js";
import { Daemon } from "./daemon.js";
import { reasonOf } from "./engine.js";

export interface RunOptions {
  readonly config: Config;
  readonly warnings: readonly Problem[];
  readonly configFile: string;
  /** Take part in nothing but watching. */
  readonly observe: boolean;
  /** Loads the file again, with the same environment and flags. */
  readonly reload: () => Loaded;
  readonly version: string;
}

/** Resolves with the exit code: 0 after a clean stop, 1 when it could not start. */
export async function runDaemon(options: RunOptions): Promise<number> {
  let daemon: Daemon;
  try {
    daemon = new Daemon(options);
  } catch (error) {
    process.stderr.write(`vipd: cannot start: ${reasonOf(error)}\n`);
    return 1;
  }
  try {
    await daemon.start();
  } catch (error) {
    await daemon.fail(reasonOf(error));
    return 1;
  }
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (signal: string): void => {
      if (stopping) return;
      stopping = true;
      daemon.stop(signal).then(
        () => resolve(0),
        (error: unknown) => {
          process.stderr.write(`vipd: stopping failed: ${reasonOf(error)}\n`);
          resolve(1);
        },
      );
    };
    process.on("SIGTERM", () => stop("SIGTERM"));
    process.on("SIGINT", () => stop("SIGINT"));
    process.on("SIGHUP", () => void daemon.reload());
  });
}
