/**
 * `vipd verify`: asks the wire who answers for VIPs, like a monitoring plug-in: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
 * Boundary: sends questions only, through the Responder port's `ask`; where is verify-places.ts's, who should answer
 * verify-known.ts's, the judgement verify-verdict.ts's.
 */
import { setTimeout as wait } from "node:timers/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Config } from "../config/types.js";
import { canonicalAddress, familyOf, fitForVip } from "../domain/address.js";
import type { AskRequest, Responder } from "../ports.js";
import {
  addConfigOption,
  addOverrides,
  type CommonOptions,
  complain,
  EXIT,
  load,
  overridesOf,
  printable,
  printProblems,
  repeatable,
  say,
} from "./common.js";
import { anyMember, askKnown, changedHere, expectedOf, hostsByMac, type Known, ownAddresses } from "./verify-known.js";
import type { Places } from "./verify-places.js";
import { type Answer, judge, judgeOne, Observation, pluginLine, type Verdict, vipLines } from "./verify-verdict.js";

interface VerifyOptions extends CommonOptions {
  readonly interface?: string;
  readonly count?: number;
  readonly interval: number;
  readonly timeout: number;
  readonly source: readonly string[];
  readonly status: readonly string[];
  readonly watch?: boolean;
}

const COUNT = 5;
/** Beyond so many probes of all VIPs together their answers are summed up a VIP, not told one by one. */
const TOLD_MAX = 200;

