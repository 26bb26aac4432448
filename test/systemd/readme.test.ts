/**
 * README's own words on bare machines: its commands are taken out of its text and typed as they stand there, from the first
 * installation to the purge. What README shows and does not work fails here, and so does what it no longer shows.
 * Boundary: ssh is stood in for (a bare Debian has none); the measured rest is machines.test.ts's.
 */
import { copyFileSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../lab/lib/shell.js";
import { type Machine, until } from "./lib/machines.js";
import { CHOSEN, makePackages, Story } from "./lib/story.js";

const readme = readFileSync(path.join(ROOT, "README.md"), "utf8");
/** The addresses that README's commands name. */
const PLACE = { network: "10.0.0", names: ["host-a", "host-b", "host-c"] };

function section(title: string): string {
  const begin = readme.indexOf(`\n## ${title}\n`);
  if (begin < 0) throw new Error(`README has no section "${title}"`);
  const end = readme.indexOf("\n## ", begin + 4);
  return readme.slice(begin, end < 0 ? undefined : end);
}

/** The commands of a text's code blocks, a list each. */
function blocks(text: string): string[][] {
  return [...text.matchAll(/^```\n([\s\S]*?)^```$/gm)].map((block) => block[1]!.trim().split("\n"));
}

/** A command that stands in running text; it must be there in these words. */
function inText(text: string, command: string): string {
  if (!text.includes(`\`${command}\``)) throw new Error(`README does not say \`${command}\` any more`);
  return command;
}

const installing = section("Installing").split("**From the npm package**")[0]!;
const leaving = section("Upgrading and removing");
const [[install] = [], five = []] = blocks(installing);

/** Runs whatever command line comes in on port 22: as much of sshd as `ssh root@HOST COMMAND` needs. */
const SSHD = {
  "etc/systemd/system/ssh.socket": "[Socket]\nListenStream=22\nAccept=yes\n[Install]\nWantedBy=sockets.target\n",
  "etc/systemd/system/ssh@.service":
    "[Service]\nExecStart=/bin/sh -c 'read -r line; exec sh -c \"$line\"'\nStandardInput=socket\nStandardOutput=journal\n",
  "usr/bin/ssh":
    '#!/bin/bash\nhost=$(echo "$1" | cut -d @ -f 2); shift\nexec 3<>"/dev/tcp/$host/22"\n{ echo "$*"; cat; } >&3\n',
};

describe.each(CHOSEN)("%s, by README's words", (debian) => {
  const story = new Story(debian, PLACE);
  const { cluster, machines } = story;
  const [first] = machines as [Machine];
  let packages: ReturnType<typeof makePackages>;
  const type = (machine: Machine, line: string) => machine.ok("sh", "-c", `cd /root && ${line}`);
  const put = (deb: string, name: string) => {
    for (const machine of machines) copyFileSync(deb, path.join(machine.root, "root", name));
  };

  beforeAll(async () => {
    packages = makePackages("0.1.0", "0.1.1");
    await cluster.start();
    for (const machine of machines) {
      for (const [file, text] of Object.entries(SSHD)) machine.write(file, text);
      await machine.ok("chmod", "755", "/usr/bin/ssh");
      await machine.ok("systemctl", "daemon-reload");
      await machine.ok("systemctl", "start", "ssh.socket");
    }
  }, 900_000);
  afterAll(async () => {
    await story.end();
    packages.remove();
  }, 60_000);
  afterEach(async (context) => {
    if (context.task.result?.state === "fail") await story.tellJournals();
  });

  test("the package installs, and the service waits", async () => {
    const name = /^dpkg -i (vipd_\S+\.deb)$/.exec(install ?? "")![1]!;
    put(packages.debs[0]!, name);
    for (const machine of machines) {
      await type(machine, install!);
      await until("it says so", async () =>
        (await machine.exec(...inText(installing, "systemctl status vipd").split(" "))).stdout.includes(
          "not configured",
        ),
      );
    }
  }, 400_000);

  test("five commands make the group", async () => {
    expect(five).toHaveLength(5);
    const [init, toB, toC, status, verify] = five as [string, string, string, string, string];
    // init prints the other four.
    const printed = await type(first, init);
    for (const line of [toB, toC, status, verify]) expect(printed).toContain(line);
    await type(first, toB);
    await type(first, toC);
    await story.settled();
    for (const name of PLACE.names) expect(await type(first, status)).toContain(name);
    expect(await type(first, verify)).toMatch(/OK/);
    expect(installing).toContain("remove `/etc/vipd/hosts`");
    await type(first, "rm -r /etc/vipd/hosts");
  }, 300_000);

  test("a stop is a planned failover, and the power switch another one", async () => {
    const owner = await cluster.owner();
    const other = machines.find((machine) => machine !== owner)!;
    const stopped = await cluster.measure(() => type(owner, inText(installing, "systemctl stop vipd")));
    expect(story.note("stop", stopped).lost).toBe(0);
    const heir = await cluster.owner();
    expect(await type(other, inText(installing, "vipd status"))).toContain(heir.name);
    await owner.ok("systemctl", "start", "vipd");
    await story.settled();
    const next = await cluster.owner();
    const cut = story.note("power switch", await cluster.measure(() => next.powerCut(), 3000));
    expect([cut.maxGap.lengthMs < 2500, cut.servers.length]).toEqual([true, 2]);
    await next.powerOn();
    await story.settled();
  }, 400_000);

  test("one host after the other is upgraded, and nothing is lost", async () => {
    inText(leaving, "dpkg -i");
    put(packages.debs[1]!, "newer.deb");
    const report = await cluster.measure(async () => {
      for (const machine of machines) await type(machine, "dpkg -i newer.deb");
    }, 3000);
    expect(story.note("upgrade", report).lost).toBe(0);
    await story.settled();
    for (const machine of machines) expect(await machine.ok("vipd", "version")).toContain("0.1.1");
  }, 400_000);

  test("removed it keeps configuration and key, purged it leaves nothing", async () => {
    for (const machine of machines) {
      await type(machine, inText(leaving, "dpkg --remove vipd"));
      await machine.ok("ls", "/etc/vipd/config.json", "/etc/vipd/gossip.key");
      await type(machine, inText(leaving, "dpkg --purge vipd"));
      expect((await machine.exec("ls", "/etc/vipd")).code).not.toBe(0);
      expect((await machine.exec("getent", "passwd", "vipd")).code).not.toBe(0);
    }
    expect(await cluster.holders()).toEqual([]);
  }, 300_000);
});
