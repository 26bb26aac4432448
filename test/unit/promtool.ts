/** Debian's promtool, unpacked by test/setup.mjs or installed. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const unpacked = fileURLToPath(new URL("../../.lab/tools/prometheus/usr/bin/promtool", import.meta.url));
const program = existsSync(unpacked) ? unpacked : "promtool";

export const hasPromtool = spawnSync(program, ["--version"]).status === 0;

export function promtool(args: readonly string[], input = ""): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: "utf8" });
  return { code: status, output: `${stdout}${stderr}` };
}
