/**
 * The key file of a configuration: it is there, it can be read, holds keys, and is nobody else's to read.
 * Boundary: outside is asked through the functions passed in; never puts a key into a message.
 */
import { readKeyRing } from "./keyring.js";
import type { Problem } from "./types.js";

export interface FileStat {
  readonly mode: number;
  readonly gid: number;
  readonly size: number;
  readonly isDirectory: boolean;
}

export interface Outside {
  /** At most `bytesMax` + 1 bytes of the file; throws a NodeJS.ErrnoException. */
  readFile(file: string, bytesMax: number): Uint8Array;
  stat(file: string): FileStat;
}

const KEY_FILE_BYTES_MAX = 64 * 1024;

export function checkKeyFile(
  file: string,
  options: { outside: Outside; daemonGids: readonly number[] },
): { problems: readonly Problem[]; warnings: readonly Problem[] } {
  const path = "gossip.keyFile";
  const fail = (...messages: string[]) => ({ problems: messages.map((message) => ({ path, message })), warnings: [] });
  let stat: FileStat;
  let bytes: Uint8Array;
  try {
    stat = options.outside.stat(file);
    if (stat.isDirectory) return fail(`${file} is a directory`);
    bytes = options.outside.readFile(file, KEY_FILE_BYTES_MAX);
  } catch (error) {
    const hint =
      errnoOf(error) === "ENOENT"
        ? `; make one with \`(umask 027; vipd keygen > ${file})\`, and copy it to every host`
        : "";
    return fail(`${file}: ${errorText(error)}${hint}`);
  }
  if (bytes.length > KEY_FILE_BYTES_MAX)
    return fail(`${file} is larger than ${KEY_FILE_BYTES_MAX} bytes: that is no key file`);
  const ring = readKeyRing(new TextDecoder().decode(bytes));
  if (!ring.ok) return fail(...ring.problems.map((problem) => `${file}: ${problem}`));
  const message = exposure(stat, options.daemonGids);
  return { problems: [], warnings: message === null ? [] : [{ path, message: `${file} ${message}` }] };
}

function exposure(stat: FileStat, daemonGids: readonly number[]): string | null {
  const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
  if ((stat.mode & 0o007) !== 0) return `can be read by everyone (mode ${mode}); say \`chmod 0640\` or less`;
  if ((stat.mode & 0o070) !== 0 && !daemonGids.includes(stat.gid)) {
    return `can be read by group ${stat.gid}, which is not the daemon's (mode ${mode}); say \`chmod 0600\``;
  }
  return null;
}

export function errnoOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | null)?.code ?? "";
}

const ERRNO_TEXT: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EISDIR: "is a directory",
  ENOTDIR: "a part of its path is not a directory",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "the name is too long",
};

export function errorText(error: unknown): string {
  const errno = errnoOf(error);
  return ERRNO_TEXT[errno] ?? (errno || (error instanceof Error ? error.message : String(error)));
}
