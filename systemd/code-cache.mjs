/**
 * The code cache of a built command line, for one Node. Purpose: the same bytes wherever it is built: a seed, no environment, and
 * no path on the command line, since V8's heap, and with it the cache, comes out otherwise with each of them.
 * Boundary: beside the bundle; a Node of another version or with other flags than these refuses it, and compiles.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";

/** `node`: the program; `folder`: where the bundle lies. */
export function writeCodeCache(node, folder) {
  const maker = fs.readFileSync(new URL("code-cache-maker.cjs", import.meta.url));
  for (const bundle of fs.readdirSync(folder).filter((name) => /^vipd-.*\.js$/.test(name))) {
    // The first flag is the executable's own.
    execFileSync(node, ["--single-threaded-gc", "--random-seed=1", "-", bundle], {
      cwd: folder,
      env: {},
      input: maker,
    });
    fs.chmodSync(path.join(folder, `${bundle}.cache`), 0o644);
  }
}
