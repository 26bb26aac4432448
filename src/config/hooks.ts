/**
 * The hooks: argument lists, and that nobody but root may write what would run. Purpose: a hook that anybody can change
 * would run as the daemon's user. Boundary: judges files through functions that are passed in; runs nothing.
 */
import * as path from "node:path";
import { joinPath } from "./json.js";
import { show } from "./shape.js";
import { HOOK_EVENTS, type HookEvent, type Hooks, type Problem } from "./types.js";

export interface FileFacts {
  readonly uid: number;
  readonly mode: number;
  readonly isFile: boolean;
}

export interface HookOutside {
  /** Follows links; throws an errno. */
  readonly realpath: (file: string) => string;
  readonly stat: (file: string) => FileFacts;
}

const TIMEOUT_MS = 10_000;
const STICKY = 0o1000;

export function readHooks(values: ReadonlyMap<string, unknown>, problems: Problem[]): Hooks {
  const hooks: Record<HookEvent, readonly (readonly string[])[]> = {
    owned: [],
    released: [],
    conflict: [],
    member: [],
  };
  for (const event of HOOK_EVENTS) {
    const at = `hooks.${event}`;
    const value = values.get(at);
    if (!Array.isArray(value)) continue;
    const nested = value.filter((one) => Array.isArray(one)).length;
    if (nested !== 0 && nested !== value.length) {
      problems.push({ path: at, message: "must be one argument list, or a list of argument lists; this is a mixture" });
      continue;
    }
    const commands = (nested === 0 ? [value] : value) as readonly (readonly string[])[];
    commands.forEach((command, i) => {
      const program = command[0]!;
      if (path.isAbsolute(program)) return;
      const here = nested === 0 ? joinPath(at, 0) : joinPath(joinPath(at, i), 0);
      problems.push({ path: here, message: `${show(program)} must be an absolute path` });
    });
    hooks[event] = commands;
  }
  const timeoutMs = values.get("hooks.timeoutMs");
  return { ...hooks, timeoutMs: typeof timeoutMs === "number" ? timeoutMs : TIMEOUT_MS };
}

/** Every program that could be changed by others than root, with what is wrong. */
export function judgeHookFiles(hooks: Hooks, outside: HookOutside): readonly Problem[] {
  const problems: Problem[] = [];
  for (const event of HOOK_EVENTS) {
    for (const command of hooks[event]) {
      const reason = whyNotSafe(command[0]!, outside);
      if (reason !== null) problems.push({ path: `hooks.${event}`, message: reason });
    }
  }
  return problems;
}

/** Why this program must not run as a hook, or null. The way to it counts, too: who may rename a directory may replace it. */
export function whyNotSafe(program: string, outside: HookOutside): string | null {
  let file: string;
  try {
    file = outside.realpath(program);
    const facts = outside.stat(file);
    if (!facts.isFile) return `${program} is not a file`;
    if ((facts.mode & 0o111) === 0) return `${program} is not executable: chmod 0755`;
    if (facts.uid !== 0) return `${program} belongs to user ${facts.uid}, who may write it: chown root`;
    if ((facts.mode & 0o022) !== 0)
      return `${program} may be written by others than root (mode ${octal(facts.mode)}): chmod 0755`;
    for (let at = path.dirname(file); ; at = path.dirname(at)) {
      const directory = outside.stat(at);
      // In a sticky directory nobody can replace what is root's.
      const open = (directory.mode & 0o022) !== 0 && (directory.mode & STICKY) === 0;
      if (directory.uid !== 0 || open) return `${program}: others than root may change the directory ${at}`;
      if (at === path.dirname(at)) return null;
    }
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code ?? String(error);
    return errno === "ENOENT" ? `${program}: no such file` : `${program}: ${errno}`;
  }
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
