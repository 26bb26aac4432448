import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { createLog } from "../../../src/adapters/log.js";
import type { Sink } from "../../../src/adapters/log-writer.js";
import type { LogLevel } from "../../../src/ports.js";

/** A sink that keeps what it is given, and that a test may stall. */
function collector() {
  const chunks: string[] = [];
  let stalled = false;
  let resume: (() => void) | null = null;
  const sink: Sink = (chunk, done) => {
    const finish = () => {
      chunks.push(chunk.toString());
      setImmediate(done, null);
    };
    if (stalled) resume = finish;
    else finish();
  };
  return {
    sink,
    stall: () => {
      stalled = true;
    },
    recover: () => {
      stalled = false;
      resume?.();
      resume = null;
    },
    lines: () => chunks.join("").split("\n").slice(0, -1),
  };
}

describe("a log line", () => {
  test("is JSON with time, level, event, the fields and the text", async () => {
    const out = collector();
    const log = createLog({ level: "info", sink: out.sink });
    log.write("info", "vip.owned", { address: "10.0.0.1" }, "10.0.0.1 is ours now");
    await log.flush();
    const line = JSON.parse(out.lines()[0]!);
    expect(line).toMatchObject({
      level: "info",
      event: "vip.owned",
      address: "10.0.0.1",
      text: "10.0.0.1 is ours now",
    });
    expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Object.keys(line)).not.toContain("pid");
  });

  test.each<[LogLevel, string]>([
    ["trace", "<7>"],
    ["debug", "<7>"],
    ["info", "<6>"],
    ["warn", "<4>"],
    ["error", "<3>"],
  ])("of level %s starts with %s for journald", async (level, prefix) => {
    const out = collector();
    const log = createLog({ level: "trace", sink: out.sink, journald: true });
    log.write(level, "a.b", {});
    await log.flush();
    expect(out.lines()[0]).toMatch(new RegExp(`^${prefix}\\{`));
  });

  test("keeps an error's message and stack", async () => {
    const out = collector();
    const log = createLog({ level: "info", sink: out.sink });
    log.write("error", "task.failed", { error: new Error("boom") });
    await log.flush();
    expect(JSON.parse(out.lines()[0]!).error).toMatchObject({ type: "Error", message: "boom" });
  });

  test("survives a cycle in its fields", async () => {
    const out = collector();
    const log = createLog({ level: "info", sink: out.sink });
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    log.write("info", "a.b", { cycle });
    await log.flush();
    expect(out.lines()).toHaveLength(1);
  });

  test("that is too long for the journal is replaced by one that says so", async () => {
    const out = collector();
    const log = createLog({ level: "info", sink: out.sink });
    log.write("info", "a.b", { blob: "x".repeat(100_000) }, "big");
    await log.flush();
    const line = JSON.parse(out.lines()[0]!);
    expect(line).toMatchObject({ event: "a.b", text: "big" });
    expect(line.truncatedBytes).toBeGreaterThan(100_000);
    expect(line.blob).toBeUndefined();
  });

  test("for a terminal is one line without the control characters of others", async () => {
    const out = collector();
    const log = createLog({ level: "info", sink: out.sink, pretty: true, colour: false });
    log.write("warn", "member.dead", { name: "evil\x1b[2J\nname", n: 3 }, "line\none");
    await log.flush();
    expect(out.lines()).toHaveLength(1);
    expect(out.lines()[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}WARN {3}member\.dead {2}line\\x0aone {2}name=".*" n=3$/);
    expect(out.lines()[0]).not.toContain("\x1b");
  });
});

describe("the level", () => {
  test("holds back what is below it, and can change at run time", async () => {
    const out = collector();
    const log = createLog({ level: "warn", sink: out.sink });
    log.write("info", "no", {});
    log.setLevel("debug");
    log.write("debug", "yes", {});
    log.write("trace", "no", {});
    await log.flush();
    expect(out.lines().map((l) => JSON.parse(l).event)).toEqual(["yes"]);
  });
});

