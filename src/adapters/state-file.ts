/**
 * A small JSON file that outlives the process: written whole and put in place by rename, so that a crash leaves the old or the
 * new one. Purpose: what an operator told this host. Boundary: bytes and errno; what it says is the daemon's business.
 */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";

const BYTES_MAX = 1024 * 1024;

export class StateFile {
  readonly path: string;
  /** Writes follow each other: the last one wins. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.path = path;
  }

  /** What it holds, or null where there is none, or none that can be read. */
  read(): unknown {
    try {
      const text = readFileSync(this.path, "utf8");
      return text.length > BYTES_MAX ? null : (JSON.parse(text) as unknown);
    } catch {
      return null;
    }
  }

  /** Rejects with one line that names the file. */
  write(value: unknown): Promise<void> {
    return this.#next(async () => {
      // Not needed before somebody tells this host something; a start is shorter without.
      const { mkdir, open, rename } = await import("node:fs/promises");
      const aside = `${this.path}.${process.pid}`;
      await mkdir(dirname(this.path), { recursive: true, mode: 0o755 });
      const file = await open(aside, "w", 0o644);
      try {
        await file.writeFile(`${JSON.stringify(value)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(aside, this.path);
    });
  }

  remove(): Promise<void> {
    return this.#next(async () => (await import("node:fs/promises")).rm(this.path, { force: true }));
  }

  #next(deed: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(deed).catch((error: unknown) => {
      throw new Error(`${this.path}: ${error instanceof Error ? error.message : String(error)}`);
    });
    this.#queue = done.catch(() => {});
    return done;
  }
}

/** Changes with each boot: what must not survive one carries it. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}
