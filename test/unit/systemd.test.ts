import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const folder = fileURLToPath(new URL("../../systemd/", import.meta.url));
const unit = readFileSync(join(folder, "vipd.service"), "utf8");

/** Every value of a key, in the file's order. */
function values(key: string): string[] {
  return [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map((m) => m[1]!);
}

describe("the unit", () => {
  test.each<[string, string, string[]]>([
    ["is heard by systemd when it is ready", "Type", ["notify"]],
    [
      "runs vipd with the configuration of the README",
      "ExecStart",
      ["/usr/bin/vipd run --wait-until-configured --config /etc/vipd/config.json"],
    ],
    ["is not root", "User", ["vipd"]],
    ["has two capabilities", "AmbientCapabilities", ["CAP_NET_RAW CAP_NET_ADMIN"]],
    ["can get no others", "CapabilityBoundingSet", ["CAP_NET_RAW CAP_NET_ADMIN"]],
    ["is scheduled in real time", "CPUSchedulingPolicy", ["fifo"]],
    ["does not demote its threads", "CPUSchedulingResetOnFork", []],
    ["is not ended for being busy", "LimitRTTIME", []],
    ["comes back whatever happened", "Restart", ["always"]],
    ["never gives up", "StartLimitIntervalSec", ["0"]],
    ["keeps the originals of the sysctls", "RuntimeDirectoryPreserve", ["yes"]],
    ["may write no sysctl", "ProtectKernelTunables", ["yes"]],
    ["but those of strict ARP", "ReadWritePaths", ["-/proc/sys/net/ipv4/conf"]],
    [
      "fails a reload that is refused, in normal time",
      "ExecReload",
      ["/usr/bin/chrt --other 0 /usr/bin/vipd reload --config /etc/vipd/config.json"],
    ],
    [
      "is cleaned up after",
      "ExecStopPost",
      ["-/usr/bin/chrt --other 0 /usr/bin/vipd sweep --config /etc/vipd/config.json"],
    ],
    ["lets Node compile", "MemoryDenyWriteExecute", ["no"]],
    ["lets Node live under seccomp", "SystemCallErrorNumber", ["EPERM"]],
  ])("%s", (_, key, expected) => {
    expect(values(key)).toEqual(expected);
  });

  test("gives a reason above each protection that it leaves open", () => {
    const lines = unit.split("\n");
    for (const [index, line] of lines.entries()) {
      if (/^(Protect|Private|Restrict|Memory)\w+=no$/.test(line) && !line.startsWith("PrivateUsers")) {
        expect([line, lines[index - 1]]).toEqual([line, expect.stringMatching(/^#/)]);
      }
    }
  });

  test("stops later than the network and gives the hand-over more time than it needs", () => {
    expect(values("After")).toEqual(["network-online.target"]);
    expect(values("TimeoutStopSec")).toEqual(["45s"]);
    expect(values("KillMode")).toEqual(["mixed"]);
  });
});

const hasAnalyze = spawnSync("systemd-analyze", ["--version"]).status === 0;

describe.skipIf(!hasAnalyze)("systemd-analyze", () => {
  test("verify finds nothing", { timeout: 20_000 }, () => {
    const root = mkdtempSync(join(tmpdir(), "vipd-unit-"));
    try {
      for (const directory of ["usr/bin", "bin", "etc/systemd/system", "usr/lib/systemd"]) {
        mkdirSync(join(root, directory), { recursive: true });
      }
      cpSync("/usr/lib/systemd/system", join(root, "usr/lib/systemd/system"), {
        recursive: true,
        verbatimSymlinks: true,
      });
      for (const program of ["usr/bin/vipd", "usr/bin/chrt"]) {
        writeFileSync(join(root, program), "#!/bin/sh\n");
        chmodSync(join(root, program), 0o755);
      }
      cpSync(join(folder, "vipd.service"), join(root, "etc/systemd/system/vipd.service"));
      const run = spawnSync("systemd-analyze", ["verify", "--man=no", `--root=${root}`, "vipd.service"], {
        encoding: "utf8",
      });
      expect([run.status, run.stderr]).toEqual([0, ""]);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  test("security sees no more exposure than 2.0", { timeout: 20_000 }, () => {
    const args = ["security", "--offline=true", "--threshold=20", "--no-pager", join(folder, "vipd.service")];
    const run = spawnSync("systemd-analyze", args, { encoding: "utf8" });
    expect([run.status, run.stderr]).toEqual([0, ""]);
  });
});
