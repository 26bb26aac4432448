/**
 * Root file systems of Debian 12 and 13 for the systemd tests, by debootstrap, kept in $VIPD_CACHE or ~/.cache/vipd/roots
 * (about 50 s and 300 MB each, once). Boundary: made and read here, never written to again: machines overlay them.
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { run } from "../../lab/lib/shell.js";

export const DEBIANS = { bookworm: 252, trixie: 257 } as const;
export type Debian = keyof typeof DEBIANS;

const PACKAGES = "systemd,systemd-sysv,dbus,iproute2,procps";
const MIRROR = process.env.VIPD_DEBIAN_MIRROR ?? "http://deb.debian.org/debian";

/** The folder of a root file system, made if it is not there yet. Throws with debootstrap's last lines. */
export async function rootOf(debian: Debian): Promise<string> {
  const cache = process.env.VIPD_CACHE ?? path.join(os.homedir(), ".cache/vipd/roots");
  const folder = path.join(cache, debian);
  if (fs.existsSync(folder)) return folder;
  fs.mkdirSync(cache, { recursive: true });
  const fresh = `${folder}.new`;
  fs.rmSync(fresh, { recursive: true, force: true });
  const argv = ["debootstrap", "--variant=minbase", `--include=${PACKAGES}`, "--merged-usr", debian, fresh, MIRROR];
  const ran = await run(["nice", ...argv], { timeoutMs: 600_000 });
  if (ran.code !== 0) throw new Error(`${argv.join(" ")}: ${(ran.stdout + ran.stderr).slice(-1000)}`);
  fs.renameSync(fresh, folder);
  return folder;
}
