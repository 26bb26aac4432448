/** From nothing to a working group of three with the commands that `vipd init` prints (issue 6, measured point 1). */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { VipExplanation } from "../../src/ports.js";
import { type LabHost, MAIN } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import { type Ran, run, sh, until } from "./lib/shell.js";

describe("three hosts of which nobody configured one", () => {
  let lab: Lab;
  const folder = (host: LabHost) => path.join(lab.dir, `etc-${host.name}`);
  const env = (host: LabHost) => ({
    VIPD_CONFIG: path.join(folder(host), "config.json"),
    VIPD_STATUS_SOCKET: path.join(folder(host), "vipd.sock"),
  });
  const vipd = (host: LabHost, ...args: readonly string[]): Promise<Ran> =>
    run(["ip", "netns", "exec", host.namespace, process.execPath, MAIN, ...args], {
      env: env(host),
      timeoutMs: 30_000,
    });
  const hosts = () => lab.hosts.flatMap((host) => ["--host", `${host.name}=${host.v4}`]);
  const init = (...vips: readonly string[]) =>
    vipd(lab.hosts[0]!, "init", "--interface", "eth0", ...vips.flatMap((vip) => ["--vip", vip]), ...hosts());

  beforeAll(async () => {
    lab = await Lab.create({ hosts: 3, v4: 2, v6: 1, servers: false });
    for (const host of lab.hosts) {
      // As the package has it: the service runs and waits, and its file names no VIP.
      fs.mkdirSync(folder(host));
      fs.writeFileSync(env(host).VIPD_CONFIG, '{ "vips": [] }\n');
      const argv = [MAIN, "run", "--wait-until-configured"];
      lab.processes.spawn({ namespace: host.namespace, argv, logFile: host.logFile, env: env(host), detached: false });
    }
  });
  afterAll(() => lab?.destroy());

  test("addresses that somebody uses are refused by name, and nothing is written", async () => {
    const client = lab.client.namespace;
    sh("ip", "-n", client, "addr", "add", `${lab.vips[1]!}/32`, "dev", "eth0");
    const ran = await init(...lab.vips);
    sh("ip", "-n", client, "addr", "del", `${lab.vips[1]!}/32`, "dev", "eth0");
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain(`${lab.vips[1]} is used already, by ${lab.client.mac}`);
    expect(ran.stderr).toContain("DHCP");
    expect(fs.readdirSync(folder(lab.hosts[0]!))).toEqual(["config.json"]);
  });

  test("what would be refused is told, and wrong usage is 64", async () => {
    expect(await init("10.77.0.300")).toMatchObject({ code: 2, stderr: expect.stringContaining("10.77.0.300") });
    expect((await vipd(lab.hosts[0]!, "init", "--interface", "eth0", "--host", "a")).code).toBe(64);
  });

  test("five commands", async () => {
    const [first] = lab.hosts as [LabHost];
    const made = await init(...lab.vips);
    expect([made.code, made.stderr]).toEqual([0, ""]);
    const steps = made.stdout.split("\n").filter((line) => line.startsWith("  "));
    expect(steps).toHaveLength(4);
    expect(fs.statSync(path.join(folder(first), "gossip.key")).mode & 0o777).toBe(0o640);
    for (const [i, host] of lab.hosts.slice(1).entries()) {
      expect(steps[i]).toContain(`ssh root@${host.v4} `);
      // There is no ssh into a namespace, and the file system is one: the other host's folder has another name here.
      const [from, to] = steps[i]!.split(`ssh root@${host.v4} `) as [string, string];
      sh("sh", "-c", `${from} ip netns exec ${host.namespace} ${to.replace(folder(first), folder(host))}`);
    }
    const [, ...status] = steps[2]!.trim().split(" ");
    const [, ...verify] = steps[3]!.trim().split(" ");
    await until("the group serves", 25_000, async () => (await vipd(first, ...status)).code === 0, { everyMs: 300 });
    await until("host-c is one of it", 25_000, async () =>
      /host-c +10\.77\.0\.13:7979 +alive/.test((await vipd(first, ...status)).stdout),
    );
    expect(await vipd(first, ...verify)).toMatchObject({ code: 0, stdout: expect.stringContaining("VIPD OK") });
  });

  test("members and vips are parts of the status; --watch redraws in place and gives the cursor back", async () => {
    const [first] = lab.hosts as [LabHost];
    expect((await vipd(first, "members")).stdout).toMatch(/host-b +10\.77\.0\.12:7979 +alive/);
    expect(JSON.parse((await vipd(first, "vips", "--json")).stdout)).toHaveLength(lab.vips.length);
    expect(await vipd(first, "status", "--watch")).toMatchObject({ code: 64, stdout: "" });
    // script(1) gives it a terminal; timeout(1) is the hand on Ctrl-C.
    const command = `stty rows 20 columns 80; timeout -s INT 4 ${process.execPath} ${MAIN} status --watch`;
    const argv = ["ip", "netns", "exec", first.namespace, "script", "-qec", command, "/dev/null"];
    const { stdout } = await run(argv, { env: env(first) });
    const [esc, frames] = ["\u001b", stdout.split("Ctrl-C ends").length - 1];
    expect(frames).toBeGreaterThan(1);
    expect(stdout).toContain(`${esc}[?25l`);
    expect(stdout.trimEnd().endsWith(`${esc}[?25h`)).toBe(true);
  });

  test("explain tells everybody's score and what if; events tell what happened, and go on until Ctrl-C", async () => {
    const [first] = lab.hosts as [LabHost];
    const { stdout } = await vipd(first, "explain", lab.vips[0]!);
    for (const name of ["host-a", "host-b", "host-c"]) expect(stdout).toMatch(new RegExp(`${name} +[\\d.]+ +alive`));
    const told = JSON.parse((await vipd(first, "explain", lab.vips[0]!, "--json")).stdout) as VipExplanation;
    const owner = told.hosts.find((one) => one.rank === 1)!;
    expect([told.owner, owner.without?.owner]).toEqual([owner.name, told.heir]);
    expect(await vipd(first, "explain", "10.9.9.9")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("is no VIP"),
    });
    const events = (await vipd(first, "events")).stdout;
    expect(events).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {2}member\.joined +member host-b joined/m);
    expect(events).toMatch(/vip\.owned +\S+: claiming -> owned: nobody answered for it/);
    const following = lab.processes.spawn({
      namespace: first.namespace,
      argv: [process.execPath, MAIN, "events", "--follow", "--json"],
      logFile: path.join(lab.dir, "followed.log"),
      env: env(first),
    });
    const followed = () =>
      following
        .tail(Infinity)
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => (JSON.parse(line) as { event: string }).event);
    await until("what happened before is told", 15_000, () => followed().length > 0);
    await vipd(first, "freeze");
    await vipd(first, "thaw");
    const freezes = () => followed().filter((event) => event === "group.freeze").length;
    await until("both are told as they happen", 15_000, () => freezes() === 2, { describe: () => following.tail() });
    expect(following.running).toBe(true);
    expect((await following.end("SIGINT")).signal).toBe(null);
  });

  test("a second time refuses to overwrite", async () => {
    expect(await init(...lab.vips)).toMatchObject({ code: 1, stderr: expect.stringContaining("is there already") });
  });
});
