/**
 * The run-time directory beside the status socket: one daemon a socket. Purpose: a lock that a second daemon meets and that
 * a crashed one does not leave behind, and the removal of a dead daemon's socket. Boundary: files; the lock names a process
 * by pid, start time and boot, so that a pid that was used again is not taken for its holder. Before the start and after the
 * stop nobody waits for this process: what is done then is done synchronously, in a tenth of the time.
 */
import { randomBytes } from "node:crypto";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";

export interface RunDir {
  readonly path: string;
  /** Where a file of run-time state lies. */
  file(name: string): string;
  /** Makes the directory, takes the lock, removes a dead daemon's socket. Rejects with one line if another vipd lives. */
  acquire(): Promise<void>;
  /** Gives the lock back. The directory stays: systemd made it, or another daemon's files are in it. */
  release(): Promise<void>;
}

/** The longest path that fits sockaddr_un. */
const SOCKET_PATH_BYTES_MAX = 107;

export function createRunDir(options: { readonly socket: string }): RunDir {
  const directory = dirname(options.socket);
  const lockFile = `${options.socket}.lock`;
  let holding = false;

  return {
    path: directory,
    file: (name) => join(directory, name),
    async acquire() {
      if (Buffer.byteLength(options.socket) > SOCKET_PATH_BYTES_MAX) {
        throw new Error(
          `status.socket ${options.socket}: longer than the ${SOCKET_PATH_BYTES_MAX} bytes of a socket's path`,
        );
      }
      try {
        makeDirectory(directory);
        takeLock(lockFile, options.socket);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === undefined) throw error;
        const remedy = code === "ENOSPC" ? "its file system is full" : "make it, and let vipd write it";
        throw new Error(`status.socket ${options.socket}: cannot use ${directory} (${code}): ${remedy}`);
      }
      holding = true;
      try {
        await removeDeadSocket(options.socket);
      } catch (error) {
        await this.release();
        throw error;
      }
    },
    async release() {
      if (!holding) return;
      holding = false;
      rmSync(lockFile, { force: true });
    },
  };
}

/** Not mkdir's `recursive`: Node 20 loops for ever where a directory can have no children, as in /proc. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o755 });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || existsSync(dirname(path))) throw error;
    makeDirectory(dirname(path));
    mkdirSync(path, { mode: 0o755 });
  }
}

const TAKE_ATTEMPTS_MAX = 5;

/** link(2) is the O_EXCL here: unlike open(2) it makes a file that is complete at once. */
function takeLock(lockFile: string, socket: string): void {
  const own = `${lockFile}.${process.pid}.${randomBytes(4).toString("hex")}`;
  writeFileSync(own, `${JSON.stringify(identity(process.pid))}\n`, { mode: 0o644, flag: "wx" });
  try {
    for (let attempt = 0; attempt < TAKE_ATTEMPTS_MAX; attempt++) {
      try {
        linkSync(own, lockFile);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const holder = livingHolder(lockFile);
      if (holder !== null) throw new Error(`another vipd (pid ${holder}) runs with this socket: ${socket}`);
      removeDeadLock(lockFile, `${own}.dead`);
    }
    throw new Error(`another vipd is starting with this socket: ${socket}`);
  } finally {
    unlinkSync(own);
  }
}

/** Two starters may find the same dead lock: what was moved aside is looked at once more, and put back if it lives. */
function removeDeadLock(lockFile: string, aside: string): void {
  try {
    renameSync(lockFile, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if (livingHolder(aside) !== null) {
    try {
      linkSync(aside, lockFile);
    } catch {
      // A third one has it by now.
    }
  }
  rmSync(aside, { force: true });
}

interface Identity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks since the boot. */
  readonly startTime: string;
  readonly boot: string;
}

function identity(pid: number): Identity | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the program's name in brackets, and may itself hold spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return null;
    return { pid, startTime: fields[19] ?? "", boot: readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim() };
  } catch {
    // ENOENT and ESRCH: no such process.
    return null;
  }
}

/** The pid of the process that holds this lock, or null if that one is dead or the file says nothing sensible. */
function livingHolder(lockFile: string): number | null {
  let written: Partial<Identity> | null;
  try {
    written = JSON.parse(readFileSync(lockFile, "utf8")) as Partial<Identity> | null;
  } catch {
    return null;
  }
  if (typeof written !== "object" || written === null || !Number.isSafeInteger(written.pid)) return null;
  const living = identity(written.pid!);
  return living !== null && living.startTime === written.startTime && living.boot === written.boot ? living.pid : null;
}

/** The lock sees only this PID namespace; a socket that is listened on tells of a daemon in another one. */
async function removeDeadSocket(socket: string): Promise<void> {
  const stat: Stats | undefined = lstatSync(socket, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket())
    throw new Error(`status.socket ${socket}: exists and is not a socket; remove it or name another`);
  if (await isListenedOn(socket)) throw new Error(`another vipd runs with this socket: ${socket}`);
  rmSync(socket, { force: true });
}

/** Only ECONNREFUSED says that nobody listens: a frozen daemon's full backlog is EAGAIN. */
export function isListenedOn(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path: socket });
    probe.on("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", (error: NodeJS.ErrnoException) => {
      probe.destroy();
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}
