/** `vipd version`: of vipd, Node and the platform. The number comes from package.json, beside src/ and dist/ alike. */
import { readFileSync } from "node:fs";
import * as os from "node:os";
import type { Command } from "commander";
import { say } from "./common.js";

export interface Version {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly kernel: string;
}

export function readVersion(): Version {
  const file = new URL("../../package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  return { version, node: process.version, platform: `${process.platform}-${process.arch}`, kernel: os.release() };
}

export function addVersion(program: Command): void {
  program
    .command("version")
    .summary("print the version")
    .option("--json", "as JSON")
    .action((options: { json?: boolean }) => {
      const version = readVersion();
      if (options.json) say(JSON.stringify(version));
      else say(`vipd ${version.version} (Node ${version.node}, ${version.platform}, kernel ${version.kernel})`);
    });
}
