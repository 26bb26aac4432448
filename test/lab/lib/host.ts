/**
 * One host of the lab: a namespace with `eth0` on the switch, a configuration, a daemon, a small server behind the
 * VIPs. Everything that can happen to a host is a method: stop, kill, freeze, block, power cut, power on.
 * Boundary: it runs the real `vipd run` and sees it from outside only (status, lo, exit code, log).
 */
import * as fs from "node:fs";
import * as http from "node:http";
import * as path from "node:path";
import type { StatusSnapshot } from "../../../src/ports.js";
import type { Lab } from "./lab.js";
import type { Exit, LabProcess } from "./processes.js";
import { GiveUp, ROOT, sh, until, YARDSTICK_NODE } from "./shell.js";

export const SERVER_PORT = 8080;
/** The daemon's program; VIPD_LAB_MAIN runs the lab against another build, an installed one for instance. */
export const MAIN = process.env.VIPD_LAB_MAIN ?? path.join(ROOT, "dist/cli/main.js");
const LIB = path.join(ROOT, "test/lab/lib");

/** Goes before a daemon's program: it runs at the priority that the unit gives it. */
export const AS_THE_UNIT: readonly string[] = ["chrt", "--fifo", "10"];
/** The same where this machine lets us; some containers do not. */
const SCHEDULING = works(AS_THE_UNIT) ? AS_THE_UNIT : [];

/** What a daemon can be loaded with; its head says what SIGUSR2 does then. */
export type Preload = "block-loop.mjs" | "tell-heap.mjs";

/** A configuration as the file has it. */
export type RawConfig = Record<string, unknown>;

export class LabHost {
  daemon: LabProcess | null = null;
  #server: LabProcess | null = null;
  readonly name: string;
  readonly namespace: string;
  readonly port: string;
  readonly v4: string;
  readonly v6: string;
  readonly mac: string;
  readonly dir: string;
  readonly configFile: string;
  readonly socket: string;
  logFile: string;
  /** The daemon's output goes there instead of into its log file. */
  outputTo: string | undefined;
  config: RawConfig;

  constructor(
    readonly lab: Lab,
    readonly index: number,
  ) {
    const letter = index < 26 ? String.fromCharCode(97 + index) : `a${String.fromCharCode(71 + index)}`;
    this.name = `host-${letter}`;
    this.namespace = `${lab.prefix}-${letter}`;
    this.port = `p-${letter}`;
    this.v4 = `10.77.0.${11 + index}`;
    this.v6 = `fd77::${11 + index}`;
    this.mac = `02:77:00:00:00:${(11 + index).toString(16).padStart(2, "0")}`;
    this.dir = path.join(lab.dir, this.name);
    this.configFile = path.join(this.dir, "config.json");
    this.socket = path.join(this.dir, "vipd.sock");
    this.logFile = path.join(this.dir, "vipd.log");
    this.config = {};
    fs.mkdirSync(this.dir, { recursive: true });
  }

  /** Writes the file; the daemon reads it when it starts or on SIGHUP. */
  writeConfig(config: RawConfig = this.config): void {
    this.config = config;
    fs.writeFileSync(this.configFile, `${JSON.stringify(config, null, 2)}\n`);
  }

  /** Runs a program in the host's namespace to its end. */
  exec(...argv: readonly string[]): string {
    return sh("ip", "netns", "exec", this.namespace, ...argv);
  }

  // ---------------------------------------------------------------- the daemon

