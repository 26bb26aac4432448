/**
 * Strict ARP: `arp_ignore` and `arp_announce` on `conf/all`, so that the kernel stays silent for VIPs on `lo` on every NIC,
 * present and later ones, and never sends a VIP as its own sender address (FACTS.md, section 1). What `manage` changed is
 * remembered in a file before it is changed, so that a crash does not make our value look like the host's own.
 * Boundary: the sysctls of this network namespace. Never touches a value that is strict enough already.
 */
import { readdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import type { StrictArp } from "../ports.js";

export interface StrictArpOptions {
  readonly mode: "manage" | "require" | "ignore";
  /** JSON; lies beside the status socket. */
  readonly stateFile: string;
  /** Default `/proc`. */
  readonly procRoot?: string;
}

type Key = "arp_ignore" | "arp_announce";

/** What we set where a value does not do. */
const WANTED: Readonly<Record<Key, number>> = { arp_ignore: 1, arp_announce: 2 };

/**
 * The values with which the kernel keeps silent for a VIP on `lo` (net/ipv4/arp.c). `arp_ignore` 2 is 1 and more, 3 ignores
 * addresses of scope host (as the VIPs are), 8 answers nothing at all; 4 to 7 are reserved and act like 0. `arp_announce`
 * above 2 acts like 0.
 */
const STRICT: Readonly<Record<Key, ReadonlySet<number>>> = {
  arp_ignore: new Set([1, 2, 3, 8]),
  arp_announce: new Set([2]),
};
const KEYS: readonly Key[] = ["arp_ignore", "arp_announce"];

/**
 * /proc and /run are memory: to read there takes microseconds, and by way of libuv's threads a hundred times as long. With so many
 * interfaces it becomes long enough to let others have their turn.
 */
const INTERFACES_A_TURN = 50;

/** A sysctl that is not as it must be. */
interface Wrong {
  /** `all`, or an interface whose own value is larger than that of `all` and undoes it (the kernel takes the larger). */
  readonly conf: string;
  readonly key: Key;
  readonly is: number;
}

interface Change {
  readonly conf: string;
  readonly key: Key;
  readonly original: number;
  readonly ours: number;
}

/** For what a crashed run left; a running daemon never needs it. */
export interface StrictArpSweep {
  /** Puts back what is on record, and says what. Rejects with what could not be put back; that stays on record. */
  restoreLeft(): Promise<readonly string[]>;
}

export function createStrictArp(options: StrictArpOptions): StrictArp & StrictArpSweep {
  const sysctls = new Sysctls(options.procRoot ?? "/proc");
  const state = new StateFile(options.stateFile, options.procRoot ?? "/proc");
  let changes: readonly Change[] = [];

  const repair = async (): Promise<readonly string[]> => {
    const wrong = await sysctls.wrong();
    if (wrong.length === 0) return [];
    const known = new Set(changes.map((c) => `${c.conf}/${c.key}`));
    const fresh = wrong
      .filter((w) => !known.has(`${w.conf}/${w.key}`))
      .map((w) => ({ conf: w.conf, key: w.key, original: w.is, ours: WANTED[w.key] }));
    if (fresh.length > 0) {
      // Written down first: between the two a crash leaves a record of a change that was not made, which does no harm.
      state.save([...changes, ...fresh]);
      changes = [...changes, ...fresh];
    }
    for (const w of wrong) sysctls.write(w.conf, w.key, WANTED[w.key]);
    return wrong.map((w) => `${name(w.conf, w.key)}: ${w.is} -> ${WANTED[w.key]}`);
  };

  const demand = async (): Promise<void> => {
    const wrong = await sysctls.wrong();
    if (wrong.length > 0) throw new Error(`strictArp is "require", but ${complaint(wrong)}; set: ${command(wrong)}`);
  };

  const restore = async (): Promise<void> => {
    const kept: Change[] = [];
    const failures: string[] = [];
    for (const change of changes) {
      try {
        // Someone else's value, or an interface that is gone, is none of our business any more.
        if (sysctls.read(change.conf, change.key) !== change.ours) continue;
        sysctls.write(change.conf, change.key, change.original);
      } catch (error) {
        kept.push(change);
        failures.push(error instanceof Error ? error.message : String(error));
      }
    }
    changes = kept;
    // What could not be put back stays on record, for the next run's end.
    if (failures.length > 0) throw new Error(failures.join("; "));
    if (options.mode === "manage") state.remove();
  };

  return {
    changed() {
      return changes.map((c) => `${name(c.conf, c.key)}: ${c.original} -> ${c.ours}`);
    },
    async start() {
      if (options.mode === "ignore") return [];
      if (options.mode === "manage") {
        changes = state.load();
        try {
          return await repair();
        } catch (error) {
          // Who could not start is not asked to clean up later; the reason of the failure is what counts.
          await restore().catch(() => {});
          throw error;
        }
      }
      await demand();
      return [];
    },
    async check() {
      if (options.mode === "ignore") return [];
      if (options.mode === "manage") return repair();
      await demand();
      return [];
    },
    restore,
    async restoreLeft() {
      changes = state.load();
      const left = changes.map((c) => `${name(c.conf, c.key)}: ${c.ours} -> ${c.original}`);
      await restore();
      return left;
    },
  };
}

function name(conf: string, key: Key): string {
  // sysctl(8) takes a slash where an interface's name has a dot (eth0.5) if slashes separate.
  return conf.includes(".") ? `net/ipv4/conf/${conf}/${key}` : `net.ipv4.conf.${conf}.${key}`;
}

function complaint(wrong: readonly Wrong[]): string {
  return wrong.map((w) => `${name(w.conf, w.key)} is ${w.is}`).join(", ");
}

function command(wrong: readonly Wrong[]): string {
  return `sysctl -w ${wrong.map((w) => `${name(w.conf, w.key)}=${WANTED[w.key]}`).join(" ")}`;
}

class Sysctls {
  readonly #root: string;

  constructor(procRoot: string) {
    this.#root = `${procRoot}/sys/net/ipv4/conf`;
  }

  async wrong(): Promise<Wrong[]> {
    const found: Wrong[] = [];
    const interfaces = readdirSync(this.#root).filter((conf) => conf !== "all" && conf !== "default");
    for (const key of KEYS) {
      const all = this.read("all", key);
      if (all === null) throw new Error(`${this.#path("all", key)} cannot be read: is /proc mounted?`);
      const fits = STRICT[key].has(all);
      if (!fits) found.push({ conf: "all", key, is: all });
      const base = fits ? all : WANTED[key];
      for (const [index, conf] of interfaces.entries()) {
        if (index % INTERFACES_A_TURN === INTERFACES_A_TURN - 1) await turn();
        const own = this.read(conf, key);
        if (own !== null && own > base && !STRICT[key].has(own)) found.push({ conf, key, is: own });
      }
    }
    return found;
  }

  /** null: no such interface (it may vanish at any time). */
  read(conf: string, key: Key): number | null {
    try {
      return Number.parseInt(readFileSync(this.#path(conf, key), "ascii"), 10);
    } catch (error) {
      if (isErrno(error, "ENOENT") || isErrno(error, "ENODEV")) return null;
      throw error;
    }
  }

  write(conf: string, key: Key, value: number): void {
    try {
      writeFileSync(this.#path(conf, key), `${value}\n`, { flag: "r+" });
    } catch (error) {
      if (conf !== "all" && isErrno(error, "ENOENT")) return;
      const errno = (error as NodeJS.ErrnoException).code ?? String(error);
      // EROFS: ProtectKernelTunables= or a container; EACCES and EPERM: no CAP_NET_ADMIN over this network namespace.
      throw new Error(
        `cannot write ${this.#path(conf, key)} (${errno}): give vipd CAP_NET_ADMIN and a writable /proc/sys ` +
          `(ProtectKernelTunables=no), or run "sysctl -w ${name(conf, key)}=${value}" yourself and set strictArp to "require"`,
      );
    }
  }

  #path(conf: string, key: Key): string {
    return `${this.#root}/${conf}/${key}`;
  }
}

/** The originals. They hold for one boot and one network namespace only: elsewhere the file is somebody else's past. */
class StateFile {
  readonly #path: string;
  readonly #procRoot: string;

  constructor(path: string, procRoot: string) {
    this.#path = path;
    this.#procRoot = procRoot;
  }

  load(): Change[] {
    let parsed: unknown;
    try {
      parsed = JSON.parse(readFileSync(this.#path, "utf8"));
    } catch {
      // Absent at a first start; unreadable only by someone's hand, and then there is nothing to go by.
      return [];
    }
    if (typeof parsed !== "object" || parsed === null || !("where" in parsed) || !("changes" in parsed)) return [];
    if (parsed.where !== this.#where() || !Array.isArray(parsed.changes)) return [];
    return parsed.changes.filter(isChange);
  }

  save(changes: readonly Change[]): void {
    const temporary = `${this.#path}.new`;
    writeFileSync(temporary, `${JSON.stringify({ where: this.#where(), changes })}\n`, { mode: 0o644 });
    renameSync(temporary, this.#path);
  }

  remove(): void {
    rmSync(this.#path, { force: true });
  }

  #where(): string {
    const boot = orEmpty(() => readFileSync(`${this.#procRoot}/sys/kernel/random/boot_id`, "ascii"));
    const namespace = orEmpty(() => readlinkSync(`${this.#procRoot}/self/ns/net`));
    return `${boot.trim()} ${namespace}`;
  }
}

function orEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

function isChange(value: unknown): value is Change {
  const change = value as Change | null;
  return (
    typeof change === "object" &&
    change !== null &&
    // The name becomes part of a path under /proc/sys.
    /^[^/\s]{1,15}$/.test(change.conf) &&
    change.conf !== ".." &&
    KEYS.includes(change.key) &&
    Number.isInteger(change.original) &&
    Number.isInteger(change.ours)
  );
}

function isErrno(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === code;
}
