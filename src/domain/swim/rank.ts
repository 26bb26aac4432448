/**
 * Who watches whom: the top few of the living vipd members by rendezvous of the two names, alike on all hosts. A pair scores the same
 * both ways, so that most who watch are watched by the same: one question serves both. Purpose: keep our own rank for each member up
 * to date in one pass a change, not a sort a member. Pure.
 */
import { finalize, hashText } from "../hash.js";

const SEED = 0x77617463;

interface Watched {
  readonly hash: number;
  /** Candidates that rank above us for this member. */
  above: number;
}

export class WatchRanks {
  readonly #self: string;
  readonly #selfHash: number;
  /** Possible watchers but us: name -> hash. */
  readonly #watchers = new Map<string, number>();
  readonly #watched = new Map<string, Watched>();

  constructor(self: string) {
    this.#self = self;
    this.#selfHash = hashOf(self);
  }

  /** 0: we are the first watcher of this member. Infinity: it is nobody's to watch. */
  rank(name: string): number {
    return this.#watched.get(name)?.above ?? Number.POSITIVE_INFINITY;
  }

  watched(): IterableIterator<string> {
    return this.#watched.keys();
  }

  /** This member may (not) watch others now. True if ranks may have changed. */
  setWatcher(name: string, able: boolean): boolean {
    if (name === this.#self || this.#watchers.has(name) === able) return false;
    const hash = hashOf(name);
    if (able) this.#watchers.set(name, hash);
    else this.#watchers.delete(name);
    for (const [watchedName, watched] of this.#watched) {
      if (watchedName !== name && this.#beatsUs(name, hash, watched)) watched.above += able ? 1 : -1;
    }
    return true;
  }

  /** This member is (not) to be watched now. */
  setWatched(name: string, wanted: boolean): boolean {
    if (name === this.#self || this.#watched.has(name) === wanted) return false;
    if (!wanted) return this.#watched.delete(name);
    const watched: Watched = { hash: hashOf(name), above: 0 };
    for (const [watcher, hash] of this.#watchers) {
      if (watcher !== name && this.#beatsUs(watcher, hash, watched)) watched.above += 1;
    }
    this.#watched.set(name, watched);
    return true;
  }

  #beatsUs(name: string, hash: number, watched: Watched): boolean {
    const theirs = pairScore(watched.hash, hash);
    const ours = pairScore(watched.hash, this.#selfHash);
    return theirs === ours ? name < this.#self : theirs > ours;
  }
}

/** The definition, for one member and a list of candidates: best first. */
export function watchersOf(member: string, candidates: readonly string[]): string[] {
  const hash = hashOf(member);
  return candidates
    .filter((name) => name !== member)
    .map((name) => ({ name, score: pairScore(hash, hashOf(name)) }))
    .sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1))
    .map(({ name }) => name);
}

function hashOf(name: string): number {
  return hashText(name, SEED);
}

function pairScore(one: number, other: number): number {
  return finalize(one ^ other);
}