  /**
   * Starts `vipd run`; with `wait`, returns once it serves its status. `preload` is a module beside this one that SIGUSR2
   * makes act within the daemon; `via` goes before the program.
   */
  async startDaemon({
    wait = true,
    preload,
    via = SCHEDULING,
    args = [],
  }: {
    wait?: boolean;
    preload?: Preload;
    via?: readonly string[];
    args?: readonly string[];
  } = {}): Promise<void> {
    if (this.daemon?.running) throw new Error(`${this.name}: the daemon runs already`);
    const argv = [...via, MAIN, "run", "--config", this.configFile, ...args];
    const daemon = this.lab.processes.spawn({
      namespace: this.namespace,
      argv,
      logFile: this.logFile,
      outputTo: this.outputTo,
      env:
        preload === undefined
          ? {}
          : { NODE_OPTIONS: `--import=${path.join(LIB, preload)}`, VIPD_LAB_HEAP: path.join(this.dir, "heap.json") },
      detached: this.lab.keep,
    });
    this.daemon = daemon;
    if (!wait) return;
    await until(`${this.name}: vipd serves its status`, 15_000, () => {
      if (!daemon.running) throw new GiveUp(`exited with ${daemon.exit?.code ?? daemon.exit?.signal}`);
      return this.status();
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.name}, end of its log:\n${daemon.tail()}`);
    });
  }

  /** SIGTERM (or another signal), and waits for the end. */
  async stopDaemon(signal: NodeJS.Signals = "SIGTERM", boundMs = 15_000): Promise<Exit> {
    if (this.daemon === null) throw new Error(`${this.name}: no daemon`);
    const exit = await this.daemon.end(signal, boundMs);
    this.daemon = null;
    return exit;
  }

  kill9(): Promise<Exit> {
    return this.stopDaemon("SIGKILL");
  }

  /** SIGSTOP: the whole process stands still, native threads too. */
  freeze(): void {
    this.daemon?.signal("SIGSTOP");
  }

  thaw(): void {
    this.daemon?.signal("SIGCONT");
  }

  /** Blocks the event loop (not the native threads) for VIPD_LAB_BLOCK_MS, 10 s by default; needs the preload `block-loop.mjs`. */
  block(): void {
    this.daemon?.signal("SIGUSR2");
  }

  /** What the daemon's heap holds after a collection, with what its objects hold outside of it; needs the preload `tell-heap.mjs`. */
  async heldMb(): Promise<number> {
    const file = path.join(this.dir, "heap.json");
    fs.rmSync(file, { force: true });
    this.daemon?.signal("SIGUSR2");
    await until(`${this.name} tells its heap`, 10_000, () => fs.existsSync(file));
    const { heapUsed, external } = JSON.parse(fs.readFileSync(file, "utf8")) as { heapUsed: number; external: number };
    return (heapUsed + external) / 1024 ** 2;
  }

  reload(): void {
    this.daemon?.signal("SIGHUP");
  }

  get pid(): number {
    if (this.daemon === null) throw new Error(`${this.name}: no daemon`);
    return this.daemon.pid;
  }

  log(): string {
    return fs.existsSync(this.logFile) ? fs.readFileSync(this.logFile, "utf8") : "";
  }

  /** `GET /status` over the control socket. Rejects when nobody serves it, or not within `timeoutMs`. */
  async status(timeoutMs = 1500): Promise<StatusSnapshot> {
    return JSON.parse(await this.get("/status", timeoutMs)) as StatusSnapshot;
  }

  get(requestPath: string, timeoutMs = 1500): Promise<string> {
    return new Promise((resolve, reject) => {
      const request = http.get({ socketPath: this.socket, path: requestPath, timeout: timeoutMs }, (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => (body += chunk.toString()));
        response.on("error", reject);
        response.on("end", () => {
          if (response.statusCode === 200) resolve(body);
          else reject(new Error(`${this.name}: ${requestPath} answers ${response.statusCode}: ${body}`));
        });
      });
      request.on("timeout", () => request.destroy(new Error(`${this.name}: no status within ${timeoutMs} ms`)));
      request.on("error", reject);
    });
  }

  // ---------------------------------------------------------------- the machine

  /** The network goes and the processes with it: what a switched-off machine looks like from outside. */
  async powerCut(): Promise<void> {
    this.cableDown();
    if (this.daemon?.running) await this.kill9();
  }

  /** Back from the boot: no VIP on lo, sysctls at their defaults, cable plugged, daemon started. */
  async powerOn(options: { wait?: boolean; preload?: Preload; via?: readonly string[] } = {}): Promise<void> {
    for (const address of this.vipsOnLo()) this.exec("ip", "addr", "del", withPrefix(address), "dev", "lo");
    this.exec("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=0", "net.ipv4.conf.all.arp_announce=0");
    this.cableUp();
    await this.startDaemon(options);
  }

  cableDown(): void {
    this.lab.switch.cable(this.port, "down");
  }

  cableUp(): void {
    this.lab.switch.cable(this.port, "up");
  }

  /** The lab's VIPs that stand on this host's lo. */
  vipsOnLo(): readonly string[] {
    const vips = new Set(this.lab.vips);
    return this.addresses("lo").filter((address) => vips.has(address));
  }

  addresses(device: string): readonly string[] {
    const links = JSON.parse(this.exec("ip", "-j", "addr", "show", "dev", device)) as {
      addr_info: { local: string }[];
    }[];
    return links.flatMap((link) => link.addr_info.map((info) => info.local));
  }

  /** Every sysctl that vipd could have touched, as one text to compare. */
  sysctls(): string {
    const all = this.exec("sysctl", "-a", "--pattern", "^net\\.ipv[46]\\.(conf|neigh|ip_nonlocal_bind)");
    return all
      .split("\n")
      .filter((line) => !/stable_secret|mtu|reachable_time/.test(line))
      .sort()
      .join("\n");
  }

  /** A server on UDP and HTTP that answers with the host's name, on every address that the host accepts. */
  async startServer(): Promise<void> {
    const logFile = path.join(this.dir, "server.log");
    const argv = [...YARDSTICK_NODE, path.join(LIB, "echo-server.mjs"), this.name, String(SERVER_PORT)];
    const server = this.lab.processes.spawn({
      namespace: this.namespace,
      argv,
      logFile,
      detached: this.lab.keep,
    });
    this.#server = server;
    await until(`${this.name}: its server listens`, 10_000, () => {
      if (!server.running) throw new GiveUp(server.tail());
      return server.tail().includes("listening");
    });
  }

  get serverPid(): number | null {
    return this.#server?.pid ?? null;
  }
}

function works(via: readonly string[]): boolean {
  try {
    sh(...via, "true");
    return true;
  } catch {
    return false;
  }
}

export function withPrefix(address: string): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}
