/**
 * The configuration held against this host: do its interfaces exist and may they answer, which one does "auto" mean, do the
 * addresses fit its subnets. Boundary: pure; the host's interfaces are handed in (adapters/interfaces asks the kernel).
 */
import { addressToBytes, familyOf } from "../domain/address.js";
import { joinPath } from "./json.js";
import { show } from "./shape.js";
import type { Problem, VipGroup } from "./types.js";

export interface HostInterface {
  readonly name: string;
  /** Nothing else is answered on. */
  readonly ethernet: boolean;
  /** The bond, bridge, team or VRF that it belongs to, and what the kernel calls that; empty without one. */
  readonly masterName: string;
  readonly masterKind: string;
  readonly addresses: readonly HostAddress[];
}

export interface HostAddress {
  readonly address: string;
  readonly prefix: number;
  /** A VIP that this daemon, or an earlier run of it, put there. */
  readonly ours: boolean;
}

/** Why nothing may be answered on an interface, as the end of a sentence; "" if something may. */
export function refusal(
  link: Pick<HostInterface, "masterName" | "masterKind"> & { readonly ethernet?: boolean },
): string {
  if (link.masterName !== "") {
    const kind = link.masterKind === "vrf" ? "VRF" : link.masterKind || "interface";
    const member = `is a member of the ${kind} ${link.masterName}`;
    return link.masterKind === "vrf"
      ? `${member}: VIPs cannot be served in a VRF`
      : `${member}: name ${link.masterName} instead`;
  }
  return link.ethernet === false ? "is no Ethernet interface" : "";
}

export type Placement =
  | { readonly kind: "on"; readonly interfaces: readonly string[] }
  | { readonly kind: "waiting"; readonly reason: string };

/** The interfaces of a group: as named, or for "auto" the one whose subnets hold all its addresses. */
export function placeGroup(
  group: Pick<VipGroup, "interface" | "addresses">,
  host: readonly HostInterface[],
): Placement {
  if (group.interface !== "auto") return { kind: "on", interfaces: group.interface };
  const subnets = subnetsOf(host, group.addresses);
  let found: { name: string; address: string } | null = null;
  for (const address of group.addresses) {
    const names = holdersOf(address, subnets);
    if (names.length === 0) return waiting(`no interface of this host has a subnet that holds ${address}`);
    if (names.length > 1) return waiting(`${names.join(" and ")} both have a subnet that holds ${address}: name one`);
    found ??= { name: names[0]!, address };
    if (found.name !== names[0]) {
      const both = `${found.address} is in a subnet of ${found.name}, ${address} in one of ${names[0]}`;
      return waiting(`${both}: make two groups of them`);
    }
  }
  return found === null ? waiting("it has no address") : { kind: "on", interfaces: [found.name] };
}

/** A subnet of this interface holds the address. */
export function isOnLink(address: string, name: string, host: readonly HostInterface[]): boolean {
  const bytes = addressToBytes(address);
  return subnetsOf(host, [address]).some((subnet) => subnet.name === name && holds(subnet, bytes));
}

function waiting(reason: string): Placement {
  return { kind: "waiting", reason: `"auto": ${reason}` };
}

interface Subnet {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly prefix: number;
}

/** A host route (/32, /128) is no subnet; link-local addresses say nothing of VIPs; a VIP that is there is no evidence. */
function subnetsOf(host: readonly HostInterface[], vips: readonly string[]): Subnet[] {
  const taken = new Set(vips);
  return host
    .filter((one) => one.name !== "lo" && refusal(one) === "")
    .flatMap(({ name, addresses }) =>
      addresses
        .filter(({ address, prefix, ours }) => !ours && !taken.has(address) && isSubnet(address, prefix))
        .map(({ address, prefix }) => ({ name, bytes: addressToBytes(address), prefix })),
    );
}

function isSubnet(address: string, prefix: number): boolean {
  return prefix > 0 && prefix < (familyOf(address) === 4 ? 32 : 128) && !/^(fe[89ab]|169\.254\.)/i.test(address);
}

/** The interfaces with the longest prefix that holds the address, as routing would choose. */
function holdersOf(address: string, subnets: readonly Subnet[]): string[] {
  const bytes = addressToBytes(address);
  let longest = 0;
  let names = new Set<string>();
  for (const subnet of subnets) {
    if (subnet.prefix < longest || !holds(subnet, bytes)) continue;
    if (subnet.prefix > longest) names = new Set();
    longest = subnet.prefix;
    names.add(subnet.name);
  }
  return [...names];
}

function holds(subnet: Subnet, bytes: Uint8Array): boolean {
  if (subnet.bytes.length !== bytes.length) return false;
  const whole = subnet.prefix >> 3;
  for (let i = 0; i < whole; i++) if (subnet.bytes[i] !== bytes[i]) return false;
  const rest = subnet.prefix & 7;
  return rest === 0 || (subnet.bytes[whole]! ^ bytes[whole]!) >> (8 - rest) === 0;
}

