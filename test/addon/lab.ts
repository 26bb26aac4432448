/**
 * A bridge, hosts and cables in namespaces of our own, taken down whatever happens. Purpose: a real wire for the addon's
 * tests. Boundary: names begin with `nat-` and the process's id; nothing outside of them is touched.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ResponderEvent } from "../../src/ports.js";

/** Habets' arping, which set-up unpacks beside the system (test/setup.mjs). */
const ARPING = fileURLToPath(new URL("../../.lab/tools/arping/usr/sbin", import.meta.url));
process.env.PATH = `${ARPING}:${process.env.PATH ?? ""}`;

export const mac = (n: number): string => `02:00:00:00:00:0${n}`;
/** Under a sanitizer (native/test/sanitize.sh) its library goes before everything else in the processes that load the addon. */
export const addonEnv: NodeJS.ProcessEnv =
  process.env.VIPD_TEST_PRELOAD === undefined
    ? process.env
    : { ...process.env, LD_PRELOAD: process.env.VIPD_TEST_PRELOAD };
export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

let generator: string | null = null;
/** The bench's load generator, built once a process; it stays beside the addon, since no test's end is sure to take it away. */
function builtGenerator(): string {
  if (generator !== null) return generator;
  const work = fileURLToPath(new URL("../../native/build/", import.meta.url));
  mkdirSync(work, { recursive: true });
  const built = join(work, `generator.${process.pid}`);
  const source = fileURLToPath(new URL("../bench/responder-generator.cc", import.meta.url));
  execFileSync("g++", ["-std=c++17", "-O2", "-o", built, source]);
  generator = join(work, "generator");
  renameSync(built, generator);
  return generator;
}

export class Lab {
  readonly #prefix = `nat-${process.pid}-`;
  readonly #names = new Set<string>();
  readonly #hosts: Host[] = [];

