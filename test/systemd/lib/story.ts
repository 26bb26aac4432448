/**
 * What every story on real systemds needs: the package in two versions, three machines that are one group, waiting for them,
 * and figures. Purpose: the tests tell what happens, and nothing else. Boundary: asserts nothing of its own.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { ProbeReport } from "../../lab/lib/prober.js";
import { ROOT, sh, sleep } from "../../lab/lib/shell.js";
import { Cluster, type Machine, type Place, until, VIP } from "./machines.js";
import { DEBIANS, type Debian } from "./roots.js";

export const CONFIG = "etc/vipd/config.json";
/** VIPD_SYSTEMD=bookworm or trixie tries one Debian only. */
export const CHOSEN = (process.env.VIPD_SYSTEMD?.split(",") ?? Object.keys(DEBIANS)) as Debian[];

/** What a package says its version is. */
export function versionOf(deb: string): string {
  return sh("dpkg-deb", "--field", deb, "Version").trim();
}

/** Packages of this tree under the given versions, and their removal. */
export function makePackages(...versions: readonly string[]): { debs: string[]; remove: () => void } {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "vipd-packages-"));
  const debs = versions.map((version) => {
    const argv = ["systemd/package.mjs", "--quick", `--version=${version}`, `--out=${folder}`];
    const said = execFileSync(process.execPath, argv, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
    return String(said).split(" ")[0]!;
  });
  return { debs, remove: () => fs.rmSync(folder, { recursive: true, force: true }) };
}

export class Story {
  readonly cluster: Cluster;
  readonly machines: readonly Machine[];
  readonly #figures: string[] = [];

  constructor(
    readonly debian: Debian,
    place?: Place,
  ) {
    this.cluster = new Cluster(debian, place);
    this.machines = this.cluster.machines;
  }

  configuration(
    machine: Machine,
    changes: { address?: string; gossip?: object; vip?: object; more?: object } = {},
  ): string {
    const join = this.machines.filter((other) => other !== machine).map((other) => `${other.address}:7979`);
    const { address = VIP, gossip = {}, vip = {}, more = {} } = changes;
    return JSON.stringify({
      node: { name: machine.name },
      gossip: { bind: `${machine.address}:7979`, join, keyFile: "/etc/vipd/gossip.key", ...gossip },
      vips: [{ name: "web", addresses: [address], interface: "eth0", failback: { afterMs: 1000 }, ...vip }],
      ...more,
    });
  }

  /** Key and configuration, as README has them made by hand. */
  async configure(): Promise<void> {
    const key = await this.machines[0]!.ok("vipd", "keygen");
    for (const machine of this.machines) {
      machine.write("etc/vipd/gossip.key", key);
      await machine.ok("chgrp", "vipd", "/etc/vipd/gossip.key");
      await machine.ok("chmod", "0640", "/etc/vipd/gossip.key");
      machine.write(CONFIG, this.configuration(machine));
      await machine.ok("vipd", "check");
    }
  }

  async settled(limitMs = 30_000): Promise<void> {
    for (const machine of this.machines) {
      await until(
        `${machine.name} sees three members`,
        async () => {
          const status = JSON.parse((await machine.exec("vipd", "status", "--json")).stdout || "{}");
          const members = (status.members ?? []) as { state: string }[];
          return members.filter((member) => member.state === "alive").length === 3;
        },
        limitMs,
      );
    }
    await sleep(3000);
    await this.cluster.owner();
  }

  note(what: string, report: ProbeReport): ProbeReport {
    const servers = report.servers.map((server) => server.name).join(" -> ");
    const gap = `longest ${Math.round(report.maxGap.lengthMs)} ms (client late ${Math.round(report.lateMs)} ms)`;
    this.#figures.push(`${what}: lost ${report.lost} of ${report.sent}, ${gap}, ${servers}`);
    return report;
  }

  say(line: string): void {
    this.#figures.push(line);
  }

  async end(): Promise<void> {
    process.stdout.write(`${this.debian}:\n${this.#figures.map((line) => `  ${line}\n`).join("")}`);
    await this.cluster.remove();
  }

  async tellJournals(): Promise<void> {
    for (const machine of this.machines) process.stdout.write(`--- ${machine.name}\n${await machine.journal()}\n`);
  }
}
