/**
 * A lab: a switch, hosts and clients in network namespaces, both families, on one segment. It makes the topology,
 * writes each host's real configuration, waits until the group agrees, and removes everything, also when the process
 * is interrupted or throws. Boundary: what is on the wire is wire.ts' and capture.ts' business.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import type { StatusSnapshot } from "../../../src/ports.js";
import { Client } from "./client.js";
import { LabHost, MAIN, type Preload, type RawConfig } from "./host.js";
import { Processes } from "./processes.js";
import { nowMs, parallel, sh, shQuiet, sleep, until } from "./shell.js";
import { LABS_DIR, removeLab, startTicks, sweep, writeRecord } from "./sweep.js";
import { Switch } from "./switch.js";

export interface LabOptions {
  readonly hosts?: number;
  readonly clients?: number;
  /** How many VIPs of each family. */
  readonly v4?: number;
  readonly v6?: number;
  /** A second interface `eth1` on the same segment, on every host. */
  readonly secondNic?: boolean;
  /** The switch snoops MLD and has a querier. */
  readonly querier?: boolean;
  readonly failbackMs?: number;
  readonly aloneAfterMs?: number;
  /** The small server on every host. */
  readonly servers?: boolean;
  /** Last word on a host's configuration. */
  readonly configure?: (config: RawConfig, index: number) => RawConfig;
  /** The lab outlives this process. */
  readonly keep?: boolean;
}

const living = new Set<Lab>();
let counter = 0;
let hooked = false;

/** Clean-up always runs: at exit, on signals, and for uncaught exceptions (which end in exit). */
function hookExit(): void {
  if (hooked) return;
  hooked = true;
  sweep();
  process.on("exit", () => {
    for (const lab of living) lab.destroyNow();
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      for (const lab of living) lab.destroyNow();
      process.kill(process.pid, signal);
    });
  }
}

export class Lab {
  readonly prefix: string;
  readonly dir: string;
  readonly keyFile: string;
  readonly keep: boolean;
  readonly processes = new Processes();
  readonly switch: Switch;
  readonly hosts: readonly LabHost[];
  readonly clients: readonly Client[];
  readonly vips: readonly string[];

  private constructor(readonly options: LabOptions) {
    hookExit();
    this.prefix = `vipd-lab-${process.pid}-${counter++}`;
    this.dir = path.join(LABS_DIR, this.prefix);
    this.keep = options.keep ?? false;
    this.keyFile = path.join(this.dir, "gossip.key");
    living.add(this);
    fs.mkdirSync(this.dir, { recursive: true });
    writeRecord(this.dir, {
      prefix: this.prefix,
      pid: process.pid,
      startTicks: startTicks(process.pid),
      keep: false,
    });
    fs.writeFileSync(this.keyFile, `${randomBytes(32).toString("base64")}\n`, { mode: 0o600 });
    this.switch = new Switch(`${this.prefix}-switch`, { querier: options.querier ?? false });
    const count = options.hosts ?? 3;
    const v4 = Array.from({ length: options.v4 ?? 20 }, (_, i) => `10.77.0.${100 + i}`);
    const v6 = Array.from({ length: options.v6 ?? 20 }, (_, i) => `fd77::${(0x100 + i).toString(16)}`);
    this.vips = [...v4, ...v6];
    this.hosts = Array.from({ length: count }, (_, i) => new LabHost(this, i));
    this.clients = Array.from({ length: options.clients ?? 1 }, (_, i) => new Client(this, i));
  }

  static async create(options: LabOptions = {}): Promise<Lab> {
    const lab = new Lab(options);
    try {
      for (const host of lab.hosts) {
        lab.#connect({ namespace: host.namespace, port: host.port, mac: host.mac, v4: host.v4, v6: host.v6 });
        if (options.secondNic) lab.addSecondNic(host);
        host.writeConfig(lab.configOf(host));
      }
      for (const client of lab.clients) lab.#connect(client);
      if (options.servers ?? true) await Promise.all(lab.hosts.map((host) => host.startServer()));
      return lab;
    } catch (error) {
      await lab.destroy();
      throw error;
    }
  }

