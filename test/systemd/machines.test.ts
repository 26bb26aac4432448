/**
 * The Debian package on real systemds: installed with dpkg, configured, and put through what happens to a service. A client
 * on the bridge asks every 2 ms. VIPD_SYSTEMD=bookworm or trixie tries one Debian only.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ROOT, sleep } from "../lab/lib/shell.js";
import { Cluster, type Machine, type Report, until, VIP } from "./lib/machines.js";
import { DEBIANS, type Debian } from "./lib/roots.js";

const packages = fs.mkdtempSync(path.join(os.tmpdir(), "vipd-packages-"));
const [older, newer] = ["0.1.0", "0.1.1"].map((version) => path.join(packages, `vipd_${version}_amd64.deb`));
const chosen = (process.env.VIPD_SYSTEMD?.split(",") ?? Object.keys(DEBIANS)) as Debian[];

beforeAll(() => {
  for (const version of ["0.1.0", "0.1.1"]) {
    const argv = ["systemd/package.mjs", "--quick", `--version=${version}`, `--out=${packages}`];
    execFileSync(process.execPath, argv, { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
  }
}, 120_000);
afterAll(() => fs.rmSync(packages, { recursive: true, force: true }));

function configuration(machine: Machine, address = VIP): string {
  const join = machine.cluster.machines.filter((other) => other !== machine).map((other) => `${other.address}:7979`);
  return JSON.stringify({
    node: { name: machine.name },
    gossip: { bind: `${machine.address}:7979`, join, keyFile: "/etc/vipd/gossip.key" },
    vips: [{ name: "web", addresses: [address], interface: "eth0", failback: { afterMs: 1000 } }],
  });
}

describe.each(chosen)("%s", (debian) => {
  const cluster = new Cluster(debian);
  const { machines } = cluster;
  const figures: string[] = [];

  const note = (what: string, report: Report): Report => {
    const servers = report.servers.map((server) => server.name).join(" -> ");
    figures.push(
      `${what}: lost ${report.lost} of ${report.sent}, longest ${Math.round(report.maxGap.lengthMs)} ms, ${servers}`,
    );
    return report;
  };
  const settled = async (): Promise<void> => {
    for (const machine of machines) {
      await until(`${machine.name} sees three members`, async () => {
        const status = JSON.parse((await machine.exec("vipd", "status", "--json")).stdout || "{}");
        const members = (status.members ?? []) as { state: string }[];
        return members.filter((member) => member.state === "alive").length === 3;
      });
    }
    await sleep(3000);
    await cluster.owner();
  };

  beforeAll(() => cluster.start(), 900_000);
  afterAll(async () => {
    process.stdout.write(`${debian}:\n${figures.map((line) => `  ${line}\n`).join("")}`);
    await cluster.remove();
  }, 60_000);
  afterEach(async (context) => {
    if (context.task.result?.state !== "fail") return;
    for (const machine of machines) process.stdout.write(`--- ${machine.name}\n${await machine.journal()}\n`);
  });

  test("dpkg -i brings a service that is enabled, runs, and says that it is not configured", async () => {
    for (const machine of machines) {
      const ran = await machine.dpkg(older!);
      expect([ran.code, ran.stderr.match(/error|warning/gi)]).toEqual([0, null]);
      await until("it waits", async () => (await machine.property("StatusText")).startsWith("not configured"));
      expect(await machine.ok("systemctl", "is-enabled", "vipd")).toBe("enabled\n");
    }
  });

  test("it goes on by itself once it is configured, and the group serves", async () => {
    const key = await machines[0]!.ok("vipd", "keygen");
    for (const machine of machines) {
      machine.write("etc/vipd/gossip.key", key);
      await machine.ok("chgrp", "vipd", "/etc/vipd/gossip.key");
      await machine.ok("chmod", "0640", "/etc/vipd/gossip.key");
      machine.write("etc/vipd/config.json", configuration(machine));
      await machine.ok("vipd", "check");
    }
    await settled();
    const report = note("at rest", await cluster.measure(async () => {}, 2000));
    expect(report.lost).toBeLessThanOrEqual(1);
  });

  test("the process has two capabilities, is not root, and its unit is little exposed", async () => {
    const [machine] = machines;
    const status = await machine!.ok("cat", `/proc/${await machine!.daemon()}/status`);
    expect(status).toMatch(/^CapBnd:\s+0000000000003000$/m);
    expect(status).not.toMatch(/^Uid:\s+0\b/m);
    expect(status).toMatch(/^Seccomp:\s+2$/m);
    await machine!.ok("systemd-analyze", "security", "--threshold=21", "--no-pager", "vipd.service");
  });

  test("a reload that is right is taken when systemctl returns; one that is wrong fails and changes nothing", async () => {
    const owner = await cluster.owner();
    const file = "etc/vipd/config.json";
    const report = note(
      "reload",
      await cluster.measure(async () => {
        await owner.ok("systemctl", "reload", "vipd");
        owner.write(file, configuration(owner, "10.88.0.999"));
        expect((await owner.exec("systemctl", "reload", "vipd")).code).not.toBe(0);
      }),
    );
    owner.write(file, configuration(owner));
    expect(await owner.journal()).toContain('"10.88.0.999" is not an IPv4 or IPv6 address');
    expect(await owner.held()).toBe(true);
    expect(report.lost).toBeLessThanOrEqual(1);
  });

  test("a stop hands over; a start comes back", async () => {
    const owner = await cluster.owner();
    const report = note("stop", await cluster.measure(() => owner.ok("systemctl", "stop", "vipd")));
    expect(report.lost).toBeLessThanOrEqual(5);
    expect(await owner.held()).toBe(false);
    await owner.ok("systemctl", "start", "vipd");
    await settled();
  });

  test("a restart moves the VIP away and back", async () => {
    const owner = await cluster.owner();
    const report = note("restart", await cluster.measure(() => owner.ok("systemctl", "restart", "vipd"), 5000));
    expect(report.lost).toBeLessThanOrEqual(10);
    await settled();
  });

  test("after kill -9 another machine takes over, the dead one is swept, and systemd starts it again", async () => {
    const owner = await cluster.owner();
    const pid = await owner.daemon();
    const report = note(
      "kill -9",
      await cluster.measure(async () => {
        await owner.ok("kill", "-9", pid);
        await until("it is swept", async () => !(await owner.held()), 5000);
      }, 3000),
    );
    expect(report.maxGap.lengthMs).toBeLessThan(1500);
    await until("it is back", async () => (await owner.property("ActiveState")) === "active");
    await settled();
  });

  test("a daemon that hangs loses its VIP, and the watchdog ends and restarts it", async () => {
    const owner = await cluster.owner();
    const pid = await owner.daemon();
    const report = note(
      "hang, watchdog",
      await cluster.measure(async () => {
        await owner.ok("kill", "-STOP", pid);
        await until(
          "the watchdog bites",
          async () => {
            const now = await owner.daemon();
            return now !== pid && now !== "0";
          },
          40_000,
        );
      }),
    );
    expect(report.maxGap.lengthMs).toBeLessThan(2500);
    expect(await owner.journal()).toMatch(/[Ww]atchdog/);
    await settled();
  });

  test("a machine that freezes is taken over from, and says nothing wrong when it wakes", async () => {
    const owner = await cluster.owner();
    const report = note(
      "freeze and thaw",
      await cluster.measure(async () => {
        owner.freeze("SIGSTOP");
        await sleep(3000);
        owner.freeze("SIGCONT");
      }, 3000),
    );
    expect(report.maxGap.lengthMs).toBeLessThan(2500);
    await settled();
  });

  test("a power cut is a takeover; the machine boots and takes part again", async () => {
    const owner = await cluster.owner();
    const report = note("power cut", await cluster.measure(() => owner.powerCut(), 3000));
    expect(report.maxGap.lengthMs).toBeLessThan(2500);
    await owner.powerOn();
    await settled();
  });

  test("a reboot hands over first, and the service comes up by itself", async () => {
    const owner = await cluster.owner();
    const report = note("reboot", await cluster.measure(() => owner.reboot(), 3000));
    expect(report.lost).toBeLessThanOrEqual(10);
    await settled();
  });

  test("journald may stand still for a minute", { timeout: 180_000 }, async () => {
    const owner = await cluster.owner();
    const journald = (await owner.ok("systemctl", "show", "-p", "MainPID", "--value", "systemd-journald")).trim();
    const pid = await owner.daemon();
    const report = note(
      "journald stopped for 60 s",
      await cluster.measure(async () => {
        await owner.ok("kill", "-STOP", journald);
        await sleep(60_000);
        await owner.ok("kill", "-CONT", journald);
      }),
    );
    expect(await owner.daemon()).toBe(pid);
    expect(report.lost).toBeLessThanOrEqual(5);
  });

  test("an upgrade of one machine after the other, and a downgrade", { timeout: 400_000 }, async () => {
    for (const [deb, version] of [
      [newer!, "0.1.1"],
      [older!, "0.1.0"],
    ] as const) {
      for (const machine of machines) {
        const report = note(
          `${version} on ${machine.name}`,
          await cluster.measure(async () => {
            const ran = await machine.dpkg(deb);
            expect([ran.code, ran.stderr.match(/error/gi)]).toEqual([0, null]);
          }),
        );
        expect(report.lost).toBeLessThanOrEqual(5);
        expect(JSON.parse(await machine.ok("vipd", "version", "--json")).version).toBe(version);
        await settled();
      }
    }
  });

  test("a service that was stopped stays stopped over an upgrade", async () => {
    const [machine] = machines;
    await machine!.ok("systemctl", "stop", "vipd");
    await machine!.dpkg(newer!);
    expect(await machine!.property("ActiveState")).toBe("inactive");
    await machine!.ok("systemctl", "start", "vipd");
    await settled();
  });

  test("an interface that comes a minute late is waited for", { timeout: 180_000 }, async () => {
    const [machine] = machines;
    await machine!.ok("systemctl", "stop", "vipd");
    await machine!.ok("ip", "link", "set", "eth0", "down");
    await machine!.ok("ip", "address", "flush", "dev", "eth0");
    void machine!.exec("systemctl", "start", "vipd");
    await sleep(20_000);
    await machine!.ok("ip", "link", "set", "eth0", "up");
    await machine!.ok("ip", "address", "add", `${machine!.address}/24`, "dev", "eth0");
    await settled();
  });

  test("apt purge leaves nothing", async () => {
    const [machine] = machines;
    await machine!.ok("dpkg", "--purge", "vipd");
    const find = [
      "find",
      "/etc",
      "/usr",
      "/var/lib",
      "/run",
      "-path",
      "/var/lib/dpkg",
      "-prune",
      "-o",
      "-iname",
      "*vipd*",
      "-print",
    ];
    expect(await machine!.ok(...find)).toBe("");
    expect((await machine!.exec("getent", "passwd", "vipd")).code).not.toBe(0);
    expect(await machine!.held()).toBe(false);
    expect(await machine!.ok("cat", "/proc/sys/net/ipv4/conf/all/arp_ignore")).toBe("0\n");
  });
});
