/**
 * The last step of `npm run build:ts`, and all that is executed: one file for the command line and the daemon with all that they
 * import, one for the helper process. Node needs several times as long to find and link two hundred modules as to compile them,
 * and V8's code cache saves the compiling, too. What a command alone needs is evaluated when it runs.
 * Boundary: writes dist; tsc has checked the types before.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { writeCodeCache } from "./code-cache.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const dist = path.join(root, "dist");

/** CommonJS packages ask for Node's own modules by `require`, which an ES module does not have. */
const REQUIRE =
  'import { createRequire as vipdRequire } from "node:module"; const require = vipdRequire(import.meta.url);';

const SHARED = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node20",
  sourcemap: true,
  sourcesContent: false,
  legalComments: "inline",
  logLevel: "warning",
};

/**
 * What packages require and vipd never uses; to load it took a tenth of a start. It is loaded when somebody does use it. pino asks at
 * once whether it is in the main thread, where vipd always is.
 */
const LAZY = /^(node:)?(child_process|assert|worker_threads|thread-stream)$/;

const lazy = {
  name: "lazy",
  setup(build) {
    build.onResolve({ filter: LAZY }, (args) =>
      args.kind === "require-call" && args.namespace !== "lazy"
        ? { path: args.path, namespace: "lazy", pluginData: { resolveDir: args.resolveDir } }
        : undefined,
    );
    build.onLoad({ filter: LAZY, namespace: "lazy" }, ({ path: wanted, pluginData }) => ({
      ...pluginData,
      contents: `const load = () => require(${JSON.stringify(wanted)});
module.exports = new Proxy(function () {}, {
  get: (_, name) => (name === "isMainThread" ? true : load()[name]),
  apply: (_, self, args) => Reflect.apply(load(), self, args),
  construct: (_, args) => Reflect.construct(load(), args),
});`,
    }));
  },
};

/** start.cjs calls it with what a CommonJS module gets, and the bundle's own URL. */
const FUNCTION = "(function (exports, require, module, __filename, __dirname, bundleUrl) {";

async function commandLine() {
  const { outputFiles } = await build({
    ...SHARED,
    entryPoints: ["src/cli/main.ts"],
    outfile: "dist/cli/vipd.js",
    write: false,
    format: "cjs",
    // A script has no import(): what is left of it, of Node's own modules, becomes require().
    supported: { "dynamic-import": false },
    define: { "import.meta.url": "bundleUrl", "import.meta.resolve": "undefined" },
    plugins: [lazy],
    banner: { js: FUNCTION },
    footer: { js: "})" },
  });
  const [map, code] = outputFiles.sort((a, b) => (a.path > b.path ? -1 : 1)).map((file) => file.text);
  const name = `vipd-${createHash("sha256").update(code).digest("hex").slice(0, 12)}.js`;
  const bundle = path.join(dist, "cli", name);
  fs.writeFileSync(bundle, code.replace("//# sourceMappingURL=vipd.js.map", `//# sourceMappingURL=${name}.map`));
  fs.writeFileSync(`${bundle}.map`, map);
  const start = fs.readFileSync(path.join(root, "systemd/start.cjs"), "utf8").replace('"vipd.js"', `"${name}"`);
  fs.writeFileSync(path.join(dist, "cli/main.js"), start, { mode: 0o755 });
  fs.writeFileSync(path.join(dist, "cli/package.json"), '{ "type": "commonjs" }\n');
  writeCodeCache(process.execPath, path.join(dist, "cli"));
}

fs.rmSync(dist, { recursive: true, force: true });
fs.mkdirSync(path.join(dist, "cli"), { recursive: true });
await commandLine();
await build({
  ...SHARED,
  format: "esm",
  banner: { js: REQUIRE },
  entryPoints: ["src/adapters/helper-process.ts"],
  outfile: "dist/adapters/helper-process.js",
});
