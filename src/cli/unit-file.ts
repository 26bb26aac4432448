/** The service's unit on this host, as far as real time goes: `check` and `doctor` judge the profile by it. Boundary: reads files. */
import { existsSync, readFileSync } from "node:fs";

/** Where systemd looks for the unit, the administrator's first. */
const FOLDERS = ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/** null: there is no unit. */
export function findUnit(): { readonly file: string; readonly realTime: boolean } | null {
  const file = FOLDERS.map((folder) => `${folder}/vipd.service`).find((name) => existsSync(name));
  if (file === undefined) return null;
  return { file, realTime: /^CPUSchedulingPolicy=(?:fifo|rr)\b/m.test(readFileSync(file, "utf8")) };
}
