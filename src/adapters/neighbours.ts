/**
 * The Neighbours port on the addon: entries of the group's hosts in the kernel's neighbour tables, which no full table throws out.
 * Boundary: which hosts those are is the daemon's business; static entries and those of other programs are never touched.
 */
import type { Neighbours } from "../ports.js";
import { keepNeighbours, releaseNeighbours } from "./native.js";

export function createNeighbours(): Neighbours {
  return {
    keep: (hosts) => keepNeighbours(hosts.filter(isPlain)),
    release: (kept) => releaseNeighbours(kept.filter(isPlain)),
  };
}

/** A link-local address with its zone is nobody's gossip address but in a hand-made cluster: it stays an ordinary entry. */
function isPlain(host: string): boolean {
  return !host.includes("%");
}
