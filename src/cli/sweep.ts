/**
 * `vipd sweep`: what a crashed daemon left on this host is taken back: its VIPs on lo, its marks on neighbour entries, the sysctls of
 * strict ARP, its socket's lock. systemd calls it after every end of the service. Boundary: refuses while a daemon lives; touches only what is tagged
 * or written down as vipd's.
 */
import type { Command } from "commander";
import { addConfigOption, type CommonOptions, complain, EXIT, overridesOf, say } from "./common.js";

/**
 * After a crash the kernel goes on accepting for this long, so that clients who know this host's MAC are served until another
 * host has taken over (0.8 s with profile `lan`). The dead daemon's responder is silent all the while.
 */
const LINGER_MS = 1000;

export function addSweep(program: Command): void {
  const command = program
    .command("sweep")
    .summary("take back what a crashed daemon left here")
    .description(
      "Takes the VIPs of a daemon that died off lo, its marks off the kernel's neighbour entries, and puts the sysctls of strict ARP back. systemd does this after each crash (ExecStopPost=); a clean stop leaves nothing. Refuses while a daemon runs.",
    )
    .option("--json", "what was taken back, as JSON")
    .addHelpText("after", "\nExit codes: 0 done, 1 a daemon runs, or something could not be taken back.")
    .action(sweep);
  addConfigOption(command);
}

async function sweep(options: CommonOptions): Promise<void> {
  const { findSocket } = await import("../config/load.js");
  const { createRunDir } = await import("../adapters/run-dir.js");
  const { createStrictArp } = await import("../adapters/strict-arp.js");
  const { createAddressHolder } = await import("../adapters/address-holder.js");
  const { createNeighbours } = await import("../adapters/neighbours.js");
  const { sharedEngine } = await import("../adapters/native.js");
  const runDir = createRunDir({ socket: findSocket({ file: options.config, overrides: overridesOf(options) }) });
  try {
    await runDir.acquire();
  } catch (error) {
    return fail(error);
  }
  try {
    // systemd.exec(5), $SERVICE_RESULT: "success" after a clean stop, which has left nothing.
    const { SERVICE_RESULT: result = "success" } = process.env;
    if (result !== "success") await new Promise((resolve) => setTimeout(resolve, LINGER_MS));
    const addresses = await createAddressHolder().sweep();
    const restored = await createStrictArp({ mode: "manage", stateFile: runDir.file("strict-arp.json") }).restoreLeft();
    const unreleased = createNeighbours().release([]);
    if (options.json) say(JSON.stringify({ addresses, restored }));
    else for (const line of [...addresses.map((address) => `${address} taken off lo`), ...restored]) say(line);
    if (unreleased !== "")
      throw new Error(`${unreleased}: the kernel's neighbour entries of a crashed daemon stay marked`);
  } catch (error) {
    fail(error);
  } finally {
    sharedEngine().stop();
    await runDir.release();
  }
}

function fail(error: unknown): void {
  complain(`vipd sweep: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = EXIT.wrong;
}
