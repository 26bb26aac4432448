/** Checks, hooks, an even spread and an observer on real daemons (issue 5). */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Capture, voicesOf } from "./lib/capture.js";
import type { LabHost } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import { describeGaps, expectWireAgrees, measured, vipsOf, voicesOfHost } from "./lib/laws.js";
import { sh, sleep, until } from "./lib/shell.js";

/** None is lost where no control plane is starved: a lapse of its lease is what can cost some on a busy machine. */
const LOST_MAX = 15;

test("an observer shows the election, owns nothing, answers nothing, and leaves the host as it was", async () => {
  const lab = await Lab.create({ hosts: 3, v4: 3, v6: 3, servers: false });
  try {
    const watcher = lab.hosts[2]!;
    const others = lab.hosts.slice(0, 2);
    const sysctls = watcher.sysctls();
    const capture = await Capture.start(lab);
    await Promise.all(others.map((host) => host.startDaemon()));
    await watcher.startDaemon({ args: ["--observe"] });
    const owners = await lab.atRest(30_000);
    expect(vipsOf(owners, watcher)).toEqual([]);
    const status = await others[0]!.status();
    expect(status.members.find((member) => member.name === watcher.name)?.barred).toBe("observing");
    expect((await watcher.status()).alarms).toEqual([]);
    await others[0]!.powerCut();
    const after = await lab.settled(10_000, [others[1]!, watcher]);
    expect(vipsOf(after, others[1]!)).toHaveLength(6);
    await watcher.stopDaemon();
    const frames = await capture.stop();
    expect(voicesOfHost(voicesOf(frames, lab.vips), watcher)).toEqual([]);
    expect(watcher.sysctls()).toBe(sysctls);
  } finally {
    await lab.destroy();
  }
});

describe("three hosts, each with a check of its server, hooks, and an even spread", () => {
  let lab: Lab;
  let before: ReadonlyMap<string, string>;
  const flag = (host: LabHost): string => path.join(host.dir, "ill");
  const hookLog = (host: LabHost): string => path.join(host.dir, "hooks.log");
  const hooksOf = (host: LabHost, vip: string): string[] => {
    const lines = fs.readFileSync(hookLog(host), "utf8").trim().split("\n");
    return lines.filter((line) => line.endsWith(` ${vip}`)).map((line) => line.split(" ")[0]!);
  };

  beforeAll(async () => {
    lab = await Lab.create({
      hosts: 3,
      v4: 4,
      v6: 3,
      configure: (config, index) => {
        const dir = path.dirname((config.status as { socket: string }).socket);
        const script = path.join(dir, "hook");
        fs.writeFileSync(
          script,
          `#!/bin/sh\nread line\necho "$VIPD_EVENT $VIPD_VIP$VIPD_MEMBER" >> ${dir}/hooks.log\n`,
          { mode: 0o755 },
        );
        const [vip] = config.vips as object[];
        const terms = { intervalMs: 200, timeoutMs: 500, rise: 2, fall: 2 };
        return {
          ...config,
          node: { ...(config.node as object), labels: { index: String(index) } },
          vips: [
            {
              ...vip,
              spread: "even",
              check: [
                { type: "http", url: "http://127.0.0.1:8080/", ...terms },
                { type: "exec", command: ["/usr/bin/test", "!", "-e", `${dir}/ill`], ...terms },
                { type: "arp", address: "10.77.0.2", ...terms },
              ],
            },
          ],
          hooks: { owned: [script], released: [[script]], member: [script] },
        };
      },
    });
    await lab.startAll();
    before = await lab.atRest(30_000);
  });
  afterAll(() => lab?.destroy());

  test("checks pass and are shown, VIPs are spread evenly", async () => {
    const { checks, alarms } = await lab.hosts[0]!.status();
    expect(checks.map((one) => [one.group, one.type, one.state])).toEqual([
      ["pool", "http", "passing"],
      ["pool", "exec", "passing"],
      ["pool", "arp", "passing"],
    ]);
    expect(alarms).toEqual([]);
    const counts = lab.hosts.map((host) => vipsOf(before, host).length);
    expect([...counts].sort()).toEqual([2, 2, 3]);
    const metrics = await lab.hosts[0]!.get("/metrics");
    expect(metrics).toContain('vipd_check_passing{group="pool",check="#0 http http://127.0.0.1:8080/"} 1');
  });

  test("a failing check gives the VIPs away without a packet lost, says why, and gets its share back", async () => {
    const host = lab.hosts[1]!;
    const mine = vipsOf(before, host);
    const prober = await lab.client.probe(mine, 2);
    fs.writeFileSync(flag(host), "");
    await until("it owns nothing", 5000, async () => {
      const now = await lab.settled(0);
      if (vipsOf(now, host).length > 0) throw new Error("it does");
      return true;
    });
    const ill = await host.status();
    expect(ill.alarms.join()).toContain("/usr/bin/test fails: exit code 1");
    expect(ill.checks[1]!.state).toBe("failing");
    const meanwhile = await lab.settled();
    await expectWireAgrees(lab, meanwhile, { vips: mine.slice(0, 2) });
    // A VIP is released when the host accepts nothing for it any more, a while after it fell silent; back before that, it never was.
    await until("its VIPs are released", 5000, () => mine.every((vip) => hooksOf(host, vip).at(-1) === "released"));
    fs.rmSync(flag(host));
    await sleep(1500);
    const after = await lab.atRest();
    const reports = await prober.stop();
    measured(`check fails and passes again: ${describeGaps(reports)}`);
    expect(reports.reduce((sum, report) => sum + report.lost, 0)).toBeLessThanOrEqual(LOST_MAX);
    const counts = lab.hosts.map((one) => vipsOf(after, one).length);
    expect([...counts].sort()).toEqual([2, 2, 3]);
  });

  test("whoever follows /events hears that a check fails, why, and that it passes again", () => {
    const argv = ["curl", "-sN", "--max-time", "1", "-H", "Last-Event-ID: none", "http://127.0.0.1:7980/events"];
    const heard = sh("sh", "-c", `ip netns exec ${lab.hosts[1]!.namespace} "$@"; true`, "sh", ...argv);
    const events = [...heard.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data!) as Record<string, string>);
    const changes = events.filter(({ event, check }) => event!.startsWith("check.") && check!.includes("exec"));
    expect(changes.map(({ event }) => event).slice(-2)).toEqual(["check.failing", "check.passing"]);
    expect(changes.at(-2)).toMatchObject({ group: "pool", check: "#1 exec /usr/bin/test", reason: "exit code 1" });
  });

  test("hooks heard of every VIP that was owned and released, in order", async () => {
    const host = lab.hosts[1]!;
    const mine = vipsOf(before, host);
    const heard = fs.readFileSync(hookLog(host), "utf8").trim().split("\n");
    for (const vip of mine) expect(hooksOf(host, vip).slice(0, 2), vip).toEqual(["owned", "released"]);
    expect(heard.filter((line) => line.startsWith("member")).length).toBeGreaterThan(0);
  });

  test("a daemon that stops runs the hooks of what it released", async () => {
    const host = lab.hosts[2]!;
    const mine = vipsOf(await lab.atRest(), host);
    await host.stopDaemon();
    const heard = fs.readFileSync(hookLog(host), "utf8").trim().split("\n");
    for (const vip of mine) expect(heard.findLast((line) => line.endsWith(` ${vip}`))).toBe(`released ${vip}`);
  });
});
