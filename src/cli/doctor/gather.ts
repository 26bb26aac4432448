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
import { canonicalAddress } from "../../domain/address.js";
import type { AskAnswer } from "../../ports.js";
import { askStatus } from "../daemon-client.js";
import { findUnit } from "../unit-file.js";
import { askPeers } from "./peers.js";
import type { HostFacts } from "./types.js";

const PROGRAM_MS = 4000;
const ASK_MS = 600;
const LISTEN_MS = 1300;
const VIPS_ASKED_MAX = 4096;
/** Programs that put addresses on hosts, by the name that the kernel knows them by (15 bytes). */
const MEDDLERS = new Set(["keepalived", "kube-proxy", "kube-vip", "speaker", "pacemakerd", "ucarp"]);
const NETWORK_FOLDERS = [
  "/etc/systemd/network",
  "/run/systemd/network",
  "/usr/lib/systemd/network",
  "/etc/NetworkManager/system-connections",
  "/run/NetworkManager/system-connections",
];

export async function gatherFacts(config: Config): Promise<HostFacts> {
  const links = hostInterfaces();
  const interfaces = placesOf(config, links);
  const status = await askStatus(config.status.socket);
  const members = status.ok ? status.status.members : [];
  const owned = status.ok ? status.status.vips.filter((vip) => vip.state === "owned" || vip.state === "releasing") : [];
  const usable = [...new Set([...interfaces.values()].flat())].filter((name) => isUsable(links, name));
  const [answers, peers, nft, vrrp] = await Promise.all([
    askWire(config, interfaces, usable),
    askPeers(config, links),
    readNft(),
    listenForVrrp(usable),
  ]);
  return {
    config,
    nodeVersion: process.version,
    capabilities: capabilities(),
    realTimeUnit: findUnit()?.realTime ?? null,
    links,
    interfaces: [...new Set([...interfaces.values()].flat())],
    sysctls: readSysctls(links.map((link) => link.name)),
    running: status.ok,
    owned: new Set(owned.map((vip) => vip.address)),
    hostOfMac: new Map(members.flatMap((member) => member.macs.map(({ mac }) => [mac, member.name] as const))),
    answers,
    peers,
    nft,
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
  if (usable.length === 0) return [];
  const responder = createResponder();
  try {
    await responder.start(() => {});
    responder.setInterfaces(usable);
    const asked = usable.map(async (name) => {
      const groups = config.vips.filter((group) => interfaces.get(group.name)?.includes(name));
      const addresses = groups.flatMap((group) => group.addresses).slice(0, VIPS_ASKED_MAX);
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

const run = promisify(execFile);

async function readNft(): Promise<unknown> {
  try {
    const { stdout } = await run("nft", ["-j", "list", "ruleset"], { timeout: PROGRAM_MS, maxBuffer: 64 << 20 });
    return JSON.parse(stdout);
  } catch {
    return null;
  }
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
