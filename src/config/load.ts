/**
 * Loads the configuration: file, variables and flags in, a Config or every problem out, each with its path.
 * Boundary: reads files (bounded) and nothing else; starts nothing, throws for nothing that an operator can do wrong.
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { type HookOutside, judgeHookFiles } from "./hooks.js";
import { type HostInterface, judgeHost } from "./host.js";
import { type Places, parseJson } from "./json.js";
import { checkKeyFile, errnoOf, errorText, type FileStat, type Outside } from "./key-file.js";
import { readKeyRing } from "./keyring.js";
import { layer } from "./layers.js";
import { findOddities } from "./oddities.js";
import { makeConfig } from "./semantics.js";
import { show } from "./shape.js";
import type { Config, Loaded, Problem } from "./types.js";
import { readVips } from "./vips.js";

export const FILE_BYTES_MAX = 4 * 1024 * 1024;
export const DEFAULT_CONFIG_FILE = "/etc/vipd/config.json";
export const DEFAULT_SOCKET = "/run/vipd/vipd.sock";
/** A file can be wrong in 16 384 places; nobody reads on after this many. */
const PROBLEMS_MAX = 200;

export interface LoadOptions {
  readonly file: string;
  /** Default: process.env. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** `gossip.bind` -> text, from `--gossip.bind`. */
  readonly overrides?: Readonly<Record<string, string>>;
  /** Default: the machine's. */
  readonly hostname?: string;
  /** This host's interfaces. Without them nothing is held against the host. */
  readonly host?: readonly HostInterface[];
  /** What is not there yet, such as an interface: `check` refuses it (the default), `run` and reload wait for it. */
  readonly pending?: "problem" | "warning";
  /** Warn of what is legal and odd as well: `check` does. A daemon that runs so on purpose need not say so each time. */
  readonly oddities?: boolean;
  readonly readFile?: Outside["readFile"];
  readonly stat?: Outside["stat"];
  readonly hookFiles?: HookOutside;
  /** Groups that the daemon may run with. Default: ours, and the group `vipd` where there is one. */
  readonly daemonGids?: readonly number[];
}

export function loadConfig(options: LoadOptions): Loaded {
  const outside = {
    readFile: options.readFile ?? readBounded,
    stat: options.stat ?? statFile,
    hookFiles: options.hookFiles ?? HOOK_FILES,
  };
  const read = readRaw(options.file, outside);
  if (!read.ok) {
    const { message, at } = read;
    return { ok: false, problems: [{ path: "", message, ...at }], warnings: [] };
  }
  const layers = layer({ raw: read.value, env: options.env ?? process.env, overrides: options.overrides ?? {} });
  const hasVips = layers.values.has("vips");
  const vips = readVips(hasVips ? layers.values.get("vips") : [{}]);
  const made = makeConfig({ values: layers.values, vips, hostname: options.hostname ?? os.hostname() });
  const config = {
    ...made.config,
    gossip: { ...made.config.gossip, keyFile: resolveBeside(options.file, made.config.gossip.keyFile) },
  };

  const missing = {
    path: "vips",
    message:
      'is missing: name at least one group, such as { "name": "web", "addresses": ["10.0.0.100"], "interface": "eth0" }',
  };
  const problems: Problem[] = [
    ...read.duplicates,
    ...layers.problems,
    ...(hasVips ? vips.problems : [missing]),
    ...made.problems,
  ];
  const warnings: Problem[] = [...layers.warnings, ...made.warnings];
  if (options.host !== undefined) {
    const { gossip, status } = made.config;
    const listeners = { "gossip.bind": gossip.bind.host, "status.listen": status.listen.host };
    const found = judgeHost(vips.groups, { host: options.host, paths: vips.paths, listeners });
    // What is wrong by itself need not fit this host as well.
    const known = new Set(problems.map(({ path }) => path));
    problems.push(...found.problems.filter(({ path }) => !known.has(path)));
    warnings.push(...found.warnings);
    (options.pending === "warning" ? warnings : problems).push(...found.pending);
  }
  if (config.gossip.keyFile !== null && !config.gossip.insecure) {
    const daemonGids = options.daemonGids ?? likelyGids(outside);
    const key = checkKeyFile(config.gossip.keyFile, { outside, daemonGids });
    problems.push(...key.problems);
    warnings.push(...key.warnings);
  }
  problems.push(...judgeHookFiles(config.hooks, outside.hookFiles));
  if (options.oddities === true && problems.length === 0)
    warnings.push(...findOddities(config, { host: options.host ?? [], files: outside.hookFiles }));
  const located = (found: readonly Problem[]) =>
    bounded(found).map((one) => (layers.outside.has(one.path) ? one : locate(one, read.places)));
  if (problems.length > 0) return { ok: false, problems: located(problems), warnings: located(warnings) };
  return { ok: true, config, warnings: located(warnings) };
}

