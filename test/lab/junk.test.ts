/**
 * Junk from the network and from the operator: counted, named, refused, and nothing moves (issue 2, measured point 6).
 * The full table of malformed configurations is unit-tested; here a sample meets the real program.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Capture, voicesOf } from "./lib/capture.js";
import { type LabHost, MAIN } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import { expectWireAgrees, measured } from "./lib/laws.js";
import type { Frame } from "./lib/pcap.js";
import { ROOT, run, sleep, until } from "./lib/shell.js";

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.create({ hosts: 3, v4: 10, v6: 10 });
  await lab.startAll();
  await lab.atRest(30_000);
});
afterAll(() => lab?.destroy());

function residentKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
}

function descriptors(pid: number): number {
  return fs.readdirSync(`/proc/${pid}/fd`).length;
}

async function dropped(host: LabHost): Promise<number> {
  return Object.values((await host.status()).gossip.dropped).reduce((sum, count) => sum + count, 0);
}

/** No word but the owners' own, and of announcements only the slow refresh: one for each host's MAC. */
function expectRefreshOnly(frames: readonly Frame[], owners: ReadonlyMap<string, string>): void {
  const voices = voicesOf(frames, lab.vips);
  expect(voices.filter((voice) => lab.nameOfMac(voice.mac) !== owners.get(voice.address))).toEqual([]);
  const announced = voices.filter((voice) => voice.kind === "announcement").map((voice) => voice.address);
  expect(announced.length, announced.join(", ")).toBeLessThanOrEqual(2 * lab.hosts.length);
}

async function garbage(host: LabHost, count: number, seed: string): Promise<void> {
  const argv = [process.execPath, path.join(ROOT, "test/lab/lib/garbage.mjs"), host.v4, "7979", String(count), seed];
  const ran = await run(["ip", "netns", "exec", lab.client.namespace, ...argv], { timeoutMs: 60_000 });
  expect(`${ran.stdout}${ran.stderr}`.trim()).toBe("sent");
}

test("garbage on the gossip port is counted by name and ignored: no crash, no leak, nothing moves", async () => {
  const victim = lab.hosts[0]!;
  const before = await lab.settled();
  await garbage(victim, 300, "warm-up");
  const [rss, fds, counted] = [residentKiB(victim.pid), descriptors(victim.pid), await dropped(victim)];
  const since = (await victim.status()).vips.map((vip) => Date.parse(vip.since));
  const capture = await Capture.start(lab);
  await garbage(victim, 3000, "one");
  await sleep(1500);
  const after = await lab.settled(5000);
  const frames = await capture.stop();
  measured(`RSS ${rss} -> ${residentKiB(victim.pid)} KiB, descriptors ${fds} -> ${descriptors(victim.pid)}`);
  measured(`dropped: ${JSON.stringify((await victim.status()).gossip.dropped)}`);
  expect(Object.fromEntries(after)).toEqual(Object.fromEntries(before));
  const drift = (await victim.status()).vips.map((vip, i) => Math.abs(Date.parse(vip.since) - since[i]!));
  expect(Math.max(...drift), "no VIP changed its state").toBeLessThan(100);
  expect((await victim.status()).members.map((member) => member.state)).toEqual(["alive", "alive", "alive"]);
  expectRefreshOnly(frames, before);
  expect((await dropped(victim)) - counted).toBeGreaterThan(2500);
  expect(residentKiB(victim.pid) - rss).toBeLessThan(64 * 1024);
  await until("its descriptors are as before", 15_000, () => descriptors(victim.pid) <= fds + 2);
});

test("a real memberlist agent without the key is not let in", async () => {
  const before = await lab.settled();
  const agent = lab.processes.spawn({
    namespace: lab.client.namespace,
    argv: ["serf", "agent", "-node=stranger", `-bind=${lab.client.v4}:7979`, `-join=${lab.hosts[0]!.v4}:7979`],
    logFile: path.join(lab.dir, "serf.log"),
  });
  await sleep(3000);
  const members = (await lab.hosts[0]!.status()).members.map((member) => member.name);
  await agent.end();
  expect(members).not.toContain("stranger");
  expect(Object.fromEntries(await lab.settled())).toEqual(Object.fromEntries(before));
});

test("SIGHUP with a broken file keeps the old configuration running and says so", async () => {
  const host = lab.hosts[1]!;
  const before = await lab.settled();
  const good = host.config;
  const capture = await Capture.start(lab);
  const bad = [
    { text: "{ not json", says: /json/i },
    {
      text: JSON.stringify({ ...good, vips: [{ name: "pool", addresses: ["10.77.0.300"], interface: "eth0" }] }),
      says: /vips\[0\]\.addresses\[0\]/,
    },
    { text: JSON.stringify({ ...good, colour: "blue" }), says: /colour/ },
  ];
  for (const { text, says } of bad) {
    const at = host.log().length;
    fs.writeFileSync(host.configFile, text);
    host.reload();
    await until(`the log says ${says}`, 5000, () => says.test(host.log().slice(at)));
  }
  host.writeConfig(good);
  await sleep(1000);
  expect(host.daemon?.running).toBe(true);
  expect(Object.fromEntries(await lab.settled())).toEqual(Object.fromEntries(before));
  expectRefreshOnly(await capture.stop(), before);
});

