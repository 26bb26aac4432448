/** `vipd run`: the daemon, in the foreground. A refused configuration is 2, and nothing was started. */
import { setFlagsFromString } from "node:v8";
import type { Command } from "commander";
import type { ProfileName } from "../domain/profile.js";
import { collectAlone } from "./collector.js";
import { addConfigOption, addOverrides, type CommonOptions, EXIT, load, overridesOf, printProblems } from "./common.js";
import { readVersion } from "./version.js";

/** Bytes of its bytecode that a function executes between two looks at whether to optimize it. V8's own: 132 KiB. */
const OPTIMIZE_AFTER_BYTES: Partial<Record<ProfileName, number>> = { relaxed: 1_320_000, lan: 1_320_000, fast: 4000 };

export function addRun(program: Command): void {
  const command = program
    .command("run")
    .summary("run the daemon in the foreground")
    .description(
      "Runs the daemon in the foreground, until SIGTERM or SIGINT: then it hands its VIPs over and removes what it added. SIGHUP loads the configuration again; a refused one keeps the old one running.",
    )
    .option(
      "--observe",
      "only watch: gossip as a member that never owns, compute and show elections, send no ARP or NDP frame",
    )
    .addHelpText("after", "\nExit codes: 0 after SIGTERM, 1 could not start or failed, 2 configuration refused.")
    .option("--wait-until-configured", "while the file names no VIPs yet, wait for it instead of refusing it")
    .action(run);
  addOverrides(addConfigOption(command));
}

async function run(options: CommonOptions): Promise<void> {
  await collectAlone();
  if (options.waitUntilConfigured && !(await configured(options))) return;
  const { missingAddress } = await import("./wait-address.js");
  let loaded = await load(options, "warning");
  printProblems(loaded, options.config);
  if (loaded.ok && (await missingAddress(loaded.config)) !== null) {
    if (!(await addressed(options))) return;
    loaded = await load(options, "warning");
    if (!loaded.ok) printProblems(loaded, options.config);
  }
  if (!loaded.ok) {
    process.exitCode = EXIT.config;
    return;
  }
  tuneCompiler(loaded.config.gossip.profile);
  const { loadConfig } = await import("../config/load.js");
  const { hostInterfaces } = await import("../adapters/native.js");
  const { runDaemon } = await import("../daemon/run.js");
  process.exitCode = await runDaemon({
    config: loaded.config,
    warnings: loaded.warnings,
    configFile: options.config,
    observe: options.observe === true,
    reload: () =>
      loadConfig({
        file: options.config,
        overrides: overridesOf(options),
        host: hostInterfaces(),
        pending: "warning",
      }),
    version: readVersion().version,
  });
}

/**
 * At a few turns a second V8 would go on interpreting for minutes: it compiles at once, plainly. What optimizing costs, a third of a
 * second of CPU, pays where there are dozens of turns a second, and is done soon then. Where there are fewer it would be most of what
 * a host costs in its first minutes: it comes late, and under load all the same within seconds. In `extreme` all comes by itself, and
 * is deoptimized more often if it comes early. Not where it was not measured (V8 has had another compiler in between since).
 */
function tuneCompiler(profile: ProfileName): void {
  setFlagsFromString("--always-sparkplug");
  const afterBytes = OPTIMIZE_AFTER_BYTES[profile];
  const measured = process.versions.v8.startsWith("11.");
  if (measured && afterBytes !== undefined) setFlagsFromString(`--interrupt-budget=${afterBytes}`);
}

/** Waits while nobody has filled the file in, and then until what was filled in is right. False: told to stop meanwhile. */
async function configured(options: CommonOptions): Promise<boolean> {
  const { isUnfilled } = await import("./wait.js");
  const { formatProblem } = await import("../config/load.js");
  const file = options.config;
  if (!isUnfilled(file)) return true;
  return wait(async () => {
    if (isUnfilled(file)) return `not configured: name this host's VIPs in ${file}; vipd goes on by itself then`;
    const judged = await load(options, "warning");
    return judged.ok ? null : `not configured: ${file} is refused: ${judged.problems.map(formatProblem).join("; ")}`;
  });
}

/** Waits for the address of the gossip, whatever the file says it is by now. False: told to stop meanwhile. */
async function addressed(options: CommonOptions): Promise<boolean> {
  const { missingAddress } = await import("./wait-address.js");
  return wait(async () => {
    const judged = await load(options, "warning");
    return judged.ok ? missingAddress(judged.config) : null;
  });
}

async function wait(missing: () => Promise<string | null>): Promise<boolean> {
  const { waitUntil } = await import("./wait.js");
  const { createServiceManager } = await import("../adapters/service-manager.js");
  const sayToLog = (text: string) => process.stderr.write(`vipd: ${text}\n`);
  return waitUntil({ missing, service: createServiceManager(), say: sayToLog });
}
