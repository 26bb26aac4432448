#!/usr/bin/env -S node --single-threaded-gc
/**
 * The command line of vipd: finds the command, turns wrong usage into 64 with a hint, and an exit code into the process's.
 * Boundary: what a command does lies in its own file, and is imported when it runs.
 */
import { Command, CommanderError } from "commander";
import { addCheck } from "./check.js";
import { complain, EXIT } from "./common.js";
import { addCompletion } from "./completion.js";
import { addDoctor } from "./doctor.js";
import { addDrain, addResume } from "./drain.js";
import { addEvents } from "./events.js";
import { addExplain } from "./explain.js";
import { addFreeze, addThaw } from "./freeze.js";
import { addInit } from "./init.js";
import { addKeygen } from "./keygen.js";
import { addMan } from "./man.js";
import { addMove, addRebalance } from "./move.js";
import { addReload } from "./reload.js";
import { addRun } from "./run.js";
import { addSchema } from "./schema.js";
import { addMembers, addStatus, addVips } from "./status.js";
import { addSweep } from "./sweep.js";
import { addVerify } from "./verify.js";
import { addVersion, readVersion } from "./version.js";

/** Commands set process.exitCode. */
function buildProgram(): Command {
  const program = new Command("vipd")
    .description(
      "Virtual IPs for a group of bare-metal Linux hosts: each VIP is answered for by exactly one of them, and by another one within a second when that host dies.",
    )
    .version(readVersion().version, "-V, --version", "print the version")
    .showSuggestionAfterError(true)
    .showHelpAfterError("(vipd --help tells what there is)")
    .addHelpText(
      "after",
      `
First steps
  vipd init                            a first configuration and a key, for each host of a new group
  vipd schema                          what may stand in /etc/vipd/config.json
  vipd check                           is my configuration right?
  vipd doctor                          is anything wrong on this host, or with its neighbours?
  vipd run                             the daemon (systemd does this: systemctl start vipd)
  vipd status                          who owns which VIP, and why
  vipd explain 10.0.0.100              who could own it, and what if a host died
  vipd events --follow                 what happens here, and why
  vipd verify 10.0.0.100               ask the wire who answers
  vipd drain --wait                    before a reboot: give this host's VIPs away

Exit codes: 0 well, 2 configuration refused, 64 wrong usage; others with each command's --help.`,
    );
  const working = [addDrain, addResume, addReload, addRebalance, addMove, addFreeze, addThaw];
  for (const add of [
    addInit,
    addRun,
    addCheck,
    addDoctor,
    addStatus,
    addMembers,
    addVips,
    addEvents,
    addExplain,
    addVerify,
    ...working,
    addSweep,
    addKeygen,
    addSchema,
  ])
    add(program);
  for (const add of [addCompletion, addMan, addVersion]) add(program);
  for (const command of [program, ...program.commands]) command.exitOverride();
  return program;
}

async function main(): Promise<void> {
  // `vipd status | head` closes our output early: that is no mistake.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
    throw error;
  });
  const program = buildProgram();
  if (process.argv.length <= 2) {
    program.outputHelp({ error: true });
    process.exitCode = EXIT.usage;
    return;
  }
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
      return;
    }
    complain(`vipd: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = EXIT.wrong;
  }
}

await main();
