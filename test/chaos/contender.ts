/**
 * Who is tormented: vipd, or keepalived beside it, behind one face. Purpose: what a fault does to a host is the same deed for
 * both. Boundary: no fault, no judgement; what a contender cannot do (a drain of keepalived) it does not offer.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { Keepalived } from "../bench/keepalived.js";
import { scheduled } from "../bench/rig.js";
import { type LabHost, MAIN, type RawConfig, withPrefix } from "../lab/lib/host.js";
import { Lab } from "../lab/lib/lab.js";
import type { LabProcess } from "../lab/lib/processes.js";
import { run, sh, shQuiet } from "../lab/lib/shell.js";

export interface Contender {
  readonly name: string;
  readonly lab: Lab;
  /** Returns who owns each VIP once there is one owner each. */
  settled(timeoutMs: number): Promise<ReadonlyMap<string, string>>;
  kill(host: LabHost): Promise<void>;
  stop(host: LabHost): Promise<void>;
  /** After `kill` and `stop`; `booted`: nothing of the former life is left. */
  start(host: LabHost, booted: boolean): Promise<void>;
  freeze(host: LabHost): void;
  thaw(host: LabHost): void;
  deleteAddress(host: LabHost, vip: string): void;
  /** What the daemons logged since `forgetLogs` goes into this directory. */
  keepLogs(directory: string): void;
  forgetLogs(): void;
  end(): Promise<void>;
}

const LOG_DISK_BYTES = 8 << 20;

/** As journald: it outlives every daemon and a full disk, on which lines are lost. Without a reader no daemon could be started. */
const PIPE_READER = `
import os, sys
pipe = os.open(sys.argv[1], os.O_RDWR)
log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
while True:
    part = os.read(pipe, 65536)
    try: os.write(log, part)
    except OSError: pass
`;

export class Vipd implements Contender {
  readonly name = "vipd";
  readonly #disks: readonly string[];
  /** Who reads each host's log. */
  readonly readers = new Map<LabHost, LabProcess>();

  private constructor(
    readonly lab: Lab,
    readonly realTime: boolean,
  ) {
    this.#disks = lab.hosts.map((host) => path.join(host.dir, "log"));
  }

  static async start(hosts: number, clients: number, realTime: boolean): Promise<Vipd> {
    const configure = (config: RawConfig): RawConfig => ({ ...config, log: { level: "debug" } });
    const lab = await Lab.create({ hosts, clients, v4: 2, v6: 2, failbackMs: 0, configure });
    const vipd = new Vipd(lab, realTime);
    process.on("exit", () => vipd.#unmount());
    lab.hosts.forEach((host, i) => {
      const disk = vipd.#disks[i]!;
      fs.mkdirSync(disk);
      sh("mount", "-t", "tmpfs", "-o", `size=${LOG_DISK_BYTES}`, "vipd-chaos", disk);
      host.logFile = path.join(disk, "vipd.log");
      // Every second host logs into a pipe, as under journald.
      if (i % 2 === 1) vipd.#readThroughPipe(host);
    });
    await Promise.all(lab.hosts.map((host) => host.startDaemon(scheduled(realTime))));
    return vipd;
  }

  #readThroughPipe(host: LabHost): void {
    const pipe = path.join(host.dir, "output");
    sh("mkfifo", pipe);
    host.outputTo = pipe;
    const argv = ["python3", "-c", PIPE_READER, pipe, host.logFile];
    const logFile = path.join(host.dir, "reader.log");
    this.readers.set(host, this.lab.processes.spawn({ namespace: host.namespace, argv, logFile }));
  }

  /** What is free on the disk of its log; the undoing frees it again. */
  fillDisk(host: LabHost): () => void {
    const filler = path.join(host.dir, "log", "filler");
    shQuiet("dd", "if=/dev/zero", `of=${filler}`, "bs=64k");
    return () => fs.rmSync(filler, { force: true });
  }

  async command(host: LabHost, ...args: readonly string[]): Promise<void> {
    const argv = ["ip", "netns", "exec", host.namespace, process.execPath, MAIN, ...args, "--config", host.configFile];
    await run(argv, { timeoutMs: 20_000 });
  }

  settled(timeoutMs: number): Promise<ReadonlyMap<string, string>> {
    return this.lab.settled(timeoutMs);
  }

  async kill(host: LabHost): Promise<void> {
    if (host.daemon?.running) await host.kill9();
  }

  async stop(host: LabHost): Promise<void> {
    if (host.daemon?.running) await host.stopDaemon();
  }

  async start(host: LabHost, booted: boolean): Promise<void> {
    if (host.daemon?.running) return;
    if (booted) for (const vip of host.vipsOnLo()) this.deleteAddress(host, vip);
    await host.startDaemon({ ...scheduled(this.realTime), wait: false });
  }

  freeze(host: LabHost): void {
    host.freeze();
  }

  thaw(host: LabHost): void {
    host.thaw();
  }

  deleteAddress(host: LabHost, vip: string): void {
    shQuiet("ip", "-n", host.namespace, "addr", "del", withPrefix(vip), "dev", "lo");
  }

  keepLogs(directory: string): void {
    fs.mkdirSync(directory, { recursive: true });
    for (const host of this.lab.hosts) fs.copyFileSync(host.logFile, path.join(directory, `${host.name}.log`));
  }

  forgetLogs(): void {
    for (const host of this.lab.hosts) fs.truncateSync(host.logFile);
  }

  async end(): Promise<void> {
    await this.lab.processes.endAll();
    this.#unmount();
    await this.lab.destroy();
  }

  #unmount(): void {
    for (const disk of this.#disks) shQuiet("umount", disk);
  }
}

export class Rival implements Contender {
  readonly name: string;
  readonly lab: Lab;
  readonly #dead = new Set<LabHost>();

  private constructor(
    readonly keepalived: Keepalived,
    readonly intervalMs: number,
  ) {
    this.name = `keepalived ${intervalMs / 1000} s`;
    this.lab = keepalived.lab;
  }

  static async start(hosts: number, clients: number, intervalMs: number, realTime: boolean): Promise<Rival> {
    return new Rival(await Keepalived.start({ hosts, clients, intervalMs, realTime, vips: 4 }), intervalMs);
  }

  async settled(): Promise<ReadonlyMap<string, string>> {
    const master = await this.keepalived.master();
    return new Map(this.lab.vips.map((vip) => [vip, master.name]));
  }

  async kill(host: LabHost): Promise<void> {
    if (this.#dead.has(host)) return;
    this.keepalived.signal(host, "SIGKILL");
    this.#dead.add(host);
  }

  async stop(host: LabHost): Promise<void> {
    if (this.#dead.has(host)) return;
    await this.keepalived.stop(host);
    this.#dead.add(host);
  }

  async start(host: LabHost, booted: boolean): Promise<void> {
    if (!this.#dead.delete(host)) return;
    void booted;
    this.keepalived.startAgain(host);
  }

  freeze(host: LabHost): void {
    this.keepalived.signal(host, "SIGSTOP");
  }

  thaw(host: LabHost): void {
    this.keepalived.signal(host, "SIGCONT");
  }

  deleteAddress(host: LabHost, vip: string): void {
    shQuiet("ip", "-n", host.namespace, "addr", "del", `${vip}/32`, "dev", "eth0");
  }

  keepLogs(): void {}

  forgetLogs(): void {}

  end(): Promise<void> {
    return this.lab.destroy();
  }
}