  #connect(end: { namespace: string; port: string; mac: string; v4: string; v6: string }): void {
    const { namespace, port, mac, v4, v6 } = end;
    sh("ip", "netns", "add", namespace);
    // No duplicate address detection and no router solicitations: they would only delay the tests.
    const quiet = ["net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.router_solicitations=0"];
    sh("ip", "netns", "exec", namespace, "sysctl", "-qw", ...quiet);
    sh("ip", "-n", namespace, "link", "set", "lo", "up");
    this.switch.plug({ port, into: namespace, name: "eth0", mac });
    addAddresses({ namespace, device: "eth0", v4, v6 });
  }

  /** `eth1` on the same segment, with addresses of its own. */
  addSecondNic(host: LabHost): void {
    const mac = secondMac(host);
    this.switch.plug({ port: `${host.port}2`, into: host.namespace, name: "eth1", mac });
    const { index, namespace } = host;
    addAddresses({ namespace, device: "eth1", v4: `10.77.0.${51 + index}`, v6: `fd77::${51 + index}` });
  }

  /** A new cable for a host whose eth0 was unplugged. */
  replug(host: LabHost): void {
    const { namespace, port, mac, v4, v6 } = host;
    this.switch.plug({ port, into: namespace, name: "eth0", mac });
    addAddresses({ namespace, device: "eth0", v4, v6 });
  }

  /** DESIGN.md's example, with this lab's addresses and paths. */
  configOf(host: LabHost): RawConfig {
    const { options } = this;
    const others = this.hosts.filter((other) => other !== host).map((other) => `${other.v4}:7979`);
    const config: RawConfig = {
      node: { name: host.name },
      gossip: {
        bind: `${host.v4}:7979`,
        join: others,
        keyFile: this.keyFile,
        ...(options.aloneAfterMs === undefined ? {} : { aloneAfterMs: options.aloneAfterMs }),
      },
      vips: [
        {
          name: "pool",
          addresses: rangesOf(this.vips),
          interface: "eth0",
          failback: { afterMs: options.failbackMs ?? 0 },
        },
      ],
      status: { listen: "127.0.0.1:7980", socket: host.socket },
      log: { level: "info" },
    };
    return options.configure?.(config, host.index) ?? config;
  }

  get client(): Client {
    return this.clients[0]!;
  }

  /** Hosts whose daemon runs. */
  get running(): readonly LabHost[] {
    return this.hosts.filter((host) => host.daemon?.running);
  }

  async startAll(options: { preload?: Preload } = {}): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.startDaemon(options)));
  }

  /**
   * Waits until the running hosts agree: all ready, each VIP with one owner, which says "owned", and nobody else does.
   * Returns VIP -> owner.
   */
  async settled(timeoutMs = 20_000, among: readonly LabHost[] = this.running): Promise<ReadonlyMap<string, string>> {
    return until(`${among.map((host) => host.name).join(", ")} agree`, timeoutMs, async () =>
      agreement(await parallel(among, among.length, (host) => host.status()), this.vips),
    );
  }

  /** As `settled`, and nothing moved for a while: planned moves that follow a start or a return are over. */
  async atRest(timeoutMs = 20_000, quietMs = 1500): Promise<ReadonlyMap<string, string>> {
    const end = nowMs() + timeoutMs;
    let owners = await this.settled(timeoutMs);
    for (let since = nowMs(); nowMs() - since < quietMs; ) {
      await sleep(150);
      const now = await this.settled(Math.max(0, end - nowMs()));
      if (this.vips.some((vip) => now.get(vip) !== owners.get(vip))) since = nowMs();
      owners = now;
      if (nowMs() > end) throw new Error(`VIPs still move after ${timeoutMs} ms`);
    }
    return owners;
  }

  /** Waits until the running hosts agree on just these owners. */
  async settledAs(wanted: ReadonlyMap<string, string>, timeoutMs = 20_000): Promise<void> {
    await until("the owners are the wanted ones", timeoutMs, async () => {
      const now = await this.settled(0);
      const wrong = this.vips.filter((vip) => now.get(vip) !== wanted.get(vip));
      if (wrong.length === 0) return true;
      const few = wrong.slice(0, 5).map((vip) => `${vip}: ${now.get(vip)}, not ${wanted.get(vip)}`);
      throw new Error(`${wrong.length} VIPs elsewhere: ${few.join("; ")}`);
    });
  }

  /** Removes everything; safe to call twice. */
  async destroy(): Promise<void> {
    if (!living.has(this)) return;
    await this.processes.endAll();
    this.destroyNow();
  }

  /** As `destroy`, without waiting: for exit handlers. */
  destroyNow(): void {
    for (const one of this.processes.living) one.signal("SIGKILL");
    living.delete(this);
    removeLab(this.prefix);
  }

  /** Hands the lab over to whoever takes it down later (`npm run demo -- --down`). */
  leaveUp(): void {
    living.delete(this);
    writeRecord(this.dir, { prefix: this.prefix, pid: process.pid, startTicks: startTicks(process.pid), keep: true });
  }

  /** The VIPs' MAC address of a host by name. */
  macOf(name: string): string {
    return this.hosts.find((host) => host.name === name)?.mac ?? `no host ${name}`;
  }

  nameOfMac(mac: string): string {
    const found = this.hosts.find((host) => host.mac === mac || secondMac(host) === mac);
    return found === undefined ? mac : secondMac(found) === mac ? `${found.name} (eth1)` : found.name;
  }
}