describe("a stalled reader", () => {
  test("costs lines beyond the bound, and is told how many when it recovers", async () => {
    const out = collector();
    const log = createLog({ level: "info", sink: out.sink, queueBytesMax: 10_000, stormLines: Infinity });
    out.stall();
    for (let i = 0; i < 1000; i++) log.write("info", "flood", { i });
    const lost = log.dropped();
    expect(lost).toBeGreaterThan(800);
    out.recover();
    await log.flush();
    const events = out.lines().map((l) => JSON.parse(l));
    expect(events.filter((e) => e.event === "flood")).toHaveLength(1000 - lost);
    expect(events.filter((e) => e.event === "log.dropped")).toMatchObject([{ level: "warn", count: lost }]);
  });

  test("holds up flush no longer than its bound", async () => {
    const out = collector();
    const log = createLog({ level: "info", sink: out.sink, flushTimeoutMs: 50 });
    out.stall();
    log.write("info", "a.b", {});
    const start = performance.now();
    await log.flush();
    expect(performance.now() - start).toBeGreaterThan(40);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

/** The readers below read nothing for longer than this, or never: a loop that waits for one is held up for as long. */
const HELD_MS = 1000;

/** A real process with a real standard output: what it may hold up is only visible there. */
const CHILD = `
import { createLog } from ${JSON.stringify(fileURLToPath(new URL("../../../src/adapters/log.ts", import.meta.url)))};
import { lookup } from "node:dns/promises";
const log = createLog({ level: "info", flushTimeoutMs: 200, stormLines: Infinity });
let last = performance.now(), worstMs = 0;
setInterval(() => { const now = performance.now(); worstMs = Math.max(worstMs, now - last - 5); last = now; }, 5);
const lines = 20000;
let sent = 0;
const more = setInterval(() => {
  for (let i = 0; i < 200; i++) log.write("info", "flood", { n: sent++, pad: "x".repeat(200) });
  if (sent < lines) return;
  clearInterval(more);
  if (process.send) process.send("stalled");
  setTimeout(async () => {
    await lookup("localhost");
    await log.flush();
    process.stderr.write(JSON.stringify({ worstMs, dropped: log.dropped() }) + "\\n");
    process.exit(0);
  }, Number(process.argv[1] ?? 200));
}, 2);
`;

const children: ChildProcess[] = [];
const directories: string[] = [];

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "vipd-log-"));
  directories.push(directory);
  return directory;
}

afterEach(() => {
  for (const child of children.splice(0)) {
    child.kill("SIGCONT");
    child.kill("SIGKILL");
  }
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

function start(stdout: "pipe" | number, waitMs = 200): ChildProcess {
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", CHILD, String(waitMs)], {
    stdio: ["ignore", stdout, "pipe", "ipc"],
  });
  children.push(child);
  return child;
}

function report(child: ChildProcess): Promise<{ worstMs: number; dropped: number }> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stderr!.on("data", (d) => {
      text += d;
    });
    child.on("exit", (code) => (code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`exit ${code}: ${text}`))));
  });
}

describe("the event loop of a real process", () => {
  test("does not stop for a pipe that nobody reads", { timeout: 60_000 }, async () => {
    const child = start("pipe");
    // Never read: the pipe fills after 64 KiB, the writer's queue after 1 MiB.
    const result = await report(child);
    expect(result.dropped).toBeGreaterThan(1000);
    expect(result.worstMs).toBeLessThan(HELD_MS);
  });

  test("does not stop for a reader under SIGSTOP, which gets the rest and the count later", {
    timeout: 60_000,
  }, async () => {
    const directory = temporary();
    const copy = join(directory, "copy");
    const reader = spawn("cat", [], { stdio: ["pipe", openSync(copy, "w"), "ignore"] });
    children.push(reader);
    const gone = new Promise((resolve) => reader.once("exit", resolve));
    await new Promise((resolve) => reader.once("spawn", resolve));
    reader.kill("SIGSTOP");
    const pipe = (reader.stdin as unknown as { _handle: { fd: number } })._handle.fd;
    const child = start(pipe, 1500);
    child.on("message", () => reader.kill("SIGCONT"));
    reader.stdin!.destroy();
    const result = await report(child);
    expect(result.worstMs).toBeLessThan(HELD_MS);
    expect(result.dropped).toBeGreaterThan(1000);
    await gone;
    const events = readFileSync(copy, "utf8")
      .trimEnd()
      .split("\n")
      .map((l) => JSON.parse(l));
    expect(events.filter((e) => e.event === "log.dropped").map((e) => e.count)).toEqual([result.dropped]);
  });

  test("survives a reader that goes away", { timeout: 60_000 }, async () => {
    const child = start("pipe");
    child.stdout!.destroy();
    const result = await report(child);
    expect(result.dropped).toBeGreaterThan(0);
  });

  test.each<[string, string, RegExp]>([
    ["marks priorities for the journal on standard output", "$(stat -Lc %d:%i /proc/self/fd/3)", /^<6>\{/],
    ["marks none where JOURNAL_STREAM names another stream", "1:2", /^\{/],
  ])("%s", { timeout: 60_000 }, (_, named, start) => {
    const once = CHILD.replace("20000", "1").replace("i < 200", "i < 1");
    const script = `exec 3>&1; JOURNAL_STREAM=${named} exec "$0" --import tsx --input-type=module -e "$1"`;
    const run = spawnSync("sh", ["-c", script, process.execPath, once], { encoding: "utf8" });
    expect(run.stdout).toMatch(start);
  });

  test("writes everything to a plain file", { timeout: 60_000 }, () => {
    const directory = temporary();
    const copy = join(directory, "copy");
    const run = spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", CHILD], {
      stdio: ["ignore", openSync(copy, "w"), "pipe"],
    });
    expect(run.status).toBe(0);
    const { dropped } = JSON.parse(run.stderr.toString());
    const events = readFileSync(copy, "utf8")
      .trimEnd()
      .split("\n")
      .map((l) => JSON.parse(l));
    expect(events.filter((e) => e.event === "flood").length + dropped).toBe(20_000);
  });
});
