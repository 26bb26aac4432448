/**
 * Room for a large lab's neighbours: the kernel has one table of each family for all namespaces (1024 entries by default), where
 * forty machines would have forty. Boundary: raises the machine's limits, never lowers them, and puts back what it found.
 */
import { sh, shQuiet } from "./shell.js";

/** Everybody knows everybody, and clients; half of the limit, since the kernel begins to throw out there. */
const room = (hosts: number): number => 4 * hosts * hosts;

/** Returns what undoes it. */
export function makeRoomForNeighbours(hosts: number): () => void {
  const raised = [4, 6].flatMap((family) =>
    [1, 2, 3].flatMap((n) => {
      const key = `net.ipv${family}.neigh.default.gc_thresh${n}`;
      const wanted = room(hosts) / 2 ** (3 - n);
      const found = shQuiet("sysctl", "-n", key).trim();
      // Within a container nobody tells the limit, nor may raise it.
      if (found === "" || Number(found) >= wanted) return [];
      sh("sysctl", "-qw", `${key}=${wanted}`);
      return [`${key}=${found}`];
    }),
  );
  return () => {
    if (raised.length > 0) sh("sysctl", "-qw", ...raised);
  };
}
