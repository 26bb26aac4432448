/**
 * `vipd verify`: asks the wire who answers for VIPs, like a monitoring plug-in: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
 * Boundary: sends questions only, through the Responder port's `ask`; the judgement is verify-verdict.ts's.
 */
import * as os from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Config } from "../config/types.js";
import { canonicalAddress } from "../domain/address.js";
import {
  addConfigOption,
  addOverrides,
  type CommonOptions,
  complain,
  EXIT,
  load,
  overridesOf,
  printProblems,
  say,
} from "./common.js";
import { askStatus } from "./daemon-client.js";
import { judge, type Observation, verdictText } from "./verify-verdict.js";

interface VerifyOptions extends CommonOptions {
  readonly interface?: string;
  readonly count: number;
  readonly interval: number;
  readonly timeout: number;
}

export function addVerify(program: Command): void {
  const command = program
    .command("verify")
    .argument("[vip...]", "addresses; without any: all VIPs of the configuration")
    .summary("ask the wire who answers for VIPs")
    .description(
      "Asks on the wire (ARP, neighbour solicitation) who answers for VIPs: exactly one host must. Needs CAP_NET_RAW.",
    )
    .addOption(new Option("-i, --interface <name>", "ask on this interface; default: the VIP's in the configuration"))
    .option("-n, --count <n>", "how often to ask", whole("--count", 1, 1000), 1)
    .option("--interval <ms>", "pause between two rounds", whole("--interval", 0, 3_600_000), 1000)
    .option("--timeout <ms>", "how long to wait for answers", whole("--timeout", 1, 60_000), 1000)
    .option("--json", "observations and verdict as JSON")
    .addHelpText(
      "after",
      `
Exit codes: 0 OK, one host answers for each VIP; 1 WARNING, some questions had no answer, or another host answered
later; 2 CRITICAL, nobody or more than one answers; 3 UNKNOWN, could not ask.
A host does not hear itself: for a VIP that this host owns, OK means that nobody else answers.`,
    )
    .action(verify);
  addOverrides(addConfigOption(command));
}

function whole(name: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`${name} is a whole number from ${min} to ${max}.`);
    return value;
  };
}

async function verify(vips: readonly string[], options: VerifyOptions): Promise<void> {
  const wrong = vips.filter((vip) => canonicalAddress(vip) === null);
  if (wrong.length > 0) {
    for (const vip of wrong) complain(`vipd verify: ${JSON.stringify(vip)} is not an IPv4 or IPv6 address`);
    process.exitCode = EXIT.usage;
    return;
  }
  const targets = await findTargets([...new Set(vips.map((vip) => canonicalAddress(vip)!))], options);
  if (typeof targets === "string") return unknown(targets, options);
  const { interfaceExists } = await import("../adapters/interfaces.js");
  const absent = [...targets.keys()].find((name) => !interfaceExists(name));
  if (absent !== undefined) return unknown(`there is no interface ${JSON.stringify(absent)} on this host`, options);
  let observations: readonly Observation[];
  try {
    observations = await observe(targets, options);
  } catch (error) {
    return unknown(error instanceof Error ? error.message : String(error), options);
  }
  const verdict = judge(observations, options.count);
  say(
    options.json
      ? JSON.stringify({ ...verdict, observations }, null, 2)
      : verdictText(observations, verdict, options.count),
  );
  process.exitCode = verdict.code;
}

function unknown(reason: string, options: VerifyOptions): void {
  say(options.json ? JSON.stringify({ code: 3, word: "UNKNOWN", summary: reason }) : `VIPD UNKNOWN: ${reason}`);
  process.exitCode = 3;
}

/** Interface -> its VIPs; or why that cannot be known. */
async function findTargets(vips: readonly string[], options: VerifyOptions): Promise<Map<string, string[]> | string> {
  if (options.interface !== undefined && vips.length > 0) return new Map([[options.interface, [...vips]]]);
  const loaded = await load(options, "warning");
  if (!loaded.ok) {
    printProblems(loaded, options.config);
    return `${options.config} was refused; name VIPs and --interface to ask without it`;
  }
  const places = await interfacesOfVips(loaded.config);
  const targets = new Map<string, string[]>();
  for (const vip of vips.length > 0 ? vips : places.keys()) {
    const placed = places.get(vip);
    if (options.interface === undefined && typeof placed === "string") return `${vip}: ${placed}`;
    const names = options.interface === undefined ? placed : [options.interface];
    if (names === undefined) return `${vip} is not in ${options.config}: say --interface`;
    for (const name of names) targets.set(name, [...(targets.get(name) ?? []), vip]);
  }
  return targets;
}

/** VIP -> its interfaces, or why they are not known. */
async function interfacesOfVips(config: Config): Promise<Map<string, readonly string[] | string>> {
  const { hostInterfaces } = await import("../adapters/native.js");
  const { placeGroup } = await import("../config/host.js");
  const host = hostInterfaces();
  return new Map(
    config.vips.flatMap((group) => {
      const placed = placeGroup(group, host);
      return group.addresses.map(
        (address) => [address, placed.kind === "on" ? placed.interfaces : placed.reason] as const,
      );
    }),
  );
}

async function observe(
  targets: ReadonlyMap<string, readonly string[]>,
  options: VerifyOptions,
): Promise<readonly Observation[]> {
  const { own, hosts } = await askDaemon(options);
  const found = new Map<string, { answers: { mac: string; afterMs: number; round: number; host: string | null }[] }>();
  for (const vip of [...targets.values()].flat()) found.set(vip, { answers: [] });
  const { createResponder } = await import("../adapters/responder.js");
  const responder = createResponder();
  await responder.start(() => {});
  try {
    responder.setInterfaces([...targets.keys()]);
    for (const { mac } of responder.links()) if (mac !== "" && !hosts.has(mac)) hosts.set(mac, os.hostname());
    for (let round = 0; round < options.count; round++) {
      if (round > 0) await new Promise((resolve) => setTimeout(resolve, options.interval));
      const asked = [...targets].map(([name, addresses]) =>
        responder.ask({ interface: name, addresses, timeoutMs: options.timeout }),
      );
      for (const answer of (await Promise.all(asked)).flat()) {
        const { mac, afterMs } = answer;
        found.get(answer.address)?.answers.push({ mac, afterMs, round, host: hosts.get(mac) ?? null });
      }
    }
  } finally {
    await responder.stop();
  }
  return [...found].map(([address, { answers }]) => ({ address, own: own.has(address), answers }));
}

/** What this host owns, and whose MAC is whose: as its daemon says; without a daemon, what lies on its interfaces. */
async function askDaemon(options: VerifyOptions): Promise<{ own: ReadonlySet<string>; hosts: Map<string, string> }> {
  const { findSocket } = await import("../config/load.js");
  const asked = await askStatus(findSocket({ file: options.config, overrides: overridesOf(options) }));
  if (asked.ok) {
    const mine = asked.status.vips.filter((vip) => vip.state === "owned" || vip.state === "releasing");
    const hosts = asked.status.members.flatMap((member) => member.macs.map(({ mac }) => [mac, member.name] as const));
    return { own: new Set(mine.map((vip) => vip.address)), hosts: new Map(hosts) };
  }
  const local = Object.values(os.networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return { own: new Set(local.map((one) => canonicalAddress(one.address) ?? "")), hosts: new Map() };
}
