/**
 * `npm test`: set-up, then every test there is, a step after the other, and the sum on the last line. A failing step
 * does not stop the later ones. `--only lab,unit` runs some steps. In CI (CI=true) a skipped test is a failure.
 * Boundary: plain Node; the tests themselves are vitest's and native/test/run.sh's business.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { AUDIT, auditVerdict } from "./audit.mjs";
import { root, setup } from "./setup.mjs";
import { interrupted, passSignalsOn, spawned } from "./spawned.mjs";
import { vitestStep } from "./vitest-step.mjs";

const ci = process.env.CI === "true" || process.env.CI === "1";
/** Of tests that meet real time, on a machine that has neighbours. */
const attempts = 3;

/** One step: its name, and what it returns: { passed, failed: [names], skipped: [names], again: [names], note }. `ciOnly`: in CI, or with --only. `browser`: set-up brings one. */
const steps = [
  { name: "lint", run: () => command("lint", ["npx", "biome", "check", "--error-on-warnings", "."]) },
  { name: "typecheck", run: () => command("typecheck", ["npx", "tsc", "--noEmit", "-p", "tsconfig.json"]) },
  { name: "audit", run: () => audit({ limitMs: 60_000 }) },
  { name: "unit", run: () => vitestStep("unit", { limitMs: 480_000 }) },
  { name: "adapters", run: () => vitestStep("adapters", { limitMs: 240_000, attempts }) },
  { name: "sim", run: () => vitestStep("sim", { limitMs: 480_000 }) },
  { name: "native", run: () => native({ limitMs: 240_000 }) },
  { name: "addon", run: () => vitestStep("addon", { limitMs: 900_000, attempts }) },
  { name: "sanitizers", run: () => sanitizers({ limitMs: 1_200_000 }), ciOnly: true },
  { name: "page", run: () => vitestStep("page", { limitMs: 600_000, attempts }), ciOnly: true, browser: true },
  { name: "lab", run: () => vitestStep("lab", { limitMs: 2_400_000, attempts }) },
  { name: "clean", run: () => nothingLeftBehind() },
];

/** A step that is one check. */
async function command(name, argv) {
  const { code } = await spawned(argv, { limitMs: 180_000 });
  return {
    passed: code === 0 ? 1 : 0,
    failed: code === 0 ? [] : [`${name} (${argv.slice(1).join(" ")})`],
    skipped: [],
  };
}

/** Known holes in what the daemon runs with; npm's own retries could outlast the rest of CI, hence the limit. */
async function audit({ limitMs }) {
  const { output, late } = await spawned(AUDIT, { limitMs, capture: true });
  return auditVerdict(late ? "" : output);
}

/** The C++ tables: native/test/run.sh builds and runs them and ends with `N passed, N failed`. */
async function native({ limitMs }) {
  const script = "native/test/run.sh";
  if (!fs.existsSync(path.join(root, script))) return { passed: 0, failed: [], skipped: [], note: `no ${script} yet` };
  const { code, output, late } = await spawned(["bash", script], { limitMs, capture: true });
  const failed = late ? [`native: not finished within ${limitMs / 1000} s`] : [];
  let passed = 0;
  let counted = 0;
  for (const match of output.matchAll(/^(\d+) passed, (\d+) failed$/gm)) {
    passed += Number(match[1]);
    counted += Number(match[2]);
  }
  for (let n = 1; n <= counted; n++) failed.push(`native: C++ table test ${n} of ${counted} that failed (see above)`);
  if (code !== 0 && failed.length === 0) failed.push(`native: ${script} ended with code ${code}`);
  if (code === 0 && passed === 0) failed.push(`native: ${script} did not say how many tests passed`);
  return { passed, failed, skipped: [] };
}

/**
 * The addon's tests under ASan with UBSan, those where threads meet under TSan, and a moment of fuzzing; each counts as one
 * test. `npm run test:asan`, `test:tsan` and `test:fuzz -- SECONDS` run all files, and longer.
 */
