import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createStrictArp } from "../../../src/adapters/strict-arp.js";

let root: string;
let stateFile: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "vipd-strict-"));
  stateFile = join(root, "strict-arp.json");
  mkdirSync(join(root, "sys/kernel/random"), { recursive: true });
  mkdirSync(join(root, "self/ns"), { recursive: true });
  writeFileSync(join(root, "sys/kernel/random/boot_id"), "boot-1\n");
  symlinkSync("net:[1]", join(root, "self/ns/net"));
  for (const conf of ["all", "default", "lo", "eth0"]) put(conf, 0, 0);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(conf: string, ignore: number, announce: number): void {
  const directory = join(root, "sys/net/ipv4/conf", conf);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "arp_ignore"), `${ignore}\n`);
  writeFileSync(join(directory, "arp_announce"), `${announce}\n`);
}

function values(conf: string): [number, number] {
  const read = (key: string) => Number(readFileSync(join(root, "sys/net/ipv4/conf", conf, key), "utf8"));
  return [read("arp_ignore"), read("arp_announce")];
}

function strictArp(mode: "manage" | "require" | "ignore" = "manage") {
  return createStrictArp({ mode, stateFile, procRoot: root });
}

describe("manage", () => {
  test.each<{ says: string; before: [number, number]; after: [number, number] }>([
    { says: "a host as installed", before: [0, 0], after: [1, 2] },
    { says: "a host of strict ARP already", before: [1, 2], after: [1, 2] },
    { says: "a stricter arp_ignore 2, which stays", before: [2, 2], after: [2, 2] },
    { says: "arp_ignore 3, silent for scope host, which stays", before: [3, 0], after: [3, 2] },
    { says: "arp_ignore 8, which stays", before: [8, 1], after: [8, 2] },
    { says: "the reserved arp_ignore 4, which acts like 0", before: [4, 2], after: [1, 2] },
    { says: "arp_announce 3, which acts like 0", before: [1, 3], after: [1, 2] },
  ])("leaves strict and puts back: $says", async ({ before, after }) => {
    put("all", ...before);
    const arp = strictArp();
    await arp.start();
    expect(values("all")).toEqual(after);
    expect(values("eth0")).toEqual([0, 0]);
    await arp.restore();
    expect(values("all")).toEqual(before);
    expect(existsSync(stateFile)).toBe(false);
  });

  test("repairs an interface whose own larger value undoes that of all", async () => {
    put("eth0", 5, 7);
    const arp = strictArp();
    expect(await arp.start()).toHaveLength(4);
    expect(values("eth0")).toEqual([1, 2]);
    await arp.restore();
    expect(values("eth0")).toEqual([5, 7]);
  });

  test("says what it changed, with the values", async () => {
    expect(await strictArp().start()).toEqual([
      "net.ipv4.conf.all.arp_ignore: 0 -> 1",
      "net.ipv4.conf.all.arp_announce: 0 -> 2",
    ]);
  });

  test("repairs what sysctl --system undid, and restores the first originals", async () => {
    put("all", 0, 1);
    const arp = strictArp();
    await arp.start();
    put("all", 0, 0);
    expect(await arp.check()).toEqual([
      "net.ipv4.conf.all.arp_ignore: 0 -> 1",
      "net.ipv4.conf.all.arp_announce: 0 -> 2",
    ]);
    expect(await arp.check()).toEqual([]);
    await arp.restore();
    expect(values("all")).toEqual([0, 1]);
  });

  test("restores the originals of before a crash, not its own values", async () => {
    put("all", 0, 1);
    await strictArp().start();
    const second = strictArp();
    expect(await second.start()).toEqual([]);
    await second.restore();
    expect(values("all")).toEqual([0, 1]);
  });

  test("leaves alone at the end what someone else has set meanwhile", async () => {
    const arp = strictArp();
    await arp.start();
    put("all", 2, 2);
    await arp.restore();
    expect(values("all")).toEqual([2, 0]);
  });

  test.each<{ says: string; spoil: () => void }>([
    { says: "of an earlier boot", spoil: () => writeFileSync(join(root, "sys/kernel/random/boot_id"), "boot-2\n") },
    {
      says: "of another network namespace",
      spoil: () => {
        rmSync(join(root, "self/ns/net"));
        symlinkSync("net:[2]", join(root, "self/ns/net"));
      },
    },
    { says: "that is no JSON", spoil: () => writeFileSync(stateFile, "{") },
    {
      says: "that is JSON of another shape",
      spoil: () => writeFileSync(stateFile, '{"where":"boot-1 net:[1]","changes":7}'),
    },
    {
      says: "with a path in a name",
      spoil: () =>
        writeFileSync(
          stateFile,
          '{"where":"boot-1 net:[1]","changes":[{"conf":"../x","key":"arp_ignore","original":0,"ours":1}]}',
        ),
    },
  ])("ignores a record $says", async ({ spoil }) => {
    await strictArp().start();
    spoil();
    const second = strictArp();
    await second.start();
    await second.restore();
    expect(values("all")).toEqual([1, 2]);
  });

  test("changes nothing where a sysctl cannot be read", async () => {
    rmSync(join(root, "sys/net/ipv4/conf/all/arp_announce"));
    symlinkSync("/proc/self/nonexistent/arp_announce", join(root, "sys/net/ipv4/conf/all/arp_announce"));
    await expect(strictArp().start()).rejects.toThrow("arp_announce cannot be read");
    expect(values("eth0")).toEqual([0, 0]);
  });
});

