/**
 * The facts that `vipd doctor` judges, asked of this host and of the wire. Boundary: reads, sends questions (ARP, neighbour
 * solicitation, gossip pings), changes nothing. What cannot be had (no nft, no tcpdump, no right) is absent, never an error.
 */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { hostInterfaces, type NativeInterface } from "../../adapters/native.js";
import { createResponder } from "../../adapters/responder.js";
import { placeGroup } from "../../config/host.js";
import type { Config } from "../../config/types.js";
import { canonicalAddress, expandCidr, familyOf } from "../../domain/address.js";
import type { AskAnswer } from "../../ports.js";
import { askStatus } from "../daemon-client.js";
import { findUnit } from "../unit-file.js";
import { legacyItems } from "./iptables.js";
import { parseNeighbourTable } from "./neighbour-table.js";
import { askPeers, connects } from "./peers.js";
import { readService } from "./service.js";
import type { HostFacts, NeighbourTable } from "./types.js";

const PROGRAM_MS = 4000;
const ASK_MS = 600;
const LISTEN_MS = 1300;
const VIPS_ASKED_MAX = 4096;
const OTHERS_ASKED_MAX = 64;
const SUBNET_MAX = 1024;
/** Programs that put addresses on hosts, by the name that the kernel knows them by (15 bytes). */
const MEDDLERS = new Set(["keepalived", "kube-proxy", "kube-vip", "speaker", "pacemakerd", "ucarp"]);
const NETWORK_FOLDERS = [
  "/etc/systemd/network",
  "/run/systemd/network",
  "/usr/lib/systemd/network",
  "/etc/NetworkManager/system-connections",
  "/run/NetworkManager/system-connections",
];

export async function gatherFacts(config: Config, configFile: string): Promise<HostFacts> {
  const links = hostInterfaces();
  const interfaces = placesOf(config, links);
  const status = await askStatus(config.status.socket);
  const members = status.ok ? status.status.members : [];
  const owned = status.ok ? status.status.vips.filter((vip) => vip.state === "owned" || vip.state === "releasing") : [];
  const usable = [...new Set([...interfaces.values()].flat())].filter((name) => isUsable(links, name));
  const hostOfMac = new Map(members.flatMap((member) => member.macs.map(({ mac }) => [mac, member.name] as const)));
  const files = [configFile, ...(config.gossip.keyFile === null ? [] : [config.gossip.keyFile])];
  const [answers, peers, nft, legacy, vrrp, service] = await Promise.all([
    askWire(config, interfaces, usable),
    askPeers(config, links),
    readNft(),
    readLegacy(),
    listenForVrrp(usable),
    readService(files),
  ]);
  return {
    config,
    nodeVersion: process.version,
    capabilities: capabilities(),
    realTimeUnit: findUnit()?.realTime ?? null,
    service,
    withoutArp: links.map(({ name }) => name).filter(isWithoutArp),
    links,
    interfaces: [...new Set([...interfaces.values()].flat())],
    sysctls: readSysctls(links.map((link) => link.name)),
    neighbourTables: [neighbourTable(4), neighbourTable(6)].flatMap((table) => table ?? []),
    running: status.ok,
    owned: new Set(owned.map((vip) => vip.address)),
    hostOfMac,
    answers,
    peers,
    nft,
    legacy,
    otherGroups: await findOtherGroups({ config, answers, peers, hostOfMac, links }),
    networkFiles: readNetworkFiles(),
    programs: runningPrograms(),
    bridges: readBridges(links),
    vrrp,
  };
}

function isUsable(links: readonly NativeInterface[], name: string): boolean {
  return links.some((one) => one.name === name && one.ethernet && one.masterName === "" && one.up && one.carrier);
}

/** Group -> its interfaces, as far as they are known. */
function placesOf(config: Config, links: readonly NativeInterface[]): Map<string, readonly string[]> {
  return new Map(
    config.vips.map((group) => {
      const placed = placeGroup(group, links);
      return [group.name, placed.kind === "on" ? placed.interfaces : []] as const;
    }),
  );
}

