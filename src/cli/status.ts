/** `vipd status`: members, VIPs, owners, heirs and reasons, as the daemon of this host sees them. Reads only. */
import type { Command } from "commander";
import type { StatusSnapshot } from "../ports.js";
import { addConfigOption, addOverrides, type CommonOptions, complain, EXIT, overridesOf, say } from "./common.js";
import { askStatus } from "./daemon-client.js";
import { statusText } from "./status-text.js";

export function addStatus(program: Command): void {
  const command = program
    .command("status")
    .summary("show members, VIPs and their owners")
    .description("Shows members, VIPs, owners and heirs as the daemon of this host sees them.")
    .option("--json", "the daemon's /status as JSON")
    .addHelpText(
      "after",
      "\nExit codes: 0 well; 1 a VIP has no owner or is in conflict, or there is an alarm; 3 the daemon cannot be reached.",
    )
    .action(status);
  addOverrides(addConfigOption(command));
}

async function status(options: CommonOptions): Promise<void> {
  const { findSocket } = await import("../config/load.js");
  const asked = await askStatus(findSocket({ file: options.config, overrides: overridesOf(options) }));
  if (!asked.ok) {
    complain(`vipd status: ${asked.reason}`);
    process.exitCode = EXIT.unreachable;
    return;
  }
  say(options.json ? asked.body.trimEnd() : statusText(asked.status));
  process.exitCode = isWell(asked.status) ? EXIT.ok : EXIT.wrong;
}

function isWell(snapshot: StatusSnapshot): boolean {
  return snapshot.alarms.length === 0 && snapshot.vips.every((vip) => vip.owner !== null && vip.state !== "conflict");
}
