/**
 * Orders: what an operator told the whole group, and what therefore must outlive the host that was told: freeze, moves,
 * rebalance. Each has an epoch, the newest wins, and every host repeats in its facts what it knows, so that all elect
 * alike. Boundary: pure values and how two of them are merged; what they mean for elections is group/'s business.
 */

export interface MoveOrder {
  /** Election key: an address, or the name of a group that goes together. */
  readonly key: string;
  /** Member that shall own it while it can; "": undone. */
  readonly host: string;
  readonly epoch: number;
}

export interface Orders {
  /** No planned moves while `on`. */
  readonly freeze: { readonly on: boolean; readonly epoch: number };
  readonly moves: readonly MoveOrder[];
  /** Whoever runs as one of these instances settles at once, and holds nothing as an incumbent. */
  readonly rebalance: { readonly instances: readonly number[]; readonly epoch: number };
}

export const NO_ORDERS: Orders = {
  freeze: { on: false, epoch: 0 },
  moves: [],
  rebalance: { instances: [], epoch: 0 },
};

/** Undone moves count, too: they must outlive the moves that they undo. */
export const MOVES_MAX = 512;
export const REBALANCE_INSTANCES_MAX = 4096;

export type Order =
  | { readonly kind: "freeze"; readonly on: boolean }
  | { readonly kind: "move"; readonly key: string; readonly host: string | null }
  | { readonly kind: "rebalance"; readonly instances: readonly number[] };

/** Above every epoch in `orders`. */
export function nextEpoch(orders: Orders): number {
  return Math.max(orders.freeze.epoch, orders.rebalance.epoch, ...orders.moves.map((move) => move.epoch)) + 1;
}

/** `orders` with one more, newer than all that they hold. */
export function give(orders: Orders, order: Order): Orders {
  const epoch = nextEpoch(orders);
  switch (order.kind) {
    case "freeze":
      return { ...orders, freeze: { on: order.on, epoch } };
    case "move":
      return merge(orders, { ...NO_ORDERS, moves: [{ key: order.key, host: order.host ?? "", epoch }] });
    case "rebalance":
      return { ...orders, rebalance: { instances: order.instances.slice(0, REBALANCE_INSTANCES_MAX), epoch } };
  }
}

/** The newer of each; commutative, associative, idempotent. Returns `a` itself where `b` adds nothing. */
export function merge(a: Orders, b: Orders): Orders {
  const freeze = newer(a.freeze, b.freeze, (one) => String(one.on));
  const rebalance = newer(a.rebalance, b.rebalance, (one) => one.instances.join());
  const moves = mergeMoves(a.moves, b.moves);
  if (freeze === a.freeze && rebalance === a.rebalance && moves === a.moves) return a;
  return { freeze, rebalance, moves };
}

function mergeMoves(a: readonly MoveOrder[], b: readonly MoveOrder[]): readonly MoveOrder[] {
  const byKey = new Map(a.map((move) => [move.key, move]));
  let changed = false;
  for (const move of b) {
    const known = byKey.get(move.key);
    const winner = known === undefined ? move : newer(known, move, (one) => one.host);
    if (winner === known) continue;
    byKey.set(move.key, winner);
    changed = true;
  }
  if (!changed) return a;
  const all = [...byKey.values()];
  // The oldest undone ones go first, then the oldest of all; every host drops the same.
  const surplus = all.length - MOVES_MAX;
  const dropped = new Set(
    surplus <= 0
      ? []
      : [...all]
          .sort((x, y) => Number(x.host !== "") - Number(y.host !== "") || x.epoch - y.epoch || order(x.key, y.key))
          .slice(0, surplus),
  );
  return all.filter((move) => !dropped.has(move)).sort((x, y) => order(x.key, y.key));
}

/** Two hosts may give orders of one epoch at the same moment: then the text decides, alike everywhere. */
function newer<T extends { readonly epoch: number }>(a: T, b: T, textOf: (one: T) => string): T {
  if (a.epoch !== b.epoch) return a.epoch > b.epoch ? a : b;
  return textOf(a) >= textOf(b) ? a : b;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
