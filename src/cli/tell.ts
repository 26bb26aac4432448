/**
 * What the commands that tell the daemon something share: the call, its answer as text or JSON, the exit code.
 * Boundary: no command; the daemon judges what may be done, and says the way out where it may not.
 */
import type { Command } from "commander";
import {
  addConfigOption,
  addOverrides,
  type CommonOptions,
  complain,
  EXIT,
  overridesOf,
  printable,
  say,
} from "./common.js";
import { type CommandAnswer, tellDaemon } from "./daemon-client.js";

const ANSWER_MS = 15_000;

export const TELL_EXIT_CODES =
  "Exit codes: 0 done; 1 refused, with the reason; 3 the daemon cannot be reached; 64 wrong usage.";

/** A command that is one call: name, what it says in the help, and what it sends. */
export function addTeller(
  program: Command,
  about: { readonly name: string; readonly summary: string; readonly description: string; readonly exitCodes?: string },
): Command {
  const command = program
    .command(about.name)
    .summary(about.summary)
    .description(about.description)
    .option("--json", "the daemon's answer as JSON")
    .addHelpText("after", `\n${about.exitCodes ?? TELL_EXIT_CODES}`);
  return addOverrides(addConfigOption(command));
}

/** `isDone`: answers that are no refusal, and still not what was wanted. */
export async function tell(
  name: string,
  options: CommonOptions,
  call: { readonly body?: object; readonly waitMs?: number; readonly isDone?: (answer: CommandAnswer) => boolean } = {},
): Promise<void> {
  const { findSocket } = await import("../config/load.js");
  const socket = findSocket({ file: options.config, overrides: overridesOf(options) });
  const told = await tellDaemon(socket, `/${name}`, call.body ?? {}, ANSWER_MS + (call.waitMs ?? 0));
  if (!told.reached) {
    if (options.json) say(JSON.stringify({ ok: false, error: told.reason }, null, 2));
    else complain(`vipd ${name}: ${told.reason}`);
    process.exitCode = EXIT.unreachable;
    return;
  }
  const { answer } = told;
  const done = answer.ok && (call.isDone?.(answer) ?? true);
  process.exitCode = done ? EXIT.ok : EXIT.wrong;
  if (options.json) return say(JSON.stringify(answer, null, 2));
  for (const problem of answer.problems ?? []) complain(`error: ${problem}`);
  const text = printable(answer.text ?? answer.error ?? "done");
  if (done) say(text);
  else complain(`vipd ${name}: ${text}`);
}