export function addVerify(program: Command): void {
  const command = program
    .command("verify")
    .argument("[vip...]", "addresses; without any: all VIPs of the configuration")
    .summary("ask the wire who answers for VIPs")
    .description(
      "Asks on the wire (ARP, neighbour solicitation) who answers for VIPs: exactly one host must, and where the group is known it must be the owner. Needs neither daemon nor configuration, only CAP_NET_RAW and the VIPs' segment.",
    )
    .addOption(
      new Option("-i, --interface <name>", "ask there; default: as configured, else where a subnet holds the VIP"),
    )
    .option("-n, --count <n>", `probes of each VIP; default ${COUNT}, with --watch no end`, whole("--count", 1, 1000))
    .option("--interval <ms>", "from one probe to the next, at least --timeout", whole("--interval", 0, 3_600_000), 500)
    .option("--timeout <ms>", "how long to wait for the answers to a probe", whole("--timeout", 1, 60_000), 500)
    .addOption(
      repeatable("--source <address>", "ask as this address of ours; again for the other family", "the interface's"),
    )
    .addOption(
      repeatable(
        "--status <url>",
        "ask that daemon who owns what (http://HOST:7980); again for another",
        "this host's",
      ),
    )
    .option("-w, --watch", "go on until Ctrl-C and tell each change")
    .option("--json", "observations and verdict as JSON; with --watch a line a change")
    .addHelpText(
      "after",
      `
Exit codes: 0 OK, every probe was answered by one host, the owner where the group is known; 1 WARNING, some probes had
no answer, or the VIP moved meanwhile, or a member answers that is not the owner; 2 CRITICAL, nobody answers, or two
hosts, or a stranger; 3 UNKNOWN, could not ask, or the VIP is off-link here, or no VIP of the group that was asked.

Whose MAC is whose, and who is the owner, is told by this host's daemon or by --status. Two interfaces of one member are
one voice. On a terminal the sum stands last; elsewhere it is the first line, with performance data, as Nagios, Icinga
and their like want it.
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

async function verify(named: readonly string[], options: VerifyOptions): Promise<void> {
  const wrong = usageProblems(named, options);
  if (wrong.length > 0) {
    for (const problem of wrong) complain(`vipd verify: ${problem}`);
    process.exitCode = EXIT.usage;
    return;
  }
  try {
    const config = await configFor(named, options);
    const vips = named.length > 0 ? named.map((vip) => canonicalAddress(vip)!) : allVips(config);
    const { placesOf } = await import("./verify-places.js");
    const places = placesOf([...new Set(vips)], { interface: options.interface, config });
    await refuseAbsent(places);
    refuseForeign(options.source);
    await examine(places, options);
  } catch (error) {
    unknown(error instanceof Error ? error.message : String(error), options);
  }
}

function usageProblems(vips: readonly string[], { source }: VerifyOptions): string[] {
  const noAddress = (text: string) => (canonicalAddress(text) === null ? "is not an IPv4 or IPv6 address" : null);
  const whyNot = (vip: string) => noAddress(vip) ?? fitForVip(canonicalAddress(vip)!);
  const wrong = [...vips.map((text) => [text, whyNot(text)]), ...source.map((text) => [text, noAddress(text)])];
  return wrong.flatMap(([text, reason]) => (reason === null ? [] : [`${JSON.stringify(text)} ${reason}`]));
}

function unknown(reason: string, options: VerifyOptions): void {
  const text = printable(reason).replaceAll("|", "/");
  say(options.json ? JSON.stringify({ code: 3, word: "UNKNOWN", summary: text }) : `VIPD UNKNOWN: ${text}`);
  process.exitCode = 3;
}

/** VIPs that are named need none; one that is there still tells the interface. */
async function configFor(named: readonly string[], options: VerifyOptions): Promise<Config | null> {
  if (named.length > 0 && options.interface !== undefined) return null;
  const loaded = await load(options, "warning");
  if (loaded.ok) return loaded.config;
  if (named.length > 0) return null;
  printProblems(loaded, options.config);
  throw new Error(`${options.config} was refused; name VIPs to ask without it`);
}

function allVips(config: Config | null): readonly string[] {
  const vips = config?.vips.flatMap((group) => group.addresses) ?? [];
  if (vips.length === 0) throw new Error("the configuration has no VIP: name one");
  return vips;
}

async function refuseAbsent({ targets }: Places): Promise<void> {
  const { interfaceExists } = await import("../adapters/interfaces.js");
  const absent = [...targets.keys()].find((name) => !interfaceExists(name));
  if (absent !== undefined) throw new Error(`there is no interface ${JSON.stringify(absent)} on this host`);
}

/** Whoever hears our question takes its sender's MAC for that address: asked in another's name, it would cut that one off. */
function refuseForeign(sources: readonly string[]): void {
  const own = ownAddresses(null);
  const foreign = sources.find((text) => !own.has(canonicalAddress(text)!));
  if (foreign !== undefined) throw new Error(`--source ${foreign} is no address of this host`);
}

async function examine(places: Places, options: VerifyOptions): Promise<void> {
  const { findSocket } = await import("../config/load.js");
  const socket = findSocket({ file: options.config, overrides: overridesOf(options) });
  const known = await askKnown(options.status, socket);
  const own = ownAddresses(known.status);
  const vips = new Set([...[...places.targets.values()].flat(), ...places.offLink.keys()]);
  const seen = new Map([...vips].map((vip) => [vip, new Observation(vip, own.has(vip), places.offLink.get(vip))]));
  const lines: string[] = [];
  const live = process.stdout.isTTY && !options.json;
  const tell = (line: string): unknown => (live || options.watch ? say(line) : lines.push(line));
  await probe({ places, seen, known, tell }, options);
  const after = await askKnown(options.status, socket);
  const [ownAfter, hosts] = [ownAddresses(after.status), hostsByMac(after.status)];
  for (const one of seen.values()) {
    const statuses = [known.status, after.status];
    const thereAndBack = one.own && ownAfter.has(one.address) && changedHere(one.address, statuses);
    one.expected = thereAndBack ? anyMember(after.status) : expectedOf(one.address, statuses);
    one.notOfGroup = one.expected === null && statuses.some((status) => status !== null);
    one.ownChanged = thereAndBack || one.own !== ownAfter.has(one.address);
    one.attribute(hosts);
  }
  const observations = [...seen.values()];
  const verdict = doubt(judge(observations, options.watch), known);
  process.exitCode = verdict.code;
  if (options.json) return say(JSON.stringify(asJson(observations, verdict, options), null, options.watch ? 0 : 2));
  const sum = pluginLine(observations, verdict);
  const details = observations.length > 1 || options.watch ? vipLines(observations, options.watch) : [];
  for (const line of live || options.watch ? [...details, sum] : [sum, ...details, ...lines]) say(line);
}

/** Whoever names a status wants to know about strangers: without it "one voice" is not yet OK. */
function doubt(verdict: Verdict, { missing }: Known): Verdict {
  if (missing === "" || verdict.code !== 0) return verdict;
  return { code: 3, word: "UNKNOWN", summary: `${verdict.summary}; whether it is the owner is not known: ${missing}` };
}

function asJson(observations: readonly Observation[], verdict: Verdict, options: VerifyOptions): unknown {
  const vips = observations.map((one) => {
    const { address, own, asked, answered, together, changes, voices, expected } = one;
    const heard = answered > 0;
    const rtt = {
      minMs: heard ? one.fastestMs : null,
      meanMs: heard ? one.meanMs : null,
      maxMs: heard ? one.slowestMs : null,
    };
    const judged = judgeOne(one, options.watch);
    return {
      address,
      ...judged,
      own,
      asked,
      answered,
      together,
      changes,
      rtt,
      voices,
      owners: expected?.owners ?? null,
    };
  });
  return { ...verdict, vips };
}

interface Examination {
  readonly places: Places;
  readonly seen: ReadonlyMap<string, Observation>;
  readonly known: Known;
  readonly tell: (line: string) => unknown;
}

async function probe(examination: Examination, options: VerifyOptions): Promise<void> {
  const { targets } = examination.places;
  if (targets.size === 0) return;
  const { createResponder } = await import("../adapters/responder.js");
  const responder = createResponder();
  const stop = new AbortController();
  const end = (): void => stop.abort();
  // `timeout` and `sudo` send it once more than the terminal does: the second must not cost the sum at the end.
  if (options.watch) process.on("SIGINT", end).on("SIGTERM", end);
  await responder.start(() => {});
  try {
    responder.setInterfaces([...targets.keys()]);
    const count = options.count ?? (options.watch ? Number.POSITIVE_INFINITY : COUNT);
    for (let round = 0; round < count && !stop.signal.aborted; round++) {
      const ms = round + 1 < count ? options.interval : 0;
      const pause = wait(ms, undefined, { signal: stop.signal }).catch(() => {});
      await probeOnce(responder, examination, { ...options, round, single: count * examination.seen.size <= TOLD_MAX });
      await pause;
    }
  } finally {
    await responder.stop();
  }
}

/** Each VIP once, on each of its interfaces. */
async function probeOnce(
  responder: Responder,
  { places, seen, known, tell }: Examination,
  options: VerifyOptions & { readonly round: number; readonly single: boolean },
): Promise<void> {
  const at = new Date();
  const hosts = hostsByMac(known.status);
  const heard = new Map<string, Answer[]>();
  const requests = [...places.targets].flatMap(([name, addresses]) => requestsFor(name, addresses, options));
  for (const { address, mac, afterMs } of (await Promise.all(requests.map((one) => responder.ask(one)))).flat()) {
    const answer = { mac, afterMs, host: hosts.get(mac) ?? null };
    heard.set(address, [...(heard.get(address) ?? []), answer]);
  }
  for (const vip of new Set([...places.targets.values()].flat())) {
    const one = seen.get(vip)!;
    const answers = heard.get(vip) ?? [];
    const change = one.round(answers);
    const time = timeOf(at);
    if (options.watch) {
      if (change !== null)
        tell(
          options.json ? JSON.stringify({ at: at.toISOString(), vip, change, answers }) : `${time}  ${vip}  ${change}`,
        );
      continue;
    }
    if (!options.single) continue;
    const probe = `${time}  ${vip}  probe ${options.round + 1}`;
    if (answers.length === 0 && !one.own) tell(`${probe}  no answer`);
    for (const { mac, host, afterMs } of answers)
      tell(`${probe}  ${mac}  ${afterMs.toFixed(2)} ms  ${printable(host ?? "")}`.trimEnd());
  }
}

/** One a family, since a source is of one. */
function requestsFor(name: string, addresses: readonly string[], options: VerifyOptions): AskRequest[] {
  return ([4, 6] as const).flatMap((family) => {
    const asked = addresses.filter((address) => familyOf(address) === family);
    const source = options.source.map((text) => canonicalAddress(text)!).find((text) => familyOf(text) === family);
    if (asked.length === 0) return [];
    return [{ interface: name, addresses: asked, timeoutMs: options.timeout, once: true, ...(source && { source }) }];
  });
}

function timeOf(at: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}
