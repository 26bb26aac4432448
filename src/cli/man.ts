/**
 * `vipd man`: the manual pages in roff, from the same texts as --help and the JSON Schema: vipd(8), the commands; vipd.json(5),
 * the configuration. Boundary: text on stdout, at packaging time; hidden from --help, since man shows the result.
 */
import { Argument, type Command } from "commander";
import { leaves } from "../config/schema.js";
import { say } from "./common.js";
import { readVersion } from "./version.js";

/** A backslash, a leading dot or quote, and a hyphen mean something to roff. */
function roff(text: string): string {
  return text
    .replace(/\\/g, "\\e")
    .replace(/-/g, "\\-")
    .replace(/^([.'])/gm, "\\&$1")
    .replace(/…/g, "...")
    .replace(/[“”]/g, '"');
}

function head(name: string, section: number): string {
  const { version, build } = readVersion();
  const date = build?.date.slice(0, 10) ?? "";
  return `.TH ${name.toUpperCase()} ${section} "${date}" "vipd ${version}" "Virtual IPs"\n.nh\n.ad l`;
}

/** Lines that begin with blanks (examples, tables) stay as they are. */
function paragraphs(text: string): string {
  return text
    .trim()
    .split(/\n{2,}/)
    .map((block) => (/^ {2}/m.test(block) ? `.PP\n.nf\n${roff(block)}\n.fi` : `.PP\n${roff(block)}`))
    .join("\n");
}

/** What commander would print after the options: addHelpText("after") is heard as an event. */
function afterHelp(command: Command): string {
  let text = "";
  const write = (part: string): void => {
    text += part;
  };
  // A Command is an EventEmitter (commander's documentation, "Custom event listeners"), which its types leave out.
  (command as unknown as NodeJS.EventEmitter).emit("afterHelp", { error: false, command, write });
  return text;
}

function commandText(command: Command): string {
  const help = command.createHelp();
  const options = help
    .visibleOptions(command)
    .map((option) => `.TP\n.B ${roff(option.flags)}\n${roff(help.optionDescription(option) || option.flags)}`);
  const usage = `vipd ${command.name()} ${command.usage()}`;
  const description = command.description() || command.summary();
  return [`.SS "${roff(usage)}"`, paragraphs(description), ...options, paragraphs(afterHelp(command))].join("\n");
}

export function vipdPage(program: Command): string {
  const commands = program.createHelp().visibleCommands(program);
  return [
    head("vipd", 8),
    ".SH NAME\nvipd \\- virtual IPs for a group of hosts",
    ".SH SYNOPSIS\n.B vipd\n.I command\n[options]",
    `.SH DESCRIPTION\n${paragraphs(program.description())}`,
    ".SH COMMANDS",
    ...commands.filter((command) => command.name() !== "help").map(commandText),
    ".SH FILES\n.TP\n.I /etc/vipd/config.json\nthe configuration, see vipd.json(5)",
    ".TP\n.I /etc/vipd/gossip.key\nthe keys of the group, one a line; for root and the group vipd only",
    ".TP\n.I /run/vipd/vipd.sock\nthe control socket; members of the group vipd may use it",
    ".SH SEE ALSO\nvipd.json(5), systemctl(1), journalctl(1), arping(8), ndisc6(8)\n",
  ].join("\n");
}

export function configPage(): string {
  const keys = leaves().map((leaf) => {
    const { default: preset } = leaf.schema as { default?: unknown };
    const shown = preset === undefined ? "" : ` Default: ${JSON.stringify(preset)}.`;
    const variable = leaf.variable === null ? "" : ` Variable: ${leaf.variable}.`;
    return `.TP\n.B ${roff(leaf.path)}\n${roff(`${leaf.schema.description ?? ""}${shown}${variable}`.trim() || leaf.path)}`;
  });
  return [
    head("vipd.json", 5),
    ".SH NAME\nvipd.json \\- configuration of vipd",
    ".SH DESCRIPTION\nOne JSON object in \\fI/etc/vipd/config.json\\fR. Unknown keys are refused; \\fBvipd check\\fR names every",
    "problem with its place; \\fBvipd schema\\fR prints the JSON Schema. A key with a variable can also be set by it, or by a flag",
    "of its name (\\fB\\-\\-gossip.bind\\fR) for one call.",
    ".SH KEYS",
    ...keys,
    ".SH SEE ALSO\nvipd(8)\n",
  ].join("\n");
}

export function addMan(program: Command): void {
  program
    .command("man", { hidden: true })
    .summary("print a manual page in roff")
    .addArgument(new Argument("<page>").choices(["vipd.8", "vipd.json.5"]))
    .action((page: string) => say((page === "vipd.8" ? vipdPage(program) : configPage()).trimEnd()));
}
