/**
 * The end of what is held on `lo`. Purpose: a stop that waits for the kernel's removals, for a bounded time. Boundary: whoever
 * calls it is silent already, and decides what to do about what is left.
 */
import { setTimeout as wait } from "node:timers/promises";
import { reasonOf } from "./engine.js";

/** Null when all is gone; else why some may be left on `lo`: not removed in time, or not to be removed. */
export async function dropWithin(dropped: Promise<void>, maxMs: number): Promise<string | null> {
  const stopped = new AbortController();
  const late = wait(maxMs, `not removed within ${maxMs} ms`, { signal: stopped.signal });
  // Whichever loses the race has nobody to tell.
  late.catch(() => {});
  const done = dropped.then(() => null, reasonOf);
  return Promise.race([done, late]).finally(() => stopped.abort());
}
