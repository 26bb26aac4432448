/** What an installation links to is executable as it is built (`npm run build:ts`, which the set-up runs). */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
