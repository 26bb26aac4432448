/**
 * `vipd status`, `members` and `vips`: members, VIPs, owners, heirs and reasons, as the daemon of this host sees them. Boundary: reads
 * only; `--watch` redraws in place and leaves the last picture on the screen.
 */
import type { Command } from "commander";
import type { StatusSnapshot } from "../ports.js";
import {
  addConfigOption,
  addOverrides,
  type CommonOptions,
  complain,
  EXIT,
  localTime,
  overridesOf,
  say,
} from "./common.js";
import { askStatus } from "./daemon-client.js";
import { membersText, statusText, vipsText } from "./status-text.js";

const EXIT_CODES =
  "\nExit codes: 0 well; 1 a VIP has no owner or is in conflict, or there is an alarm; 3 the daemon cannot be reached.";
const WATCH_MS = 1000;

export function addStatus(program: Command): void {
  const command = program
    .command("status")
    .summary("show members, VIPs and their owners")
    .description("Shows members, VIPs, owners and heirs as the daemon of this host sees them.")
    .option("--json", "the daemon's /status as JSON")
    .option("-w, --watch", "redraw in place, once a second, until Ctrl-C")
    .addHelpText("after", EXIT_CODES)
    .action((options: CommonOptions) => (options.watch ? watch(options) : show(options, "status", statusText)));
  addOverrides(addConfigOption(command));
}

export function addMembers(program: Command): void {
  addPart(program, { name: "members", summary: "show the members of the group", text: membersText });
}

export function addVips(program: Command): void {
  addPart(program, { name: "vips", summary: "show the VIPs with owner and heir", text: vipsText });
}

function addPart(
  program: Command,
  about: { name: "members" | "vips"; summary: string; text: (status: StatusSnapshot) => string },
): void {
  const command = program
    .command(about.name)
    .summary(about.summary)
    .description("A part of `vipd status`.")
    .option("--json", "as JSON")
    .addHelpText("after", EXIT_CODES)
    .action((options: CommonOptions) => show(options, about.name, about.text));
  addOverrides(addConfigOption(command));
}

async function ask(options: CommonOptions): ReturnType<typeof askStatus> {
  const { findSocket } = await import("../config/load.js");
  return askStatus(findSocket({ file: options.config, overrides: overridesOf(options) }));
}

async function show(
  options: CommonOptions,
  part: "status" | "members" | "vips",
  text: (status: StatusSnapshot) => string,
): Promise<void> {
  const asked = await ask(options);
  if (!asked.ok) {
    complain(`vipd ${part}: ${asked.reason}`);
    process.exitCode = EXIT.unreachable;
    return;
  }
  const json = () => (part === "status" ? asked.body.trimEnd() : JSON.stringify(asked.status[part], null, 2));
  say(options.json ? json() : text(asked.status));
  process.exitCode = isWell(asked.status) ? EXIT.ok : EXIT.wrong;
}

/** A daemon that is away is shown as such and asked again: whoever watches a restart wants to see it come back. */
async function watch(options: CommonOptions): Promise<void> {
  const { stdout } = process;
  if (!stdout.isTTY || options.json) {
    complain("vipd status: --watch draws on a terminal, and not with --json");
    process.exitCode = EXIT.usage;
    return;
  }
  const { frame } = await import("./redraw.js");
  let wake = (): void => {};
  let going = true;
  const end = (): void => {
    going = false;
    wake();
  };
  // More than once: `sudo` and `timeout` pass on what the terminal has sent already, and the cursor must come back.
  process.on("SIGINT", end).on("SIGTERM", end);
  stdout.on("resize", () => wake());
  let rows = 0;
  stdout.write("\u001b[?25l");
  try {
    while (going) {
      const asked = await ask(options);
      const text = asked.ok ? statusText(asked.status) : `vipd status: ${asked.reason}`;
      process.exitCode = asked.ok ? (isWell(asked.status) ? EXIT.ok : EXIT.wrong) : EXIT.unreachable;
      const drawn = frame(`${text}\n\n${localTime(new Date()).slice(11, 19)}  Ctrl-C ends`, {
        // A serial console says that it is of no size.
        columns: stdout.columns || 80,
        rows: stdout.rows || 24,
        before: rows,
      });
      rows = drawn.rows;
      stdout.write(drawn.output);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, WATCH_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (!going) wake();
      });
    }
  } finally {
    stdout.write("\u001b[?25h\n");
  }
}

function isWell(snapshot: StatusSnapshot): boolean {
  return snapshot.alarms.length === 0 && snapshot.vips.every((vip) => vip.owner !== null && vip.state !== "conflict");
}
