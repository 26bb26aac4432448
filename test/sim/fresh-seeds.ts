/**
 * Seeds that nobody has seen yet, for CI: derived from the commit, so that each commit plays other stories, and a failure is
 * the same when it is run again. Without git (an unpacked tarball) the day decides. Boundary: numbers only.
 */
import { execFileSync } from "node:child_process";

/** Above all seeds that anybody types. */
const FIRST = 1_000_000;
const SPAN = 1_000_000_000;

export function freshSeeds(count: number): number[] {
  const from = FIRST + (Number.parseInt(commitOrDay(), 16) % SPAN);
  return Array.from({ length: count }, (_, i) => from + i);
}

/** Hexadecimal digits. */
function commitOrDay(): string {
  try {
    const commit = execFileSync("git", ["rev-parse", "HEAD"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    if (/^[0-9a-f]{12}/.test(commit)) return commit.slice(0, 12);
  } catch {
    // No git, or no repository: the day will do.
  }
  return new Date().toISOString().slice(0, 10).replaceAll("-", "");
}
