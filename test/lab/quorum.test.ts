/**
 * Law 4 with real daemons: five hosts that want a majority, one switch that breaks in every way. The smaller side falls silent
 * within the lease, the larger serves, nobody speaks twice, and all comes back without a restart (issue 3).
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PROFILES } from "../../src/domain/profile.js";
import { Capture, forbidden, type Voice, voicesOf } from "./lib/capture.js";
import type { LabHost } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import { expectWireAgrees, measured, vipsOf, voicesOfHost } from "./lib/laws.js";
import { nowMs, sleep, until } from "./lib/shell.js";

/** The lease, and room for the load here. */
const SILENT_AFTER_MS = PROFILES.lan.leaseMs + 100;
const VIPS = { v4: 15, v6: 15 };

let lab: Lab;
let before: ReadonlyMap<string, string>;

beforeAll(async () => {
  const configure = (config: object) => ({ ...config, quorum: "majority", expect: 5 });
  lab = await Lab.create({ hosts: 5, ...VIPS, failbackMs: 0, configure });
  await lab.startAll();
  before = await lab.atRest(40_000);
});
afterAll(() => lab?.destroy());

function ports(hosts: readonly LabHost[]): string[] {
  return hosts.map((host) => host.port);
}

/** Breaks the switch; the `losers` must fall silent and say why, the others serve everything, and nobody speaks twice. */
async function broken(losers: readonly LabHost[], breakIt: () => void): Promise<void> {
  before = await lab.atRest();
  const winners = lab.hosts.filter((host) => !losers.includes(host));
  const pids = lab.hosts.map((host) => host.pid);
  const capture = await Capture.start(lab);
  const asker = lab.client.ask(lab.vips, 50);
  await sleep(1000);
  const fromMs = nowMs();
  breakIt();
  const during = await lab.settled(10_000, winners);
  measured(`${winners.length} hosts serve all VIPs ${Math.round(nowMs() - fromMs)} ms after`);
  await sleep(Math.max(0, fromMs + 4000 - nowMs()));
  const voices = voicesOf(await capture.frames(), lab.vips);
  for (const host of losers) {
    const words = voicesOfHost(voices, host, fromMs);
    const lastMs = Math.round((words.at(-1)?.atMs ?? fromMs) - fromMs);
    measured(`${host.name}, of ${vipsOf(before, host).length} VIPs: its last word came ${lastMs} ms after`);
    expect(lastMs, host.name).toBeLessThan(SILENT_AFTER_MS);
    expect(host.vipsOnLo(), host.name).toEqual([]);
    const status = await host.status();
    expect(status).toMatchObject({ ready: false, quorum: { hosts: 3, expect: 5, held: false } });
    expect(status.alarms.join()).toContain("no quorum");
    expect(status.vips.filter((vip) => vip.state === "owned")).toEqual([]);
    await expect(host.get("/readyz")).rejects.toThrow(/503: not ready: no quorum/);
    await host.get("/healthz");
    expect(host.log()).toContain("quorum.lost");
  }
  expectOneSide(voices, losers, fromMs);
  await expectWireAgrees(lab, during, { vips: [...lab.vips.slice(0, 3), ...lab.vips.slice(-3)], web: false });

  const healedMs = nowMs();
  lab.switch.heal();
  await lab.settledAs(before, 20_000);
  measured(`one owner each ${Math.round(nowMs() - healedMs)} ms after healing`);
  await until("the alarms end", 10_000, async () => {
    const statuses = await Promise.all(lab.hosts.map((host) => host.status()));
    return statuses.every((status) => status.alarms.length === 0);
  });
  await lab.atRest();
  await asker.end();
  const all = await capture.stop();
  expect(forbidden(all, lab.vips)).toEqual([]);
  expect(lab.hosts.map((host) => host.pid)).toEqual(pids);
  await expectWireAgrees(lab, before, { vips: [...lab.vips.slice(0, 3), ...lab.vips.slice(-3)] });
}

/** Whoever lost the majority has fallen silent before anybody of the majority speaks for its VIPs. */
function expectOneSide(voices: readonly Voice[], losers: readonly LabHost[], fromMs: number): void {
  const theirs = new Set(losers.map((host) => host.mac));
  let leastMs = Number.POSITIVE_INFINITY;
  for (const vip of losers.flatMap((host) => vipsOf(before, host))) {
    const words = voices.filter((voice) => voice.address === vip && voice.atMs >= fromMs);
    const last = words.filter((voice) => theirs.has(voice.mac)).at(-1)?.atMs ?? fromMs;
    const first = words.find((voice) => !theirs.has(voice.mac))?.atMs ?? Number.POSITIVE_INFINITY;
    leastMs = Math.min(leastMs, first - last);
  }
  measured(`between the old owners' last words and the new ones' first: at least ${Math.round(leastMs)} ms`);
  expect(leastMs).toBeGreaterThan(0);
}

describe("five hosts that want a majority", () => {
  test("a partition of two and three", async () => {
    const [a, b, ...rest] = lab.hosts as [LabHost, LabHost, ...LabHost[]];
    await broken([a, b], () => lab.switch.partition(ports([a, b]), ports(rest)));
  });

  test("two hosts that are heard, but hear the others no more", async () => {
    const [a, b, ...rest] = lab.hosts as [LabHost, LabHost, ...LabHost[]];
    await broken([a, b], () => lab.switch.cutOneWay(ports(rest), ports([a, b])));
  });

  test("one host that hears, but is heard no more", async () => {
    const [a, ...rest] = lab.hosts as [LabHost, ...LabHost[]];
    await broken([a], () => lab.switch.cutOneWay(ports([a]), ports(rest)));
  });

  test("a start below the quorum serves nothing until the third host is there", async () => {
    await Promise.all(lab.hosts.map((host) => host.stopDaemon()));
    const [a, b, c] = lab.hosts as [LabHost, LabHost, LabHost];
    await Promise.all([a.startDaemon(), b.startDaemon()]);
    await sleep(4000);
    for (const host of [a, b]) {
      expect((await host.status()).vips.filter((vip) => vip.state !== "unowned")).toEqual([]);
      expect(host.vipsOnLo()).toEqual([]);
    }
    await c.startDaemon();
    await lab.settled(15_000);
  });
});
