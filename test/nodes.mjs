/**
 * `npm run test:nodes`: the unit and addon tests under each Node line that vipd runs on, by the binaries that systemd/runtime's
 * lock file pins. Says what came of each; `npm run test:nodes -- 22` takes one line only.
 * Boundary: the tests are vitest's business, and the addon is the one that is built: Node-API promises that it fits every line.
 */
import { runtime } from "../systemd/package-parts.mjs";
import { root } from "./setup.mjs";
import { interrupted, passSignalsOn } from "./spawned.mjs";
import { vitestStep } from "./vitest-step.mjs";

const LINES = ["20", "22", "24"];
const STEPS = {
  unit: { limitMs: 480_000 },
  adapters: { limitMs: 240_000, attempts: 3 },
  addon: { limitMs: 480_000, attempts: 3 },
};

async function testUnder(line) {
  const { binary, version } = runtime(root, line);
  const lines = [];
  let well = true;
  for (const [project, how] of Object.entries(STEPS)) {
    console.log(`\n=== Node ${version}, ${project}`);
    const { passed, failed, skipped, again } = await vitestStep(project, { ...how, node: binary });
    lines.push(`Node ${version}, ${project}: ${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
    lines.push(...again.map((name) => `  run again after ${name}`), ...failed.map((name) => `  FAILED: ${name}`));
    well &&= passed > 0 && failed.length === 0;
  }
  return { lines, well };
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : LINES;
if (wanted.some((line) => !LINES.includes(line))) {
  process.stderr.write(`usage: npm run test:nodes [-- LINE…], lines: ${LINES.join(" ")}\n`);
  process.exit(64);
}
passSignalsOn();
const results = [];
for (const line of wanted) if (!interrupted()) results.push(await testUnder(line));
console.log(`\n${results.flatMap(({ lines }) => lines).join("\n")}`);
process.exitCode = results.every(({ well }) => well) && !interrupted() ? 0 : 1;