export interface HostFindings {
  /** Refused always: more waiting does not mend it. */
  readonly problems: readonly Problem[];
  /** What `check` refuses, and `run` and a reload wait for. */
  readonly pending: readonly Problem[];
  readonly warnings: readonly Problem[];
}

export function judgeHost(
  groups: readonly VipGroup[],
  given: {
    readonly host: readonly HostInterface[];
    /** Canonical address -> the path that names it. */
    readonly paths: ReadonlyMap<string, string>;
    /** Path -> the address that this host would listen on there; null: any. */
    readonly listeners: Readonly<Record<string, string | null>>;
  },
): HostFindings {
  const findings = { problems: [] as Problem[], pending: [] as Problem[], warnings: [] as Problem[] };
  const byName = new Map(given.host.map((one) => [one.name, one]));
  groups.forEach((group, i) => {
    const path = joinPath(joinPath("vips", i), "interface");
    if (group.interface === "auto") {
      const placed = placeGroup(group, given.host);
      if (placed.kind === "waiting") findings.pending.push({ path, message: placed.reason });
      return;
    }
    const single = group.interface.length === 1;
    group.interface.forEach((name, j) => {
      const at = single ? path : joinPath(path, j);
      const found = byName.get(name);
      if (found === undefined) {
        findings.pending.push({ path: at, message: `there is no interface ${show(name)} on this host` });
      } else if (refusal(found) !== "") findings.problems.push({ path: at, message: `${name} ${refusal(found)}` });
    });
    const present = group.interface.flatMap((name) => byName.get(name) ?? []);
    const subnets = subnetsOf(present, group.addresses);
    findings.warnings.push(...strays(group.interface, group.addresses, subnets, given.paths));
    findings.warnings.push(...subnetEnds(group.addresses, subnets, given.paths));
  });
  findings.pending.push(...ownAddresses(groups, given.host, given.paths));
  for (const [path, address] of Object.entries(given.listeners))
    findings.warnings.push(...foreignListener(path, address, given.host));
  return findings;
}

/** One warning for each entry of the file that holds addresses outside of every subnet of its interface, where it has any. */
function strays(
  names: readonly string[],
  vips: readonly string[],
  subnets: readonly Subnet[],
  paths: ReadonlyMap<string, string>,
): Problem[] {
  const families = new Set(subnets.map((subnet) => subnet.bytes.length));
  const found = new Map<string, Problem>();
  for (const address of vips) {
    const path = paths.get(address) ?? "vips";
    // An interface without an address of the family may announce whatever its neighbours look for.
    if (found.has(path) || !families.has(familyOf(address) === 4 ? 4 : 16)) continue;
    if (holdersOf(address, subnets).length > 0) continue;
    const where = names.join(", ");
    const message = `${address} is in no subnet of ${where}: only hosts with a route to it there will look for it`;
    found.set(path, { path, message });
  }
  return [...found.values()];
}

/** The first and the last address of an IPv4 subnet are no host's: clients send to everybody there, or to nobody. */
function subnetEnds(
  vips: readonly string[],
  subnets: readonly Subnet[],
  paths: ReadonlyMap<string, string>,
): Problem[] {
  const withEnds = subnets.filter(({ bytes, prefix }) => bytes.length === 4 && prefix < 31);
  return vips.flatMap((address) => {
    const bytes = addressToBytes(address);
    const subnet = withEnds.find((one) => holds(one, bytes));
    const end = subnet === undefined ? null : endOf(bytes, subnet.prefix);
    if (subnet === undefined || end === null) return [];
    const message = `${address} is the ${end} address of ${subnet.name}'s subnet (/${subnet.prefix}): no client reaches a host by it`;
    return [{ path: paths.get(address) ?? "vips", message }];
  });
}

function endOf(bytes: Uint8Array, prefix: number): "network" | "broadcast" | null {
  const value = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const hostBits = 2 ** (32 - prefix) - 1;
  const own = (value & hostBits) >>> 0;
  return own === 0 ? "network" : own === hostBits ? "broadcast" : null;
}

/** A VIP that the host has as an address of its own is answered by the kernel, on every host that has it. */
function ownAddresses(
  groups: readonly VipGroup[],
  host: readonly HostInterface[],
  paths: ReadonlyMap<string, string>,
): Problem[] {
  const vips = new Set(groups.flatMap((group) => group.addresses));
  return host.flatMap(({ name, addresses }) =>
    addresses
      .filter(({ address, ours }) => !ours && vips.has(address))
      .map(({ address }) => ({
        path: paths.get(address) ?? "vips",
        message: `${address} is an address of this host already, on ${name}: a VIP must not be anybody's own`,
      })),
  );
}

function foreignListener(path: string, address: string | null, host: readonly HostInterface[]): Problem[] {
  if (address === null || address === "0.0.0.0" || /^(127\.|::1?$)/.test(address)) return [];
  if (host.some(({ addresses }) => addresses.some((one) => one.address === address))) return [];
  return [{ path, message: `${address} is no address of this host: \`vipd run\` could not listen there` }];
}
