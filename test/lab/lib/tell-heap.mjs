/**
 * Preloaded into a daemon (`node --import`): SIGUSR2 collects its garbage and writes what is left, in bytes, to VIPD_LAB_HEAP as
 * JSON: { heapUsed, external }. Resident memory alone does not tell a leak from garbage that nobody needed to collect yet.
 */
import * as fs from "node:fs";
import * as v8 from "node:v8";
import * as vm from "node:vm";

v8.setFlagsFromString("--expose-gc");
const collect = vm.runInNewContext("gc");

process.on("SIGUSR2", () => {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  const file = process.env.VIPD_LAB_HEAP;
  fs.writeFileSync(`${file}.new`, JSON.stringify({ heapUsed, external }));
  fs.renameSync(`${file}.new`, file);
});
