/** Laws 1, 5 and 8: the switch breaks in two, or only the gossip breaks, and all is well again (issue 2, measured point 5). */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Capture, forbidden, voicesOf } from "./lib/capture.js";
import type { Client } from "./lib/client.js";
import type { LabHost } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import { describeGaps, expectCacheAgrees, expectWireAgrees, measured, vipsOf } from "./lib/laws.js";
import { lossesNow, lossesSince } from "./lib/losses.js";
import type { Frame } from "./lib/pcap.js";
import { served } from "./lib/served.js";
import { nowMs, sleep, until } from "./lib/shell.js";

/** Law 8 has 1 s, and the simulator holds it (healing.test.ts): daemons that a loaded machine holds up lapse, and come later. */
const ONE_VOICE_MS = 5000;
/** The aim is 100 ms on a quiet machine: what counts is that no host refuses a datagram. */
const SERVED_GAP_MS = 5000;

/** When a word of the gossip first went from one side to another. */
function firstContact(frames: readonly Frame[], sides: readonly (readonly LabHost[])[], fromMs: number): number {
  const sideOf = (address: string) => sides.findIndex((side) => side.some((host) => host.v4 === address));
  const contact = frames.find(
    (frame) =>
      (frame.kind === "udp" || frame.kind === "tcp") &&
      frame.atMs > fromMs &&
      frame.destinationPort === 7979 &&
      sideOf(frame.source) !== sideOf(frame.destination),
  );
  if (contact === undefined) throw new Error("the sides never met");
  return contact.atMs;
}

describe("three hosts and two clients", () => {
  let lab: Lab;
  let before: ReadonlyMap<string, string>;

  beforeAll(async () => {
    lab = await Lab.create({ hosts: 3, clients: 2, failbackMs: 0 });
    await lab.startAll();
    before = await lab.atRest(30_000);
  });
  afterAll(() => lab?.destroy());

  /** Law 8: the sides meet; clients that were served are served on, and there is one voice soon after the first contact. */
  async function healed(vips: readonly string[], sides: readonly (readonly LabHost[])[]): Promise<void> {
    const capture = await Capture.start(lab, { traffic: true, gossip: true });
    const probers = await Promise.all(lab.clients.map((client) => client.probe(vips, 10)));
    const asker = lab.client.ask(lab.vips, 100);
    await sleep(700);
    const counted = lossesNow(lab);
    const fromMs = nowMs();
    lab.switch.heal();
    await lab.settledAs(before);
    measured(`one owner each ${Math.round(nowMs() - fromMs)} ms after healing`);
    await sleep(2500);
    const reports = await Promise.all(probers.map((prober) => prober.stop()));
    for (const report of reports.flat()) {
      expect(report.servers.at(-1)?.name, report.target).toBe(before.get(report.target));
    }
    await asker.end();
    const { refused } = lossesSince(lab, counted);
    const frames = await capture.stop();
    expect(forbidden(frames, lab.vips)).toEqual([]);
    const flows = served(frames, vips, fromMs - 200);
    const waits = flows.map(({ waitMs }) => waitMs).sort((x, y) => x - y);
    const lost = flows.reduce((sum, flow) => sum + flow.lost, 0);
    measured(
      `healing: ${lost} datagrams lost, ${refused} refused by a host, longest wait for an answer ${Math.round(waits.at(-1)!)} ms`,
    );
    expect(refused).toBe(0);
    expect(waits.at(-1)).toBeLessThan(SERVED_GAP_MS);
    const contactMs = firstContact(frames, sides, fromMs);
    const wrong = voicesOf(frames, lab.vips).filter(
      (voice) => voice.atMs > contactMs && lab.nameOfMac(voice.mac) !== before.get(voice.address),
    );
    const lastMs = (wrong.at(-1)?.atMs ?? contactMs) - contactMs;
    measured(
      `first contact ${Math.round(contactMs - fromMs)} ms after healing, the last second voice ${Math.round(lastMs)} ms after that`,
    );
    expect(lastMs).toBeLessThan(ONE_VOICE_MS);
  }

  test("in a partition each side serves all VIPs; after healing there is one owner each, without a restart", async () => {
    const [a, b, c] = lab.hosts as [LabHost, LabHost, LabHost];
    const [near, far] = lab.clients as [Client, Client];
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

    await healed(vips, [[a], [b, c]]);
    expect(lab.hosts.map((host) => host.pid)).toEqual(pids);
    expect(lab.hosts.every((host) => host.daemon?.running)).toBe(true);
    for (const client of lab.clients) {
      await expectWireAgrees(lab, before, { vips, client });
      expectCacheAgrees(lab, before, { vips, client });
    }
  });

  test("three sides, and one of them without a client: each serves all VIPs, and healing is as quiet", async () => {
    before = await lab.atRest();
    const [a, b, c] = lab.hosts as [LabHost, LabHost, LabHost];
    const [near, far] = lab.clients as [Client, Client];
    lab.switch.partition([a.port, near.port], [b.port, far.port], [c.port]);
    await Promise.all([a, b, c].map((host) => lab.settled(15_000, [host])));
    await healed(
      lab.vips.filter((_, i) => i % 4 === 0),
      [[a], [b], [c]],
    );
  });

  test("a partition that heals for a moment and is there again: healing is as quiet", async () => {
    before = await lab.atRest();
    const [a, b, c] = lab.hosts as [LabHost, LabHost, LabHost];
    const [near, far] = lab.clients as [Client, Client];
    for (const momentMs of [100, 400, 0]) {
      lab.switch.partition([a.port, b.port, near.port], [c.port, far.port]);
      await Promise.all([lab.settled(15_000, [a, b]), lab.settled(15_000, [c])]);
      if (momentMs === 0) break;
      lab.switch.heal();
      await sleep(momentMs);
    }
    await healed(
      lab.vips.filter((_, i) => i % 4 === 1),
      [[a, b], [c]],
    );
  });

  test("a host whose cable is back hears the others before they hear it: it claims nothing that they serve", async () => {
    before = await lab.atRest();
    const [a, b, c] = lab.hosts as [LabHost, LabHost, LabHost];
    a.cableDown();
    await lab.settled(15_000, [b, c]);
    lab.switch.cutGossipFrom(a.port);
    const capture = await Capture.start(lab);
    const asker = lab.client.ask(lab.vips, 100);
    a.cableUp();
    await sleep(200);
    // News of theirs are told to whom they hold dead, too: so it learns that they live.
    const configs = [b, c].map(({ config }) => config);
    for (const host of [b, c]) {
      host.writeConfig({ ...host.config, node: { ...(host.config.node as object), labels: { rack: "2" } } });
      host.reload();
    }
    await sleep(3000);
    const alone = voicesOf(await capture.frames(), lab.vips).filter(({ mac }) => mac === a.mac);
    expect(alone.map((voice) => `${voice.kind} for ${voice.address}`)).toEqual([]);
    const reasons = (await a.status()).vips.map(({ reason }) => reason);
    expect(reasons.filter((reason) => /is back, and may not hear us yet/.test(reason))).not.toEqual([]);
    lab.switch.heal();
    [b, c].forEach((host, i) => {
      host.writeConfig(configs[i]!);
      host.reload();
    });
    await lab.settledAs(before);
    await asker.end();
    await capture.stop();
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
