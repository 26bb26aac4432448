import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Helper } from "../../../src/adapters/helper.js";
import type { Check } from "../../../src/config/types.js";
import type { Log } from "../../../src/ports.js";

const TERMS = { intervalMs: 1000, timeoutMs: 2000, rise: 1, fall: 1, jitter: 0 };
const dir = mkdtempSync(join(tmpdir(), "vipd-helper-"));
const lines: string[] = [];
const log = { write: (_level: string, event: string) => lines.push(event) } as unknown as Log;
const helper = new Helper({ log });
let server: http.Server;
let port = 0;

beforeAll(async () => {
  server = http.createServer((request, response) => {
    if (request.url === "/hang") return;
    response.statusCode = request.url === "/bad" ? 503 : 200;
    response.end(`all is well at ${request.headers.host}`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
  helper.start();
  // The first job waits for the process to begin.
  await exec(["/bin/true"], 20_000);
});
afterAll(async () => {
  await helper.stop();
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

function check(one: Partial<Check> & Pick<Check, "type">, timeoutMs = 2000) {
  return helper.run({ kind: "check", check: { ...TERMS, ...one, timeoutMs } as Exclude<Check, { type: "arp" }> });
}

function exec(command: readonly string[], timeoutMs?: number) {
  return check({ type: "exec", command }, timeoutMs);
}

function web(path: string, more: object = {}, timeoutMs?: number) {
  const url = `http://127.0.0.1:${port}${path}`;
  return check({ type: "http", url, status: [], body: null, verifyTls: true, host: null, ...more }, timeoutMs);
}

describe("checks in the helper process", () => {
  it("tcp: connected, refused, and a name that is none", async () => {
    expect(await check({ type: "tcp", host: "127.0.0.1", port })).toMatchObject({ ok: true, reason: "connected" });
    expect(await check({ type: "tcp", host: "127.0.0.1", port: 1 })).toMatchObject({
      ok: false,
      reason: "connection refused (ECONNREFUSED)",
    });
    expect(await check({ type: "tcp", host: "localhost", port: 1 })).toMatchObject({
      reason: "connection refused (ECONNREFUSED)",
    });
    expect(await check({ type: "tcp", host: "no.such.name.invalid", port: 1 })).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/^[a-z].* \(E\w+\)$/),
    });
  });

  it("http: status, body, Host header, time-out", async () => {
    expect(await web("/")).toMatchObject({ ok: true, reason: "status 200" });
    expect(await web("/bad")).toMatchObject({ ok: false, reason: "status 503" });
    expect(await web("/bad", { status: [503] })).toMatchObject({ ok: true });
    expect(await web("/", { host: "shop.example", body: "well at shop.example" })).toMatchObject({ ok: true });
    expect(await web("/", { body: "ill" })).toMatchObject({ ok: false, reason: "status 200, the body lacks the text" });
    expect(await web("/hang", {}, 200)).toMatchObject({ ok: false, reason: "no answer within 200 ms" });
  });

  it("exec: exit code and last words; arguments are no shell's", async () => {
    expect(await exec(["/bin/true"])).toMatchObject({ ok: true, reason: "exit code 0" });
    expect(await exec(["/bin/sh", "-c", "echo too hot; exit 3"])).toMatchObject({
      ok: false,
      reason: "exit code 3: too hot",
    });
    expect((await exec(["/bin/echo", "$(id)", "a  b"])).reason).toBe("exit code 0: $(id) a  b");
    expect(await exec(["/no/such"])).toMatchObject({ ok: false, reason: "/no/such: ENOENT" });
  });

  it("exec: after the time-out the whole process group is killed", async () => {
    const file = join(dir, "child");
    const result = await exec(["/bin/sh", "-c", `sleep 60 & echo $! > ${file}; trap '' TERM; wait`], 500);
    expect(result).toMatchObject({ ok: false, reason: "killed after 500 ms" });
    const pid = readFileSync(file, "utf8").trim();
    await expect
      .poll(() => !existsSync(`/proc/${pid}`) || /\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8")))
      .toBe(true);
  });

  it("runs without capabilities, without a way to get any, at normal priority", async () => {
    const file = join(dir, "status");
    await exec([
      "/bin/sh",
      "-c",
      `cat /proc/self/status > ${file}; chrt -p $$ >> ${file}; cat /proc/self/oom_score_adj >> ${file}`,
    ]);
    const status = readFileSync(file, "utf8");
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"]) expect(status).toContain(`${set}:\t0000000000000000`);
    expect(status).toContain("NoNewPrivs:\t1");
    expect(status).toContain("SCHED_OTHER");
  });

  it("a hook gets its variables and a line on stdin", async () => {
    const file = join(dir, "hook");
    const command = ["/bin/sh", "-c", `read line; echo "$VIPD_VIP $line" > ${file}`];
    const job = {
      kind: "hook",
      command,
      env: { VIPD_VIP: "10.0.0.1" },
      input: '{"vip":"10.0.0.1"}\n',
      timeoutMs: 2000,
    } as const;
    expect(await helper.run(job)).toMatchObject({ ok: true });
    expect(readFileSync(file, "utf8")).toBe('10.0.0.1 {"vip":"10.0.0.1"}\n');
    // Whoever does not read it is no mistake.
    expect(await helper.run({ ...job, command: ["/bin/true"], input: `${"x".repeat(100_000)}\n` })).toMatchObject({
      ok: true,
    });
  });

  it("many at a time hold nobody up", async () => {
    const results = await Promise.all(Array.from({ length: 40 }, () => exec(["/bin/true"], 15_000)));
    expect(results.filter((result) => result.ok)).toHaveLength(40);
  });

  it("a helper that dies is a failed check, and is started again", async () => {
    const hanging = exec(["/bin/sleep", "30"], 20_000);
    const pid = execFileSync("pgrep", ["-P", String(process.pid), "-f", "helper-process"], { encoding: "utf8" }).trim();
    process.kill(Number(pid.split("\n")[0]), "SIGKILL");
    expect(await hanging).toMatchObject({ ok: false, reason: "the helper process ended: SIGKILL" });
    expect(await exec(["/bin/true"])).toMatchObject({ ok: false, reason: "the helper process does not run" });
    await expect.poll(() => exec(["/bin/true"], 10_000).then((result) => result.ok), { timeout: 20_000 }).toBe(true);
    expect(lines).toContain("helper.gone");
    expect(helper.restarts).toBe(1);
  });
});
