/**
 * Laws 5 and 9 where gossip and service part: the service path is cut while the gossip lives, announcements get lost, and a
 * host boots behind a port that does not forward yet (issue 5, measured points 2, 3 and 5).
 */
import { expect, test } from "vitest";
import { Capture, forbidden, voicesOf } from "./lib/capture.js";
import type { LabHost } from "./lib/host.js";
import { type Lab, type LabOptions, withLab } from "./lib/lab.js";
import { describeGaps, describeVoices, expectCacheAgrees, measured, vipsOf, voicesOfHost } from "./lib/laws.js";
import { nowMs, sleep, until } from "./lib/shell.js";

/** The last round of announcements comes 1 s after the first. */
const SCHEDULE_MS = 1000;
const TAKEOVER_MS = 1500;
const NOT_FORWARDING_MS = 8000;

/** Every port but this one. */
function otherPorts(lab: Lab, port: string): readonly string[] {
  const all = [...lab.hosts.flatMap((host) => [host.port, `${host.port}2`]), ...lab.clients.map((one) => one.port)];
  return all.filter((one) => one !== port && (lab.options.secondNic || !one.endsWith("2")));
}

test("a host whose service path is cut, its carrier and its gossip alive, hands its VIPs over, says why, and has them back", async () => {
  const configure: LabOptions["configure"] = (config) => ({
    ...config,
    vips: (config.vips as object[]).map((group) => ({ ...group, interface: "eth1" })),
  });
  await withLab({ hosts: 3, v4: 6, v6: 6, secondNic: true, configure }, async (lab) => {
    await lab.startAll();
    const before = await lab.atRest();
    const victim = lab.hosts[0]!;
    const mine = vipsOf(before, victim);
    expect(mine.length).toBeGreaterThan(0);
    const prober = await lab.client.probe(mine, 20);
    await sleep(500);
    const begin = nowMs();
    lab.switch.partition([`${victim.port}2`], otherPorts(lab, `${victim.port}2`));
    await until("the others own all", 10_000, async () => ![...(await lab.settled(0)).values()].includes(victim.name));
    measured(`others own all ${Math.round(nowMs() - begin)} ms after the service path was cut`);
    const during = await victim.status();
    expect(during.alarms.join()).toContain("no other host answers on eth1");
    expect(during.members.every((member) => member.state === "alive")).toBe(true);
    await sleep(SCHEDULE_MS);
    const reports = await prober.stop();
    measured(`service path cut: ${describeGaps(reports)}`);
    for (const report of reports) {
      expect(report.maxGap.lengthMs, report.target).toBeLessThan(4000);
      expect(report.servers.at(-1)?.name, report.target).not.toBe(victim.name);
    }
    lab.switch.heal();
    await lab.settledAs(before);
    await until("the alarm ends", 5000, async () => (await victim.status()).alarms.length === 0);
  });
});

test("power cut with 5 % of the announcements lost: every client's cache is right within what the schedule promises", async () => {
  await withLab({ hosts: 3, clients: 3, v4: 10, v6: 10 }, async (lab) => {
    await lab.startAll();
    const before = await lab.atRest();
    const victim = lab.hosts[1]!;
    const mine = vipsOf(before, victim);
    const probers = await Promise.all(lab.clients.map((client) => client.probe(mine, 10)));
    await sleep(1000);
    lab.switch.loseAnnouncements(5);
    await victim.powerCut();
    await sleep(TAKEOVER_MS + SCHEDULE_MS);
    const after = await lab.settled(5000);
    for (const [i, prober] of probers.entries()) {
      const reports = await prober.stop();
      measured(`power cut, 5 % of the announcements lost, client ${i}: ${describeGaps(reports)}`);
      for (const report of reports) {
        expect(report.maxGap.lengthMs, report.target).toBeLessThan(TAKEOVER_MS + SCHEDULE_MS);
        expect(report.servers.at(-1)?.name, report.target).toBe(after.get(report.target));
      }
    }
    for (const client of lab.clients) expectCacheAgrees(lab, after, { client, vips: mine });
  });
});

test("one that boots behind a port which forwards only after 8 s claims nothing before, and takes part then", async () => {
  await withLab({ hosts: 3, v4: 6, v6: 6, servers: false }, async (lab) => {
    const [late, ...others] = lab.hosts as [LabHost, ...LabHost[]];
    await Promise.all(others.map((host) => host.startDaemon()));
    const before = await lab.atRest();
    const capture = await Capture.start(lab);
    lab.switch.partition([late.port], otherPorts(lab, late.port));
    const begin = nowMs();
    await late.startDaemon();
    await sleep(NOT_FORWARDING_MS - (nowMs() - begin));
    expect(late.vipsOnLo()).toEqual([]);
    expect(Object.fromEntries(await lab.settled(1000, others))).toEqual(Object.fromEntries(before));
    const forwards = nowMs();
    lab.switch.heal();
    await until("it owns some", 20_000, async () => [...(await lab.settled(0)).values()].includes(late.name));
    measured(`owns VIPs ${Math.round(nowMs() - forwards)} ms after its port forwards`);
    const frames = await capture.stop();
    const early = voicesOfHost(voicesOf(frames, lab.vips), late, begin, forwards);
    expect(describeVoices(early, begin)).toEqual([]);
    expect(forbidden(frames, lab.vips)).toEqual([]);
  });
});
