/** `vipd check`: validates the configuration and starts nothing. 0, or 2 with every problem on stderr. */
import type { Command } from "commander";
import type { Loaded, Problem } from "../config/types.js";
import {
  addConfigOption,
  addOverrides,
  type CommonOptions,
  complain,
  EXIT,
  load,
  paint,
  printProblems,
  say,
} from "./common.js";
import { findUnit } from "./unit-file.js";

export function addCheck(program: Command): void {
  const command = program
    .command("check")
    .summary("validate the configuration")
    .description(
      "Validates the configuration and starts nothing. Every problem is reported at once, with its place in the file and what would be right; warnings tell what is legal and still seldom meant.",
    )
    .argument("[file]", "the same as --config <file>")
    .option("--json", "{ ok, file, problems, warnings } as JSON; problems have path, line, column, value, message")
    .addHelpText("after", "\nExit codes: 0 right (warnings may remain), 2 refused.")
    .action(check);
  addOverrides(addConfigOption(command));
}

async function check(file: string | undefined, given: CommonOptions, command: Command): Promise<void> {
  if (file !== undefined && command.getOptionValueSource("config") === "cli" && file !== given.config) {
    complain(`vipd check: two files: ${file} and --config ${given.config}`);
    process.exitCode = EXIT.usage;
    return;
  }
  const options = file === undefined ? given : { ...given, config: file };
  const judged = await load(options, "problem", { oddities: true });
  const loaded = { ...judged, warnings: [...judged.warnings, ...slowExtreme(judged)] };
  process.exitCode = loaded.ok ? EXIT.ok : EXIT.config;
  if (options.json) {
    const problems = loaded.ok ? [] : loaded.problems;
    say(JSON.stringify({ ok: loaded.ok, file: options.config, problems, warnings: loaded.warnings }, null, 2));
    return;
  }
  printProblems(loaded, options.config);
  if (!loaded.ok) return;
  const groups = loaded.config.vips.length;
  const addresses = loaded.config.vips.reduce((sum, group) => sum + group.addresses.length, 0);
  const count = `${addresses} ${addresses === 1 ? "VIP" : "VIPs"} in ${groups} ${groups === 1 ? "group" : "groups"}`;
  say(`${options.config}: ${paint("green", "right")} (host ${loaded.config.node.name}, ${count})`);
}

/** Profile `extreme` rides out 15 ms: without real-time priority a busy host is late by more than that. */
function slowExtreme(loaded: Loaded): readonly Problem[] {
  if (!loaded.ok || loaded.config.gossip.profile !== "extreme") return [];
  const unit = findUnit();
  if (unit?.realTime) return [];
  const seen = unit === null ? "there is no unit vipd.service on this host" : `${unit.file} does not ask for it`;
  const message = `"extreme" needs real-time scheduling (CPUSchedulingPolicy=fifo), and ${seen}: on a busy host VIPs will move for nothing`;
  return [{ path: "gossip.profile", message }];
}
