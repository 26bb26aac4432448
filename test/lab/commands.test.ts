/** The operator's commands on real daemons, under a datagram each 2 ms for every VIP (issue 5, measured point 1). */
import * as path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AS_THE_UNIT, type LabHost, MAIN } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import { describeGaps, expectWireAgrees, measured, vipsOf } from "./lib/laws.js";
import { type Ran, run, sh, sleep, until } from "./lib/shell.js";

/** None was lost in 56 moves of IPv6 VIPs on a busy machine; gaps are the client's own there, and only shown. */
const LOST_MAX = 3;

function vipd(host: LabHost, ...args: readonly string[]): Promise<Ran> {
  const argv = ["ip", "netns", "exec", host.namespace, process.execPath, MAIN, ...args, "--config", host.configFile];
  return run(argv, { timeoutMs: 40_000 });
}

/** Client and servers are judged only where they are not late themselves. */
function realTime(pid: number): void {
  sh("chrt", "--all-tasks", "--fifo", "--pid", "5", String(pid));
}

describe("three hosts, 7 VIPs", () => {
  let lab: Lab;
  let before: ReadonlyMap<string, string>;
  const state = () => path.join(lab.dir, "state");
  const start = (host: LabHost): Promise<void> =>
    host.startDaemon({
      via: [...AS_THE_UNIT, "/usr/bin/env", `STATE_DIRECTORY=${path.join(state(), host.name)}`],
    });

  beforeAll(async () => {
    lab = await Lab.create({ hosts: 3, v4: 4, v6: 3, failbackMs: 0 });
    for (const host of lab.hosts) await start(host);
    for (const host of lab.hosts) realTime(host.serverPid!);
  });
  afterAll(() => lab?.destroy());
  beforeEach(async () => {
    before = await lab.atRest(30_000);
  });

  /** Every VIP is asked each 2 ms while `deed` is done; what was not answered is said, and bounded. */
  async function underLoad(what: string, deed: () => Promise<void>): Promise<void> {
    const prober = await lab.client.probe(lab.vips, 2);
    realTime(prober.process.pid);
    await sleep(500);
    await deed();
    await sleep(500);
    const reports = await prober.stop();
    measured(`${what}: ${describeGaps(reports)}`);
    expect(reports.reduce((sum, report) => sum + report.lost, 0)).toBeLessThanOrEqual(LOST_MAX);
  }

  test("drain --wait gives everything away, resume takes it back, and the others' VIPs do not move", async () => {
    const host = lab.hosts[1]!;
    const mine = vipsOf(before, host);
    await underLoad("drain", async () => {
      const ran = await vipd(host, "drain", "--wait", "--json");
      expect([ran.code, ran.stderr]).toEqual([0, ""]);
      expect(JSON.parse(ran.stdout)).toMatchObject({ ok: true, complete: true, pending: [] });
    });
    expect(host.vipsOnLo()).toEqual([]);
    const drained = await lab.atRest();
    for (const vip of lab.vips) {
      if (mine.includes(vip)) expect(drained.get(vip)).not.toBe(host.name);
      else expect(drained.get(vip)).toBe(before.get(vip));
    }
    expect((await host.status()).draining).toBe(true);
    await expectWireAgrees(lab, drained, { vips: mine.slice(0, 4) });
    await underLoad("resume", async () => {
      expect((await vipd(host, "resume")).stdout).toContain("takes part again");
      await lab.settledAs(before);
    });
  });

  test("a drain survives a restart of the daemon, and a resume is not undone by one", async () => {
    const host = lab.hosts[0]!;
    expect((await vipd(host, "drain", "--wait")).code).toBe(0);
    await host.stopDaemon();
    await start(host);
    await sleep(2500);
    expect((await host.status()).draining).toBe(true);
    expect(host.vipsOnLo()).toEqual([]);
    expect((await vipd(host, "resume")).code).toBe(0);
    await lab.settledAs(before);
    await host.stopDaemon();
    await start(host);
    await lab.settledAs(before);
  });

  test("what a boot takes away takes the drain away, unless it was persisted", async () => {
    const host = lab.hosts[0]!;
    const reboot = async (): Promise<void> => {
      await host.stopDaemon();
      host.exec("rm", "-f", path.join(host.dir, "draining.json"));
      await start(host);
    };
    expect((await vipd(host, "drain", "--wait")).code).toBe(0);
    await reboot();
    await lab.settledAs(before);
    expect((await vipd(host, "drain", "--wait", "--persist")).code).toBe(0);
    await reboot();
    expect((await host.status()).draining).toBe(true);
    expect((await vipd(host, "resume")).code).toBe(0);
    await reboot();
    await lab.settledAs(before);
  });

  test("reload loses nothing and moves nothing; a refused file says why and changes nothing", async () => {
    const host = lab.hosts[2]!;
    const good = host.config;
    await underLoad("three reloads", async () => {
      for (let i = 0; i < 3; i++) {
        const ran = await vipd(host, "reload");
        expect([ran.code, ran.stdout.trim()]).toEqual([0, "configuration taken"]);
      }
    });
    expect(await lab.settled()).toEqual(before);
    host.writeConfig({ ...good, vips: [{ ...(good.vips as object[])[0], addresses: ["10.0.0.300"] }] });
    const refused = await vipd(host, "reload");
    host.writeConfig(good);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("vips[0].addresses[0]");
    expect(refused.stderr).toContain("refused, the old configuration stays");
    host.writeConfig({ ...good, strictArp: "ignore" });
    expect((await vipd(host, "reload")).stdout).toContain("but strictArp needs a restart");
    host.writeConfig(good);
    expect(await lab.settled()).toEqual(before);
  });

  test("move takes a VIP to a host, any host may be asked, and --undo takes it back", async () => {
    const vip = lab.vips[0]!;
    const home = before.get(vip)!;
    const [target, asked] = lab.hosts.filter((host) => host.name !== home) as [LabHost, LabHost];
    const wanted = new Map(before).set(vip, target.name);
    await underLoad("move and back", async () => {
      expect((await vipd(asked, "move", vip, target.name)).code).toBe(0);
      await lab.settledAs(wanted);
      expect((await asked.status()).moves).toEqual([{ vip, host: target.name }]);
      expect((await vipd(target, "move", vip, "--undo")).code).toBe(0);
      await lab.settledAs(before);
    });
    const nobody = await vipd(asked, "move", vip, "host-z");
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining("host-z is no member")]);
    const nothing = await vipd(asked, "move", "10.9.9.9", target.name);
    expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining("no VIP of this host's configuration")]);
  });

  test("frozen: a host that comes back gets nothing back before the thaw; a drain is refused, a takeover is not", async () => {
    const [a, b] = lab.hosts as [LabHost, LabHost, LabHost];
    expect((await vipd(a, "freeze")).code).toBe(0);
    await until("everybody knows", 3000, async () => {
      for (const host of lab.hosts) if (!(await host.status()).frozen) throw new Error(`${host.name} is not frozen`);
      return true;
    });
    const drain = await vipd(a, "drain");
    expect([drain.code, drain.stderr]).toEqual([1, expect.stringContaining("vipd thaw")]);
    await b.kill9();
    const taken = await lab.settled(10_000);
    await start(b);
    await sleep(3000);
    await lab.settledAs(taken);
    await underLoad("thaw", async () => {
      expect((await vipd(b, "thaw")).code).toBe(0);
      await lab.settledAs(before);
    });
  });

  test("without a daemon, every command says so and how to go on, with exit code 3", async () => {
    const host = lab.hosts[0]!;
    await host.stopDaemon();
    for (const command of ["drain", "resume", "reload", "rebalance", "freeze", "thaw"]) {
      const ran = await vipd(host, command);
      expect([ran.code, ran.stderr], command).toEqual([3, expect.stringContaining("the daemon is not running")]);
    }
    await start(host);
  });
});
