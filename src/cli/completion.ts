/**
 * `vipd completion SHELL`: a completion script for bash, zsh or fish, made from the commands themselves, so that it cannot lag
 * behind them. Boundary: text on stdout; the daemon is never asked while somebody presses Tab.
 */
import { Argument, type Command } from "commander";
import { say } from "./common.js";

interface Described {
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly { readonly flag: string; readonly description: string; readonly takesFile: boolean }[];
}

/** Commands and options as people see them: hidden ones (the keys of the configuration) stay hidden. */
export function describe(program: Command): readonly Described[] {
  const help = program.createHelp();
  return help.visibleCommands(program).map((command) => ({
    name: command.name(),
    summary: command.summary() || command.description(),
    flags: help.visibleOptions(command).flatMap((option) => {
      const flag = option.long ?? option.short;
      if (flag === undefined) return [];
      return [{ flag, description: option.description, takesFile: /<file>/i.test(option.flags) }];
    }),
  }));
}

function bash(commands: readonly Described[]): string {
  const cases = commands
    .filter((command) => command.flags.length > 0)
    .map((command) => `    ${command.name}) words="${command.flags.map((flag) => flag.flag).join(" ")}" ;;`);
  return `# bash completion for vipd
_vipd() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words=""
  case $previous in
    -c|--config) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
  esac
  if (( COMP_CWORD == 1 )); then
    words="${commands.map((command) => command.name).join(" ")} --help --version"
  else
    case \${COMP_WORDS[1]} in
${cases.join("\n")}
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _vipd vipd
`;
}

function zsh(commands: readonly Described[]): string {
  const list = commands.map((command) => `    '${command.name}:${quoted(command.summary)}'`);
  const cases = commands.map((command) => {
    const flags = command.flags.map(
      ({ flag, description, takesFile }) => `'${flag}[${bracketed(description)}]${takesFile ? ":file:_files" : ""}'`,
    );
    return `    ${command.name}) _arguments ${flags.join(" ")} ;;`;
  });
  return `#compdef vipd
_vipd() {
  local -a commands
  commands=(
${list.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join("\n")}
  esac
}
_vipd "$@"
`;
}

function fish(commands: readonly Described[]): string {
  const lines = ["# fish completion for vipd", "complete -c vipd -f"];
  for (const command of commands) {
    lines.push(`complete -c vipd -n __fish_use_subcommand -a ${command.name} -d '${fishQuoted(command.summary)}'`);
    for (const { flag, description, takesFile } of command.flags) {
      const file = takesFile ? " -r -F" : "";
      const when = `'__fish_seen_subcommand_from ${command.name}'`;
      lines.push(`complete -c vipd -n ${when} -l ${flag.slice(2)}${file} -d '${fishQuoted(description)}'`);
    }
  }
  return `${lines.join("\n")}\n`;
}

const quoted = (text: string): string => text.replace(/'/g, "'\\''").replace(/:/g, "\\:");
const bracketed = (text: string): string => quoted(text).replace(/[[\]]/g, "\\$&");
const fishQuoted = (text: string): string => text.replace(/['\\]/g, "\\$&");

const SHELLS: Readonly<Record<string, (commands: readonly Described[]) => string>> = { bash, zsh, fish };

export function completionFor(shell: string, program: Command): string {
  return SHELLS[shell]!(describe(program));
}

export function addCompletion(program: Command): void {
  program
    .command("completion")
    .summary("print a completion script for your shell")
    .description("Prints a completion script. The Debian package has installed them already.")
    .addArgument(new Argument("<shell>", "whose script").choices(Object.keys(SHELLS)))
    .action((shell: string) => say(completionFor(shell, program).trimEnd()));
}
