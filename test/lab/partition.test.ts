/** Laws 1, 5 and 8: the switch breaks in two, or only the gossip breaks, and all is well again (issue 2, measured point 5). */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Capture, forbidden, voicesOf } from "./lib/capture.js";
import { Lab } from "./lib/lab.js";
import { describeGaps, expectCacheAgrees, expectWireAgrees, measured, vipsOf } from "./lib/laws.js";
import { nowMs, sleep, until } from "./lib/shell.js";

describe("three hosts and two clients", () => {
  let lab: Lab;
  let before: ReadonlyMap<string, string>;

  beforeAll(async () => {
    lab = await Lab.create({ hosts: 3, clients: 2, failbackMs: 0 });
    await lab.startAll();
    before = await lab.atRest(30_000);
  });
  afterAll(() => lab?.destroy());

  test("in a partition each side serves all VIPs; after healing there is one owner each, without a restart", async () => {
    const [a, b, c] = lab.hosts as [(typeof lab.hosts)[0], (typeof lab.hosts)[0], (typeof lab.hosts)[0]];
    const [near, far] = lab.clients as [(typeof lab.clients)[0], (typeof lab.clients)[0]];
    const pids = lab.hosts.map((host) => host.pid);
    const vips = [...lab.vips.slice(0, 6), ...lab.vips.slice(-6)];
    const probers = await Promise.all([near.probe(vips, 20), far.probe(vips, 20)]);
    await sleep(500);
    lab.switch.partition([a.port, near.port], [b.port, c.port, far.port]);
    const begin = nowMs();
    const [sideA, sideB] = await Promise.all([lab.settled(15_000, [a]), lab.settled(15_000, [b, c])]);
    measured(`both sides serve all VIPs ${Math.round(nowMs() - begin)} ms after the partition`);
    for (const vip of lab.vips) {
      expect(sideA.get(vip)).toBe(a.name);
      expect(sideB.get(vip)).not.toBe(a.name);
      if (before.get(vip) !== a.name) expect(sideB.get(vip), vip).toBe(before.get(vip));
    }
    await Promise.all([
      expectWireAgrees(lab, sideA, { vips, client: near, web: false }),
      expectWireAgrees(lab, sideB, { vips, client: far, web: false }),
    ]);
    for (const [i, prober] of probers.entries()) {
      measured(`partition, client ${i}: ${describeGaps(await prober.stop())}`);
    }

    const healing = await Promise.all([near.probe(vips, 20), far.probe(vips, 20)]);
    await sleep(500);
    const capture = await Capture.start(lab);
    const healed = nowMs();
    lab.switch.heal();
    await lab.settledAs(before);
    measured(`one owner each ${Math.round(nowMs() - healed)} ms after healing`);
    await sleep(2500);
    for (const [i, prober] of healing.entries()) {
      const reports = await prober.stop();
      measured(`healing, client ${i}: ${describeGaps(reports)}`);
      for (const report of reports) {
        expect(report.maxGap.lengthMs, report.target).toBeLessThan(3000);
        expect(report.servers.at(-1)?.name, report.target).toBe(before.get(report.target));
      }
    }
    expect(lab.hosts.map((host) => host.pid)).toEqual(pids);
    expect(lab.hosts.every((host) => host.daemon?.running)).toBe(true);
    for (const client of lab.clients) {
      await expectWireAgrees(lab, before, { vips, client });
      expectCacheAgrees(lab, before, { vips, client });
    }
    expect(forbidden(await capture.stop(), lab.vips)).toEqual([]);
  });

  test("when only the gossip is cut the owners keep their VIPs, nobody else speaks, and every host raises an alarm", async () => {
    before = await lab.atRest();
    const capture = await Capture.start(lab);
    const asker = lab.client.ask(lab.vips, 200);
    const begin = nowMs();
    lab.switch.cutGossip();
    await until("every host raises an alarm", 15_000, async () => {
      const statuses = await Promise.all(lab.hosts.map((host) => host.status()));
      return statuses.every((status) => status.alarms.length > 0);
    });
    measured(`alarms on all hosts ${Math.round(nowMs() - begin)} ms after the cut`);
    await sleep(Math.max(0, begin + 8000 - nowMs()));
    const during = voicesOf(await capture.frames(), lab.vips);
    const wrong = during.filter((voice) => lab.nameOfMac(voice.mac) !== before.get(voice.address));
    expect(wrong.map((voice) => `${lab.nameOfMac(voice.mac)}: ${voice.kind} for ${voice.address}`)).toEqual([]);
    for (const host of lab.hosts) expect(host.vipsOnLo().length, host.name).toBe(vipsOf(before, host).length);
    await expectWireAgrees(lab, before, { vips: [...lab.vips.slice(0, 4), ...lab.vips.slice(-4)] });
    lab.switch.heal();
    await lab.settledAs(before);
    await until("the alarms end", 10_000, async () => {
      const statuses = await Promise.all(lab.hosts.map((host) => host.status()));
      return statuses.every((status) => status.alarms.length === 0);
    });
    await asker.end();
    await capture.stop();
  });
});

test("two hosts with one name: neither owns anything, both say so, the others serve", async () => {
  const lab = await Lab.create({
    hosts: 3,
    v4: 6,
    v6: 6,
    configure: (config, index) => (index === 2 ? { ...config, node: { name: "host-b" } } : config),
  });
  try {
    const [a, b, twin] = lab.hosts;
    await Promise.all([a!.startDaemon(), b!.startDaemon()]);
    await lab.settled(20_000);
    await twin!.startDaemon();
    await until("both say that their name is taken", 20_000, async () => {
      const statuses = await Promise.all([b!.status(), twin!.status()]);
      return statuses.every((status) => status.alarms.some((alarm) => /name/.test(alarm)));
    });
    await until("host-a owns every VIP", 20_000, async () => {
      const status = await a!.status();
      return status.vips.every((vip) => vip.owner === "host-a" && vip.state === "owned");
    });
    expect(b!.vipsOnLo()).toEqual([]);
    expect(twin!.vipsOnLo()).toEqual([]);
    const owners = new Map(lab.vips.map((vip) => [vip, "host-a"]));
    await expectWireAgrees(lab, owners);
    expect(b!.log()).toMatch(/name/);
    expect(twin!.log()).toMatch(/name/);
  } finally {
    await lab.destroy();
  }
});
