/**
 * What `npm pack` needs beyond a checkout that is built: the addon as a prebuilt one, where node-gyp-build looks for it, and the
 * facts of the build. Run by npm's prepack and, with --clean, postpack: in a checkout they would be stale after the next edit.
 * Boundary: copies what `npm run build` has built; writes to native/prebuilds and build-info.json only.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { buildInfo } from "./package-parts.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const prebuilds = path.join(root, "native/prebuilds");
const facts = path.join(root, "build-info.json");

/** prebuildify's name: one binary for every Node (Node-API), and for glibc only, so that musl builds its own. */
function prepare() {
  const folder = path.join(prebuilds, `linux-${process.arch}`);
  const addon = path.join(folder, "vipd.napi.glibc.node");
  fs.mkdirSync(folder, { recursive: true });
  fs.copyFileSync(path.join(root, "native/build/Release/vipd.node"), addon);
  execFileSync("strip", ["--strip-unneeded", addon]);
  fs.writeFileSync(facts, `${JSON.stringify(buildInfo(root, "npm"))}\n`);
}

/** Leaves prebuilt addons of other architectures, which somebody has put there for a package with both. */
function clean() {
  fs.rmSync(path.join(prebuilds, `linux-${process.arch}`), { recursive: true, force: true });
  if (fs.existsSync(prebuilds) && fs.readdirSync(prebuilds).length === 0) fs.rmdirSync(prebuilds);
  fs.rmSync(facts, { force: true });
}

if (process.argv.includes("--clean")) clean();
else prepare();
