/**
 * The last step of `npm run build:ts`: what is executed becomes few files with all that they import, since Node needs several
 * times as long to find and link two hundred modules as to compile them. dist/cli/main.js and dist/adapters/helper-process.js
 * are replaced in place, so that every path beside them holds. What a command alone needs stays in a chunk of its own.
 * Boundary: reads what tsc has written; the other modules in dist stay for tests and for whoever imports them.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const CHUNKS = "chunk";

/** CommonJS packages ask for Node's own modules by `require`, which an ES module does not have. */
const REQUIRE =
  'import { createRequire as vipdRequire } from "node:module"; const require = vipdRequire(import.meta.url);';

const SHARED = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  sourcemap: true,
  sourcesContent: false,
  legalComments: "inline",
  allowOverwrite: true,
  // It finds the addon by its own place among the modules.
  external: ["node-gyp-build"],
  banner: { js: REQUIRE },
  logLevel: "warning",
};

const chunk = new RegExp(`^${CHUNKS}-[A-Z0-9]+\\.js(\\.map)?$`);
for (const name of fs.readdirSync(path.join(root, "dist/cli"))) {
  if (chunk.test(name)) fs.rmSync(path.join(root, "dist/cli", name));
}
await build({
  ...SHARED,
  entryPoints: ["src/cli/main.ts"],
  outdir: "dist/cli",
  splitting: true,
  chunkNames: `${CHUNKS}-[hash]`,
});
await build({
  ...SHARED,
  entryPoints: ["src/adapters/helper-process.ts"],
  outfile: "dist/adapters/helper-process.js",
});
