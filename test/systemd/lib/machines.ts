/**
 * Three machines with a real systemd, booted by systemd-nspawn on one bridge, and a client beside them. Each has a network
 * namespace of its own (which outlives a power cut, as a cable does) and an overlay over a shared root file system; what it
 * writes is its disk, a tmpfs that can be filled without harm to anybody else.
 * Boundary: knows of machines, cables and packages, not of what vipd promises. Ends what it started by pid, removes what it made.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type { ProbeReport } from "../../lab/lib/prober.js";
import { type Ran, ROOT, run, sh, shQuiet, sleep, YARDSTICK_NODE } from "../../lab/lib/shell.js";
import { type Debian, rootOf } from "./roots.js";

/** What the machines are called, and where they live: hosts from .11 on, the VIP at .100. */
export interface Place {
  readonly network: string;
  readonly names: readonly string[];
}
const USUAL: Place = { network: "10.88.0", names: ["h1", "h2", "h3"] };
export const VIP = `${USUAL.network}.100`;
const ECHO_PORT = 9000;
/** Two versions of the package unpacked at once, and the package itself. */
const DISK = "900m";
/** Client and servers run above the daemons, so that what is late is not the yardstick. */
const YARDSTICK = ["chrt", "--fifo", "20"];
/** What a login shell has; ours (NODE_OPTIONS, proxies) is none of the machine's business. */
const ENV = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", TERM: "dumb" };

export async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 30_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
    await sleep(50);
  }
}

export class Machine {
  readonly root: string;
  readonly namespace: string;
  readonly address: string;
  #nspawn: ChildProcess | null = null;
  #init = 0;

  constructor(
    readonly cluster: Cluster,
    readonly index: number,
  ) {
    this.root = path.join(cluster.folder, this.name, "root");
    this.namespace = `${cluster.prefix}-${this.name}`;
    this.address = `${cluster.place.network}.${10 + index}`;
  }

  get name(): string {
    return this.cluster.place.names[this.index - 1]!;
  }

  make(lower: string): void {
    const disk = path.dirname(this.root);
    fs.mkdirSync(disk);
    sh("mount", "-t", "tmpfs", "-o", `size=${DISK}`, this.cluster.prefix, disk);
    const beside = (name: string) => path.join(disk, name);
    for (const name of ["root", "upper", "work"]) fs.mkdirSync(beside(name));
    const layers = `lowerdir=${lower},upperdir=${beside("upper")},workdir=${beside("work")}`;
    sh("mount", "-t", "overlay", "overlay", "-o", layers, this.root);
    fs.writeFileSync(path.join(this.root, "etc/machine-id"), `${randomBytes(16).toString("hex")}\n`);
    fs.writeFileSync(path.join(this.root, "etc/hostname"), `${this.name}\n`);
    this.cluster.plug(this.namespace, this.name, this.address);
  }

