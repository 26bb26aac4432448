/**
 * The lab is a measuring instrument, so it is measured first: the kernel owns addresses, and the lab must see one
 * voice where there is one and two where there are two. No vipd runs here.
 */
import * as fs from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Capture, forbidden, relapses, voicesBy, voicesOf } from "./lib/capture.js";
import { Lab } from "./lib/lab.js";
import { worstGap } from "./lib/prober.js";
import { sh, sleep, until } from "./lib/shell.js";
import { listLabs, sweep } from "./lib/sweep.js";

let lab: Lab;
const [V4, V6, BOTH4, BOTH6] = ["10.77.0.100", "fd77::100", "10.77.0.101", "fd77::101"] as const;

function kernelOwns(host: number, ...addresses: string[]): void {
  for (const address of addresses) {
    const length = address.includes(":") ? 128 : 32;
    lab.hosts[host]!.exec("ip", "addr", "add", `${address}/${length}`, "dev", "eth0", "nodad");
  }
}

beforeAll(async () => {
  lab = await Lab.create({ hosts: 2, clients: 2, v4: 3, v6: 3 });
  kernelOwns(0, V4, V6, BOTH4, BOTH6);
  kernelOwns(1, BOTH4, BOTH6);
});
afterAll(() => lab.destroy());

test("every tool sees one voice where one host answers", async () => {
  for (const vip of [V4, V6]) {
    for (const asker of lab.client.askersFor(vip)) {
      expect(await lab.client.who(vip, asker), `${vip} by ${asker}`).toEqual([lab.hosts[0]!.mac]);
    }
  }
});

test("every tool sees two voices where two hosts answer", async () => {
  for (const vip of [BOTH4, BOTH6]) {
    for (const asker of lab.client.askersFor(vip)) {
      expect((await lab.client.who(vip, asker)).length, `${vip} by ${asker}`).toBe(2);
    }
  }
});

test("every tool sees nobody where nobody answers", async () => {
  for (const vip of ["10.77.0.102", "fd77::102"]) {
    for (const asker of lab.client.askersFor(vip)) expect(await lab.client.who(vip, asker)).toEqual([]);
  }
});

test("the server behind an address answers with its host's name, over both families", async () => {
  expect(await lab.client.web(V4)).toBe("host-a");
  expect(await lab.client.web(V6)).toBe("host-a");
  expect(lab.client.neighbours().get(V4)?.mac).toBe(lab.hosts[0]!.mac);
});

test("the capture knows who said what, and the kernel keeps the laws on a plain address", async () => {
  const capture = await Capture.start(lab);
  const asker = lab.client.ask([V4, V6, BOTH4], 50);
  await sleep(600);
  await asker.end();
  const frames = await capture.stop();
  const voices = voicesOf(frames, lab.vips);
  const answers = voicesBy(voices, [lab.hosts[0]!.mac]).filter((voice) => voice.kind === "answer");
  expect(answers.filter((voice) => voice.address === V4).length).toBeGreaterThan(5);
  expect(answers.filter((voice) => voice.address === V6).length).toBeGreaterThan(5);
  expect(forbidden(frames, lab.vips)).toEqual([]);
  expect(relapses(voices).map((text) => text.split(" ")[0])).toContain(`${BOTH4}:`);
  expect(relapses(voices).map((text) => text.split(" ")[0])).not.toContain(`${V4}:`);
});

test("the prober tells how long there was no answer", async () => {
  const prober = await lab.client.probe([V4, V6]);
  await sleep(300);
  lab.hosts[0]!.cableDown();
  await sleep(400);
  lab.hosts[0]!.cableUp();
  await sleep(500);
  const reports = await prober.stop();
  for (const report of reports) {
    expect(report.maxGap.lengthMs).toBeGreaterThan(390);
    expect(report.maxGap.lengthMs).toBeLessThan(900);
    expect(report.servers.map((server) => server.name)).toEqual(["host-a"]);
    expect(report.twice).toBe(0);
  }
  expect(worstGap(reports).lost).toBeGreaterThan(50);
});

test("a partition separates its sides only, and heals", async () => {
  const [one, two] = lab.clients;
  lab.switch.partition([lab.hosts[0]!.port, one!.port], [lab.hosts[1]!.port, two!.port]);
  expect(await one!.who(BOTH4)).toEqual([lab.hosts[0]!.mac]);
  expect(await two!.who(BOTH4)).toEqual([lab.hosts[1]!.mac]);
  expect(await two!.who(V6)).toEqual([]);
  lab.switch.heal();
  await until("the second client sees both", 3000, async () => (await two!.who(BOTH4)).length === 2);
});

test("an owner that ends without cleaning up is swept, a living one's lab is not", async () => {
  const orphan = "vipd-lab-4194305-0";
  sh("ip", "netns", "add", `${orphan}-a`);
  expect(listLabs().find((found) => found.prefix === orphan)?.ownerAlive).toBe(false);
  expect(sweep()).toContain(orphan);
  const prefixes = listLabs().map((found) => found.prefix);
  expect(prefixes).not.toContain(orphan);
  expect(prefixes).toContain(lab.prefix);
});

test("nothing of a destroyed lab is left", async () => {
  const other = await Lab.create({ hosts: 1, v4: 1, v6: 0 });
  const server = other.hosts[0]!.serverPid!;
  await other.destroy();
  expect(listLabs().map((found) => found.prefix)).not.toContain(other.prefix);
  expect(fs.existsSync(`/proc/${server}`)).toBe(false);
  expect(fs.existsSync(other.dir)).toBe(false);
});
