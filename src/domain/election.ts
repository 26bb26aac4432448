/**
 * Who should own what: for each election key of a group, the owner and the heir among the candidates. Purpose: laws 7
 * and 9 as arithmetic. Boundary: knows nothing of who announces now; ownership/ moves reality towards this.
 */
import { spreadEvenly } from "./even.js";
import { ScoreTable } from "./rendezvous.js";

export interface Candidate {
  readonly name: string;
  readonly weight: number;
  /** Ranks behind every candidate that is not (law 9, settling). */
  readonly behind: boolean;
  /** Among equals in that, more comes first (placement by labels). */
  readonly preference?: number;
  /** Keys for which it is no candidate. */
  readonly refused?: ReadonlySet<string>;
}

export interface Elected {
  readonly owner: string | null;
  readonly heir: string | null;
}

/** Beyond so many steps the heir of an even spread is a guess by the hashing: a takeover then asks the wire a little later. */
const HEIRS_WORK_MAX = 200_000;
const NOBODY: Elected = { owner: null, heir: null };

export class GroupElection {
  readonly #keys: readonly string[];
  readonly #scores: ScoreTable;
  /** Null: not elected yet. */
  readonly #elected: (Elected | null)[];
  #ballot: Ballot | null = null;

  constructor(keys: readonly string[]) {
    this.#keys = keys;
    this.#scores = new ScoreTable(keys);
    this.#elected = keys.map(() => null);
  }

  /**
   * Elects anew. `incumbents` names, by key, the member that keeps it while it is a candidate (failback "never").
   * `holders` asks for an even spread: by key, who holds it now. Returns the keys whose owner or heir changed, with the
   * former result: at first all of them, since a reload begins a new election for keys that somebody was elected for before.
   */
  elect(
    candidates: readonly Candidate[],
    incumbents: ReadonlyMap<string, string>,
    holders: ReadonlyMap<string, string> | null = null,
  ): Map<string, Elected> {
    const changed = new Map<string, Elected>();
    const ballot = { candidates, incumbents, holders };
    if (this.#ballot !== null && sameBallot(ballot, this.#ballot)) return changed;
    this.#ballot = ballot;
    this.#scores.retain(new Set(candidates.map((c) => c.name)));
    const columns = candidates.map((c) => this.#scores.column(c.name));
    const even = holders === null ? null : this.#spread(candidates, columns, { incumbents, holders });
    const heirs = even === null ? null : this.#evenHeirs(candidates, columns, { incumbents, owners: even });
    this.#keys.forEach((key, row) => {
      const ranked = rank(candidates, columns, { key, row }, even?.[row] ?? incumbents.get(key));
      const next = heirs === null ? ranked : { owner: ranked.owner, heir: heirs.get(key) ?? ranked.heir };
      const former = this.#elected[row] ?? null;
      if (former !== null && former.owner === next.owner && former.heir === next.heir) return;
      this.#elected[row] = next;
      changed.set(key, former ?? NOBODY);
    });
    return changed;
  }

  /** Among those who come first: whoever ranks behind, or is preferred less, gets nothing while they are there. */
  #spread(
    candidates: readonly Candidate[],
    columns: readonly Float64Array[],
    by: { incumbents: ReadonlyMap<string, string>; holders: ReadonlyMap<string, string> },
  ): (string | null)[] {
    const settled = candidates.some((c) => !c.behind);
    const first = candidates.filter((c) => c.behind !== settled);
    const most = Math.max(0, ...first.map((c) => c.preference ?? 0));
    const hosts = first
      .filter((c) => (c.preference ?? 0) === most)
      .map((c) => {
        const column = columns[candidates.indexOf(c)]!;
        return { name: c.name, weight: c.weight, score: (row: number) => column[row]! * c.weight };
      });
    const names = new Set(candidates.map((c) => c.name));
    return spreadEvenly(this.#keys.length, hosts, {
      holder: (row) => by.holders.get(this.#keys[row]!),
      fixed: (row) => {
        // An operator's word counts for whoever ranks behind as well.
        const name = by.incumbents.get(this.#keys[row]!);
        return name !== undefined && names.has(name) ? name : undefined;
      },
    });
  }

  /** Who inherits a key when its owner dies: found by doing it, owner by owner, where that is not too much work. */
  #evenHeirs(
    candidates: readonly Candidate[],
    columns: readonly Float64Array[],
    by: { incumbents: ReadonlyMap<string, string>; owners: readonly (string | null)[] },
  ): Map<string, string> | null {
    if (candidates.length ** 2 * this.#keys.length > HEIRS_WORK_MAX) return null;
    const holders = new Map<string, string>();
    this.#keys.forEach((key, row) => {
      const owner = by.owners[row];
      if (owner !== null && owner !== undefined) holders.set(key, owner);
    });
    const heirs = new Map<string, string>();
    candidates.forEach((dead, i) => {
      const rest = candidates.filter((one) => one !== dead);
      const restColumns = columns.filter((_, at) => at !== i);
      const after = this.#spread(rest, restColumns, { incumbents: by.incumbents, holders });
      this.#keys.forEach((key, row) => {
        const heir = after[row];
        if (by.owners[row] !== dead.name || heir === null || heir === undefined) return;
        if (!candidates.find((one) => one.name === heir)?.refused?.has(key)) heirs.set(key, heir);
      });
    });
    return heirs;
  }

  elected(key: string): Elected {
    return this.#elected[this.#keys.indexOf(key)] ?? NOBODY;
  }

  entries(): IterableIterator<[string, Elected]> {
    return this.#keys.map((key, row): [string, Elected] => [key, this.#elected[row] ?? NOBODY]).values();
  }
}

