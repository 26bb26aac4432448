/**
 * Who is kept in the kernel's neighbour tables: the hosts that this one gossips with. Purpose: a table that others have filled costs
 * no member its life, since what is sent to a host without an entry is dropped in silence. Boundary: only tells the port what
 * has changed, and now and then all of it; that a host is on another network, or an entry somebody else's, is the port's to see.
 */
import type { Log, Neighbours } from "../ports.js";

/** Netlink may have to wait for the kernel's lock while addresses change: so few hosts a turn of the loop. */
const HOSTS_A_TURN = 4;
/** Links and addresses change in bursts. */
const AGAIN_AFTER_MS = 100;
/** What was lost without a word: an operator's flush, a carrier that was gone for an instant, a route that came late. */
const REFRESH_MS = 30_000;

export interface KeptNeighboursParts {
  readonly neighbours: Neighbours;
  readonly log: Pick<Log, "write">;
  /** The addresses of all other members, and of those that are to be joined. */
  readonly hosts: () => Iterable<string>;
}

export class KeptNeighbours {
  readonly #parts: KeptNeighboursParts;
  #wanted = new Set<string>();
  /** Of these the port is to be told, in this order. */
  readonly #untold = new Set<string>();
  /** Somebody is gone, or what an earlier daemon kept was not let go yet. */
  #leftovers = true;
  /** Reasons that were written since a whole round went well. */
  readonly #written = new Set<string>();
  #failed = false;
  #turn: NodeJS.Immediate | undefined;
  #burst: NodeJS.Timeout | undefined;
  #refresh: NodeJS.Timeout | undefined;

  constructor(parts: KeptNeighboursParts) {
    this.#parts = parts;
  }

  /** Until then nothing is told. What a crashed daemon kept goes at the first refresh: by then most of it is known to be wanted. */
  start(): void {
    this.#refresh = setInterval(() => this.#again(), REFRESH_MS).unref();
    this.settle();
  }

  /** Members or seeds came, went or moved. */
  settle(): void {
    if (this.#refresh === undefined) return;
    const before = this.#wanted;
    this.#wanted = new Set(this.#parts.hosts());
    for (const host of this.#wanted) if (!before.has(host)) this.#untold.add(host);
    for (const host of before) {
      if (this.#wanted.has(host)) continue;
      this.#untold.delete(host);
      this.#leftovers = true;
    }
    this.#tell();
  }

  /** A link or an address changed: a carrier that was lost took all entries of its interface along. */
  linksChanged(): void {
    if (this.#refresh === undefined) return;
    this.#burst ??= setTimeout(() => {
      this.#burst = undefined;
      for (const host of this.#wanted) this.#untold.add(host);
      this.#tell();
    }, AGAIN_AFTER_MS);
  }

  /** Lets all go. Idempotent. */
  stop(): void {
    if (this.#refresh === undefined) return;
    clearInterval(this.#refresh);
    clearTimeout(this.#burst);
    clearImmediate(this.#turn);
    this.#refresh = undefined;
    this.#judge(this.#parts.neighbours.release([]));
  }

  #again(): void {
    if (!this.#failed) this.#written.clear();
    this.#failed = false;
    if (this.#leftovers) this.#leftovers = !this.#judge(this.#parts.neighbours.release([...this.#wanted]));
    for (const host of this.#wanted) this.#untold.add(host);
    this.#tell();
  }

  /** The first few at once: who is sent to next should be among them. */
  #tell(): void {
    if (this.#untold.size === 0 || this.#turn !== undefined) return;
    const hosts = [...this.#untold].slice(0, HOSTS_A_TURN);
    for (const host of hosts) this.#untold.delete(host);
    this.#judge(this.#parts.neighbours.keep(hosts));
    this.#turn = setImmediate(() => {
      this.#turn = undefined;
      this.#tell();
    });
  }

  /** True: the port did it. A reason is written once, until a whole round went well. */
  #judge(error: string): boolean {
    if (error === "") return true;
    this.#failed = true;
    if (this.#written.has(error)) return false;
    this.#written.add(error);
    const text = `${error}: hosts of the group cannot be kept in the kernel's table of neighbours; should it be full, they are not reached`;
    this.#parts.log.write("warn", "neighbours.not-kept", { error }, text);
    return false;
  }
}
