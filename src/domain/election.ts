/**
 * Who should own what: for each election key of a group, the owner and the heir among the candidates. Purpose: laws 7
 * and 9 as arithmetic. Boundary: knows nothing of who announces now; ownership/ moves reality towards this.
 */
import { ScoreTable } from "./rendezvous.js";

export interface Candidate {
  readonly name: string;
  readonly weight: number;
  /** Ranks behind every candidate that is not (law 9, settling). */
  readonly behind: boolean;
}

export interface Elected {
  readonly owner: string | null;
  readonly heir: string | null;
}

const NOBODY: Elected = { owner: null, heir: null };

export class GroupElection {
  readonly #keys: readonly string[];
  readonly #scores: ScoreTable;
  #elected: Elected[];
  #signature = "";

  constructor(keys: readonly string[]) {
    this.#keys = keys;
    this.#scores = new ScoreTable(keys);
    this.#elected = keys.map(() => NOBODY);
  }

  /**
   * Elects anew. `incumbents` names, by key, the member that keeps it while it is a candidate (failback "never").
   * Returns the keys whose owner or heir changed, with the former result.
   */
  elect(candidates: readonly Candidate[], incumbents: ReadonlyMap<string, string>): Map<string, Elected> {
    const changed = new Map<string, Elected>();
    const signature = JSON.stringify([candidates.map((c) => [c.name, c.weight, c.behind]), [...incumbents]]);
    if (signature === this.#signature) return changed;
    this.#signature = signature;
    this.#scores.retain(new Set(candidates.map((c) => c.name)));
    const columns = candidates.map((c) => this.#scores.column(c.name));
    this.#keys.forEach((key, row) => {
      const next = rank(candidates, columns, row, incumbents.get(key));
      const former = this.#elected[row]!;
      if (former.owner === next.owner && former.heir === next.heir) return;
      this.#elected[row] = next;
      changed.set(key, former);
    });
    return changed;
  }

  entries(): IterableIterator<[string, Elected]> {
    return this.#keys.map((key, row): [string, Elected] => [key, this.#elected[row]!]).values();
  }
}

function rank(
  candidates: readonly Candidate[],
  columns: readonly Float64Array[],
  row: number,
  incumbent: string | undefined,
): Elected {
  let first = -1;
  let second = -1;
  const better = (a: number, b: number): boolean => {
    const ca = candidates[a]!;
    const cb = candidates[b]!;
    if (incumbent !== undefined && (ca.name === incumbent) !== (cb.name === incumbent)) return ca.name === incumbent;
    if (ca.behind !== cb.behind) return cb.behind;
    const sa = columns[a]![row]! * ca.weight;
    const sb = columns[b]![row]! * cb.weight;
    return sa === sb ? ca.name < cb.name : sa > sb;
  };
  for (let i = 0; i < candidates.length; i++) {
    if (first < 0 || better(i, first)) {
      second = first;
      first = i;
    } else if (second < 0 || better(i, second)) second = i;
  }
  return { owner: candidates[first]?.name ?? null, heir: candidates[second]?.name ?? null };
}
