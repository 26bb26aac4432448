/**
 * The helper process: runs checks and hooks for the daemon, at normal priority and without capabilities (helper.ts starts it
 * so). Purpose: to start a program stops an event loop for up to 83 ms (FACTS.md, section 7), and here that stops nothing.
 * Boundary: does what it is told on stdin, a JSON line each; ends, with all that it runs, when stdin ends.
 */
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { runCheck } from "./helper-checks.js";
import { JOBS_MAX, type Job, type JobDone } from "./helper-protocol.js";
import { killAll, type Outcome, runProgram } from "./helper-run.js";

let running = 0;

async function work(job: Job): Promise<void> {
  const began = performance.now();
  const outcome = running >= JOBS_MAX ? { ok: false, reason: `more than ${JOBS_MAX} at a time` } : await perform(job);
  const done: JobDone = { id: job.id, ...outcome, tookMs: Math.round((performance.now() - began) * 10) / 10 };
  process.stdout.write(`${JSON.stringify(done)}\n`);
}

async function perform(job: Job): Promise<Outcome> {
  running += 1;
  try {
    if (job.kind === "check") return await runCheck(job.check);
    return await runProgram(job.command, { timeoutMs: job.timeoutMs, env: job.env, input: job.input });
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  } finally {
    running -= 1;
  }
}

function end(): void {
  killAll();
  process.exit(0);
}

try {
  // The daemon's place is the last that memory runs out for; what it starts is not as important.
  writeFileSync("/proc/self/oom_score_adj", "0");
} catch {
  // Without /proc it stays as it is.
}
// The daemon ends it. A signal to the whole process group (Ctrl-C) is meant for the daemon.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});
process.stdout.on("error", end);
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => void work(JSON.parse(line) as Job));
lines.on("close", end);
