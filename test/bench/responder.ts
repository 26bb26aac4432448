/**
 * `npm run bench:responder`: our responder and the kernel's own answer the same generator in turn, in the same lab (two
 * namespaces, one veth cable). Purpose: the figures of issue 4 as a table and as JSON. The generator has one core, the
 * answering side the other, the softirqs of each cable end run on its side's core (RPS), so that both are measured alike;
 * with --no-rps they run where they arose: a question is taken in on the generator's core. Flat out, the plain packet sockets of
 * responder-rivals.cc take their turns, too. VIPs are on lo, as the daemon has them: the kernel takes each question in before
 * it stays silent, and to look up a route to an address that it does not have costs it more.
 * Boundary: traffic stays in namespaces of our own; nothing is judged here, the figures are printed with their ratios.
 *
 * Options: --seconds N (2), --rounds N (3; the median is shown), --json FILE (build/bench-responder.json; "-": stdout), --no-rps.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    json: { type: "string", default: "build/bench-responder.json" },
    "no-rps": { type: "boolean", default: false },
  },
});
const seconds = Number(options.seconds);
const rounds = Number(options.rounds);

const GENERATOR_CORE = 0;
const ANSWER_CORE = 1;
const FAMILIES = ["arp", "ns"] as const;
type Family = (typeof FAMILIES)[number];
type Rival = "recvmmsg" | "v2" | "v3" | "v2-joined";
/** Plain packet sockets (responder-rivals.cc), measured flat out only. Only the one that joined does what a VIP's owner must for NS. */
const RIVALS: Record<Family, readonly Rival[]> = {
  arp: ["recvmmsg", "v2", "v3"],
  ns: ["recvmmsg", "v2", "v3", "v2-joined"],
};
/** What the kernel has on eth0, what we answer for, and what nobody here has. */
const TARGETS: Record<"kernel" | "vipd" | "foreign", Record<Family, string>> = {
  kernel: { arp: "10.7.0.1", ns: "fd07::1" },
  vipd: { arp: "10.7.0.100", ns: "fd07::100" },
  foreign: { arp: "10.7.0.200", ns: "fd07::200" },
};

interface Shot {
  readonly askedPerSecond: number;
  readonly answeredPerSecond: number;
  readonly lost: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  /** Of the answering process, in points of one core; the kernel's own work is nobody's process. */
  readonly cpuPercent: number;
}

class Lab {
  readonly #prefix = `nat-bench-${process.pid}-`;
  readonly #work = mkdtempSync(join(tmpdir(), "vipd-bench-"));
  readonly #generator = join(this.#work, "generator");
  readonly #rivals = join(this.#work, "rivals");
  #host: ChildProcess | null = null;

