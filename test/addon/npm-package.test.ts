/**
 * The npm package on a host without a compiler: packed, installed from its tarball into an empty folder, and used. That
 * `vipd check` finds an interface shows that the prebuilt addon is what runs. The registry (or npm's cache) has the modules.
 */
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const work = fs.mkdtempSync(path.join(tmpdir(), "vipd-npm-"));
const tools = path.join(work, "bin");
const tree = path.join(work, "tree");
const host = path.join(work, "host");
const vipd = path.join(host, "node_modules/.bin/vipd");
const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));

/** Runs where PATH has Node, npm and what their first lines need, and neither compiler, make nor Python. */
function bare(cwd: string, program: string, ...args: string[]): SpawnSyncReturns<string> {
  const env = { HOME: process.env.HOME, PATH: tools };
  return spawnSync(program, args, { cwd, env, encoding: "utf8", timeout: 150_000 });
}

function whereIs(program: string): string {
  return spawnSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).stdout.trim();
}

/** Not in the checkout itself: other tests would see the facts of a build there. */
function pack(): string {
  for (const part of ["package.json", "dist", "native/binding.gyp", "native/src", "systemd", "README.md", "LICENSE"])
    fs.cpSync(path.join(root, part), path.join(tree, part), { recursive: true });
  const addon = "native/build/Release/vipd.node";
  fs.mkdirSync(path.join(tree, path.dirname(addon)), { recursive: true });
  fs.copyFileSync(path.join(root, addon), path.join(tree, addon));
  const prepared = spawnSync(process.execPath, ["systemd/npm.mjs"], { cwd: tree, encoding: "utf8" });
  expect(prepared).toMatchObject({ status: 0, stderr: "" });
  const packed = spawnSync("npm", ["pack", "--ignore-scripts", "--json"], { cwd: tree, encoding: "utf8" });
  expect(packed.status, packed.stderr).toBe(0);
  return path.join(tree, JSON.parse(packed.stdout)[0].filename);
}

describe("the npm package", { timeout: 30_000 }, () => {
  beforeAll(() => {
    for (const folder of [tools, tree, host]) fs.mkdirSync(folder);
    fs.symlinkSync(process.execPath, path.join(tools, "node"));
    for (const one of ["npm", "env", "sh", "test"])
      fs.symlinkSync(whereIs(one) || `/usr/bin/${one}`, path.join(tools, one));
    const installed = bare(host, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", pack());
    expect(installed.status, installed.stdout + installed.stderr).toBe(0);
  }, 180_000);
  afterAll(() => fs.rmSync(work, { recursive: true }));

  it("installs without a compiler, and builds nothing", () => {
    for (const one of ["cc", "gcc", "g++", "make", "python3"]) expect(bare(host, one).error, one).toBeDefined();
    const native = path.join(host, "node_modules/vipd/native");
    expect(fs.existsSync(path.join(native, "build"))).toBe(false);
    expect(fs.readdirSync(path.join(native, `prebuilds/linux-${process.arch}`))).toEqual(["vipd.napi.glibc.node"]);
  });

  it("vipd version --json tells that it came from npm", () => {
    const ran = bare(host, vipd, "version", "--json");
    expect(ran.stderr).toBe("");
    expect(JSON.parse(ran.stdout)).toMatchObject({ version, build: { package: "npm" } });
  });

  it("vipd check sees this host's interfaces by the prebuilt addon", () => {
    const config = path.join(host, "config.json");
    const vips = [{ name: "web", addresses: ["10.0.0.9"], interface: "eth7" }];
    fs.writeFileSync(config, JSON.stringify({ gossip: { bind: "10.0.0.1:7979", insecure: true }, vips }));
    const absent = bare(host, vipd, "check", config);
    expect(absent).toMatchObject({ status: 2, stdout: "" });
    expect(absent.stderr).toContain('there is no interface "eth7"');
    const ip = whereIs("ip");
    const up = `${ip} link add eth7 type veth peer name far && ${ip} address add 10.0.0.1/24 dev eth7 && ${ip} link set eth7 up`;
    const there = bare(host, whereIs("unshare"), "--net", "/bin/sh", "-c", `${up} && exec ${vipd} check ${config}`);
    expect(there.status, there.stderr).toBe(0);
    expect(there.stdout).toContain("right");
  });
});
