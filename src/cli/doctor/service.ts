/**
 * The systemd service of this host: does it run, does it come back after a boot, may its user read its files. Boundary: asks systemd
 * and reads files; where there is no unit vipd.service, nothing is known and nothing is said.
 */
import { execFile } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { promisify } from "node:util";
import { findUnit } from "../unit-file.js";
import type { Finding, HostFacts, Service } from "./types.js";

const PROGRAM_MS = 4000;
/** What systemd hands to the service, whoever owns it. */
const CREDENTIALS = "/run/credentials/";

export async function readService(files: readonly string[]): Promise<Service | null> {
  if (findUnit() === null) return null;
  const [active, enabled] = await Promise.all([systemctl("is-active"), systemctl("is-enabled")]);
  return { active, enabled, unreadable: files.filter((file) => !file.startsWith(CREDENTIALS) && !isReadable(file)) };
}

/** One word, "" where systemd cannot be asked; its exit code says the same again. */
async function systemctl(verb: string): Promise<string> {
  try {
    return (await promisify(execFile)("systemctl", [verb, "vipd"], { timeout: PROGRAM_MS })).stdout.trim();
  } catch (error) {
    return String((error as { stdout?: string }).stdout ?? "").trim();
  }
}

/** By the user vipd, as which the unit runs; true where that is not known. */
function isReadable(file: string): boolean {
  try {
    const user = /^vipd:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8"));
    if (user === null) return true;
    const { uid, gid, mode } = statSync(file);
    const bit = uid === Number(user[1]) ? 0o400 : gid === Number(user[2]) ? 0o040 : 0o004;
    return (mode & bit) !== 0;
  } catch {
    return true;
  }
}

export function judgeService({ service, running }: HostFacts): Finding[] {
  if (service === null) return [];
  const found: Finding[] = service.unreadable.map((file) => {
    const seen = `${file} cannot be read by the user vipd, as which the service runs: its next start or reload fails`;
    return { severity: "error", name: "unreadable", seen, remedy: `chgrp vipd ${file} && chmod 0640 ${file}` };
  });
  if (!running && service.active !== "") {
    const seen = `the service does not serve on this host (systemd calls it ${service.active})`;
    const remedy =
      service.active === "inactive" ? "systemctl enable --now vipd" : "systemctl status vipd, which tells why";
    found.push({ severity: "warning", name: "service-down", seen, remedy });
  }
  if (service.enabled === "disabled" || service.enabled === "masked") {
    const seen = `the service is ${service.enabled}: after a boot this host serves nothing`;
    const remedy = service.enabled === "masked" ? "systemctl unmask vipd" : "systemctl enable vipd";
    found.push({ severity: "warning", name: "service-disabled", seen, remedy });
  }
  return found;
}
