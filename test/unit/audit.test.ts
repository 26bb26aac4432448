/** CI's audit step: a finding fails it, and a registry that cannot be asked is told apart from both a finding and a clean result. */
import { expect, it } from "vitest";

// Plain JavaScript, since test/run.mjs runs before there is a compiler; hence no types.
const file = new URL("../audit.mjs", import.meta.url).href;
const { auditVerdict } = (await import(file)) as { auditVerdict: (output: string) => unknown };

const found = (name: string, severity: string) => ({ [name]: { name, severity, range: "<2.0.0" } });
const report = (vulnerabilities: object) => JSON.stringify({ auditReportVersion: 2, vulnerabilities, metadata: {} });

it.each<[string, string, object]>([
  ["nothing found", report({}), { passed: 1, failed: [] }],
  ["a moderate finding is let pass", report(found("a", "moderate")), { passed: 1, failed: [] }],
  ["a high finding", report(found("a", "high")), { passed: 0, failed: ["audit: a <2.0.0 (high)"] }],
  ["a critical finding", report(found("b", "critical")), { passed: 0, failed: ["audit: b <2.0.0 (critical)"] }],
  [
    "a mirror that refuses the question",
    JSON.stringify({ message: "405 Method Not Allowed", statusCode: 405, error: { summary: "", detail: "" } }),
    { passed: 0, failed: [], note: "no verdict: 405 Method Not Allowed" },
  ],
  [
    "offline",
    JSON.stringify({ error: { code: "ENOTFOUND", summary: "getaddrinfo ENOTFOUND", detail: "" } }),
    { passed: 0, failed: [], note: "no verdict: getaddrinfo ENOTFOUND" },
  ],
  [
    "no output",
    "",
    { passed: 0, failed: [], note: "no verdict: npm audit gave no JSON (is the registry within reach?)" },
  ],
])("%s", (_name, output, wanted) => {
  expect(auditVerdict(output)).toMatchObject(wanted);
});