interface Ballot {
  readonly candidates: readonly Candidate[];
  readonly incumbents: ReadonlyMap<string, string>;
  readonly holders: ReadonlyMap<string, string> | null;
}

function sameBallot(a: Ballot, b: Ballot): boolean {
  return (
    a.candidates.length === b.candidates.length &&
    a.candidates.every((candidate, i) => sameCandidate(candidate, b.candidates[i]!)) &&
    sameMap(a.incumbents, b.incumbents) &&
    (a.holders === null || b.holders === null ? a.holders === b.holders : sameMap(a.holders, b.holders))
  );
}

function sameCandidate(a: Candidate, b: Candidate): boolean {
  const alike = a.name === b.name && a.weight === b.weight && a.behind === b.behind && a.preference === b.preference;
  if (!alike || a.refused === undefined || b.refused === undefined) return alike && a.refused === b.refused;
  return a.refused.size === b.refused.size && [...a.refused].every((key) => b.refused?.has(key));
}

function sameMap(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}

/** A candidate with its score for one key, weighted. */
export interface Scored {
  readonly candidate: Candidate;
  readonly score: number;
}

/** All candidates of one key, the first owns it where nothing else (an even spread) decides. */
export function ranking(candidates: readonly Candidate[], key: string, incumbent: string | undefined): Scored[] {
  const scores = new ScoreTable([key]);
  const columns = candidates.map((one) => scores.column(one.name));
  const better = comparison(candidates, columns, 0, incumbent);
  return candidates
    .map((_, i) => i)
    .filter((i) => !candidates[i]!.refused?.has(key))
    .sort((a, b) => (better(a, b) ? -1 : 1))
    .map((i) => ({ candidate: candidates[i]!, score: columns[i]![0]! * candidates[i]!.weight }));
}

/** Whether the candidate with the first index comes before the one with the second, for the key in this row. */
function comparison(
  candidates: readonly Candidate[],
  columns: readonly Float64Array[],
  row: number,
  incumbent: string | undefined,
): (a: number, b: number) => boolean {
  return (a, b) => {
    const ca = candidates[a]!;
    const cb = candidates[b]!;
    if (incumbent !== undefined && (ca.name === incumbent) !== (cb.name === incumbent)) return ca.name === incumbent;
    if (ca.behind !== cb.behind) return cb.behind;
    const [pa, pb] = [ca.preference ?? 0, cb.preference ?? 0];
    if (pa !== pb) return pa > pb;
    const sa = columns[a]![row]! * ca.weight;
    const sb = columns[b]![row]! * cb.weight;
    return sa === sb ? ca.name < cb.name : sa > sb;
  };
}

function rank(
  candidates: readonly Candidate[],
  columns: readonly Float64Array[],
  at: { readonly key: string; readonly row: number },
  incumbent: string | undefined,
): Elected {
  let first = -1;
  let second = -1;
  const better = comparison(candidates, columns, at.row, incumbent);
  for (let i = 0; i < candidates.length; i++) {
    if (candidates[i]!.refused?.has(at.key)) continue;
    if (first < 0 || better(i, first)) {
      second = first;
      first = i;
    } else if (second < 0 || better(i, second)) second = i;
  }
  return { owner: candidates[first]?.name ?? null, heir: candidates[second]?.name ?? null };
}
