/**
 * `vipd init`: from a few answers (flags, or questions on a terminal) to the configuration and key of each host, and to what is to
 * be copied where. Boundary: overwrites nothing but a configuration that nobody filled in; asks the wire before it writes.
 */
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import type { Config } from "../config/types.js";
import {
  addConfigOption,
  type CommonOptions,
  complain,
  EXIT,
  paint,
  printProblems,
  repeatable,
  say,
} from "./common.js";
import { type Answers, configFor, type InitHost, nextSteps, quorumAdvice, readHost } from "./init-plan.js";
import { isUnfilled } from "./wait.js";

interface InitOptions extends CommonOptions {
  readonly interface?: string;
  readonly vip: readonly string[];
  readonly host: readonly string[];
  readonly quorum?: boolean;
  readonly evenIfTaken?: boolean;
}

const ASK_MS = 1000;
/** The Debian package's. */
const SCHEMA_FILE = "/usr/share/vipd/config.schema.json";
const TAKEN_SHOWN = 10;

export function addInit(program: Command): void {
  const command = program
    .command("init")
    .summary("write a first configuration and a key")
    .description(
      "Writes the configuration of a new group and a fresh key, one folder a host, and says what to copy where. Asks on a terminal for what no flag says. Before that it asks the wire whether somebody uses the VIPs already.",
    )
    .option("-i, --interface <name>", 'where the VIPs are answered for, on every host; or "auto"')
    .addOption(repeatable("--vip <address>", "a VIP, a range a-b or a block; again for more", "asked for"))
    .addOption(
      repeatable(
        "--host <name=address>",
        "a host of the group and its own address, this one included; again for each",
        "asked for",
      ),
    )
    .option("--quorum", "a host serves only while it reaches the majority of them")
    .option("--even-if-taken", "write although somebody answers for a VIP")
    .addHelpText(
      "after",
      `
  vipd init --interface eth0 --vip 10.0.0.100 \\
    --host a=10.0.0.11 --host b=10.0.0.12 --host c=10.0.0.13

Exit codes: 0 written, 1 not (something is there already, or uses a VIP), 2 it would be refused, 64 wrong usage.`,
    )
    .action(init);
  addConfigOption(command);
}

async function init(options: InitOptions): Promise<void> {
  const answers = await gather(options);
  if (answers === null) return;
  const folder = dirname(resolve(options.config));
  const files = { config: resolve(options.config), key: join(folder, "gossip.key"), copies: join(folder, "hosts") };
  const taken = [files.key, files.copies].find((file) => existsSync(file));
  if (!isUnfilled(files.config, (file) => readFileSync(file, "utf8")))
    return refuse(`${files.config} is there already`);
  if (taken !== undefined) return refuse(`${taken} is there already: is the group made? Remove it to begin anew`);
  const key = `${randomBytes(32).toString("base64")}\n`;
  const config = await judge(answers, files, key);
  if (config === null) return;
  if (!(await vipsAreFree(config, options.evenIfTaken === true))) return;
  const own = new Set(Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((one) => one.address)));
  const here = answers.hosts.find((one) => own.has(one.address)) ?? null;
  write(answers, { ...files, here }, key);
  tellNext(answers, { ...files, folder, here });
}

function refuse(reason: string): void {
  complain(`vipd init: ${reason}`);
  process.exitCode = EXIT.wrong;
}

async function gather(options: InitOptions): Promise<Answers | null> {
  const complete = options.interface !== undefined && options.vip.length > 0 && options.host.length > 0;
  const given = {
    interface: options.interface,
    vips: [...options.vip],
    hosts: [...options.host],
    quorum: options.quorum,
  };
  if (!complete && process.stdin.isTTY) await askThePerson(given);
  const wrong = given.hosts.filter((text) => readHost(text) === null);
  for (const text of wrong) complain(`vipd init: ${JSON.stringify(text)} is no NAME=ADDRESS, such as host-a=10.0.0.11`);
  if (given.interface === undefined || given.vips.length === 0 || given.hosts.length === 0) {
    complain("vipd init: say --interface, --vip and --host (each host of the group once), or call it on a terminal");
  } else if (wrong.length === 0) {
    const hosts = given.hosts.map((text) => readHost(text)!);
    const twice = hosts.find((one, i) =>
      hosts.some((two, j) => j < i && (two.name === one.name || two.address === one.address)),
    );
    const schema = existsSync(SCHEMA_FILE) ? SCHEMA_FILE : null;
    if (twice === undefined)
      return { interface: given.interface, vips: given.vips, hosts, quorum: given.quorum === true, schema };
    complain(`vipd init: ${twice.name}=${twice.address} is there twice, by name or by address`);
  }
  process.exitCode = EXIT.usage;
  return null;
}

interface Given {
  interface: string | undefined;
  vips: string[];
  hosts: string[];
  quorum: boolean | undefined;
}

async function askThePerson(given: Given): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const ask = async (question: string) => (await terminal.question(`${question} `)).trim();
  const many = async (question: string) => (await ask(question)).split(/[\s,]+/).filter((one) => one !== "");
  try {
    given.interface ??= (await ask("Interface of the VIPs (or auto):")) || undefined;
    if (given.vips.length === 0) given.vips.push(...(await many("VIPs (addresses, ranges a-b, blocks):")));
    if (given.hosts.length === 0) given.hosts.push(...(await many("Hosts, this one included (NAME=ADDRESS ...):")));
    if (given.quorum === undefined && given.hosts.length === 2) {
      complain(
        "If only the network between two hosts breaks, both serve the VIPs. With quorum neither does, and the death of",
      );
      complain("either silences the other; only a third host mends that.");
      given.quorum = /^y/i.test(await ask("Quorum all the same? [y/N]"));
    }
  } finally {
    terminal.close();
  }
}

