/**
 * The labs on this machine: their names, who owns each, and removing one. A lab's namespaces are called
 * `vipd-lab-<pid>-<n>-…` after the process that made it, so that parallel labs do not collide and a dead owner's lab
 * is recognised. Never touches a namespace of another name, nor a process outside such a namespace.
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { shQuiet } from "./shell.js";

const NAMESPACE = /^(vipd-lab-(\d+)-\d+)-/;

/** Where labs keep their files, a folder each. */
export const LABS_DIR = path.join(os.tmpdir(), "vipd-lab");

/** Written into a lab's folder; tells a living owner from a later process with the same pid. */
export interface LabRecord {
  readonly prefix: string;
  readonly pid: number;
  readonly startTicks: string;
  /** `npm run demo -- --keep`: stays up without its owner. */
  readonly keep: boolean;
}

/** Field 22 of /proc/PID/stat: when the process started; "" when there is none. */
export function startTicks(pid: number): string {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

export function writeRecord(dir: string, record: LabRecord): void {
  fs.writeFileSync(path.join(dir, "lab.json"), `${JSON.stringify(record)}\n`);
}

export function namespacesOf(prefix: string): readonly string[] {
  return listNamespaces().filter((name) => name.startsWith(`${prefix}-`));
}

function listNamespaces(): readonly string[] {
  try {
    return fs.readdirSync("/run/netns");
  } catch {
    return [];
  }
}

export interface LabFound {
  readonly prefix: string;
  readonly ownerAlive: boolean;
  readonly kept: boolean;
}

/** Every lab that has a namespace or a folder. */
export function listLabs(): readonly LabFound[] {
  const prefixes = new Set<string>();
  for (const name of listNamespaces()) {
    const match = NAMESPACE.exec(name);
    if (match) prefixes.add(match[1]!);
  }
  if (fs.existsSync(LABS_DIR)) {
    for (const name of fs.readdirSync(LABS_DIR)) if (NAMESPACE.test(`${name}-`)) prefixes.add(name);
  }
  return [...prefixes].sort().map((prefix) => {
    const record = readRecord(prefix);
    const pid = Number(NAMESPACE.exec(`${prefix}-`)![2]);
    const ticks = startTicks(pid);
    const ownerAlive = ticks !== "" && (record === null || record.startTicks === ticks);
    return { prefix, ownerAlive, kept: record?.keep ?? false };
  });
}

function readRecord(prefix: string): LabRecord | null {
  try {
    return JSON.parse(fs.readFileSync(path.join(LABS_DIR, prefix, "lab.json"), "utf8")) as LabRecord;
  } catch {
    return null;
  }
}

/** Ends what runs in the lab's namespaces, deletes them and the lab's folder. Synchronous: it also runs while exiting. */
export function removeLab(prefix: string): void {
  for (const namespace of namespacesOf(prefix)) {
    for (const pid of shQuiet("ip", "netns", "pids", namespace).split("\n").filter(Boolean).map(Number)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended meanwhile.
      }
    }
  }
  for (const namespace of namespacesOf(prefix)) shQuiet("ip", "netns", "del", namespace);
  const folder = path.join(LABS_DIR, prefix);
  const mounted = fs
    .readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "");
  for (const place of mounted) if (place.startsWith(`${folder}/`)) shQuiet("umount", "-l", place);
  fs.rmSync(folder, { recursive: true, force: true });
  try {
    fs.rmdirSync(LABS_DIR);
  } catch {
    // Another lab's folder is in it.
  }
}

/** Removes the labs whose owner is gone; returns their names. Kept labs stay unless `kept`. */
export function sweep({ kept = false }: { kept?: boolean } = {}): readonly string[] {
  const dead = listLabs().filter((lab) => !lab.ownerAlive && (kept || !lab.kept));
  for (const lab of dead) removeLab(lab.prefix);
  return dead.map((lab) => lab.prefix);
}
