/**
 * The roll: everybody alive whose facts are known, and what follows for each group: who is elected, who is an incumbent,
 * whose configuration differs. Purpose: one place that derives from members and facts, and forgets when they change.
 * Boundary: pure; it elects, it does not own.
 */
import { type Candidate, type Elected, GroupElection, ranking } from "../election.js";
import type { FactsStore } from "../facts-store.js";
import type { KeySpec } from "../ownership/types.js";
import type { MemberView } from "../swim/types.js";
import { candidatesOf, differingHosts, incumbentsOf, type KnownHost, whyNot } from "./candidates.js";
import { preferred } from "./commands.js";
import { tellsHeld } from "./own-facts.js";
import type { SettledMember } from "./settling.js";
import type { GroupSpec } from "./types.js";

export interface ElectionNews {
  /** Keys whose owner or heir changed. */
  readonly elected: readonly (readonly [string, Elected])[];
  /** Groups in which all configurations agree again. */
  readonly agreed: readonly string[];
}

export class Roll {
  readonly #store: FactsStore;
  readonly #members: () => readonly MemberView[];
  readonly #elections = new Map<string, GroupElection>();
  readonly #drifting = new Set<string>();
  #groups: readonly GroupSpec[] = [];
  #hosts: readonly KnownHost[] = [];
  #stale = true;
  #digest: number | null = null;
  readonly #differing = new Map<string, string[]>();
  /** What the last election was held by: the same again needs none. */
  #electedBy: { readonly hosts: readonly KnownHost[]; readonly terms: ElectionTerms } | null = null;

  constructor(store: FactsStore, members: () => readonly MemberView[]) {
    this.#store = store;
    this.#members = members;
  }

  /** Returns the election keys of all groups. */
  configure(groups: readonly GroupSpec[]): KeySpec[] {
    this.#groups = groups;
    this.#elections.clear();
    this.#differing.clear();
    this.#electedBy = null;
    const keys: KeySpec[] = [];
    for (const group of groups) {
      const specs = keysOf(group);
      keys.push(...specs);
      this.#elections.set(group.name, new GroupElection(specs.map((spec) => spec.key)));
    }
    return keys;
  }

  /** Members or facts changed: what was derived from them is stale. */
  changed(): void {
    this.#stale = true;
    this.#digest = null;
  }

  /** The same array as before where nothing changed that elections know of: a suspicion, or a new incarnation, is nothing to them. */
  hosts(): readonly KnownHost[] {
    if (!this.#stale) return this.#hosts;
    this.#stale = false;
    const hosts: KnownHost[] = [];
    for (const member of this.#members()) {
      if (member.foreign || member.state === "dead" || member.state === "left") continue;
      const host = this.#known(member.name);
      if (host !== null) hosts.push(host);
    }
    if (hosts.length !== this.#hosts.length || hosts.some((host, i) => !sameHost(host, this.#hosts[i]!))) {
      this.#hosts = hosts;
      this.#differing.clear();
    }
    return this.#hosts;
  }

  /**
   * All but this name, as settling sees them: also those held dead, since a host whose own cable was out comes back holding all
   * others dead, and must rank behind them when they meet. Deferring to one that is dead indeed changes no election.
   */
  *others(self: string): Iterable<SettledMember> {
    for (const member of this.#members()) {
      if (member.name === self || member.foreign || member.state === "left") continue;
      const host = this.#known(member.name);
      if (host !== null) yield settledMember(host);
    }
  }

  #known(name: string): KnownHost | null {
    const envelope = this.#store.envelope(name);
    const facts = this.#store.facts(name);
    return envelope === undefined || facts === undefined ? null : { name, instance: envelope.instance, facts };
  }

  /** Hosts whose configuration of the group differs from ours. */
  differing(name: string): string[] {
    const known = this.#differing.get(name);
    if (known !== undefined) return known;
    const group = this.#groups.find((g) => g.name === name);
    const hosts = group === undefined ? [] : differingHosts(this.hosts(), group);
    this.#differing.set(name, hosts);
    return hosts;
  }

  /** The newest claim epoch that anybody gossips, by key (failback "never"). */
  epochs(group: GroupSpec): ReadonlyMap<string, number> {
    return incumbentsOf(this.hosts(), [], group).epochs;
  }

  viewDigest(): number {
    this.#digest ??= this.#store.viewDigest(this.#members());
    return this.#digest;
  }

  /** Why this member could not own the group's VIPs now, or null. */
  whyNot(member: string, group: GroupSpec): string | null {
    const host = this.hosts().find((one) => one.name === member);
    if (host === undefined) return "is not alive in this group";
    const reason = whyNot(host, group);
    if (reason !== null) return reason;
    const facts = host.facts.groups.find((one) => one.name === group.name);
    const elected = candidatesOf(this.hosts(), group).some((candidate) => candidate.name === member);
    return elected ? null : (facts?.reason ?? "its checks fail");
  }

