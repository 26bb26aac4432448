/**
 * Even spread: rendezvous hashing with a bound on each host's load. Purpose: counts that differ by at most one (by weight where
 * weights differ), with the fewest moves: whoever holds a key keeps it while its share allows, the rest goes where the
 * hashing wants it among those with room. Boundary: pure; alike on every host that holds the same facts. A planned move that
 * is half done changes nothing in what is elected: what has moved is what would have been chosen next.
 */

export interface EvenHost {
  readonly name: string;
  readonly weight: number;
  /** Scores by key, in the order of the keys; already weighted. */
  readonly score: (row: number) => number;
}

/**
 * The owner of each key, by row; null without hosts. `holders`: by row the host that holds it now, or undefined;
 * `fixed`: by row the host that gets it whatever its share is.
 */
export function spreadEvenly(
  count: number,
  hosts: readonly EvenHost[],
  terms: {
    readonly holder: (row: number) => string | undefined;
    readonly fixed: (row: number) => string | undefined;
  },
): (string | null)[] {
  const owners: (string | null)[] = new Array<string | null>(count).fill(null);
  if (hosts.length === 0) return owners;
  const byName = new Map(hosts.map((host, i) => [host.name, i]));
  const held: number[][] = hosts.map(() => []);
  const loads = hosts.map(() => 0);
  const open: number[] = [];
  let shared = count;
  for (let row = 0; row < count; row++) {
    const decreed = terms.fixed(row);
    const fixed = byName.get(decreed ?? "");
    const holder = byName.get(terms.holder(row) ?? "");
    if (fixed !== undefined) {
      owners[row] = hosts[fixed]!.name;
      loads[fixed]! += 1;
    } else if (decreed !== undefined) {
      // Given to somebody who takes no part in the sharing.
      owners[row] = decreed;
      shared -= 1;
    } else if (holder !== undefined) held[holder]!.push(row);
    else open.push(row);
  }
  const wanted = held.map((rows, i) => rows.length + loads[i]!);
  const shares = sharesOf(shared, hosts, wanted);
  hosts.forEach((host, i) => {
    // Keeps those that the hashing wants here most.
    const rows = held[i]!.sort((a, b) => host.score(b) - host.score(a) || a - b);
    const room = Math.max(0, shares[i]! - loads[i]!);
    for (const row of rows.slice(0, room)) owners[row] = host.name;
    loads[i]! += Math.min(room, rows.length);
    open.push(...rows.slice(room));
  });
  place(open, hosts, { owners, loads, shares });
  return owners;
}

/** The best pair of key and host first, among hosts with room. */
function place(
  open: readonly number[],
  hosts: readonly EvenHost[],
  to: { owners: (string | null)[]; loads: number[]; shares: readonly number[] },
): void {
  const pairs: { row: number; host: number; score: number }[] = [];
  for (const row of open) {
    hosts.forEach((host, i) => {
      if (to.loads[i]! < to.shares[i]!) pairs.push({ row, host: i, score: host.score(row) });
    });
  }
  pairs.sort((a, b) => b.score - a.score || a.row - b.row || (hosts[a.host]!.name < hosts[b.host]!.name ? -1 : 1));
  for (const { row, host } of pairs) {
    if (to.owners[row] !== null || to.loads[host]! >= to.shares[host]!) continue;
    to.owners[row] = hosts[host]!.name;
    to.loads[host]! += 1;
  }
  // Fixed keys may have filled a host beyond its share: then the others' shares are too small by as many.
  for (const row of open) {
    if (to.owners[row] !== null) continue;
    const least = hosts.reduce(
      (best, host, i) => (to.loads[i]! / host.weight < to.loads[best]! / hosts[best]!.weight ? i : best),
      0,
    );
    to.owners[row] = hosts[least]!.name;
    to.loads[least]! += 1;
  }
}

/** How many keys each host gets: its share by weight, rounded down, and one more for those who hold more, then by what was cut off. */
export function sharesOf(
  count: number,
  hosts: readonly { readonly name: string; readonly weight: number }[],
  wanted: readonly number[],
): number[] {
  const total = hosts.reduce((sum, host) => sum + host.weight, 0);
  const exact = hosts.map((host) => (count * host.weight) / total);
  // A share of 3 may come out as 2.9999999999999996.
  const shares = exact.map((share) => Math.floor(share + 1e-9));
  const rest = count - shares.reduce((sum, share) => sum + share, 0);
  const cut = (i: number): number => exact[i]! - shares[i]!;
  const order = hosts
    .map((_, i) => i)
    .sort(
      (a, b) =>
        Number(wanted[b]! > shares[b]!) - Number(wanted[a]! > shares[a]!) ||
        cut(b) - cut(a) ||
        (hosts[a]!.name < hosts[b]!.name ? -1 : 1),
    );
  for (const i of order.slice(0, rest)) shares[i]! += 1;
  return shares;
}
