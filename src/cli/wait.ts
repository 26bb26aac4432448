/**
 * Waiting before the daemon begins: for a first configuration (the Debian package enables the service with a file that names no
 * VIPs yet), and for the address of the gossip. Purpose: say so where `systemctl status` shows it, and go on by itself.
 * Boundary: only a file that was never filled in is waited for; one that is wrong is refused by `vipd run` as ever.
 */
import { readFileSync } from "node:fs";
import type { ServiceManager } from "../ports.js";

/** One stat's worth of work a second; an editor's rename is seen as well as a write. */
const LOOK_AGAIN_MS = 1000;

/** True where the file is absent, or names no VIPs: nobody has said yet what this host shall do. */
export function isUnfilled(file: string, readFile: (file: string) => string = read): boolean {
  try {
    const raw = JSON.parse(readFile(file)) as { vips?: unknown } | null;
    if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return false;
    return raw.vips === undefined || (Array.isArray(raw.vips) && raw.vips.length === 0);
  } catch (error) {
    // Whatever else is wrong with it (no JSON, not to be read) is a problem that must be named, not waited for.
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

/** Resolves with true once `missing()` is null, or with false on SIGTERM or SIGINT. What it says is shown while it waits. */
export function waitUntil(options: {
  readonly missing: () => string | null | Promise<string | null>;
  readonly service: ServiceManager;
  readonly say: (text: string) => void;
}): Promise<boolean> {
  const { missing, service, say } = options;
  return new Promise((resolve) => {
    let shown = "";
    let looking = false;
    const timers: NodeJS.Timeout[] = [];
    const end = (filled: boolean): void => {
      for (const timer of timers) clearInterval(timer);
      process.off("SIGTERM", stop);
      process.off("SIGINT", stop);
      process.off("SIGHUP", look);
      resolve(filled);
    };
    const stop = (): void => end(false);
    const judge = (text: string | null): void => {
      looking = false;
      if (text === null) {
        end(true);
        return;
      }
      if (text === shown) return;
      shown = text;
      say(text);
      // Ready: the service does all it can do now, and neither the boot nor dpkg shall wait for a person.
      service.ready(text);
    };
    const look = (): void => {
      if (looking) return;
      looking = true;
      void Promise.resolve(missing()).then(judge);
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    process.on("SIGHUP", look);
    if (service.watchdogMs !== null) timers.push(setInterval(() => service.watchdog(), service.watchdogMs));
    timers.push(setInterval(look, LOOK_AGAIN_MS));
    look();
  });
}

function read(file: string): string {
  return readFileSync(file, "utf8");
}