test("SIGHUP with a good file takes it over, and VIPs that did not change do not move", async () => {
  const before = await lab.settled();
  const pids = lab.hosts.map((host) => host.pid);
  const prober = await lab.client.probe(lab.vips, 50);
  const extra = "10.77.0.150";
  for (const host of lab.hosts) {
    const groups = host.config.vips as object[];
    const group = { name: "extra", addresses: [extra], interface: "eth0", failback: { afterMs: 0 } };
    host.writeConfig({ ...host.config, vips: [...groups, group] });
    host.reload();
    await sleep(300);
  }
  const owner = await until("the new VIP has an owner on which all agree", 20_000, async () => {
    const statuses = await Promise.all(lab.hosts.map((host) => host.status()));
    const said = new Set(statuses.map((status) => status.vips.find((vip) => vip.address === extra)?.owner ?? null));
    const one = [...said][0];
    return said.size === 1 && one ? one : undefined;
  });
  await until("its owner answers", 5000, async () => (await lab.client.who(extra))[0] === lab.macOf(owner));
  await expectWireAgrees(lab, new Map([[extra, owner]]), { vips: [extra] });
  expect(Object.fromEntries(await lab.settled())).toEqual(Object.fromEntries(before));
  expect(lab.hosts.map((host) => host.pid)).toEqual(pids);
  for (const report of await prober.stop()) {
    expect(report.servers.map((server) => server.name)).toEqual([before.get(report.target)]);
    expect(report.lost, report.target).toBeLessThanOrEqual(1);
  }
});

const MALFORMED: readonly { name: string; change: (config: Record<string, unknown>) => unknown; path: string }[] = [
  { name: "an unknown key", change: (c) => ({ ...c, nodes: {} }), path: "nodes" },
  { name: "an unknown key below", change: (c) => ({ ...c, node: { name: "a", wieght: 2 } }), path: "node.wieght" },
  { name: "a wrong type", change: (c) => ({ ...c, node: { name: "a", weight: "2" } }), path: "node.weight" },
  { name: "a weight of zero", change: (c) => ({ ...c, node: { name: "a", weight: 0 } }), path: "node.weight" },
  { name: "a bad address", change: (c) => vips(c, ["10.77.0.300"]), path: "vips[0].addresses[0]" },
  { name: "a loopback address", change: (c) => vips(c, ["10.77.0.9", "127.0.0.1"]), path: "vips[0].addresses[1]" },
  { name: "a range with its end first", change: (c) => vips(c, ["10.77.0.9-10.77.0.3"]), path: "vips[0].addresses[0]" },
  { name: "mixed families in a range", change: (c) => vips(c, ["10.77.0.9-fd77::9"]), path: "vips[0].addresses[0]" },
  { name: "too large a block", change: (c) => vips(c, ["10.0.0.0/8"]), path: "vips[0].addresses[0]" },
  { name: "an address twice", change: (c) => vips(c, ["10.77.0.9", "10.77.0.9"]), path: "vips[0].addresses[1]" },
  { name: "a missing interface", change: (c) => vips(c, ["10.77.0.9"], "eth9"), path: "vips[0].interface" },
  { name: "no key file", change: (c) => gossip(c, { keyFile: "/nonexistent/key" }), path: "gossip.keyFile" },
  { name: "a bad port", change: (c) => gossip(c, { bind: "10.77.0.11:99999" }), path: "gossip.bind" },
];

function vips(config: Record<string, unknown>, addresses: readonly string[], device = "eth0"): unknown {
  return { ...config, vips: [{ name: "pool", addresses, interface: device }] };
}

function gossip(config: Record<string, unknown>, change: object): unknown {
  return { ...config, gossip: { ...(config.gossip as object), ...change } };
}

test.each(MALFORMED)("check refuses $name with its path and exit 2", async ({ change, path: where }) => {
  const host = lab.hosts[0]!;
  const file = path.join(host.dir, "malformed.json");
  fs.writeFileSync(file, JSON.stringify(change(host.config)));
  const ran = await run(["ip", "netns", "exec", host.namespace, process.execPath, MAIN, "check", "--config", file]);
  expect(`${ran.code} ${ran.stderr}`).toContain(where);
  expect(ran.code, ran.stderr).toBe(2);
});

test("run refuses a malformed configuration with exit 2 and every path, and starts nothing", async () => {
  const host = lab.hosts[0]!;
  const file = path.join(host.dir, "malformed.json");
  const broken = vips({ ...host.config, colour: "blue" }, ["10.77.0.300", "ff02::1"]);
  fs.writeFileSync(file, JSON.stringify(broken));
  const ran = await run(["ip", "netns", "exec", host.namespace, process.execPath, MAIN, "run", "--config", file]);
  for (const where of ["colour", "vips[0].addresses[0]", "vips[0].addresses[1]"]) expect(ran.stderr).toContain(where);
  expect(ran.code, ran.stderr).toBe(2);
});