export function secondMac(host: LabHost): string {
  return host.mac.replace("02:77:00:00:00", "02:77:00:00:01");
}

/** VIP -> owner where all hosts say the same; throws the first disagreement. */
export function agreement(statuses: readonly StatusSnapshot[], vips: readonly string[]): ReadonlyMap<string, string> {
  const owners = new Map<string, string>();
  for (const status of statuses) {
    if (!status.ready) throw new Error(`${status.node} is not ready: ${status.readyReason}`);
    for (const vip of vips) {
      const entry = status.vips.find((one) => one.address === vip);
      if (entry === undefined) throw new Error(`${status.node} does not show ${vip}`);
      if (entry.owner === null)
        throw new Error(`${status.node}: ${vip} has no owner (${entry.state}, ${entry.reason})`);
      const known = owners.get(vip);
      if (known !== undefined && known !== entry.owner) {
        throw new Error(`${vip}: ${status.node} says ${entry.owner}, another says ${known}`);
      }
      owners.set(vip, entry.owner);
      if ((entry.owner === status.node) !== (entry.state === "owned")) {
        throw new Error(`${status.node}: ${vip} is "${entry.state}", its owner ${entry.owner} (${entry.reason})`);
      }
    }
  }
  for (const [vip, owner] of owners) {
    if (!statuses.some((status) => status.node === owner)) throw new Error(`${vip}: its owner ${owner} does not run`);
  }
  return owners;
}

/** A lab for one test, removed whatever happens. */
export async function withLab(options: LabOptions, work: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await Lab.create(options);
  try {
    await work(lab);
  } finally {
    await lab.destroy();
  }
}

function addAddresses({ namespace, device, v4, v6 }: Record<"namespace" | "device" | "v4" | "v6", string>): void {
  sh("ip", "-n", namespace, "addr", "add", `${v4}/24`, "dev", device);
  sh("ip", "-n", namespace, "addr", "add", `${v6}/64`, "dev", device, "nodad");
  sh("ip", "-n", namespace, "link", "set", device, "up");
}

/** One range a family, as a person would write it. */
export function rangesOf(vips: readonly string[]): readonly string[] {
  const families = [vips.filter((vip) => !vip.includes(":")), vips.filter((vip) => vip.includes(":"))];
  return families
    .filter((list) => list.length > 0)
    .map((list) => (list.length === 1 ? list[0]! : `${list[0]}-${list.at(-1)}`));
}

/** The built daemon is there. */
export function daemonIsBuilt(): boolean {
  return fs.existsSync(MAIN);
}

/** For messages: a namespace's links. */
export function describe(namespace: string): string {
  return shQuiet("ip", "-n", namespace, "-br", "addr");
}
