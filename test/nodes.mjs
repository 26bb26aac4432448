/**
 * `npm run test:nodes`: the unit and addon tests under each Node line that vipd runs on, by the binaries that systemd/runtime's
 * lock file pins. Says what came of each; `npm run test:nodes -- 22` takes one line only.
 * Boundary: the tests are vitest's business, and the addon is the one that is built: Node-API promises that it fits every line.
 */
import { spawnSync } from "node:child_process";
import * as path from "node:path";
import { runtime } from "../systemd/package-parts.mjs";
import { root } from "./setup.mjs";

const LINES = ["20", "22", "24"];

/** Tests start Node by process.execPath and by PATH alike. */
function testUnder(line) {
  const { binary, version } = runtime(root, line);
  console.log(`\n=== Node ${version}`);
  const env = { ...process.env, PATH: `${path.dirname(binary)}:${process.env.PATH}` };
  const args = ["node_modules/vitest/vitest.mjs", "run", "--project", "unit", "--project", "addon"];
  const { status, signal } = spawnSync(binary, args, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] });
  return { version, well: status === 0, how: signal ?? `code ${status}` };
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : LINES;
if (wanted.some((line) => !LINES.includes(line))) {
  process.stderr.write(`usage: npm run test:nodes [-- LINE…], lines: ${LINES.join(" ")}\n`);
  process.exit(64);
}
const results = wanted.map(testUnder);
console.log("");
for (const { version, well, how } of results) console.log(`Node ${version}: ${well ? "passed" : `FAILED (${how})`}`);
process.exitCode = results.every((one) => one.well) ? 0 : 1;
