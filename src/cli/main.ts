/**
 * The command line of vipd: finds the command, turns wrong usage into 64 with a hint, and an exit code into the process's.
 * Boundary: what a command does lies in its own file, and is imported when it runs.
 */
import { Command, CommanderError, Option } from "commander";
import { complain, EXIT, filled } from "./common.js";
import { readVersion } from "./version.js";

type Add = (program: Command) => void;

/** In the order of the help. */
const COMMANDS: Readonly<Record<string, () => Promise<Add>>> = {
  init: async () => (await import("./init.js")).addInit,
  run: async () => (await import("./run.js")).addRun,
  check: async () => (await import("./check.js")).addCheck,
  doctor: async () => (await import("./doctor.js")).addDoctor,
  status: async () => (await import("./status.js")).addStatus,
  members: async () => (await import("./status.js")).addMembers,
  vips: async () => (await import("./status.js")).addVips,
  events: async () => (await import("./events.js")).addEvents,
  explain: async () => (await import("./explain.js")).addExplain,
  verify: async () => (await import("./verify.js")).addVerify,
  drain: async () => (await import("./drain.js")).addDrain,
  resume: async () => (await import("./drain.js")).addResume,
  reload: async () => (await import("./reload.js")).addReload,
  rebalance: async () => (await import("./move.js")).addRebalance,
  move: async () => (await import("./move.js")).addMove,
  freeze: async () => (await import("./freeze.js")).addFreeze,
  thaw: async () => (await import("./freeze.js")).addThaw,
  sweep: async () => (await import("./sweep.js")).addSweep,
  keygen: async () => (await import("./keygen.js")).addKeygen,
  schema: async () => (await import("./schema.js")).addSchema,
  completion: async () => (await import("./completion.js")).addCompletion,
  man: async () => (await import("./man.js")).addMan,
  version: async () => (await import("./version.js")).addVersion,
};

/** These tell of all the others. */
const NEEDS_ALL: ReadonlySet<string> = new Set(["completion", "man"]);

/** What stands after the options is filled to the terminal's width, as commander fills all before. */
class FilledCommand extends Command {
  override createCommand(name?: string): Command {
    return new FilledCommand(name);
  }

  override addHelpText(position: Parameters<Command["addHelpText"]>[0], text: unknown): this {
    return super.addHelpText(
      position,
      () => `\n${filled(String(text).replace(/^\n+|\s+$/g, ""), process.stdout.columns || 80)}`,
    );
  }
}

/** With the wanted command alone, where there is such a one. Commands set process.exitCode. */
async function buildProgram(wanted: string | undefined): Promise<Command> {
  const program = new FilledCommand("vipd")
    .description(
      "Virtual IPs for a group of bare-metal Linux hosts: each VIP is answered for by exactly one of them, and by another one within a second when that host dies.",
    )
    .version(readVersion().version, "-V, --version", "print the version")
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "vipd: ")) })
    .showSuggestionAfterError(true)
    .showHelpAfterError("(vipd --help tells what there is)")
    .addHelpText(
      "after",
      `
First steps
  vipd init                 a first configuration and a key for each host
  vipd schema               what may stand in /etc/vipd/config.json
  vipd check                is my configuration right?
  vipd doctor               is anything wrong on this host, or around it?
  vipd run                  the daemon (systemd does this: systemctl start vipd)
  vipd status               who owns which VIP, and why
  vipd explain 10.0.0.100   who could own it, and what if a host died
  vipd events --follow      what happens here, and why
  vipd verify 10.0.0.100    ask the wire who answers
  vipd drain --wait         before a reboot: give this host's VIPs away

Exit codes: 0 well, 2 configuration refused, 64 wrong usage; others with each command's --help.`,
    );
  // The rest would have to be evaluated first; whoever asks for help, or for what is no command, gets to know them all.
  const alone = wanted !== undefined && Object.hasOwn(COMMANDS, wanted) && !NEEDS_ALL.has(wanted);
  for (const name of alone ? [wanted] : Object.keys(COMMANDS)) (await COMMANDS[name]!())(program);
  for (const command of [program, ...program.commands]) command.exitOverride();
  // Taken everywhere, also where no file is read: whoever types it always need not know where it counts.
  for (const command of program.commands) {
    if (NEEDS_ALL.has(command.name()) || command.options.some(({ long }) => long === "--config")) continue;
    command.addOption(new Option("-c, --config <file>").hideHelp());
  }
  return program;
}

/** `vipd status | head` closes our output early: that is no mistake. */
function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
    throw error;
  });
}

async function main(): Promise<void> {
  const wanted = process.argv[2];
  // To open standard output takes loading; the daemon writes to it in its own way.
  if (wanted !== "run") endWithReader();
  const program = await buildProgram(wanted);
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

void main();
