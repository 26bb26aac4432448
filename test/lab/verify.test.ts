/**
 * `vipd verify` from a machine without daemon and configuration, against what can be wrong on a segment (issue 6, measured
 * point 3): one owner, nobody, two voices, a stranger, loss, both families, an address that is off-link.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MAIN, withPrefix } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import { type Ran, run, sleep } from "./lib/shell.js";

const URL = "http://10.77.0.11:7980";
const [V4, V6, STRANGE, DOUBLE] = ["10.77.0.100", "fd77::100", "10.77.0.150", "10.77.0.101"] as const;
const PERFORMANCE = / \| vips=\d+;;;0 silent=\d+;;;0 double=\d+;;;0 loss=(U|[\d.]+%;;;0;100) rtt=\S+ rtt_max=\S+$/;

describe("verify from a machine without vipd", () => {
  let lab: Lab;
  let owners: ReadonlyMap<string, string>;
  const from = (namespace: string, ...args: readonly string[]): Promise<Ran> =>
    run(["ip", "netns", "exec", namespace, process.execPath, MAIN, "verify", ...args], {
      env: { VIPD_CONFIG: "/nonexistent/config.json", VIPD_STATUS_SOCKET: "/nonexistent/vipd.sock" },
      timeoutMs: 30_000,
    });
  const verify = (...args: readonly string[]) =>
    from(lab.client.namespace, "--timeout", "100", "--interval", "0", ...args);
  const stranger = (verb: "add" | "del", address: string) =>
    lab.clients[1]!.exec("ip", "addr", verb, withPrefix(address), "dev", "eth0");

  beforeAll(async () => {
    lab = await Lab.create({
      hosts: 2,
      clients: 2,
      v4: 2,
      v6: 1,
      servers: false,
      secondNic: true,
      configure: (config, index) => ({
        ...config,
        vips: [
          ...(config.vips as object[]),
          { name: "strange", addresses: [STRANGE], interface: "eth0" },
          { name: "both", addresses: ["10.77.0.160"], interface: ["eth0", "eth1"] },
        ],
        status: { ...(config.status as object), listen: `10.77.0.${11 + index}:7980` },
      }),
    });
    stranger("add", STRANGE);
    await lab.startAll();
    owners = await lab.atRest(30_000, 500);
  });
  afterAll(() => lab?.destroy());

  test.each([V4, V6])("%s has one owner: OK, each answer with its MAC, time and host", async (vip) => {
    const owner = owners.get(vip)!;
    const blind = await verify(vip);
    expect([blind.code, blind.stderr]).toEqual([0, ""]);
    const [first, ...lines] = blind.stdout.trimEnd().split("\n") as [string, ...string[]];
    expect(first).toMatch(/^VIPD OK: /);
    expect(first).toMatch(PERFORMANCE);
    expect(lines).toHaveLength(5);
    for (const line of lines)
      expect(line).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}\S+ {2}probe \d {2}([0-9a-f]{2}:){5}[0-9a-f]{2} {2}[\d.]+ ms$/);
    const told = await verify(vip, "--status", URL);
    expect(told.code).toBe(0);
    expect(told.stdout).toContain(`${owner} (${lab.macOf(owner)}`);
    const asked = await verify(vip, "--source", vip === V4 ? lab.client.v4 : lab.client.v6);
    expect(asked.code).toBe(0);
  });

  test("nobody is CRITICAL; off-link is UNKNOWN, with the reason", async () => {
    expect(await verify("10.77.0.199")).toMatchObject({ code: 2, stdout: expect.stringContaining("nobody answers") });
    for (const args of [["192.0.2.7"], ["2001:db8::7"], ["192.0.2.7", "-i", "eth0"]]) {
      const ran = await verify(...args);
      expect([args, ran.code, ran.stdout]).toEqual([
        args,
        3,
        expect.stringMatching(/^VIPD UNKNOWN: .*off-link.*subnet/),
      ]);
    }
    const notOurs = await verify(V4, "--source", "10.77.0.77");
    expect([notOurs.code, notOurs.stdout]).toEqual([
      3,
      "VIPD UNKNOWN: --source 10.77.0.77 is no address of this host\n",
    ]);
    const host = await verify("10.77.0.12", "--status", URL);
    expect([host.code, host.stdout]).toEqual([3, expect.stringMatching(/^VIPD UNKNOWN: .* is no VIP of this group/)]);
    expect((await verify(V4, "--status", "http://10.77.0.12:1")).stdout).toMatch(/^VIPD UNKNOWN: .*ECONNREFUSED/);
  });

  test("a stranger is CRITICAL once it is known whose VIP it is, and two voices always are", async () => {
    const { mac } = lab.clients[1]!;
    expect((await verify(STRANGE)).code).toBe(0);
    const told = await verify(STRANGE, "--status", URL);
    expect([told.code, told.stdout]).toEqual([2, expect.stringContaining(`a stranger answers: ${mac}`)]);
    stranger("add", DOUBLE);
    const double = [await verify(DOUBLE), await verify(DOUBLE, "--status", URL)];
    stranger("del", DOUBLE);
    expect(double.map((ran) => ran.code)).toEqual([2, 2]);
    expect(double[0]!.stdout).toContain("2 voices: ");
    expect(double[1]!.stdout).toContain(`a stranger (${mac})`);
  });

  test("two interfaces of one host are two voices only as long as nobody tells that it is one host", async () => {
    expect((await verify("10.77.0.160")).stdout).toContain("2 voices: 02:77");
    const told = await verify("10.77.0.160", "--status", URL);
    expect([told.code, told.stdout]).toEqual([0, expect.stringMatching(/host-[ab] \(02:77:\S+, 02:77:\S+\) answers/)]);
  });

  test("30 % loss is a WARNING that tells how much", async () => {
    lab.switch.lose(30);
    const ran = await verify(V4, "--count", "30", "--timeout", "50");
    lab.switch.lose(0);
    expect([ran.code, ran.stdout]).toEqual([
      1,
      expect.stringMatching(/^VIPD WARNING: .*answered \d+ of 30 probes, \d+ % lost/),
    ]);
    expect(ran.stdout).toContain("  no answer");
  });

  test("the owner asks the others; --watch tells each change until Ctrl-C", async () => {
    const owner = lab.hosts.find((host) => host.name === owners.get(V4))!;
    const { env } = { env: { VIPD_CONFIG: owner.configFile } };
    const own = await run(["ip", "netns", "exec", owner.namespace, process.execPath, MAIN, "verify", V4], { env });
    expect([own.code, own.stdout]).toEqual([0, expect.stringContaining("nobody else answers")]);
    const command = ["timeout", "-s", "INT", "6", process.execPath, MAIN, "verify", "--watch", "-i", "eth0"];
    const argv = [
      "ip",
      "netns",
      "exec",
      lab.client.namespace,
      ...command,
      "--interval",
      "100",
      "--timeout",
      "100",
      "--status",
      URL,
      V4,
    ];
    const watching = run(argv, { timeoutMs: 20_000 });
    await sleep(2000);
    await owner.stopDaemon();
    const { stdout } = await watching;
    const other = lab.hosts.find((host) => host !== owner)!;
    expect(stdout).toMatch(new RegExp(`${V4} {2}${owner.name} .*answers\\n[^]*${V4} {2}${other.name} .*answers\\n`));
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(PERFORMANCE);
  });
});
