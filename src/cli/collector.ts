/**
 * How V8 must collect garbage in a real-time process. Its main thread polls without a pause until the concurrent sweeper's
 * thread is done; under SCHED_FIFO that thread does not get the core before the main thread sleeps, and where as many
 * daemons do so as there are cores, nothing runs any more. Collecting on the main thread alone ends it, and costs a heap of
 * this size nothing. The flag counts only when it is there as V8 starts: vipd's own executable gives it.
 */
const ALONE = "--single-threaded-gc";

/** Starts the program again, under the same pid, if it runs in real time without the flag. */
export async function collectAlone(): Promise<void> {
  if (process.execArgv.includes(ALONE)) return;
  const { become, isRealTime } = await import("../adapters/native.js");
  if (!isRealTime()) return;
  const argv = [process.argv0, ALONE, ...process.execArgv, ...process.argv.slice(1)];
  const failed = become(process.execPath, argv);
  process.stderr.write(
    `vipd: cannot start Node again with ${ALONE}: ${failed}; add the flag, or do without real time\n`,
  );
}
