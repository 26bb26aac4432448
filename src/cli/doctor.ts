/**
 * `vipd doctor`: looks at this host as a colleague would; each finding with what was seen and its remedy. Purpose: options, text
 * and exit code. Boundary: facts are doctor/gather.ts's, judgement doctor/judge.ts's; `--fix` runs what a finding calls safe.
 */
import { spawnSync } from "node:child_process";
import type { Command } from "commander";
import type { Problem } from "../config/types.js";
import {
  addConfigOption,
  addOverrides,
  type CommonOptions,
  complain,
  EXIT,
  load,
  paint,
  printable,
  printProblems,
  say,
} from "./common.js";
import type { Finding, Severity } from "./doctor/types.js";

const COLOURS = { error: "red", warning: "yellow", info: "grey" } as const;

export function addDoctor(program: Command): void {
  const command = program
    .command("doctor")
    .summary("what is wrong, or would go wrong, on this host")
    .description(
      "Looks at this host and its neighbourhood: interfaces, sysctls, addresses, firewall, the other hosts, who else answers for the VIPs. Each finding says what was seen and what to do. Takes about two seconds; best run as root.",
    )
    .option("--fix", "do what is safe to do, and say so")
    .option("--json", "{ findings: [{ severity, name, seen, remedy }] } as JSON")
    .addHelpText("after", "\nExit codes: 0 nothing that matters, 1 warnings, 2 errors or a refused configuration.")
    .action(doctor);
  addOverrides(addConfigOption(command));
}

async function doctor(options: CommonOptions): Promise<void> {
  // A missing interface is a finding here, with its remedy, not the end of the examination.
  const loaded = await load(options, "warning");
  if (!loaded.ok) {
    process.exitCode = EXIT.config;
    if (options.json)
      return say(JSON.stringify({ findings: loaded.problems.map((one) => asFinding(one, "error")) }, null, 2));
    printProblems(loaded, options.config);
    complain("mend that first: the rest of this host is judged by the configuration");
    return;
  }
  const { gatherFacts } = await import("./doctor/gather.js");
  const { bySeverity, judgeAll } = await import("./doctor/judge.js");
  // What the file says of VIPs and interfaces is judged again below, with remedies.
  const odd = loaded.warnings.filter((one) => !one.path.startsWith("vips[")).map((one) => asFinding(one, "warning"));
  const findings = bySeverity([...judgeAll(await gatherFacts(loaded.config, options.config)), ...odd]);
  const fixed = options.fix ? findings.filter(fix) : [];
  const left = findings.filter((one) => !fixed.includes(one));
  process.exitCode = exitCodeOf(left);
  if (options.json) return say(JSON.stringify({ findings: left, fixed }, null, 2));
  for (const one of fixed) say(`${paint("green", "fixed")}: ${printable(one.seen)}\n    ${one.fix?.join(" ")}`);
  for (const one of left) say(findingText(one));
  say(summary(left));
}

function asFinding(problem: Problem, severity: Severity): Finding {
  const seen = problem.path === "" ? problem.message : `${problem.path}: ${problem.message}`;
  return { severity, name: "configuration", seen, remedy: "vipd check tells the line" };
}

function fix(finding: Finding): boolean {
  const [program, ...args] = finding.fix ?? [];
  if (program === undefined) return false;
  const ran = spawnSync(program, args, { encoding: "utf8", timeout: 10_000 });
  if (ran.status === 0) return true;
  complain(`vipd doctor: ${finding.fix?.join(" ")}: ${(ran.error?.message ?? ran.stderr).trim()}`);
  return false;
}

function findingText({ severity, seen, remedy }: Finding): string {
  return `${paint(COLOURS[severity], severity)}: ${printable(seen)}\n    ${printable(remedy)}`;
}

function exitCodeOf(findings: readonly Finding[]): number {
  const has = (severity: Severity) => findings.some((one) => one.severity === severity);
  return has("error") ? EXIT.config : has("warning") ? EXIT.wrong : EXIT.ok;
}

function summary(findings: readonly Finding[]): string {
  const count = (severity: Severity) => findings.filter((one) => one.severity === severity).length;
  const [errors, warnings, infos] = [count("error"), count("warning"), count("info")];
  if (errors + warnings === 0)
    return `${paint("green", "nothing that matters")}${infos > 0 ? ` (${infos} to know)` : ""}`;
  return `${errors} ${errors === 1 ? "error" : "errors"}, ${warnings} ${warnings === 1 ? "warning" : "warnings"}`;
}