function locate(problem: Problem, places: Places): Problem {
  if (problem.path === "" || problem.line !== undefined) return problem;
  const isKey = problem.message.startsWith("unknown key");
  const place = places.find(problem.path, isKey ? "key" : "value");
  if (place === null) return problem;
  const { line, column, value } = place;
  return { ...problem, line, column, ...(value === "" ? {} : { value }) };
}

/** Where the daemon's socket is, also with a configuration that is refused: it may be running on an older one. */
export function findSocket(options: Pick<LoadOptions, "file" | "env" | "overrides">): string {
  const read = readRaw(options.file, { readFile: readBounded, stat: statFile });
  const { values } = layer({
    raw: read.ok ? read.value : null,
    env: options.env ?? process.env,
    overrides: options.overrides ?? {},
  });
  return (values.get("status.socket") as string | undefined) ?? DEFAULT_SOCKET;
}

/** The key ring of a configuration that was loaded; null: plain text. Throws with file and reason if it went bad since. */
export function loadKeys(config: Config): readonly Uint8Array[] | null {
  const file = config.gossip.keyFile;
  if (file === null) return null;
  const ring = readKeyRing(new TextDecoder().decode(readBounded(file, FILE_BYTES_MAX)));
  if (!ring.ok) throw new Error(`${file}: ${ring.problems.join("; ")}`);
  return ring.keys;
}

/** `vips[1].addresses[0]: "10.0.0.300" is not …`, or the message alone where the whole file is meant. */
export function formatProblem(problem: Problem): string {
  return problem.path === "" ? problem.message : `${problem.path}: ${problem.message}`;
}

type Raw =
  | { readonly ok: true; readonly value: unknown; readonly duplicates: readonly Problem[]; readonly places: Places }
  | { readonly ok: false; readonly message: string; readonly at?: { readonly line: number; readonly column: number } };

function readRaw(file: string, outside: Outside): Raw {
  const fail = (message: string, at?: { line: number; column: number }): Raw => ({
    ok: false,
    message: `${file}: ${message}`,
    ...(at === undefined ? {} : { at }),
  });
  const tooLarge = `larger than ${FILE_BYTES_MAX / 1024 / 1024} MiB: that is no configuration`;
  let bytes: Uint8Array;
  try {
    const stat = outside.stat(file);
    if (stat.isDirectory) return fail("is a directory; name the file in it");
    if (stat.size > FILE_BYTES_MAX) return fail(tooLarge);
    bytes = outside.readFile(file, FILE_BYTES_MAX);
  } catch (error) {
    return fail(errorText(error) + (errnoOf(error) === "ENOENT" ? "; `vipd init` writes a first one" : ""));
  }
  if (bytes.length > FILE_BYTES_MAX) return fail(tooLarge);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return fail("is not UTF-8 text");
  }
  const parsed = parseJson(text);
  if (!parsed.ok) return fail(parsed.message, { line: parsed.line, column: parsed.column });
  if (typeof parsed.value !== "object" || parsed.value === null || Array.isArray(parsed.value)) {
    return fail(`must hold one object { … }, holds ${show(parsed.value)}`);
  }
  return parsed;
}

function resolveBeside(file: string, keyFile: string | null): string | null {
  return keyFile === null ? null : path.resolve(path.dirname(file), keyFile);
}

function bounded(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length <= PROBLEMS_MAX) return problems;
  const rest = problems.length - PROBLEMS_MAX;
  return [...problems.slice(0, PROBLEMS_MAX), { path: "", message: `… and ${rest} more` }];
}

function readBounded(file: string, bytesMax: number): Uint8Array {
  const fd = fs.openSync(file, "r");
  try {
    const parts: Buffer[] = [];
    for (let length = 0; length <= bytesMax; ) {
      const part = Buffer.alloc(Math.min(64 * 1024, bytesMax + 1 - length));
      const count = fs.readSync(fd, part);
      if (count === 0) break;
      parts.push(part.subarray(0, count));
      length += count;
    }
    return Buffer.concat(parts);
  } finally {
    fs.closeSync(fd);
  }
}

/** Links are followed by `realpath`, step by step, so that each directory on the way is judged. */
export const HOOK_FILES: HookOutside = {
  realpath: (file) => fs.realpathSync(file),
  stat: (file) => {
    const stat = fs.lstatSync(file);
    return { uid: stat.uid, mode: stat.mode, isFile: stat.isFile() };
  },
};

function statFile(file: string): FileStat {
  const stat = fs.statSync(file);
  return { mode: stat.mode, gid: stat.gid, size: stat.size, isDirectory: stat.isDirectory() };
}

/** `check` runs as root, the daemon as group vipd: both may read the key. */
function likelyGids(outside: Outside): readonly number[] {
  const gids = [process.getegid?.() ?? 0];
  try {
    const group = /^vipd:[^:]*:(\d+):/m.exec(new TextDecoder().decode(outside.readFile("/etc/group", FILE_BYTES_MAX)));
    if (group !== null) gids.push(Number(group[1]));
  } catch {
    // No group file (a bare container): our own group is all we know.
  }
  return gids;
}
