/** Law 1 at rest: each VIP has one owner, one voice, and the statuses agree with the wire (issue 2, measured point 2). */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Capture, forbidden, relapses, voicesOf } from "./lib/capture.js";
import { Lab, secondMac } from "./lib/lab.js";
import { expectSpread, expectWireAgrees, measured } from "./lib/laws.js";
import { nowMs, sleep } from "./lib/shell.js";

describe.each([3, 5])("%i hosts, 20 VIPs of each family, a second NIC on the same segment", (count) => {
  let lab: Lab;
  let capture: Capture;
  let owners: ReadonlyMap<string, string>;
  let agreedMs: number;

  beforeAll(async () => {
    lab = await Lab.create({ hosts: count, secondNic: true });
    capture = await Capture.start(lab);
    const begin = nowMs();
    await lab.startAll();
    await lab.settled(30_000);
    measured(`${count} hosts started at once agree after ${Math.round(nowMs() - begin)} ms`);
    owners = await lab.atRest();
    agreedMs = nowMs();
  });
  afterAll(() => lab?.destroy());

  test("all hosts' statuses name the same owner for each VIP, and every host owns some", () => {
    expect([...owners.keys()].sort()).toEqual([...lab.vips].sort());
    expectSpread(lab, owners);
  });

  test("each VIP is answered by its owner's MAC alone, by every tool, and TCP reaches the owner's server", async () => {
    await expectWireAgrees(lab, owners);
  });

  test("a VIP stands on its owner's lo, and nowhere else", () => {
    for (const host of lab.hosts) {
      const own = lab.vips.filter((vip) => owners.get(vip) === host.name);
      expect([...host.vipsOnLo()].sort(), host.name).toEqual([...own].sort());
      for (const device of ["eth0", "eth1"]) {
        expect(host.addresses(device).filter((address) => lab.vips.includes(address))).toEqual([]);
      }
    }
  });

  test("a host reaches every VIP, its own and the others'", async () => {
    const host = lab.hosts[0]!;
    for (const vip of [lab.vips[0]!, lab.vips[1]!, lab.vips.at(-1)!]) {
      const url = `http://${vip.includes(":") ? `[${vip}]` : vip}:8080/`;
      expect(host.exec("curl", "-sS", "-g", "--max-time", "3", url).trim()).toBe(owners.get(vip));
    }
  });

  test("the second NIC has said nothing of any VIP, and no frame was one that the laws forbid", async () => {
    const asker = lab.client.ask(lab.vips, 200);
    await sleep(2000);
    await asker.end();
    const frames = await capture.stop();
    const voices = voicesOf(frames, lab.vips);
    const seconds = new Set(lab.hosts.map(secondMac));
    expect(voices.filter((voice) => seconds.has(voice.mac))).toEqual([]);
    expect(forbidden(frames, lab.vips)).toEqual([]);
    // While the views of a cold start still merge, a VIP may hop; from the agreement on it has one voice.
    measured(`VIPs that hopped back while the group formed: ${relapses(voices).length}`);
    expect(relapses(voices.filter((voice) => voice.atMs > agreedMs))).toEqual([]);
    const settledOn = new Map(voices.map((voice) => [voice.address, lab.nameOfMac(voice.mac)]));
    expect(Object.fromEntries(settledOn)).toEqual(Object.fromEntries(owners));
  });

  test("the read-only TCP port serves the same status as the socket", async () => {
    const host = lab.hosts[0]!;
    const body = JSON.parse(host.exec("curl", "-sS", "--max-time", "3", "http://127.0.0.1:7980/status")) as {
      node: string;
      vips: { address: string; owner: string }[];
    };
    expect(body.node).toBe(host.name);
    expect(Object.fromEntries(body.vips.map((vip) => [vip.address, vip.owner]))).toEqual(Object.fromEntries(owners));
    expect(host.exec("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:7980/readyz")).toBe(
      "200",
    );
  });
});

test("behind a switch that snoops MLD with a querier the multicast solicitation reaches the owner, also the next one", async () => {
  const lab = await Lab.create({ hosts: 3, v4: 2, v6: 6, querier: true });
  try {
    await lab.startAll();
    const owners = await lab.settled(30_000);
    await sleep(12_000);
    const v6 = lab.vips.filter((vip) => vip.includes(":"));
    await expectWireAgrees(lab, owners, { vips: v6 });
    const victim = lab.hosts.find((host) => v6.some((vip) => owners.get(vip) === host.name))!;
    await victim.powerCut();
    const after = await lab.settled(5000);
    await expectWireAgrees(lab, after, { vips: v6 });
  } finally {
    await lab.destroy();
  }
});
