/**
 * `vipd version`: of vipd, Node and the platform, and what it was built from. The number comes from package.json, the facts of
 * the build from build-info.json (made by packaging), both beside src/ and dist/ alike.
 */
import { readFileSync } from "node:fs";
import * as os from "node:os";
import type { Command } from "commander";
import { say } from "./common.js";

/** What `npm run package` and `npm pack` write down. A checkout has none. */
export interface BuildInfo {
  /** The commit it was made from; ends in "-dirty" where files differed from it. */
  readonly commit: string;
  /** Of that commit, RFC 3339: builds are reproducible, so the hour of the build is nowhere in it. */
  readonly date: string;
  /** How it came here: "deb" or "npm". */
  readonly package: string;
}

export interface Version {
  readonly version: string;
  readonly node: string;
  readonly napi: string;
  readonly platform: string;
  readonly kernel: string;
  readonly build: BuildInfo | null;
}

export function readVersion(): Version {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const { napi = "" } = process.versions as { napi?: string };
  const platform = `${process.platform}-${process.arch}`;
  return { version, node: process.version, napi, platform, kernel: os.release(), build: readBuildInfo() };
}

function readBuildInfo(): BuildInfo | null {
  try {
    return JSON.parse(readFileSync(new URL("../../build-info.json", import.meta.url), "utf8")) as BuildInfo;
  } catch {
    return null;
  }
}

export function addVersion(program: Command): void {
  program
    .command("version")
    .summary("print the version")
    .option("--json", "as JSON, with the facts of the build")
    .action((options: { json?: boolean }) => {
      const version = readVersion();
      if (options.json) return say(JSON.stringify(version));
      const built = version.build === null ? "" : `, commit ${version.build.commit.slice(0, 12)}`;
      say(`vipd ${version.version} (Node ${version.node}, ${version.platform}, kernel ${version.kernel}${built})`);
    });
}
