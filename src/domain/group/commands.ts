/**
 * What operators told this host (drain) and the whole group (orders): adopted from everybody's facts, repeated in our
 * own, and turned into what elections and settling need. Boundary: pure; the group calls it in its turns.
 */
import type { Facts } from "../facts.js";
import { give, merge, NO_ORDERS, type Order, type Orders } from "../orders.js";
import type { KnownHost } from "./candidates.js";

export class Commands {
  #draining: boolean;
  #orders: Orders;
  #rebalanceDone: number;
  #moves: ReadonlyMap<string, string> = new Map();
  #movesOf: Orders | null = null;

  constructor(initial: { readonly draining?: boolean; readonly orders?: Orders } = {}) {
    this.#draining = initial.draining ?? false;
    this.#orders = initial.orders ?? NO_ORDERS;
    this.#rebalanceDone = this.#orders.rebalance.epoch;
  }

  get draining(): boolean {
    return this.#draining;
  }

  set draining(draining: boolean) {
    this.#draining = draining;
  }

  get frozen(): boolean {
    return this.#orders.freeze.on;
  }

  get orders(): Orders {
    return this.#orders;
  }

  /** What our facts say: nothing while nobody ever gave an order. */
  told(): Facts["orders"] {
    return this.#orders === NO_ORDERS ? undefined : this.#orders;
  }

  give(order: Order): void {
    this.#orders = give(this.#orders, order);
  }

  /** Learns what the others know. True: something was new. */
  adopt(hosts: readonly KnownHost[]): boolean {
    const before = this.#orders;
    for (const { facts } of hosts) if (facts.orders !== undefined) this.#orders = merge(this.#orders, facts.orders);
    return this.#orders !== before;
  }

  /** True once for each rebalance that names this instance: whoever joined later ranks as it would have. */
  rebalanceDue(instance: number): boolean {
    const { epoch, instances } = this.#orders.rebalance;
    if (epoch <= this.#rebalanceDone) return false;
    this.#rebalanceDone = epoch;
    return instances.includes(instance);
  }

  /** By election key, the member to whom it was moved. The same map as long as no order changed. */
  moves(): ReadonlyMap<string, string> {
    if (this.#movesOf !== this.#orders) {
      this.#movesOf = this.#orders;
      this.#moves = new Map(this.#orders.moves.filter((move) => move.host !== "").map((move) => [move.key, move.host]));
    }
    return this.#moves;
  }
}

/**
 * Who keeps or gets a key whatever the hashing says: by failback "never" or a freeze whoever holds it, by a move whoever
 * was named. A freeze weighs more than a move, and a move more than "never"; only candidates count.
 */
export function preferred(
  holders: ReadonlyMap<string, string>,
  moves: ReadonlyMap<string, string>,
  terms: { readonly frozen: boolean; readonly candidates: ReadonlySet<string> },
): Map<string, string> {
  const moved = [...moves].filter(([, host]) => terms.candidates.has(host));
  return terms.frozen ? new Map([...moved, ...holders]) : new Map([...holders, ...moved]);
}
