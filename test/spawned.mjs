/**
 * A program of a test run, with our terminal and a time limit; a signal for the run reaches the program, and
 * `interrupted()` names it. Boundary: one program at a time, run to its end; what its output means is the caller's business.
 */
import { spawn } from "node:child_process";
import { root } from "./setup.mjs";

let child = null;
let signalled = null;

/** For the whole run; a program that only imports this keeps its own way with signals. */
export function passSignalsOn() {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      signalled = signal;
      child?.kill(signal);
    });
  }
}

/** The signal that ended the run, or null. */
export function interrupted() {
  return signalled;
}

/**
 * Resolves with { code, output, late }; never rejects. `capture` keeps its stdout, too. Past `limitMs` comes SIGTERM, then
 * SIGKILL, and `late` is true. A program that cannot be started has the code 127.
 */
export function spawned(argv, { limitMs, capture = false, env: more = {} } = {}) {
  return new Promise((resolve) => {
    const env = { ...process.env, npm_config_update_notifier: "false", ...more };
    const stdio = ["ignore", capture ? "pipe" : "inherit", "inherit"];
    child = spawn(argv[0], argv.slice(1), { cwd: root, env, stdio });
    let output = "";
    let late = false;
    const one = child;
    const timers = [];
    if (limitMs) {
      timers.push(
        setTimeout(() => {
          late = true;
          one.kill("SIGTERM");
        }, limitMs),
        setTimeout(() => one.kill("SIGKILL"), limitMs + 15_000),
      );
    }
    child.stdout?.on("data", (chunk) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    const end = (code) => {
      for (const timer of timers) clearTimeout(timer);
      child = null;
      resolve({ code, output, late });
    };
    child.on("error", (error) => {
      process.stderr.write(`${argv[0]}: ${error.message}\n`);
      end(127);
    });
    child.on("close", end);
  });
}
