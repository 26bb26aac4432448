/** Starting: late peers, alone, interfaces that are not there yet (issue 2; FACTS.md section 4, numbers 2 and 4). */
import * as fs from "node:fs";
import { expect, test } from "vitest";
import { Capture, relapses, voicesOf } from "./lib/capture.js";
import { AS_THE_UNIT, MAIN } from "./lib/host.js";
import { type LabOptions, withLab } from "./lib/lab.js";
import { expectSpread, expectWireAgrees, measured } from "./lib/laws.js";
import { nowMs, sleep, until } from "./lib/shell.js";

test("a host whose peers are down serves alone after aloneAfterMs; peers that start 15 s later are joined", async () => {
  await withLab({ hosts: 3, v4: 6, v6: 6, aloneAfterMs: 2000 }, async (lab) => {
    const [first, ...later] = lab.hosts;
    const capture = await Capture.start(lab);
    const begin = nowMs();
    await first!.startDaemon();
    const alone = await lab.settled(10_000, [first!]);
    measured(`alone and serving ${Math.round(nowMs() - begin)} ms after the start (aloneAfterMs 2000)`);
    const early = voicesOf(await capture.frames(), lab.vips).filter((voice) => voice.atMs < begin + 1900);
    expect(early, "nothing is claimed before").toEqual([]);
    await expectWireAgrees(lab, alone, { vips: lab.vips.slice(0, 3) });
    await sleep(Math.max(0, begin + 15_000 - nowMs()));
    await Promise.all(later.map((host) => host.startDaemon()));
    const joined = nowMs();
    await until("every host owns some", 20_000, async () => new Set((await lab.settled(0)).values()).size === 3);
    measured(`joined and spread ${Math.round(nowMs() - joined)} ms after the late ones served their status`);
    const owners = await lab.settled();
    expectSpread(lab, owners);
    await expectWireAgrees(lab, owners);
    expect(relapses(voicesOf(await capture.stop(), lab.vips))).toEqual([]);
  });
});

test("a real-time daemon collects its garbage on one thread, even when Node was started without that flag", async () => {
  await withLab({ hosts: 1, v4: 1, v6: 0, servers: false }, async (lab) => {
    const [host] = lab.hosts;
    await host!.startDaemon({ via: [...AS_THE_UNIT, process.execPath] });
    const argv = fs.readFileSync(`/proc/${host!.pid}/cmdline`, "utf8").split("\0");
    expect(argv.slice(1, 3)).toEqual(["--single-threaded-gc", MAIN]);
  });
});

test("an interface that is missing at the start and appears later makes its host eligible then", async () => {
  const configure: LabOptions["configure"] = (config) => ({
    ...config,
    vips: (config.vips as object[]).map((group) => ({ ...group, interface: "eth1" })),
  });
  await withLab({ hosts: 3, v4: 6, v6: 6, servers: false, configure }, async (lab) => {
    const [a, b, late] = lab.hosts;
    lab.addSecondNic(a!);
    lab.addSecondNic(b!);
    await lab.startAll();
    const without = await lab.settled(20_000);
    expect([...new Set(without.values())].sort()).toEqual([a!.name, b!.name]);
    expect(late!.vipsOnLo()).toEqual([]);
    lab.addSecondNic(late!);
    const begin = nowMs();
    await until("the late host owns some", 20_000, async () =>
      [...(await lab.settled(0)).values()].includes(late!.name),
    );
    measured(`owns VIPs ${Math.round(nowMs() - begin)} ms after its interface appeared`);
    const owners = await lab.settled();
    const answers = await Promise.all(lab.vips.map((vip) => lab.client.who(vip)));
    expect(answers.map((macs) => macs.map((mac) => lab.nameOfMac(mac)))).toEqual(
      lab.vips.map((vip) => [`${owners.get(vip)} (eth1)`]),
    );
  });
});

test("a VIP interface that loses its carrier while the gossip goes on makes its host hand over", async () => {
  const configure: LabOptions["configure"] = (config) => ({
    ...config,
    vips: (config.vips as object[]).map((group) => ({ ...group, interface: "eth1" })),
  });
  await withLab({ hosts: 3, v4: 6, v6: 6, servers: false, secondNic: true, configure }, async (lab) => {
    await lab.startAll();
    const before = await lab.atRest(20_000);
    const victim = lab.hosts[0]!;
    const begin = nowMs();
    lab.switch.cable(`${victim.port}2`, "down");
    await until("the others own all", 10_000, async () => ![...(await lab.settled(0)).values()].includes(victim.name));
    measured(`others own all ${Math.round(nowMs() - begin)} ms after the carrier went`);
    expect(victim.vipsOnLo()).toEqual([]);
    lab.switch.cable(`${victim.port}2`, "up");
    await lab.settledAs(before);
  });
});

test("a host whose address comes late says what it waits for, and joins when it is there", async () => {
  await withLab({ hosts: 2, v4: 4, v6: 0, servers: false }, async (lab) => {
    const [first, late] = lab.hosts;
    late!.exec("ip", "addr", "del", `${late!.v4}/24`, "dev", "eth0");
    await first!.startDaemon();
    await late!.startDaemon({ wait: false });
    await until("it says what is missing", 10_000, () =>
      late!.log().includes(`waiting for the network: gossip.bind: ${late!.v4} is no address of this host yet`),
    );
    late!.exec("ip", "addr", "add", `${late!.v4}/24`, "dev", "eth0");
    await until("it owns some", 15_000, async () => [...(await lab.settled(0)).values()].includes(late!.name));
  });
});

test("a daemon that cannot start ends at once, and says why", async () => {
  const configure: LabOptions["configure"] = (config) => ({
    ...config,
    status: { ...(config.status as object), listen: "192.0.2.1:7980" },
  });
  await withLab({ hosts: 1, v4: 1, v6: 0, servers: false, configure }, async (lab) => {
    const [host] = lab.hosts;
    await host!.startDaemon({ wait: false });
    const exit = await Promise.race([host!.daemon!.exited, sleep(10_000)]);
    expect(exit?.code).toBe(1);
    expect(host!.log()).toContain("cannot start: status.listen 192.0.2.1:7980: EADDRNOTAVAIL");
  });
});