/** Every host's configuration must be one that vipd takes; returns the first. */
async function judge(answers: Answers, files: { config: string; key: string }, key: string): Promise<Config | null> {
  const { loadConfig } = await import("../config/load.js");
  const encode = (text: string) => new TextEncoder().encode(text);
  let first: Config | null = null;
  for (const host of answers.hosts) {
    const text = configFor(host, answers);
    const readFile = (file: string) => encode(file === files.key ? key : file === files.config ? text : "");
    const stat = () => ({ mode: 0o600, gid: 0, size: 0, isDirectory: false });
    const loaded = loadConfig({ file: files.config, env: {}, hostname: host.name, readFile, stat });
    if (!loaded.ok) {
      printProblems({ ...loaded, warnings: [] }, `the configuration of ${host.name}`);
      process.exitCode = EXIT.config;
      return null;
    }
    first ??= loaded.config;
  }
  return first;
}

/** Somebody who answers now is no VIP of this new group: another machine, or a DHCP lease. */
async function vipsAreFree(config: Config, evenIfTaken: boolean): Promise<boolean> {
  const { hostInterfaces } = await import("../adapters/native.js");
  const { createResponder } = await import("../adapters/responder.js");
  const { placeGroup } = await import("../config/host.js");
  const group = config.vips[0]!;
  const placed = placeGroup(group, hostInterfaces());
  const responder = createResponder();
  try {
    if (placed.kind !== "on") throw new Error(placed.reason);
    await responder.start(() => {});
    responder.setInterfaces(placed.interfaces);
    const asked = placed.interfaces.map((name) =>
      responder.ask({ interface: name, addresses: group.addresses, timeoutMs: ASK_MS }),
    );
    const answers = (await Promise.all(asked)).flat();
    const users = new Map(answers.map((one) => [one.address, one.mac]));
    if (users.size === 0) return true;
    for (const [address, mac] of [...users].slice(0, TAKEN_SHOWN)) complain(`${address} is used already, by ${mac}`);
    if (users.size > TAKEN_SHOWN) complain(`and ${users.size - TAKEN_SHOWN} more`);
    if (evenIfTaken) return true;
    refuse("take these addresses off their machines and out of the DHCP pool, or choose others (or --even-if-taken)");
    return false;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    complain(
      `${paint("yellow", "warning", process.stderr)}: could not ask the wire whether the VIPs are free: ${reason}`,
    );
    return true;
  } finally {
    await responder.stop();
  }
}

interface Places {
  readonly config: string;
  readonly key: string;
  /** What is to be copied, a folder a host. */
  readonly copies: string;
  /** Which of the hosts this is; null: none of them. */
  readonly here: InitHost | null;
}

function write(answers: Answers, files: Places, key: string): void {
  const gid = groupOf("vipd");
  const put = (file: string, text: string, mode: number): void => {
    // "wx": never over a file that came in between, but for the empty configuration that the package ships.
    writeFileSync(file, text, { mode, flag: file === files.config ? "w" : "wx" });
    if (gid !== null && process.geteuid?.() === 0) chownSync(file, 0, gid);
  };
  mkdirSync(dirname(files.config), { recursive: true });
  mkdirSync(files.copies, { mode: 0o700 });
  for (const host of answers.hosts) {
    const here = host === files.here;
    const folder = here ? dirname(files.config) : join(files.copies, host.name);
    if (!here) mkdirSync(folder, { mode: 0o755 });
    put(here ? files.key : join(folder, "gossip.key"), key, 0o640);
    put(here ? files.config : join(folder, "config.json"), configFor(host, answers), 0o644);
  }
}

/** The group that the daemon runs as must read the key; tar then carries it to the other hosts by its name. */
function groupOf(name: string): number | null {
  try {
    const line = new RegExp(`^${name}:[^:]*:(\\d+):`, "m").exec(readFileSync("/etc/group", "utf8"));
    return line === null ? null : Number(line[1]);
  } catch {
    return null;
  }
}

function tellNext(answers: Answers, files: Places & { readonly folder: string }): void {
  const { here, config, key, copies, folder } = files;
  say(
    here === null
      ? "This host is none of the group: nothing was configured here."
      : `${config} and ${key}: this host, ${here.name}`,
  );
  for (const one of answers.hosts) if (one !== here) say(`${copies}/${one.name}/: for ${one.name}`);
  const advice = quorumAdvice(answers);
  if (advice !== "") say(`\n${advice}`);
  say(
    "\nKeep the VIPs out of the DHCP pool. What remains, on this host (vipd starts by itself once its file is there,",
  );
  say("where systemd runs it; else: vipd run on each host):\n");
  for (const step of nextSteps(answers, { folder, here: here?.name ?? null, copies })) say(`  ${step}`);
  say(`\nThe group has formed five seconds after the last copy; before, the status says so, or shows fewer hosts.`);
  say(`Then remove ${copies}: it holds the key.`);
}