  constructor(hosts: number) {
    process.once("exit", this.down);
    this.#add("sw");
    this.ip("sw", "link add br0 type bridge stp_state 0 forward_delay 0");
    this.ip("sw", "link set br0 up");
    for (let n = 1; n <= hosts; n++) {
      this.#add(`h${n}`);
      this.ip(`h${n}`, "link set lo up");
      this.sh(`h${n}`, "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
      this.cable(n);
    }
  }

  cable(n: number): void {
    this.ip(`h${n}`, `link add eth0 type veth peer name p${n} netns ${this.#prefix}sw`);
    this.ip("sw", `link set p${n} master br0 up`);
    this.ip(`h${n}`, `link set eth0 address ${mac(n)} up`);
    this.ip(`h${n}`, `addr add 10.7.0.${n}/24 dev eth0`);
    this.ip(`h${n}`, `-6 addr add fd07::${n}/64 dev eth0 nodad`);
  }

  ip(namespace: string, command: string): string {
    return execFileSync("ip", ["-n", this.#prefix + namespace, ...command.split(" ")], { encoding: "utf8" });
  }

  /** Output of a command inside; its exit status does not matter (arping's says whether it was answered). */
  sh(namespace: string, command: string): string {
    const run = spawnSync("ip", ["netns", "exec", this.#prefix + namespace, ...command.split(" ")], {
      encoding: "utf8",
    });
    return run.stdout + run.stderr;
  }

  /** Writes a file inside (sysfs is the namespace's own there). */
  write(namespace: string, path: string, text: string): void {
    execFileSync("ip", ["netns", "exec", this.#prefix + namespace, "tee", path], {
      input: text,
      stdio: ["pipe", "ignore", "pipe"],
    });
  }

  /** MACs that answer for `address`, one for each answer. */
  asked(n: number, address: string, count = 1): string[] {
    const text = address.includes(":")
      ? this.sh(`h${n}`, `ndisc6 -r ${count} -w 150 ${address} eth0`)
      : this.sh(`h${n}`, `arping -c ${count} -w 0.15 -W 0.15 -i eth0 ${address}`);
    const pattern = /(?:from |link-layer address: )([0-9A-Fa-f:]{17})/g;
    return [...text.matchAll(pattern)].map((found) => found[1]!.toLowerCase());
  }

  /** Sends frames as they are, given in hexadecimal, from a host's eth0. */
  send(n: number, ...frames: readonly string[]): void {
    const code = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
for frame in sys.argv[1:]: s.send(bytes.fromhex(frame))`;
    execFileSync("ip", ["netns", "exec", `${this.#prefix}h${n}`, "python3", "-c", code, ...frames]);
  }

  /** What a host's eth0 saw while `during` ran, as `tcpdump -r` reads it back from the file, a frame a line. */
  async captured(n: number, filter: string, during: () => Promise<void>): Promise<string[]> {
    const bytes = await this.pcap(n, filter, during);
    const args = ["-r", "-", "-n", "-e", "-t", "-vv"];
    const text = execFileSync("tcpdump", args, { input: bytes, encoding: "utf8", stdio: "pipe", maxBuffer: 2 ** 26 });
    return text.replaceAll(/\n\s+/g, " ").trim().split("\n");
  }

  /** The same as the file's bytes. A frame that tcpdump was too slow for is an error. */
  async pcap(n: number, filter: string, during: () => Promise<void>): Promise<Buffer> {
    const file = `/tmp/${this.#prefix}${n}.pcap`;
    const tcpdump = ["tcpdump", "--immediate-mode", "-B", "65536", "-i", "eth0", "-U", "-w", file, filter];
    const child = spawn("ip", ["netns", "exec", `${this.#prefix}h${n}`, ...tcpdump], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    await new Promise<void>((listening) =>
      child.stderr!.on("data", (text) => {
        said += text;
        if (/listening/.test(said)) listening();
      }),
    );
    await during();
    await sleep(100);
    const ended = new Promise((done) => child.once("close", done));
    child.kill("SIGINT");
    await ended;
    const bytes = readFileSync(file);
    rmSync(file, { force: true });
    if (!/^0 packets dropped by kernel/m.test(said)) throw new Error(`the capture lost frames: ${said}`);
    return bytes;
  }

  /** Asks for an address by the bench's generator, on core 0: what it prints. */
  async load(
    n: number,
    mode: "closed" | "flat" | { perSecond: number },
    address: string,
    seconds: number,
  ): Promise<Record<string, number>> {
    const family = address.includes(":") ? "ns" : "arp";
    const [how, number] = typeof mode === "string" ? [mode, ""] : ["rate", String(mode.perSecond)];
    const child = this.start(
      n,
      `taskset -c 0 ${builtGenerator()} eth0 ${family} ${how} ${address} ${seconds} ${number}`.trim(),
    );
    let text = "";
    child.stdout!.on("data", (chunk) => {
      text += chunk;
    });
    await new Promise((done) => child.once("close", done));
    return JSON.parse(text);
  }

  /** Runs `ip` commands in one go. */
  batch(namespace: string, commands: readonly string[]): void {
    const args = ["-n", this.#prefix + namespace, "-batch", "-"];
    execFileSync("ip", args, { input: commands.join("\n"), stdio: ["pipe", "ignore", "pipe"] });
  }

  /** Runs a program inside, without waiting. */
  start(n: number, command: string | readonly string[]): ChildProcess {
    const argv = typeof command === "string" ? command.split(" ") : command;
    return spawn("ip", ["netns", "exec", `${this.#prefix}h${n}`, ...argv], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  }

  async host(n: number, options: object = {}, pinnedTo: number | null = null): Promise<Host> {
    const pin = pinnedTo === null ? [] : ["taskset", "-c", String(pinnedTo)];
    const script = fileURLToPath(new URL("./host.ts", import.meta.url));
    const child = spawn(
      "ip",
      [
        "netns",
        "exec",
        `${this.#prefix}h${n}`,
        ...pin,
        process.execPath,
        "--import",
        "tsx",
        script,
        JSON.stringify(options),
      ],
      { stdio: ["pipe", "pipe", "inherit"], env: addonEnv },
    );
    const host = new Host(child);
    this.#hosts.push(host);
    await host.started;
    return host;
  }

  readonly down = (): void => {
    for (const host of this.#hosts) host.child.kill("SIGKILL");
    for (const name of this.#names) spawnSync("ip", ["netns", "del", name]);
    this.#names.clear();
    process.removeListener("exit", this.down);
  };

  #add(name: string): void {
    execFileSync("ip", ["netns", "add", this.#prefix + name]);
    this.#names.add(this.#prefix + name);
  }
}

export class Host {
  readonly child: ChildProcess;
  readonly events: ResponderEvent[] = [];
  readonly started: Promise<unknown>;
  readonly exited: Promise<number | null>;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #lastId = 0;

  constructor(child: ChildProcess) {
    this.child = child;
    this.exited = new Promise((done) => child.once("exit", done));
    this.started = this.#wait(0);
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const said = JSON.parse(line);
      if (said.event !== undefined) this.events.push(said.event);
      else if (said.error !== undefined) this.#waiting.get(said.id)?.reject(new Error(said.error));
      else this.#waiting.get(said.id)?.resolve(said.result);
    });
  }

  // biome-ignore lint/suspicious/noExplicitAny: what comes back is asserted on.
  call(call: string, argument: unknown = null): Promise<any> {
    const id = ++this.#lastId;
    this.child.stdin!.write(`${JSON.stringify({ id, call, argument })}\n`);
    return this.#wait(id);
  }

  /** Owns addresses on eth0 with a lease, without announcing. */
  async own(addresses: readonly string[], leaseMs = 60_000, heirMac: string | null = null): Promise<void> {
    await this.call("setInterfaces", ["eth0"]);
    await this.call("lease", leaseMs);
    await this.call(
      "own",
      addresses.map((address) => ({ address, interface: "eth0", mac: null, heirMac })),
    );
    await sleep(30);
  }

  async announce(addresses: readonly string[], roundsMs: readonly number[] = [0]): Promise<void> {
    await this.call("announce", { interface: "eth0", addresses, roundsMs });
  }

  async event(kind: ResponderEvent["kind"], timeoutMs = 3000): Promise<ResponderEvent> {
    for (const until = Date.now() + timeoutMs; Date.now() < until; await sleep(10)) {
      const found = this.events.find((event) => event.kind === kind);
      if (found !== undefined) return found;
    }
    throw new Error(`no event "${kind}" within ${timeoutMs} ms; there were: ${JSON.stringify(this.events)}`);
  }

  #wait(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }
}