  /**
   * One key's election in the open: everybody in the order of the hashing with its score, and who would own it without each.
   * Elects anew with the same facts, so it changes nothing; an even spread that is too much work is left out (`without: null`).
   */
  explain(group: GroupSpec, key: string, terms: ElectionTerms): Explained {
    const { candidates, fixed } = ballotOf(group, this.hosts(), terms);
    const ranked = ranking(candidates, key, fixed.get(key));
    const keys = group.spread === "even" ? keysOf(group).map((spec) => spec.key) : [key];
    const work = keys.length * candidates.length ** 2;
    const without = (gone: string): Elected => {
      const ballot = ballotOf(
        group,
        this.hosts().filter((host) => host.name !== gone),
        terms,
      );
      const election = new GroupElection(keys);
      election.elect(ballot.candidates, ballot.fixed, group.spread === "even" ? ballot.holders : null);
      return election.elected(key);
    };
    const affordable = keys.length === 1 || work <= EXPLAIN_WORK_MAX;
    return {
      ranked: ranked.map(({ candidate, score }) => ({
        ...candidate,
        score,
        without: affordable ? without(candidate.name) : null,
      })),
      fixed: fixed.get(key) ?? null,
    };
  }

  elect(terms: ElectionTerms = NO_TERMS): ElectionNews {
    const hosts = this.hosts();
    const last = this.#electedBy;
    if (last?.hosts === hosts && last.terms.frozen === terms.frozen && last.terms.moves === terms.moves) return NO_NEWS;
    this.#electedBy = { hosts, terms };
    const elected: [string, Elected][] = [];
    const agreed: string[] = [];
    for (const group of this.#groups) {
      const { candidates, holders, fixed } = ballotOf(group, hosts, terms);
      if (this.differing(group.name).length > 0) this.#drifting.add(group.name);
      else if (this.#drifting.delete(group.name)) agreed.push(group.name);
      const election = this.#elections.get(group.name);
      const changed = election?.elect(candidates, fixed, group.spread === "even" ? holders : null);
      if (election === undefined || changed === undefined || changed.size === 0) continue;
      for (const [key, result] of election.entries()) if (changed.has(key)) elected.push([key, result]);
    }
    return { elected, agreed };
  }
}

/** What an election of a group is held with. */
interface Ballot {
  readonly candidates: readonly Candidate[];
  readonly holders: ReadonlyMap<string, string>;
  /** By key, who gets it whatever the hashing says. */
  readonly fixed: ReadonlyMap<string, string>;
}

function ballotOf(group: GroupSpec, hosts: readonly KnownHost[], terms: ElectionTerms): Ballot {
  const candidates = candidatesOf(hosts, group);
  const holding = tellsHeld(group, terms.frozen);
  const { incumbents: holders } = holding ? incumbentsOf(hosts, candidates, group) : NO_INCUMBENTS;
  const running = new Set(candidates.map((candidate) => candidate.name));
  const even = group.spread === "even" && group.failback !== "never" && !terms.frozen;
  const fixed = preferred(even ? NOBODY : holders, terms.moves, { frozen: terms.frozen, candidates: running });
  return { candidates, holders, fixed };
}

/** One key's election, as `vipd explain` shows it. */
export interface Explained {
  readonly ranked: readonly (Candidate & { readonly score: number; readonly without: Elected | null })[];
  /** Who gets it whatever the hashing says (a move, a freeze, failback "never"), or null. */
  readonly fixed: string | null;
}

/** An even spread over so many keys and hosts is elected anew for one question: about 5 ms. */
const EXPLAIN_WORK_MAX = 50_000;

export interface ElectionTerms {
  readonly frozen: boolean;
  /** Election key -> the member to whom an operator moved it. Compared by identity. */
  readonly moves: ReadonlyMap<string, string>;
}

const NOBODY: ReadonlyMap<string, string> = new Map();
const NO_TERMS: ElectionTerms = { frozen: false, moves: new Map() };
const NO_NEWS: ElectionNews = { elected: [], agreed: [] };
const NO_INCUMBENTS = { incumbents: new Map<string, string>() };

/** Facts are decoded once for each version. */
function sameHost(a: KnownHost, b: KnownHost): boolean {
  return a.name === b.name && a.instance === b.instance && a.facts === b.facts;
}

export function settledMember(host: KnownHost): SettledMember {
  const settledIn = new Set(host.facts.groups.filter((group) => group.settled).map((group) => group.name));
  return { instance: host.instance, settledIn };
}

/** The election keys of a group: the group's name when its addresses go together, else each address. */
export function keysOf(group: GroupSpec): KeySpec[] {
  const { name, local } = group;
  const at = { group: name, interfaces: group.interfaces, local, conflict: group.conflict ?? "defend" };
  if (group.together) return [{ key: name, addresses: group.addresses, ...at }];
  return group.addresses.map((address) => ({ key: address, addresses: [address], ...at }));
}
