/**
 * A step of CI that is a vitest project: counts come from its JSON report, and a failure comes with its first words. A project
 * that meets real time gets several attempts: a machine that stands still for a second (a neighbour's load) fails what is right,
 * so a file that failed is run again as a whole, alone. What needed that is told by name and reason, never kept quiet.
 * Boundary: judges reports; the tests are vitest's business.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { cache, root } from "./setup.mjs";
import { interrupted, spawned } from "./spawned.mjs";

const VITEST = "node_modules/vitest/vitest.mjs";
const WORDS_MAX = 300;

/**
 * Runs a project. `attempts`: how often a file may be run until all of it passes. `node`: the binary of another Node. Returns
 * { passed, failed, skipped, again, note }.
 */
export async function vitestStep(project, { limitMs, attempts = 1, node = process.execPath }) {
  return attempted(attempts, (files) => oneRun(project, { files, limitMs, node }));
}

/**
 * All files once, then those that failed, alone. `run(files)` (an empty list: all) resolves with the suites of the report, and
 * with `broken`: why there is no whole report, or null; that ends it, since nobody knows what was not run.
 */
export async function attempted(attempts, run) {
  const suites = new Map();
  const again = [];
  let wanted = [];
  for (let attempt = 1; ; attempt++) {
    const report = await run(wanted);
    for (const suite of report.suites) suites.set(suite.name, suite);
    const result = summed([...suites.values()], again);
    if (report.broken !== null) result.failed.push(report.broken);
    wanted = [...suites.values()].filter((suite) => summed([suite], []).failed.length > 0).map((suite) => suite.name);
    if (report.broken !== null || wanted.length === 0 || attempt >= attempts || interrupted()) return result;
    again.push(...result.failed.map((name) => `attempt ${attempt}: ${name}`));
    console.log(`\nOnce more, alone: ${wanted.map((name) => path.relative(root, name)).join(", ")}`);
  }
}

async function oneRun(project, { files, limitMs, node }) {
  const file = path.join(cache, "reports", `${project}.json`);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.rmSync(file, { force: true });
  const argv = [node, VITEST, "run", "--project", project, "--reporter=default", "--reporter=json"];
  // Tests start Node by process.execPath and by PATH alike.
  const env = { PATH: `${path.dirname(node)}:${process.env.PATH}` };
  const { code, late } = await spawned([...argv, `--outputFile.json=${file}`, ...files], { limitMs, env });
  const suites = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")).testResults : [];
  if (late) return { suites, broken: `${project}: not finished within ${limitMs / 1000} s` };
  const told = code === 0 || summed(suites, []).failed.length > 0;
  return { suites, broken: told ? null : `${project}: vitest ended with code ${code}` };
}

/** A file that could not be loaded is one failure. */
function summed(suites, again) {
  const result = { passed: 0, failed: [], skipped: [], again };
  for (const suite of suites) {
    const where = path.relative(root, suite.name);
    for (const test of suite.assertionResults) {
      const name = `${where} > ${test.fullName}`;
      if (test.status === "passed") result.passed++;
      else if (test.status === "failed") result.failed.push(`${name}: ${words(test.failureMessages?.[0])}`);
      else result.skipped.push(name);
    }
    const accounted = suite.assertionResults.some((test) => test.status === "failed");
    if (suite.status === "failed" && !accounted) {
      result.failed.push(`${where}: ${words(suite.message) || "did not run to its end"}`);
    }
  }
  return result;
}

/** What a failure says before its stack, on one line. */
function words(message) {
  const said = stripVTControlCharacters(String(message ?? "")).split(/\n\s+at /)[0];
  const line = said.replace(/\s+/g, " ").trim();
  return line.length > WORDS_MAX ? `${line.slice(0, WORDS_MAX)}…` : line;
}
