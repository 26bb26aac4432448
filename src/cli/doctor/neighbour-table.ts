/**
 * The kernel's table of neighbours, which all namespaces of a machine share: where it is full, datagrams to hosts that are not in
 * it are dropped, gossip among them. Boundary: pure; reads the text of /proc/net/stat/arp_cache and ndisc_cache, and judges.
 */
import type { Finding, HostFacts, NeighbourTable } from "./types.js";

/** The share of the limit from which it is worth a word. */
const NEARLY_FULL = 0.8;
const LIMIT_LEAST = 8192;

/** One line of names, then a line of hexadecimal numbers for each CPU; `entries` is the whole table's on each of them. */
export function parseNeighbourTable(family: 4 | 6, text: string, limit: string | null): NeighbourTable | null {
  const [head = [], ...rows] = text
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  const column = (name: string) => rows.map((row) => Number.parseInt(row[head.indexOf(name)] ?? "", 16));
  const [entries = Number.NaN] = column("entries");
  const overflows = column("table_fulls").reduce((sum, one) => sum + one, 0);
  if (rows.length === 0 || Number.isNaN(entries) || Number.isNaN(overflows)) return null;
  return { family, entries, limit: limit === null ? null : Number.parseInt(limit, 10), overflows };
}

export function judgeNeighbourTables({ neighbourTables }: HostFacts): Finding[] {
  return neighbourTables.flatMap(({ family, entries, limit, overflows }) => {
    const nearlyFull = limit !== null && entries >= limit * NEARLY_FULL;
    if (overflows === 0 && !nearlyFull) return [];
    const kind = `the table of IPv${family} neighbours, which all namespaces of this machine share,`;
    const filled =
      limit === null
        ? `has ${entries} entries`
        : `has ${entries} entries where ${limit} have room (static ones, and the group's, which vipd keeps, need none)`;
    const told =
      overflows > 0
        ? `; ${overflows} times since the boot there was no room for another, and what was sent to it was dropped`
        : "; once it is full, what is sent to a host that is not in it is dropped";
    const wanted = Math.max(LIMIT_LEAST, 2 * (limit ?? 0));
    const [first, second, third] = [wanted / 4, wanted / 2, wanted].map(Math.round);
    const key = `net.ipv${family}.neigh.default.gc_thresh`;
    const seen = `${kind} ${filled}${told}`;
    const remedy = `sysctl -w ${key}1=${first} ${key}2=${second} ${key}3=${third}${limit === null ? ", outside of this namespace" : ""}`;
    // What overflowed once may have been mended since: the kernel's count does not tell when.
    return [{ severity: nearlyFull ? "warning" : "info", name: "neighbour-table", seen, remedy } as const];
  });
}
