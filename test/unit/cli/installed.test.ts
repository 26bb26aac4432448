/** What an installation links to is executable as it is built (`npm run build:ts`, which the set-up runs). */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const { bin, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const built = join(root, bin.vipd);

test.skipIf(!existsSync(built))("the executable runs through a link", () => {
  const folder = mkdtempSync(join(tmpdir(), "vipd-link-"));
  try {
    symlinkSync(built, join(folder, "vipd"));
    const ran = spawnSync(join(folder, "vipd"), ["version"], { encoding: "utf8" });
    expect(ran.error).toBeUndefined();
    expect(ran.stdout).toContain(`vipd ${version} `);
    expect(ran.status).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** A copy of the executable with its bundle, in which `change` may do what it likes. */
function versionOfCopy(change: (folder: string, bundle: string) => void) {
  const place = mkdtempSync(join(tmpdir(), "vipd-copy-"));
  try {
    const folder = join(place, "dist/cli");
    mkdirSync(folder, { recursive: true });
    for (const file of readdirSync(dirname(built))) copyFileSync(join(dirname(built), file), join(folder, file));
    copyFileSync(join(root, "package.json"), join(place, "package.json"));
    change(folder, readdirSync(folder).find((file) => /^vipd-.*\.js$/.test(file))!);
    return spawnSync(join(folder, basename(built)), ["version"], { encoding: "utf8" });
  } finally {
    rmSync(place, { recursive: true });
  }
}

const CACHES: readonly [what: string, change: (cache: string) => void][] = [
  ["is missing", (cache) => rmSync(cache)],
  ["is empty", (cache) => writeFileSync(cache, "")],
  ["is another program's", (cache) => copyFileSync(process.execPath, cache)],
];

test.skipIf(!existsSync(built)).each(CACHES)("without a code cache the executable compiles: it %s", (_, change) => {
  const ran = versionOfCopy((folder, bundle) => change(join(folder, `${bundle}.cache`)));
  expect(ran.stderr).toBe("");
  expect(ran.stdout).toContain(`vipd ${version} `);
});

test.skipIf(!existsSync(built))("a code cache that this Node has made is taken by it", () => {
  const ask = `const { readFileSync: read } = require("node:fs"); const [bundle] = process.argv.slice(1);
    const script = new (require("node:vm").Script)(read(bundle, "latin1"), { cachedData: read(bundle + ".cache") });
    process.stdout.write(String(script.cachedDataRejected));`;
  let answer = "";
  versionOfCopy((cwd, bundle) => {
    const input = readFileSync(join(root, "systemd/code-cache-maker.cjs"));
    spawnSync(process.execPath, ["--single-threaded-gc", "-", bundle], { cwd, input });
    answer = spawnSync(process.execPath, ["--single-threaded-gc", "-e", ask, bundle], { cwd, encoding: "utf8" }).stdout;
  });
  expect(answer).toBe("false");
});
