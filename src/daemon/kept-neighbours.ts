/**
 * Who is kept in the kernel's neighbour tables: the hosts that this one gossips with. Purpose: a table that others have filled costs
 * no member its life, since what is sent to a host without an entry is dropped in silence. Boundary: only tells the port what
 * has changed; that a host is on another network, or an entry somebody else's, is the port's to see.
 */
import type { Log, Neighbours } from "../ports.js";

export interface KeptNeighboursParts {
  readonly neighbours: Neighbours;
  readonly log: Pick<Log, "write">;
  /** The addresses of all other members, and of those that are to be joined. */
  readonly hosts: () => Iterable<string>;
}

export class KeptNeighbours {
  readonly #parts: KeptNeighboursParts;
  #kept = new Set<string>();
  #complained = false;

  constructor(parts: KeptNeighboursParts) {
    this.#parts = parts;
  }

  /** What an earlier, crashed daemon kept goes, unless it is wanted. */
  start(): void {
    this.#kept = new Set(this.#parts.hosts());
    this.#say(this.#parts.neighbours.release([...this.#kept]));
    this.again();
  }

  /** Members or seeds came, went or moved. */
  settle(): void {
    const wanted = new Set(this.#parts.hosts());
    const fresh = [...wanted].filter((host) => !this.#kept.has(host));
    const gone = [...this.#kept].some((host) => !wanted.has(host));
    this.#kept = wanted;
    if (fresh.length > 0) this.#say(this.#parts.neighbours.keep(fresh));
    if (gone) this.#say(this.#parts.neighbours.release([...wanted]));
  }

  /** A link or an address changed: a carrier that was lost took all entries of its interface along. */
  again(): void {
    if (this.#kept.size > 0) this.#say(this.#parts.neighbours.keep([...this.#kept]));
  }

  stop(): void {
    this.#kept.clear();
    this.#parts.neighbours.release([]);
  }

  #say(error: string): void {
    if (error === "" || this.#complained) return;
    this.#complained = true;
    const text = `${error}: the group's hosts cannot be kept in the kernel's table of neighbours; should it be full, they are not reached`;
    this.#parts.log.write("warn", "neighbours.not-kept", { error }, text);
  }
}
