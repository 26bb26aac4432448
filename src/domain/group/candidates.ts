/**
 * From everybody's facts to the candidates of one group's election (law 7), and what differs between hosts.
 * Boundary: pure reading; the same on every host that holds the same facts.
 */
import type { Candidate } from "../election.js";
import { type Facts, type GroupFacts, UNSTEADY } from "../facts.js";
import type { Placement } from "./types.js";

export interface KnownHost {
  readonly name: string;
  readonly instance: number;
  readonly facts: Facts;
}

export interface GroupIdentity {
  readonly name: string;
  readonly digest: number;
  readonly whenNoneHealthy?: "keep" | "withdraw";
  readonly hosts?: Placement;
}

interface Runner {
  readonly host: KnownHost;
  readonly group: GroupFacts;
}

/**
 * Why a live host is no candidate of the group, or null if it is one. Only facts count: that we hear of two hosts with
 * its name is ours alone to know, and elections must be alike; whoever has a rival learns it and says so itself.
 */
export function whyNot(host: KnownHost, identity: GroupIdentity): string | null {
  const group = host.facts.groups.find((g) => g.name === identity.name);
  return group === undefined ? "does not carry the group" : whyNotIn(group, host, identity);
}

function whyNotIn(group: GroupFacts, host: KnownHost, identity: GroupIdentity): string | null {
  if (host.facts.barred !== "") return host.facts.barred;
  if (!host.facts.ready) return "has not exchanged state yet";
  if (host.facts.draining) return "draining";
  if (group.digest !== identity.digest) return "its configuration of the group differs";
  const missing = missingLabel(host.facts.labels, identity.hosts);
  if (missing !== null) return missing;
  if (!group.eligible) return group.reason === "" ? "not eligible" : group.reason;
  return null;
}

function missingLabel(labels: Readonly<Record<string, string>>, placement: Placement | undefined): string | null {
  if (placement?.require === undefined) return null;
  for (const [key, wanted] of Object.entries(placement.require)) {
    if (!matches(labels, key, wanted)) return `its label ${key} is not ${wanted.join(" or ")}`;
  }
  return null;
}

function matches(labels: Readonly<Record<string, string>>, key: string, wanted: readonly string[]): boolean {
  return Object.hasOwn(labels, key) && wanted.includes(labels[key]!);
}

function preference(labels: Readonly<Record<string, string>>, placement: Placement | undefined): number {
  if (placement?.prefer === undefined) return 0;
  return Object.entries(placement.prefer).filter(([key, wanted]) => matches(labels, key, wanted)).length;
}

/** Those whose checks pass. Where nobody's do, everybody or nobody ("whenNoneHealthy"). */
function healthyOnes(runners: readonly Runner[]): readonly Runner[] {
  return runners.filter((runner) => runner.group.healthy !== false);
}

/** Hosts whose leases lapse again and again run only if nobody steady does: an unsteady owner is better than none (law 7). */
function running(hosts: readonly KnownHost[], identity: GroupIdentity): readonly Runner[] {
  const steady = runnersOf(hosts, identity);
  const healthy = healthyOnes(steady);
  if (healthy.length > 0) return healthy;
  const all = steady.length === hosts.length ? steady : runnersOf(hosts.map(overlookUnsteadiness), identity);
  const unsteady = healthyOnes(all);
  if (unsteady.length > 0 || identity.whenNoneHealthy === "withdraw") return unsteady;
  return steady.length > 0 ? steady : all;
}

export function candidatesOf(hosts: readonly KnownHost[], identity: GroupIdentity): Candidate[] {
  const runners = running(hosts, identity);
  const present = new Set(runners.map((runner) => runner.host.instance));
  return runners
    .map(({ host, group }) => ({
      name: host.name,
      weight: host.facts.weight,
      preference: preference(host.facts.labels, identity.hosts),
      behind: group.deferring && host.facts.defersTo.some((instance) => present.has(instance)),
      ...(group.refused === undefined ? {} : { refused: new Set(group.refused) }),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function runnersOf(hosts: readonly KnownHost[], identity: GroupIdentity): Runner[] {
  const runners: Runner[] = [];
  for (const host of hosts) {
    const group = host.facts.groups.find((g) => g.name === identity.name);
    if (group !== undefined && whyNotIn(group, host, identity) === null) runners.push({ host, group });
  }
  return runners;
}

function overlookUnsteadiness(host: KnownHost): KnownHost {
  return host.facts.barred.startsWith(UNSTEADY) ? { ...host, facts: { ...host.facts, barred: "" } } : host;
}

/** Members that carry the group with another digest. */
export function differingHosts(hosts: readonly KnownHost[], identity: GroupIdentity): string[] {
  return hosts
    .filter((host) => host.facts.groups.some((g) => g.name === identity.name && g.digest !== identity.digest))
    .map((host) => host.name);
}

/** Failback "never": by key, the candidate with the highest claim epoch. */
export function incumbentsOf(
  hosts: readonly KnownHost[],
  candidates: readonly Candidate[],
  identity: GroupIdentity,
): { incumbents: Map<string, string>; epochs: Map<string, number> } {
  const incumbents = new Map<string, string>();
  const epochs = new Map<string, number>();
  const running = new Set(candidates.map((candidate) => candidate.name));
  const highest = new Map<string, number>();
  for (const host of [...hosts].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const group = host.facts.groups.find((g) => g.name === identity.name);
    for (const { key, epoch } of group?.held ?? []) {
      epochs.set(key, Math.max(epoch, epochs.get(key) ?? 0));
      if (!running.has(host.name) || epoch <= (highest.get(key) ?? 0)) continue;
      highest.set(key, epoch);
      incumbents.set(key, host.name);
    }
  }
  return { incumbents, epochs };
}
