/**
 * What vipd tells systemd: sd_notify(3) messages over NOTIFY_SOCKET, and how often the watchdog wants to hear of us.
 * Boundary: words only; the datagram is the addon's (Node has no Unix datagram socket). Without systemd all of it is a
 * no-op. Never throws: a service manager that does not listen is no reason to stop serving VIPs.
 */
import type { ServiceManager } from "../ports.js";
import { sdNotify } from "./native.js";

export interface ServiceManagerOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** For tests; default: the addon's. Returns "" when sent, else the errno. */
  readonly notify?: (message: string) => string;
  /** Told of the first failure of a row; systemd will restart a service whose watchdog it does not hear. */
  readonly onTrouble?: (message: string) => void;
}

export function createServiceManager(options: ServiceManagerOptions = {}): ServiceManager {
  const env = options.env ?? process.env;
  const notify = options.notify ?? sdNotify;
  const present = Boolean(env.NOTIFY_SOCKET);
  let failing = false;

  const send = (...assignments: string[]): void => {
    if (!present) return;
    const errno = notify(assignments.join("\n"));
    if (errno !== "" && !failing) options.onTrouble?.(`sd_notify: ${errno}`);
    failing = errno !== "";
  };

  return {
    ready: (status) => send("READY=1", `STATUS=${oneLine(status)}`),
    // Type=notify-reload (systemd 253) wants the CLOCK_MONOTONIC instant with it, to tell this reload from an earlier one.
    reloading: () => send("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: (status) => send("STOPPING=1", `STATUS=${oneLine(status)}`),
    status: (text) => send(`STATUS=${oneLine(text)}`),
    watchdog: () => send("WATCHDOG=1"),
    watchdogMs: present ? watchdogMs(env) : null,
  };
}

/** sd_watchdog_enabled(3): WATCHDOG_PID, where set, says whom it is meant for; half the period is the advice there. */
function watchdogMs(env: NodeJS.ProcessEnv): number | null {
  const usec = env.WATCHDOG_USEC ?? "";
  if (!/^[1-9]\d{0,15}$/.test(usec)) return null;
  if (env.WATCHDOG_PID && env.WATCHDOG_PID !== String(process.pid)) return null;
  return Number(usec) / 1000 / 2;
}

/** A newline would start another assignment. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, " ");
}
