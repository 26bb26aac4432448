/** At rest: no busy polling, no forbidden frame, nothing flaps; at the end: nothing is left (issue 2, points 1 and 7). */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Capture, forbidden, voicesOf } from "./lib/capture.js";
import type { LabHost } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import { measured } from "./lib/laws.js";
import { run, sleep } from "./lib/shell.js";
import { namespacesOf } from "./lib/sweep.js";

let lab: Lab;
let sysctls: readonly string[];
let owners: ReadonlyMap<string, string>;

beforeAll(async () => {
  lab = await Lab.create({ hosts: 3 });
  sysctls = lab.hosts.map((host) => host.sysctls());
  await lab.startAll();
  owners = await lab.atRest(30_000);
  await sleep(6000);
});
afterAll(() => lab?.destroy());

/** CPU time of the whole process, in ticks of 10 ms. */
function cpuTicks(pid: number): number {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

async function syscallsPerSecond(host: LabHost, seconds: number): Promise<{ total: number; table: string }> {
  const file = path.join(lab.dir, "strace.txt");
  const argv = ["timeout", "-s", "INT", String(seconds), "strace", "-c", "-f", "-U", "calls,name", "-o", file];
  await run([...argv, "-p", String(host.pid)], { timeoutMs: (seconds + 10) * 1000 });
  const table = fs.readFileSync(file, "utf8");
  const total = Number(/^\s*(\d+)\s+total$/m.exec(table)?.[1] ?? Number.NaN);
  return { total: total / seconds, table };
}

test("at rest a host uses little CPU and few system calls: nothing polls", async () => {
  const begin = lab.hosts.map((host) => cpuTicks(host.pid));
  await sleep(5000);
  const ticks = lab.hosts.map((host, i) => cpuTicks(host.pid) - begin[i]!);
  measured(`CPU at rest: ${ticks.map((n) => `${((n * 10) / 50).toFixed(1)} %`).join(", ")}`);
  expect(Math.max(...ticks)).toBeLessThan(75);
  const { total, table } = await syscallsPerSecond(lab.hosts[0]!, 5);
  measured(`system calls at rest: ${Math.round(total)} a second\n${table.split("\n").slice(0, 10).join("\n")}`);
  expect(total).toBeLessThan(2000);
});

test("at rest the wire holds no word of a host that does not own, and next to no announcement", async () => {
  const capture = await Capture.start(lab);
  const monitor = lab.processes.spawn({
    namespace: lab.hosts[0]!.namespace,
    argv: ["ip", "monitor", "address", "link"],
    logFile: path.join(lab.dir, "monitor.log"),
  });
  const asker = lab.client.ask(lab.vips, 500);
  await sleep(8000);
  await asker.end();
  await monitor.end();
  const frames = await capture.stop();
  const voices = voicesOf(frames, lab.vips);
  expect(voices.filter((voice) => lab.nameOfMac(voice.mac) !== owners.get(voice.address))).toEqual([]);
  expect(new Set(voices.filter((voice) => voice.kind === "answer").map((voice) => voice.address)).size).toBe(
    lab.vips.length,
  );
  const announced = voices.filter((voice) => voice.kind === "announcement").length;
  measured(`announcements in 8 s at rest: ${announced}`);
  expect(announced).toBeLessThan(2 * lab.vips.length);
  expect(forbidden(frames, lab.vips)).toEqual([]);
  expect(monitor.tail(1000)).not.toMatch(/^Deleted/m);
});

test("a client that asks by TCP never hears the VIP as the sender of a question", async () => {
  const capture = await Capture.start(lab);
  for (const host of lab.hosts) host.exec("ip", "neigh", "flush", "all", "dev", "eth0");
  const vips = [lab.vips[0]!, lab.vips[1]!, lab.vips.at(-1)!, lab.vips.at(-2)!];
  for (const vip of vips) expect(await lab.client.web(vip)).toBe(owners.get(vip));
  expect(forbidden(await capture.stop(), lab.vips)).toEqual([]);
});

test("when all daemons have stopped nothing is left: lo, sysctls, sockets, processes", async () => {
  const pids = lab.hosts.map((host) => host.pid);
  const exits = await Promise.all(lab.hosts.map((host) => host.stopDaemon()));
  expect(exits.map(({ code, signal }) => ({ code, signal }))).toEqual(exits.map(() => ({ code: 0, signal: null })));
  for (const [i, host] of lab.hosts.entries()) {
    expect(host.vipsOnLo(), host.name).toEqual([]);
    expect(host.sysctls(), host.name).toBe(sysctls[i]);
    expect(fs.existsSync(host.socket), `${host.name}: its socket`).toBe(false);
    const inside = host.lab.processes.living.map((one) => one.pid);
    const running = host.exec("ip", "netns", "pids", host.namespace).split("\n").filter(Boolean).map(Number);
    expect(
      running.filter((pid) => !inside.includes(pid) && fs.existsSync(`/proc/${pid}`)),
      host.name,
    ).toEqual([]);
  }
  for (const pid of pids) expect(fs.existsSync(`/proc/${pid}`)).toBe(false);
  await lab.destroy();
  expect(namespacesOf(lab.prefix)).toEqual([]);
});