  /** Returns when systemd has come up; its units may still be starting. */
  async boot(): Promise<void> {
    const log = fs.openSync(path.join(this.cluster.folder, `${this.name}.console`), "a");
    const flags = ["--boot", "--register=no", "--keep-unit", "--capability=all", "--console=pipe"];
    const argv = ["-q", "-D", this.root, ...flags, `--network-namespace-path=/run/netns/${this.namespace}`];
    const env = { ...process.env, SYSTEMD_NSPAWN_API_VFS_WRITABLE: "network" };
    this.#nspawn = spawn("systemd-nspawn", argv, { stdio: ["ignore", log, log], env });
    fs.closeSync(log);
    await until(`${this.name} has an init`, () => (this.#init = this.#findInit()) > 0);
    await until(
      `${this.name} is up`,
      async () => {
        const state = (await this.exec("systemctl", "is-system-running")).stdout.trim();
        return state === "running" || state === "degraded";
      },
      180_000,
    );
  }

  #findInit(): number {
    const pid = this.#nspawn?.pid;
    if (pid === undefined) return 0;
    const children = shQuiet("cat", `/proc/${pid}/task/${pid}/children`).trim().split(/\s+/);
    for (const child of children) {
      if (
        /systemd|init/.test(shQuiet("cat", `/proc/${child}/comm`)) &&
        shQuiet("cat", `/proc/${child}/cmdline`).length > 0
      )
        return Number(child);
    }
    return 0;
  }

  /** Runs inside; `code` is the program's. */
  exec(...argv: readonly string[]): Promise<Ran> {
    return this.execWithin(60_000, ...argv);
  }

  execWithin(timeoutMs: number, ...argv: readonly string[]): Promise<Ran> {
    const env = Object.entries(ENV).map(([key, value]) => `${key}=${value}`);
    return run(["env", "-i", ...env, "nsenter", "-t", String(this.#init), "-a", ...argv], { timeoutMs });
  }

  async ok(...argv: readonly string[]): Promise<string> {
    const ran = await this.exec(...argv);
    if (ran.code !== 0) throw new Error(`${this.name}: ${argv.join(" ")}: ${ran.code}: ${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  }

  write(file: string, text: string): void {
    fs.mkdirSync(path.dirname(path.join(this.root, file)), { recursive: true });
    fs.writeFileSync(path.join(this.root, file), text);
  }

  copy(from: string, to: string): void {
    fs.copyFileSync(from, path.join(this.root, to));
  }

  /** A program of this host, in the machine's network. */
  inNetwork(...argv: readonly string[]): Promise<Ran> {
    return run(["ip", "netns", "exec", this.namespace, ...argv]);
  }

  /** Calls of the daemon's Unix socket, whatever they answer, by this host's curl. */
  post(path: string, how: { times: number; aSecond: number }): Promise<Ran> {
    const socket = `/proc/${this.#init}/root/run/vipd/vipd.sock`;
    const url = `http://localhost${path}?[1-${how.times}]`;
    const argv = [
      "curl",
      "-s",
      "-o",
      "/dev/null",
      "--rate",
      `${how.aSecond}/s`,
      "-X",
      "POST",
      "--unix-socket",
      socket,
      url,
    ];
    return run(argv, { timeoutMs: 60_000 });
  }

  async dpkg(deb: string): Promise<Ran> {
    const copy = path.join(this.root, "root/vipd.deb");
    fs.copyFileSync(deb, copy);
    try {
      return await this.execWithin(120_000, "dpkg", "-i", "/root/vipd.deb");
    } finally {
      fs.rmSync(copy);
    }
  }

  async property(name: string): Promise<string> {
    return (await this.exec("systemctl", "show", "-p", name, "--value", "vipd")).stdout.trim();
  }

  /** The daemon's pid as this machine's namespace has it. */
  async daemon(): Promise<string> {
    return this.property("MainPID");
  }

  /** VIPs on lo. */
  async held(): Promise<boolean> {
    return (await this.exec("ip", "-br", "address", "show", "lo")).stdout.includes(`${this.cluster.vip}/`);
  }

  async journal(): Promise<string> {
    return (await this.exec("journalctl", "-u", "vipd", "-o", "cat", "--no-pager", "-n", "80")).stdout;
  }

  /** Every process of the machine but its init: what a frozen host is. */
  freeze(signal: "SIGSTOP" | "SIGCONT"): void {
    const namespace = fs.readlinkSync(`/proc/${this.#init}/ns/pid`);
    for (const pid of fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        if (Number(pid) !== this.#init && fs.readlinkSync(`/proc/${pid}/ns/pid`) === namespace)
          process.kill(Number(pid), signal);
      } catch {
        // It ended meanwhile.
      }
    }
  }

  cable(state: "up" | "down"): void {
    sh("ip", "-n", `${this.cluster.prefix}-sw`, "link", "set", `p-${this.name}`, state);
  }

  /** Cable and machine at one instant. */
  async powerCut(): Promise<void> {
    this.cable("down");
    await this.#end("SIGKILL");
  }

  async #end(signal: "SIGKILL"): Promise<void> {
    const nspawn = this.#nspawn;
    if (nspawn === null) return;
    this.#nspawn = null;
    const gone = new Promise((resolve) => nspawn.once("exit", resolve));
    try {
      if (this.#init > 0) process.kill(this.#init, signal);
    } catch {
      // It had ended by itself.
    }
    const killed = setTimeout(() => nspawn.kill("SIGKILL"), 5000);
    if (nspawn.exitCode === null && nspawn.signalCode === null) await gone;
    clearTimeout(killed);
    // A namespace outlives its machine here; on iron, addresses die with the power.
    shQuiet("ip", "-n", this.namespace, "address", "del", `${this.cluster.vip}/32`, "dev", "lo");
  }

  async reboot(): Promise<void> {
    await this.exec("systemctl", "stop", "vipd");
    await this.#end("SIGKILL");
    this.cluster.address(this.namespace, this.address);
    await this.boot();
  }

  async powerOn(): Promise<void> {
    this.cluster.address(this.namespace, this.address);
    this.cable("up");
    await this.boot();
  }

  /** The network card is taken out: eth0 does not exist any more. */
  unplug(): void {
    sh("ip", "-n", this.namespace, "link", "delete", "eth0");
  }

  plugIn(): void {
    this.cluster.card(this.namespace, this.name, this.address);
  }

  async remove(): Promise<void> {
    await this.#end("SIGKILL");
    shQuiet("umount", "-l", this.root);
    shQuiet("umount", "-l", path.dirname(this.root));
    shQuiet("ip", "netns", "delete", this.namespace);
  }
}

export class Cluster {
  readonly prefix = `vipd-sd-${process.pid}`;
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), "vipd-systemd-"));
  readonly machines: readonly Machine[];
  readonly vip: string;
  readonly #servers: ChildProcess[] = [];

  constructor(
    readonly debian: Debian,
    readonly place: Place = USUAL,
  ) {
    this.vip = `${place.network}.100`;
    this.machines = [1, 2, 3].map((index) => new Machine(this, index));
  }

  async start(): Promise<void> {
    const lower = await rootOf(this.debian);
    const sw = `${this.prefix}-sw`;
    sh("ip", "netns", "add", sw);
    sh(
      "ip",
      "-n",
      sw,
      "link",
      "add",
      "br0",
      "type",
      "bridge",
      "stp_state",
      "0",
      "forward_delay",
      "0",
      "mcast_snooping",
      "0",
    );
    sh("ip", "-n", sw, "link", "set", "br0", "up");
    this.plug(`${this.prefix}-client`, "client", `${this.place.network}.2`);
    for (const machine of this.machines) machine.make(lower);
    await Promise.all(this.machines.map((machine) => machine.boot()));
    for (const machine of this.machines) this.#serve(machine);
  }

  /** A namespace with eth0 on the bridge. */
  plug(namespace: string, name: string, address: string): void {
    sh("ip", "netns", "add", namespace);
    sh("ip", "-n", namespace, "link", "set", "lo", "up");
    this.card(namespace, name, address);
  }

  /** A new eth0, with a cable to the bridge. */
  card(namespace: string, name: string, address: string): void {
    const sw = `${this.prefix}-sw`;
    sh("ip", "-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", `p-${name}`, "netns", sw);
    sh("ip", "-n", sw, "link", "set", `p-${name}`, "master", "br0", "up");
    this.address(namespace, address);
  }

  address(namespace: string, address: string): void {
    shQuiet("ip", "-n", namespace, "link", "set", "eth0", "up");
    shQuiet("ip", "-n", namespace, "address", "add", `${address}/24`, "dev", "eth0");
  }

  /** The service behind the VIP lives in the machine's network only, so that it survives what happens to its systemd. */
  #serve(machine: Machine): void {
    const script = path.join(ROOT, "test/lab/lib/echo-server.mjs");
    const argv = [
      "netns",
      "exec",
      machine.namespace,
      ...YARDSTICK,
      ...YARDSTICK_NODE,
      script,
      machine.name,
      String(ECHO_PORT),
    ];
    this.#servers.push(spawn("ip", argv, { stdio: "ignore" }));
  }

  /** One datagram every 2 ms to the VIP while `deed` runs and for `afterMs` more. */
  async measure(deed: () => Promise<unknown>, afterMs = 1500): Promise<ProbeReport> {
    const script = path.join(ROOT, "test/lab/lib/prober.mjs");
    const told = JSON.stringify({ port: ECHO_PORT, targets: [this.vip], intervalMs: 2 });
    const argv = ["netns", "exec", `${this.prefix}-client`, ...YARDSTICK, ...YARDSTICK_NODE, script, told];
    const prober = spawn("ip", argv, { stdio: ["ignore", "ignore", "ignore", "ipc"] });
    try {
      await heard(prober, "ready");
      await sleep(300);
      prober.send("mark");
      await deed();
      await sleep(afterMs);
      const answer = heard(prober, "report");
      prober.send("finish");
      const [report] = ((await answer) as { reports: ProbeReport[] }).reports;
      return report!;
    } finally {
      prober.kill("SIGKILL");
    }
  }

  async holders(): Promise<string[]> {
    const held = await Promise.all(this.machines.map(async (machine) => ((await machine.held()) ? machine.name : "")));
    return held.filter((name) => name !== "");
  }

  async owner(): Promise<Machine> {
    let found: Machine | undefined;
    await until("one machine holds the VIP", async () => {
      const names = await this.holders();
      found = names.length === 1 ? this.machines.find((machine) => machine.name === names[0]) : undefined;
      return found !== undefined;
    });
    return found!;
  }

  async remove(): Promise<void> {
    for (const server of this.#servers) server.kill("SIGKILL");
    for (const machine of this.machines) await machine.remove();
    for (const name of ["sw", "client"]) shQuiet("ip", "netns", "delete", `${this.prefix}-${name}`);
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

function heard(child: ChildProcess, kind: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.on("message", (message) => {
      if ((message as { kind?: string }).kind === kind) resolve(message);
    });
    child.once("exit", (code) => reject(new Error(`the prober ended with ${code}`)));
  });
}