async function askWire(
  config: Config,
  interfaces: ReadonlyMap<string, readonly string[]>,
  usable: readonly string[],
): Promise<HostFacts["answers"]> {
  return askEach(usable, (name) => {
    const groups = config.vips.filter((group) => interfaces.get(group.name)?.includes(name));
    return groups.flatMap((group) => group.addresses);
  });
}

/** Who answers for these on each of the interfaces; nobody where the wire cannot be asked. */
async function askEach(
  names: readonly string[],
  addressesOf: (name: string) => readonly string[],
): Promise<HostFacts["answers"]> {
  if (names.length === 0) return [];
  const responder = createResponder();
  try {
    await responder.start(() => {});
    responder.setInterfaces(names);
    const asked = names.map(async (name) => {
      const addresses = addressesOf(name).slice(0, VIPS_ASKED_MAX);
      const answers = await responder.ask({ interface: name, addresses, timeoutMs: ASK_MS });
      return distinct(answers).map(({ address, mac }) => ({ address, mac, interface: name }));
    });
    return (await Promise.all(asked)).flat();
  } catch {
    return [];
  } finally {
    await responder.stop();
  }
}

/** An address that is asked for twice may be answered twice by the same machine. */
function distinct(answers: readonly AskAnswer[]): readonly AskAnswer[] {
  return [...new Map(answers.map((one) => [`${one.address} ${one.mac}`, one])).values()];
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function capabilities(): bigint {
  const hex = /^CapEff:\s*([0-9a-f]+)/m.exec(readText("/proc/self/status") ?? "")?.[1];
  return hex === undefined ? 0n : BigInt(`0x${hex}`);
}

function readSysctls(interfaces: readonly string[]): Map<string, number> {
  const keys = ["all", ...interfaces].flatMap((conf) =>
    ["arp_ignore", "arp_announce", "rp_filter", "accept_local"].map((key) => `net/ipv4/conf/${conf}/${key}`),
  );
  const found = new Map<string, number>();
  for (const key of [...keys, "net/ipv4/ip_nonlocal_bind", "net/ipv6/ip_nonlocal_bind"]) {
    const text = readText(`/proc/sys/${key}`);
    if (text !== null) found.set(key, Number.parseInt(text, 10));
  }
  return found;
}

/** IFF_NOARP of netdevice(7). */
function isWithoutArp(name: string): boolean {
  return (Number.parseInt(readText(`/sys/class/net/${name}/flags`) ?? "0", 16) & 0x80) !== 0;
}

function neighbourTable(family: 4 | 6): NeighbourTable | null {
  const text = readText(`/proc/net/stat/${family === 4 ? "arp" : "ndisc"}_cache`);
  const limit = readText(`/proc/sys/net/ipv${family}/neigh/default/gc_thresh3`);
  return text === null ? null : parseNeighbourTable(family, text, limit);
}

const run = promisify(execFile);

async function readNft(): Promise<unknown> {
  try {
    const { stdout } = await run("nft", ["-j", "list", "ruleset"], { timeout: PROGRAM_MS, maxBuffer: 64 << 20 });
    return JSON.parse(stdout);
  } catch {
    return null;
  }
}

/** Both families; asked only where the kernel has legacy tables, since the question itself would load them. */
async function readLegacy(): Promise<readonly object[]> {
  const families = [
    ["ip", "iptables-legacy-save", "/proc/net/ip_tables_names"],
    ["ip6", "ip6tables-legacy-save", "/proc/net/ip6_tables_names"],
  ] as const;
  const read = families.map(async ([family, program, names]) => {
    if (!/^filter$/m.test(readText(names) ?? "")) return [];
    try {
      const { stdout } = await run(program, ["-t", "filter"], { timeout: PROGRAM_MS, maxBuffer: 64 << 20 });
      return legacyItems(stdout, family);
    } catch {
      return [];
    }
  });
  return (await Promise.all(read)).flat();
}

/**
 * Of those who answer for VIPs and are no members: who takes connections on the gossip's port. Their own addresses are asked of the
 * wire, in the subnet of our own, which is done only where there is somebody to look for.
 */
async function findOtherGroups(facts: Pick<HostFacts, "config" | "answers" | "peers" | "hostOfMac" | "links">) {
  const { config, answers, peers, hostOfMac, links } = facts;
  const strangers = new Map(answers.filter((one) => !hostOfMac.has(one.mac)).map((one) => [one.mac, one.interface]));
  if (strangers.size === 0) return [];
  const vips = new Set(config.vips.flatMap((group) => group.addresses));
  const found = await askEach([...new Set(strangers.values())], (name) => {
    const own = links.find((one) => one.name === name)?.addresses ?? [];
    return own.flatMap((one) => subnetOf(one.address, one.prefix)).filter((address) => !vips.has(address));
  });
  const theirs = found.filter((one) => strangers.get(one.mac) === one.interface);
  const joined = new Set(peers.map((one) => one.address));
  // Whoever has an address of gossip.join is one of ours, whatever else it has.
  const ours = new Set(theirs.filter((one) => joined.has(one.address)).map((one) => one.mac));
  const asked = theirs.filter((one) => !ours.has(one.mac)).slice(0, OTHERS_ASKED_MAX);
  const { port } = config.gossip.bind;
  const open = await Promise.all(asked.map(async (one) => (await connects({ host: one.address, port })) === "open"));
  return [...new Map(asked.filter((_, i) => open[i]).map((one) => [one.mac, one])).values()];
}

/** The others' addresses in an IPv4 subnet that is small enough to be asked as a whole; none of a larger one. */
function subnetOf(address: string, prefix: number): readonly string[] {
  if (familyOf(address) !== 4 || prefix > 30) return [];
  const odd = expandCidr(`${address}/${prefix}`, SUBNET_MAX);
  const whole = !odd.ok && odd.problem === "host-bits-set" ? expandCidr(odd.block, SUBNET_MAX) : odd;
  return whole.ok ? whole.addresses.slice(1, -1).filter((one) => one !== address) : [];
}

/** VRRP is IP protocol 112, which Node cannot hear: tcpdump does where it is installed. */
async function listenForVrrp(interfaces: readonly string[]): Promise<HostFacts["vrrp"]> {
  const heard = interfaces.map(async (name) => {
    const args = ["-lnni", name, "-c", "1", "--immediate-mode", "proto 112 or ip6 proto 112"];
    try {
      const { stdout } = await run("tcpdump", args, { timeout: LISTEN_MS });
      const from = /IP6? (\S+) >/.exec(stdout)?.[1];
      return from === undefined ? [] : [{ interface: name, from: canonicalAddress(from) ?? from }];
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "ENOENT" ? null : [];
    }
  });
  const all = await Promise.all(heard);
  return all.includes(null) ? null : all.flatMap((one) => one ?? []);
}

function readNetworkFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const folder of NETWORK_FOLDERS) {
    for (const name of list(folder)) {
      if (!/\.(?:network|nmconnection)$/.test(name)) continue;
      const text = readText(`${folder}/${name}`);
      if (text !== null) files.set(`${folder}/${name}`, text);
    }
  }
  return files;
}

function runningPrograms(): readonly string[] {
  const names = list("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => readText(`/proc/${pid}/comm`)?.trim() ?? "");
  return [...new Set(names)].filter((name) => MEDDLERS.has(name));
}

function readBridges(links: readonly NativeInterface[]): HostFacts["bridges"] {
  return links.flatMap(({ name }) => {
    const read = (key: string) => readText(`/sys/class/net/${name}/bridge/${key}`);
    const snooping = read("multicast_snooping");
    if (snooping === null) return [];
    return [{ name, snooping: snooping.trim() !== "0", querier: read("multicast_querier")?.trim() === "1" }];
  });
}