  up(): void {
    for (const [name, program] of Object.entries({ generator: this.#generator, rivals: this.#rivals })) {
      const source = fileURLToPath(new URL(`./responder-${name}.cc`, import.meta.url));
      execFileSync(process.env.CXX ?? "g++", ["-std=c++17", "-O2", "-o", program, source], { stdio: "inherit" });
    }
    for (const name of ["host", "client"]) {
      execFileSync("ip", ["netns", "add", this.#prefix + name]);
      this.#ip(name, "link set lo up");
    }
    this.#ip("host", `link add eth0 type veth peer name eth0 netns ${this.#prefix}client`);
    for (const [at, name] of ["host", "client"].entries()) {
      this.#run(name, "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2");
      this.#ip(name, `link set eth0 address 02:00:00:00:00:0${at + 1} up`);
      this.#ip(name, `addr add 10.7.0.${at + 1}/24 dev eth0`);
      this.#ip(name, `-6 addr add fd07::${at + 1}/64 dev eth0 nodad`);
      const mask = options["no-rps"] ? 0 : 1 << (name === "host" ? ANSWER_CORE : GENERATOR_CORE);
      this.#run(name, `sh -c "echo ${mask.toString(16)} > /sys/class/net/eth0/queues/rx-0/rps_cpus"`);
    }
    this.#ip("host", `addr add ${TARGETS.vipd.arp}/32 dev lo scope host`);
    this.#ip("host", `-6 addr add ${TARGETS.vipd.ns}/128 dev lo nodad`);
    // The generator's senders; without the route the kernel has nobody to answer.
    this.#ip("host", "route add 10.66.0.0/24 dev eth0");
  }

  /** Starts the real engine, pinned, owning `vips` and keeping its lease as the daemon does. */
  async answer(vips: readonly string[]): Promise<() => Record<string, unknown>> {
    const script = fileURLToPath(new URL("./responder-host.ts", import.meta.url));
    const node = ["taskset", "-c", String(ANSWER_CORE), process.execPath, "--import", "tsx", script, ...vips];
    const child = spawn("ip", ["netns", "exec", `${this.#prefix}host`, ...node], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#host = child;
    let last: Record<string, unknown> = {};
    await new Promise<void>((ready, failed) => {
      child.once("exit", (code) => failed(new Error(`the answering host ended with code ${code}`)));
      createInterface({ input: child.stdout! }).on("line", (line) => {
        last = JSON.parse(line);
        ready();
      });
    });
    return () => last;
  }

  /** Starts one of the plain packet sockets in the engine's place, pinned likewise. */
  async rival(kind: Rival, family: Family): Promise<void> {
    const program = ["taskset", "-c", String(ANSWER_CORE), this.#rivals, "eth0", family, kind, TARGETS.vipd[family]];
    const child = spawn("ip", ["netns", "exec", `${this.#prefix}host`, ...program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#host = child;
    await new Promise<void>((ready, failed) => {
      child.once("exit", (code) => failed(new Error(`${kind} ended with code ${code}`)));
      child.stdout.once("data", () => ready());
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#host?.kill(name);
  }

  async quiet(): Promise<void> {
    const child = this.#host;
    if (child === null) return;
    this.#host = null;
    const ended = new Promise((done) => child.once("exit", done));
    child.removeAllListeners("exit").once("exit", () => {});
    child.kill("SIGTERM");
    await Promise.race([ended, new Promise((done) => setTimeout(done, 500))]);
    child.kill("SIGKILL");
  }

  async shoot(family: Family, mode: string, target: string, extra: number): Promise<Shot> {
    const before = this.#cpuSeconds();
    const args = [this.#generator, "eth0", family, mode, target, String(seconds), String(extra)];
    const child = spawn(
      "ip",
      ["netns", "exec", `${this.#prefix}client`, "taskset", "-c", String(GENERATOR_CORE), ...args],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    const code = await new Promise((done) => child.once("close", done));
    if (code !== 0) throw new Error(`the generator ended with code ${code}`);
    const cpuPercent = ((this.#cpuSeconds() - before) / seconds) * 100;
    return { ...JSON.parse(text), cpuPercent };
  }

  down(): void {
    this.#host?.kill("SIGKILL");
    for (const name of ["host", "client"]) spawnSync("ip", ["netns", "del", this.#prefix + name]);
    rmSync(this.#work, { recursive: true, force: true });
  }

  /** User and system time of the answering process, all threads (proc(5), fields 14 and 15 of stat). */
  #cpuSeconds(): number {
    if (this.#host === null) return 0;
    const stat = readFileSync(`/proc/${this.#host.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  #ip(name: string, command: string): void {
    execFileSync("ip", ["-n", this.#prefix + name, ...command.split(" ")]);
  }

  #run(name: string, command: string): void {
    execFileSync("sh", ["-c", `ip netns exec ${this.#prefix}${name} ${command}`]);
  }
}

type Contender = "kernel" | "vipd" | Rival;

/** All take turns, so that a busy machine disturbs each; the round with the median answer rate counts. */
async function compare(
  lab: Lab,
  family: Family,
  mode: string,
  extra: number,
): Promise<Partial<Record<Contender, Shot>> & Record<"kernel" | "vipd", Shot>> {
  const rivals = mode === "flat" ? RIVALS[family] : [];
  const shots = new Map<Contender, Shot[]>();
  const shoot = async (who: Contender, target: string) => {
    shots.set(who, [...(shots.get(who) ?? []), await lab.shoot(family, mode, target, extra)]);
  };
  for (let round = 0; round < rounds; round++) {
    await shoot("kernel", TARGETS.kernel[family]);
    for (const kind of rivals) {
      await lab.rival(kind, family);
      await shoot(kind, TARGETS.vipd[family]);
      await lab.quiet();
    }
    await lab.answer([TARGETS.vipd.arp, TARGETS.vipd.ns]);
    await shoot("vipd", TARGETS.vipd[family]);
    await lab.quiet();
  }
  const median = (list: Shot[]) =>
    [...list].sort((a, b) => a.answeredPerSecond - b.answeredPerSecond)[Math.floor(list.length / 2)]!;
  const medians = Object.fromEntries([...shots].map(([who, list]) => [who, median(list)]));
  return medians as Record<Contender, Shot>;
}

/** A closed loop, alone, beside a flood of other hosts' questions, and while ten thousand VIPs are announced. */
async function disturbed(lab: Lab, figures: Record<string, unknown>): Promise<void> {
  await lab.answer([TARGETS.vipd.arp, TARGETS.vipd.ns]);
  const closed = () => lab.shoot("arp", "closed", TARGETS.vipd.arp, 1);
  const alone = await closed();
  const [beside] = await Promise.all([closed(), lab.shoot("arp", "rate", TARGETS.foreign.arp, 100_000)]);
  lab.signal("SIGUSR1");
  const announcing = await closed();
  for (const [name, shot] of Object.entries({
    alone,
    "beside 100 000/s foreign": beside,
    "announcing 10 000": announcing,
  })) {
    console.log(row(`arp closed, ${name}`, shot, `lost ${shot.lost}`));
    figures[`arp closed, ${name}`] = shot;
  }
  await lab.quiet();
}

const count = (value: number) => Math.round(value).toLocaleString("en").replaceAll(",", " ");

function row(name: string, shot: Shot, ratio = ""): string {
  const delays = shot.p50Us === 0 ? ["", "", ""] : [shot.p50Us, shot.p99Us, shot.p999Us].map((us) => us.toFixed(1));
  const cells = [
    count(shot.askedPerSecond),
    count(shot.answeredPerSecond),
    ...delays,
    `${shot.cpuPercent.toFixed(1)} %`,
    ratio,
  ];
  return name.padEnd(38) + cells.map((cell) => cell.padStart(13)).join("");
}

async function main(): Promise<void> {
  const lab = new Lab();
  const stop = () => {
    lab.down();
    process.exit(130);
  };
  process.once("SIGINT", stop).once("SIGTERM", stop);
  try {
    lab.up();
    const about = {
      cpu: cpus()[0]?.model ?? "",
      cores: cpus().length,
      kernel: release(),
      load: loadavg()[0],
      seconds,
      rounds,
    };
    console.log(
      `${about.cores} x ${about.cpu}, Linux ${about.kernel}, load ${about.load?.toFixed(1)}, ${rounds} rounds of ${seconds} s`,
    );
    console.log(heading());
    const figures: Record<string, unknown> = {};
    for (const family of FAMILIES) {
      for (const [mode, extra] of [
        ["closed", 1],
        ["window", 64],
        ["flat", 0],
      ] as const) {
        const { kernel, ...others } = await compare(lab, family, mode, extra);
        const toKernel = (shot: Shot) =>
          mode === "closed" ? shot.p50Us / kernel.p50Us : shot.answeredPerSecond / kernel.answeredPerSecond;
        console.log(row(`${family} ${mode}, kernel`, kernel));
        for (const [who, shot] of Object.entries(others)) {
          console.log(row(`${family} ${mode}, ${who}`, shot, `x ${toKernel(shot).toFixed(2)}`));
        }
        figures[`${family} ${mode}`] = { kernel, ...others, ratio: toKernel(others.vipd) };
      }
    }
    for (const perSecond of [0.001, 10_000, 100_000]) {
      const name = perSecond < 1 ? "nothing asked" : `foreign ARP, ${count(perSecond)}/s`;
      const latest = await lab.answer([TARGETS.vipd.arp, TARGETS.vipd.ns]);
      const shot = await lab.shoot("arp", "rate", TARGETS.foreign.arp, perSecond);
      await new Promise((done) => setTimeout(done, 300));
      console.log(row(name, shot));
      figures[name] = { ...shot, host: latest() };
      await lab.quiet();
    }
    await disturbed(lab, figures);
    const report = JSON.stringify({ ...about, figures }, null, 2);
    if (options.json === "-") {
      console.log(report);
    } else {
      mkdirSync(dirname(options.json), { recursive: true });
      writeFileSync(options.json, `${report}\n`);
      console.log(`JSON: ${options.json}`);
    }
  } finally {
    await lab.quiet();
    lab.down();
  }
}

function heading(): string {
  const cells = ["asked/s", "answered/s", "p50 us", "p99 us", "p99.9 us", "process CPU", "to kernel"];
  return "".padEnd(38) + cells.map((cell) => cell.padStart(13)).join("");
}

await main();
