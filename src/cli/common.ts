/**
 * What commands share: exit codes, the options that every command has, problems on stderr, colours on a terminal only.
 * Boundary: no command; imports nothing heavy, since `vipd version` must be quick.
 */
import { type Command, Option } from "commander";
import { leaves } from "../config/schema.js";
import type { Loaded, Problem } from "../config/types.js";

export const EXIT = {
  ok: 0,
  /** Something is wrong with the VIPs (`status`), or a warning (`verify`). */
  wrong: 1,
  /** The configuration was refused. */
  config: 2,
  /** The daemon cannot be reached (`status`), or unknown (`verify`). */
  unreachable: 3,
  /** sysexits.h EX_USAGE. */
  usage: 64,
} as const;

export const DEFAULT_CONFIG_FILE = "/etc/vipd/config.json";

export interface CommonOptions {
  readonly config: string;
  readonly json?: boolean;
  readonly [flag: string]: unknown;
}

/** Paragraphs filled to the width; those that begin with blanks (examples, tables) stay as they are. */
export function filled(text: string, width: number): string {
  return text
    .split(/\n{2,}/)
    .map((block) => (/^ {2}/m.test(block) ? block : fill(block, width)))
    .join("\n\n");
}

function fill(block: string, width: number): string {
  const lines: string[] = [];
  for (const word of block.trim().split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}

/** A flag that may be given again, each time for one value more; `ifNone` is how help names the default, an empty list. */
export function repeatable(flags: string, description: string, ifNone: string): Option {
  const collect = (value: string, before: readonly string[]): string[] => [...before, value];
  return new Option(flags, description).argParser(collect).default([], ifNone);
}

export function addConfigOption(command: Command): Command {
  const option = new Option("-c, --config <file>", "configuration file")
    .env("VIPD_CONFIG")
    .default(DEFAULT_CONFIG_FILE);
  return command.addOption(option);
}

/** `--gossip.bind <value>` and so on. Hidden from the list, told in one paragraph: they are the keys of the configuration. */
export function addOverrides(command: Command): Command {
  for (const leaf of leaves()) {
    if (leaf.variable === null) continue;
    command.addOption(new Option(`--${leaf.path} <value>`, leaf.schema.description ?? "").hideHelp());
  }
  return command.addHelpText(
    "after",
    "\nA key of the configuration can be set for one call: --gossip.bind 10.0.0.1:7979, or\nVIPD_GOSSIP_BIND=10.0.0.1:7979. `vipd schema` lists the keys.",
  );
}

export function overridesOf(options: CommonOptions): Record<string, string> {
  const overrides: Record<string, string> = {};
  for (const leaf of leaves()) {
    const value = options[leaf.path];
    if (leaf.variable !== null && typeof value === "string") overrides[leaf.path] = value;
  }
  return overrides;
}

/** As rtnetlink lists them: os.networkInterfaces() leaves those without addresses out, and knows no masters. */
export async function load(
  options: CommonOptions,
  pending: "problem" | "warning",
  more: { readonly oddities?: boolean } = {},
): Promise<Loaded> {
  const { loadConfig } = await import("../config/load.js");
  const { hostInterfaces } = await import("../adapters/native.js");
  return loadConfig({
    file: options.config,
    overrides: overridesOf(options),
    host: hostInterfaces(),
    pending,
    ...more,
  });
}

export function printProblems(loaded: Loaded, file: string): void {
  for (const warning of loaded.warnings)
    complain(`${paint("yellow", "warning", process.stderr)}: ${formatted(warning, file)}`);
  if (loaded.ok) return;
  for (const problem of loaded.problems)
    complain(`${paint("red", "error", process.stderr)}: ${formatted(problem, file)}`);
  const count = loaded.problems.length;
  complain(`${file}: refused, ${count} ${count === 1 ? "problem" : "problems"}`);
}

/** `FILE:LINE:COLUMN: path: message`, which editors and terminals take for a link. */
function formatted(problem: Problem, file: string): string {
  if (problem.path === "") return problem.message;
  const place = problem.line === undefined ? "" : `${file}:${problem.line}:${problem.column}: `;
  return printable(`${place}${problem.path}: ${problem.message}`);
}

/** Names and texts come from files and from the network: none of their control characters reaches the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}

/** Local time, since the reader's watch has it: `2026-11-21 21:50:34.682`. */
export function localTime(at: Date): string {
  const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 23).replace("T", " ");
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}

const COLOURS = { red: 31, green: 32, yellow: 33, grey: 90, bold: 1 } as const;

/** https://no-color.org: set and not empty means no colour. */
export function paint(
  colour: keyof typeof COLOURS,
  text: string,
  stream: { isTTY?: boolean } = process.stdout,
): string {
  const plain = !stream.isTTY || Boolean(process.env.NO_COLOR) || process.env.TERM === "dumb";
  return plain ? text : `\u001b[${COLOURS[colour]}m${text}\u001b[0m`;
}
