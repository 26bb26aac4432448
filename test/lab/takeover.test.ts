/** Laws 6 and 7: an owner goes, by power cut, by SIGTERM, by kill -9, and comes back (issue 2, measured point 3). */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Capture, forbidden, voicesOf } from "./lib/capture.js";
import { withPrefix } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import {
  describeGaps,
  describeVoices,
  expectCacheAgrees,
  expectWireAgrees,
  measured,
  vipsOf,
  voicesOfHost,
} from "./lib/laws.js";
import type { ProbeReport } from "./lib/prober.js";
import { nowMs, sleep, until } from "./lib/shell.js";

const TAKEOVER_MS = 1500;

describe("three hosts with failback at once", () => {
  let lab: Lab;
  let before: ReadonlyMap<string, string>;
  let sysctls: readonly string[];

  beforeAll(async () => {
    lab = await Lab.create({ hosts: 3, failbackMs: 0 });
    sysctls = lab.hosts.map((host) => host.sysctls());
    await lab.startAll();
  });
  afterAll(() => lab?.destroy());
  beforeEach(async () => {
    for (const host of lab.hosts) if (!host.daemon?.running) await host.powerOn();
    before = await lab.atRest(30_000);
  });

  test("power cut: others answer for all its VIPs within 1.5 s, caches hold the new MAC, the rest does not move", async () => {
    const victim = lab.hosts[0]!;
    const mine = vipsOf(before, victim);
    const others = lab.vips.filter((vip) => !mine.includes(vip)).slice(0, 6);
    const capture = await Capture.start(lab);
    const prober = await lab.client.probe([...mine, ...others], 10);
    await sleep(1000);
    await victim.powerCut();
    await sleep(3000);
    const after = await lab.settled(5000);
    const reports = await prober.stop();
    const frames = await capture.stop();
    const moved = reports.filter((report) => mine.includes(report.target));
    const stayed = reports.filter((report) => others.includes(report.target));
    measured(`power cut, its ${mine.length} VIPs: ${describeGaps(moved)}`);
    measured(`power cut, others' VIPs: ${describeGaps(stayed)}`);

    for (const vip of lab.vips) {
      if (mine.includes(vip)) expect(after.get(vip), vip).not.toBe(victim.name);
      else expect(after.get(vip), vip).toBe(before.get(vip));
    }
    for (const report of moved) {
      expect(report.maxGap.lengthMs, report.target).toBeLessThan(TAKEOVER_MS);
      expect(report.servers.map((server) => server.name)).toEqual([victim.name, after.get(report.target)]);
    }
    for (const report of stayed) {
      expect(report.servers.map((server) => server.name)).toEqual([before.get(report.target)]);
    }
    expectCacheAgrees(lab, after, { vips: [...mine, ...others] });
    await expectWireAgrees(lab, after, { vips: mine });
    expect(forbidden(frames, lab.vips)).toEqual([]);
    const untouched = new Set(others);
    const announcedAgain = voicesOf(frames, lab.vips).filter(
      (voice) => untouched.has(voice.address) && lab.nameOfMac(voice.mac) !== before.get(voice.address),
    );
    expect(announcedAgain).toEqual([]);
  });

  test("power back: with failback.afterMs 0 everything is as it was, and the hand-back stops nobody", async () => {
    const victim = lab.hosts[1]!;
    const mine = vipsOf(before, victim);
    await victim.powerCut();
    await lab.settled(10_000);
    const prober = await lab.client.probe(mine.slice(0, 10), 10);
    const begin = nowMs();
    await victim.powerOn();
    await lab.settledAs(before);
    measured(`everything as it was ${Math.round(nowMs() - begin)} ms after the daemon was started again`);
    await sleep(1500);
    const reports = await prober.stop();
    measured(`hand-back: ${describeGaps(reports)}`);
    for (const report of reports) {
      expect(report.maxGap.lengthMs, report.target).toBeLessThan(300);
      expect(report.servers.at(-1)?.name).toBe(victim.name);
    }
    await expectWireAgrees(lab, before, { vips: mine });
  });

  test("SIGTERM: exit 0, lo clean, sysctls restored, and no second without an answer", async () => {
    const victim = lab.hosts[2]!;
    const mine = vipsOf(before, victim);
    const prober = await lab.client.probe(mine, 10);
    await sleep(500);
    const begin = nowMs();
    const exit = await victim.stopDaemon("SIGTERM");
    measured(`SIGTERM: ended after ${Math.round(exit.atMs - begin)} ms`);
    expect(exit).toMatchObject({ code: 0, signal: null });
    expect(victim.vipsOnLo()).toEqual([]);
    expect(victim.sysctls()).toBe(sysctls[victim.index]);
    await sleep(1500);
    const after = await lab.settled(5000);
    const reports = await prober.stop();
    measured(`SIGTERM: ${describeGaps(reports)}`);
    for (const report of reports) {
      expect(report.maxGap.lengthMs, report.target).toBeLessThan(1000);
      expect(report.servers.map((server) => server.name)).toEqual([victim.name, after.get(report.target)]);
    }
    for (const vip of lab.vips) if (!mine.includes(vip)) expect(after.get(vip)).toBe(before.get(vip));
    const members = (await lab.hosts[0]!.status()).members;
    expect(members.find((member) => member.name === victim.name)?.state ?? "left").toBe("left");
  });

  test("an address that a network manager deletes from lo is put back, and the VIP stays", async () => {
    const victim = lab.hosts[1]!;
    const some = [vipsOf(before, victim)[0]!, vipsOf(before, victim).at(-1)!];
    for (const vip of some) {
      victim.exec("ip", "addr", "del", withPrefix(vip), "dev", "lo");
      const begin = nowMs();
      await until(`${vip} is back on lo`, 5000, () => victim.vipsOnLo().includes(vip), { everyMs: 10 });
      measured(`${vip} back on lo after ${Math.round(nowMs() - begin)} ms`);
      expect(await lab.client.web(vip)).toBe(victim.name);
    }
    expect(Object.fromEntries(await lab.settled())).toEqual(Object.fromEntries(before));
  });

  test("an owner whose NIC gets another MAC announces and answers with the new one", async () => {
    const victim = lab.hosts[2]!;
    const mine = vipsOf(before, victim);
    const some = [mine[0]!, mine.at(-1)!];
    for (const vip of some) await lab.client.web(vip);
    const changed = "02:77:00:00:00:ee";
    try {
      victim.exec("ip", "link", "set", "eth0", "address", changed);
      for (const vip of some) {
        await until(
          `${vip} is answered with the new MAC`,
          5000,
          async () => (await lab.client.who(vip))[0] === changed,
        );
        await until(`the client's cache holds it`, 5000, () => lab.client.neighbours().get(vip)?.mac === changed);
        expect(await lab.client.web(vip)).toBe(victim.name);
      }
    } finally {
      victim.exec("ip", "link", "set", "eth0", "address", victim.mac);
    }
    await until("and with the old one again", 5000, async () => (await lab.client.who(some[0]!))[0] === victim.mac);
  });

  test("kill -9: its host answers for no VIP from then on, and its addresses expire", async () => {
    const victim = lab.hosts[0]!;
    const mine = vipsOf(before, victim);
    const capture = await Capture.start(lab);
    const asker = lab.client.ask(lab.vips, 100);
    const prober = await lab.client.probe(mine.slice(0, 6), 10);
    await sleep(500);
    const exit = await victim.kill9();
    await sleep(3000);
    const after = await lab.settled(5000);
    const reports = await prober.stop();
    measured(`kill -9: ${describeGaps(reports)}`);
    await asker.end();
    const voices = voicesOf(await capture.stop(), lab.vips);
    expect(describeVoices(voicesOfHost(voices, victim, exit.atMs + 20), exit.atMs)).toEqual([]);
    const late = reports.filter((report) => report.maxGap.lengthMs >= TAKEOVER_MS);
    expect(late.map((report) => describeSilence(lab, report, exit.atMs))).toEqual([]);
    await expectWireAgrees(lab, after, { vips: mine });
    const lo = JSON.parse(victim.exec("ip", "-j", "addr", "show", "dev", "lo")) as {
      addr_info: { local: string; scope: string; valid_life_time: number }[];
    }[];
    const left = lo.flatMap((link) => link.addr_info).filter((info) => lab.vips.includes(info.local));
    expect(left.length).toBe(mine.length);
    for (const info of left) {
      expect(info.valid_life_time, info.local).toBeLessThanOrEqual(60);
      if (!info.local.includes(":")) expect(info.scope).toBe("host");
    }
  });

  test("a daemon started after kill -9 removes what its forerunner left and takes part again", async () => {
    const victim = lab.hosts[0]!;
    await victim.kill9();
    await lab.settled(10_000);
    await victim.startDaemon();
    await lab.settledAs(before);
    expect([...victim.vipsOnLo()].sort()).toEqual([...vipsOf(before, victim)].sort());
    const exit = await victim.stopDaemon();
    expect(exit.code).toBe(0);
    expect(victim.vipsOnLo()).toEqual([]);
    expect(victim.sysctls(), "the first start's originals are restored, not the ones that the crash left").toBe(
      sysctls[0],
    );
  });
});

/** Everything that tells why a client waited: when, for whom, and who accepts the address. */
function describeSilence(lab: Lab, { target, maxGap, servers }: ProbeReport, since: number): string {
  const ms = (at: number) => `${Math.round(at - since)} ms`;
  const accepting = lab.hosts.filter((host) => host.vipsOnLo().includes(target)).map((host) => host.name);
  const answered = servers.map((server) => `${server.name} from ${ms(server.fromMs)} on`).join(", ");
  const neighbour = JSON.stringify(lab.client.neighbours().get(target) ?? null);
  return `${target}: silence from ${ms(maxGap.fromMs)} to ${ms(maxGap.toMs)}; answered by ${answered}; on lo of ${accepting}; neighbour ${neighbour}`;
}