async function sanitizers({ limitMs }) {
  const files = (...names) => names.map((name) => `test/addon/${name}.test.ts`);
  const runs = {
    asan: ["native/test/sanitize.sh", "address", ...files("lifecycle", "responder", "wire", "address-holder")],
    tsan: ["native/test/sanitize.sh", "thread", ...files("lifecycle", "responder", "stalled")],
    fuzz: ["native/test/fuzz.sh", "20"],
  };
  const result = { passed: 0, failed: [], skipped: [] };
  for (const [name, argv] of Object.entries(runs)) {
    if (interrupted()) break;
    const { code, output, late } = await spawned(["sh", "-c", 'exec sh "$0" "$@" 2>&1', ...argv], {
      limitMs,
      capture: true,
    });
    if (code === 0) result.passed++;
    else
      result.failed.push(`sanitizers: ${name}, ${late ? `not finished within ${limitMs / 1000} s` : blamed(output)}`);
  }
  return result;
}

/** The lines of a sanitizer's run that name what failed, for the last lines of CI. */
function blamed(output) {
  const telling = /^\s*(FAIL |AssertionError|Error:|(==\d+==)?(ERROR|WARNING|SUMMARY|FATAL): )/;
  const lines = stripVTControlCharacters(output).split("\n");
  const found = lines.filter((line) => telling.test(line)).map((line) => line.trim());
  return found.slice(0, 4).join("; ") || "see above";
}

/** No lab without an owner may remain: sweeps what does, and counts that as a failure. */
async function nothingLeftBehind() {
  const { code } = await spawned(["node", "--import", "tsx", "test/lab/sweep.ts"], { limitMs: 60_000 });
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? [] : ["clean: a lab was left behind"], skipped: [] };
}

function wantedSteps() {
  const args = process.argv.slice(2);
  if (args.length === 0) return steps.filter((step) => ci || !step.ciOnly);
  const only = args[0]?.startsWith("--only=") ? args[0].slice("--only=".length) : args[0] === "--only" ? args[1] : "";
  const names = (only ?? "").split(",").filter(Boolean);
  const unknown = names.filter((name) => !steps.some((step) => step.name === name));
  if (names.length === 0 || unknown.length > 0) {
    const known = steps.map((step) => step.name).join(",");
    process.stderr.write(`usage: npm test [-- --only STEP[,STEP…]], steps: ${known}\n`);
    process.exit(64);
  }
  return steps.filter((step) => names.includes(step.name));
}

async function main() {
  const wanted = wantedSteps();
  passSignalsOn();
  const begin = Date.now();
  const problems = await setup({ forTests: true, browser: wanted.some((step) => step.browser) });
  const total = { passed: 0, failed: problems.map((problem) => `build: ${problem}`), skipped: [], again: [] };
  const lines = [];
  for (const step of wanted) {
    if (interrupted()) break;
    console.log(`\n=== ${step.name}`);
    const at = Date.now();
    const { passed, failed, skipped, again = [], note } = await step.run();
    const seconds = ((Date.now() - at) / 1000).toFixed(1);
    const skips = skipped.length > 0 ? `, ${skipped.length} skipped` : "";
    const line = note ?? `${passed} passed, ${failed.length} failed${skips}`;
    console.log(`=== ${step.name}: ${line} (${seconds} s)`);
    lines.push(`  ${step.name.padEnd(10)} ${line} (${seconds} s)`);
    total.passed += passed;
    total.failed.push(...failed);
    total.skipped.push(...skipped);
    total.again.push(...again);
  }
  console.log(`\nAll steps, ${((Date.now() - begin) / 1000).toFixed(0)} s:\n${lines.join("\n")}`);
  for (const name of total.skipped) console.log(`${ci ? "SKIPPED, a failure in CI" : "skipped"}: ${name}`);
  for (const name of total.again) console.log(`RUN AGAIN after ${name}`);
  for (const name of total.failed) console.log(`FAILED: ${name}`);
  if (interrupted()) console.log(`FAILED: interrupted by ${interrupted()}`);
  const failed = total.failed.length + (ci ? total.skipped.length : 0) + (interrupted() ? 1 : 0);
  console.log(`${total.passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

main().catch((error) => {
  process.stderr.write(`${error.name === "SetupProblem" ? `setup: ${error.message}` : error.stack}\n`);
  console.log("0 passed, 1 failed");
  process.exitCode = 1;
});
