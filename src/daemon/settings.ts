/**
 * From the validated configuration to what the pure group wants, and what a running daemon cannot change.
 * Boundary: pure translation.
 */
import { groupDigest } from "../config/digest.js";
import { type HostInterface, placeGroup } from "../config/host.js";
import type { Config, VipGroup } from "../config/types.js";
import type { GroupSettings, GroupSpec } from "../domain/group/types.js";

/** `host`: its interfaces now; only "auto" asks them. */
export function settingsOf(config: Config, host: readonly HostInterface[]): GroupSettings {
  const groups = config.vips.map((vip) => groupSpec(vip, config, host));
  return {
    weight: config.node.weight,
    labels: config.node.labels,
    groups,
    addressOf: ownAddresses(new Set(groups.flatMap((group) => group.interfaces)), host),
    quorum: config.quorum,
  };
}

/** One of the host's own for each interface, IPv4 where there is one. */
function ownAddresses(names: ReadonlySet<string>, host: readonly HostInterface[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { name, addresses } of host) {
    if (!names.has(name)) continue;
    const own = addresses.filter(({ ours }) => !ours).map(({ address }) => address);
    const best = own.find((address) => !address.includes(":")) ?? own[0];
    if (best !== undefined) found[name] = best;
  }
  return found;
}

/** Our address on each interface of the groups but the one that carries the gossip, on `gossip`. */
export function servicePaths(
  settings: GroupSettings,
  gossip: string,
  host: readonly HostInterface[],
): ReadonlyMap<string, string> {
  const carrier = host.find(({ addresses }) => addresses.some(({ address }) => address === gossip))?.name;
  return new Map(Object.entries(settings.addressOf ?? {}).filter(([name]) => name !== carrier));
}

function groupSpec(vip: VipGroup, config: Config, host: readonly HostInterface[]): GroupSpec {
  const { interface: _, checks, ...same } = vip;
  const rest = { ...same, checked: checks.length > 0 };
  const digest = groupDigest(vip, config.quorum);
  const placed = placeGroup(vip, host);
  return placed.kind === "on"
    ? { ...rest, digest, interfaces: placed.interfaces }
    : { ...rest, digest, interfaces: [], waiting: placed.reason };
}

export function interfacesOf(settings: GroupSettings): string[] {
  return [...new Set(settings.groups.flatMap((group) => group.interfaces))];
}

export function hasAuto(config: Config): boolean {
  return config.vips.some((vip) => vip.interface === "auto");
}

/** Keys that differ and take effect at the next start only; the running daemon goes on with what it has. */
export function needsRestart(running: Config, next: Config): string[] {
  const pick = (config: Config): Record<string, unknown> => ({
    "node.name": config.node.name,
    "gossip.bind": config.gossip.bind,
    "gossip.advertise": config.gossip.advertise,
    "gossip.insecure": config.gossip.insecure,
    "gossip.profile": config.gossip.profile,
    "gossip.timers": config.gossip.timing,
    "gossip.label": config.gossip.label,
    "gossip.aloneAfterMs": config.gossip.aloneAfterMs,
    strictArp: config.strictArp,
    "status.listen": config.status.listen,
    "status.socket": config.status.socket,
  });
  const before = pick(running);
  return Object.entries(pick(next))
    .filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(before[key]))
    .map(([key]) => key);
}
