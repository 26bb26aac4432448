/** CI's repetitions: what failed once is told, what fails always fails, and what did not run is never taken for passed. */
import { expect, it, vi } from "vitest";

type Outcome = "passed" | "failed" | "skipped";
interface Report {
  suites: readonly object[];
  broken: string | null;
}
interface Result {
  passed: number;
  failed: readonly string[];
  skipped: readonly string[];
  again: readonly string[];
}
// Plain JavaScript, since test/run.mjs runs before there is a compiler; hence no types.
const file = new URL("../vitest-step.mjs", import.meta.url).href;
const { attempted } = (await import(file)) as {
  attempted: (attempts: number, run: (files: readonly string[]) => Promise<Report>) => Promise<Result>;
};
const root = new URL("../../", import.meta.url).pathname;

const suite = (name: string, tests: Readonly<Record<string, Outcome>>) => ({
  name: `${root}${name}`,
  status: Object.values(tests).includes("failed") ? "failed" : "passed",
  assertionResults: Object.entries(tests).map(([fullName, status]) => ({
    fullName,
    status,
    failureMessages: status === "failed" ? ["AssertionError: 7 is not\n  below 5\n    at somewhere.ts:1"] : [],
  })),
});
const unloadable = { name: `${root}b.ts`, status: "failed", message: "no such module", assertionResults: [] };
const WHY = "AssertionError: 7 is not below 5";
const well = suite("a.ts", { one: "passed", two: "passed" });

it.each<[string, number, readonly Report[], Partial<Result> & { files?: readonly (readonly string[])[] }]>([
  [
    "all passed: one run",
    3,
    [{ suites: [well], broken: null }],
    { passed: 2, failed: [], again: [], skipped: [], files: [[]] },
  ],
  [
    "one attempt: the failure stands, with its first words on one line",
    1,
    [{ suites: [well, suite("b.ts", { x: "failed" })], broken: null }],
    { passed: 2, failed: [`b.ts > x: ${WHY}`], again: [], files: [[]] },
  ],
  [
    "the file is run again as a whole, alone, and its last run counts",
    3,
    [
      { suites: [well, suite("b.ts", { x: "failed", y: "passed" })], broken: null },
      { suites: [suite("b.ts", { x: "passed", y: "failed" })], broken: null },
      { suites: [suite("b.ts", { x: "passed", y: "passed" })], broken: null },
    ],
    {
      passed: 4,
      failed: [],
      again: [`attempt 1: b.ts > x: ${WHY}`, `attempt 2: b.ts > y: ${WHY}`],
      files: [[], [`${root}b.ts`], [`${root}b.ts`]],
    },
  ],
  [
    "what fails in every attempt fails",
    2,
    [
      { suites: [well, suite("b.ts", { x: "failed" })], broken: null },
      { suites: [suite("b.ts", { x: "failed" })], broken: null },
    ],
    { passed: 2, failed: [`b.ts > x: ${WHY}`], again: [`attempt 1: b.ts > x: ${WHY}`] },
  ],
  [
    "a file that cannot be loaded is one failure",
    1,
    [{ suites: [well, unloadable], broken: null }],
    { passed: 2, failed: ["b.ts: no such module"] },
  ],
  [
    "no whole report: nobody knows what was not run, so nothing is tried again",
    3,
    [{ suites: [suite("b.ts", { x: "failed" })], broken: "lab: not finished within 5 s" }],
    { passed: 0, failed: [`b.ts > x: ${WHY}`, "lab: not finished within 5 s"], again: [], files: [[]] },
  ],
  [
    "a repetition without its report does not count as passed",
    3,
    [
      { suites: [well, suite("b.ts", { x: "failed" })], broken: null },
      { suites: [], broken: "lab: vitest ended with code 1" },
    ],
    { passed: 2, failed: [`b.ts > x: ${WHY}`, "lab: vitest ended with code 1"] },
  ],
  [
    "what was skipped is named",
    1,
    [{ suites: [suite("a.ts", { s: "skipped" })], broken: null }],
    { skipped: ["a.ts > s"] },
  ],
])("%s", async (_name, attempts, reports, { files, ...wanted }) => {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  const asked: (readonly string[])[] = [];
  const result = await attempted(attempts, async (which) => {
    asked.push(which);
    return reports[asked.length - 1]!;
  });
  log.mockRestore();
  expect(result).toMatchObject(wanted);
  expect(asked).toHaveLength(reports.length);
  if (files !== undefined) expect(asked).toEqual(files);
});
