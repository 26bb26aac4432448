/**
 * From the validated configuration to what the pure group wants, and what a running daemon cannot change.
 * Boundary: pure translation.
 */
import { groupDigest } from "../config/digest.js";
import type { Config } from "../config/types.js";
import type { GroupSettings } from "../domain/group/types.js";

export function settingsOf(config: Config): GroupSettings {
  return {
    weight: config.node.weight,
    labels: config.node.labels,
    groups: config.vips.map((vip) => ({ ...vip, digest: groupDigest(vip, config.quorum) })),
    quorum: config.quorum,
  };
}

export function interfacesOf(config: Config): string[] {
  return [...new Set(config.vips.map((vip) => vip.interface))];
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
