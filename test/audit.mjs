/**
 * What `npm audit --json` has said of the production modules: nothing found, something found, or no verdict, because the
 * registry was not reached or does not answer such questions (mirrors often do not). npm's exit code is 1 for the last two alike.
 * Boundary: reads text; test/run.mjs runs npm.
 */
export const AUDIT = ["npm", "audit", "--omit=dev", "--audit-level=high", "--json"];

const GRAVE = ["high", "critical"];

/** One step's result. No verdict is neither a pass nor a failure: a release must not hang on a mirror, nor be called clean. */
export function auditVerdict(output) {
  const none = (why) => ({ passed: 0, failed: [], skipped: [], note: `no verdict: ${why}` });
  let report;
  try {
    report = JSON.parse(output);
  } catch {
    return none("npm audit gave no JSON (is the registry within reach?)");
  }
  if (typeof report?.vulnerabilities !== "object" || report.vulnerabilities === null) {
    return none(String(report?.message ?? report?.error?.summary ?? "npm audit gave no list of findings"));
  }
  const failed = Object.values(report.vulnerabilities)
    .filter((one) => GRAVE.includes(one.severity))
    .map((one) => `audit: ${one.name} ${one.range} (${one.severity})`);
  return { passed: failed.length === 0 ? 1 : 0, failed, skipped: [] };
}
