/**
 * Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights by -w / ln u): every host ranks the members for a
 * key alike, whatever the order of arrival; a member that goes moves only its own keys. Pure; no state but a cache.
 */
import { finalize, hashText } from "./hash.js";

const TWO_POW_53 = 2 ** 53;
const SEED_HIGH = 0x76697064;
const SEED_LOW = 0x9e3779b9;

/** Two independent 32-bit hashes of a name or key, computed once. */
export interface PreHashed {
  readonly high: number;
  readonly low: number;
}

export function preHash(text: string): PreHashed {
  return { high: hashText(text, SEED_HIGH), low: hashText(text, SEED_LOW) };
}

/** The score of a member of weight 1 for a key: positive, independent of every other member; the highest wins. */
export function unitScore(member: PreHashed, key: PreHashed): number {
  const high = finalize(member.high ^ finalize(key.high));
  const low = finalize(member.low + finalize(key.low));
  const uniform = (high * 2 ** 21 + (low >>> 11) + 0.5) / TWO_POW_53;
  return -1 / Math.log(uniform);
}

/**
 * Scores of every key of one group, a column a member, computed when the member is first seen. Memory: 8 bytes a key
 * and member; `forget` frees a column.
 */
export class ScoreTable {
  readonly #keys: readonly PreHashed[];
  readonly #columns = new Map<string, Float64Array>();

  constructor(keys: readonly string[]) {
    this.#keys = keys.map(preHash);
  }

  column(member: string): Float64Array {
    const known = this.#columns.get(member);
    if (known !== undefined) return known;
    const hashed = preHash(member);
    const column = Float64Array.from(this.#keys, (key) => unitScore(hashed, key));
    this.#columns.set(member, column);
    return column;
  }

  retain(members: ReadonlySet<string>): void {
    for (const name of this.#columns.keys()) if (!members.has(name)) this.#columns.delete(name);
  }
}