test("nothing is changed where the originals cannot be remembered", async () => {
  // The originals cannot be remembered, so nothing may be changed.
  const arp = createStrictArp({ mode: "manage", stateFile: join(root, "nowhere/state.json"), procRoot: root });
  await expect(arp.start()).rejects.toThrow("ENOENT");
  expect(values("all")).toEqual([0, 0]);
});

describe("require", () => {
  test("refuses in one line that says what to set", async () => {
    const refusal = strictArp("require").start();
    await expect(refusal).rejects.toThrow(
      'strictArp is "require", but net.ipv4.conf.all.arp_ignore is 0, net.ipv4.conf.all.arp_announce is 0; ' +
        "set: sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2",
    );
    expect(values("all")).toEqual([0, 0]);
  });

  test("accepts strict values, complains when they change, and changes nothing itself", async () => {
    put("all", 1, 2);
    const arp = strictArp("require");
    expect(await arp.start()).toEqual([]);
    put("all", 0, 2);
    await expect(arp.check()).rejects.toThrow("net.ipv4.conf.all.arp_ignore is 0; set: sysctl -w");
    await arp.restore();
    expect(values("all")).toEqual([0, 2]);
    expect(existsSync(stateFile)).toBe(false);
  });
});

test("ignore reads and writes nothing", async () => {
  rmSync(join(root, "sys"), { recursive: true });
  const arp = strictArp("ignore");
  expect(await arp.start()).toEqual([]);
  expect(await arp.check()).toEqual([]);
  await arp.restore();
});

describe.skipIf(process.getuid?.() !== 0)("on a real kernel, in a network namespace of its own", () => {
  const module = fileURLToPath(new URL("../../../src/adapters/strict-arp.ts", import.meta.url));
  const run = (wrapper: string[], body: string) => {
    const script = `
      import { readFileSync } from "node:fs";
      import { createStrictArp } from ${JSON.stringify(module)};
      const values = () => ["arp_ignore", "arp_announce"].map((k) => Number(readFileSync("/proc/sys/net/ipv4/conf/all/" + k)));
      const arp = createStrictArp({ mode: "manage", stateFile: ${JSON.stringify(stateFile)} });
      ${body}`;
    const [command, ...args] = [...wrapper, process.execPath, "--import", "tsx", "--input-type=module", "-e", script];
    return spawnSync(command!, args, { encoding: "utf8" });
  };

  test("sets and restores the sysctls", { timeout: 120_000 }, () => {
    const { stdout, stderr } = run(
      ["unshare", "--net"],
      `await arp.start(); const during = values(); await arp.restore(); console.log(JSON.stringify([during, values()]));`,
    );
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual([
      [1, 2],
      [0, 0],
    ]);
  });

  test("takes back the first sysctl if the second cannot be written", { timeout: 120_000 }, () => {
    const file = "/proc/sys/net/ipv4/conf/all/arp_announce";
    const readOnly = `mount -o bind,ro ${file} ${file} && mount -o remount,bind,ro ${file} && exec "$0" "$@"`;
    const { stdout } = run(
      ["unshare", "--net", "--mount", "sh", "-c", readOnly],
      `await arp.start().catch((e) => console.log(e.message)); console.log(JSON.stringify(values()));`,
    );
    expect(stdout).toContain("arp_announce (EROFS)");
    expect(stdout).toContain("[0,0]");
  });

  test("says what to do where /proc/sys is read-only", { timeout: 120_000 }, () => {
    const readOnly = 'mount -o bind,ro /proc/sys /proc/sys && exec "$0" "$@"';
    const { stdout } = run(
      ["unshare", "--net", "--mount", "sh", "-c", readOnly],
      `await arp.start().catch((e) => console.log(e.message));`,
    );
    expect(stdout).toContain("cannot write /proc/sys/net/ipv4/conf/all/arp_ignore (EROFS)");
    expect(stdout).toContain('set strictArp to "require"');
  });
});
