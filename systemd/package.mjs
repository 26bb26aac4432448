/**
 * `npm run package`: vipd_VERSION_ARCH.deb in build/, with plain Debian tools. The daemon, its production modules, the addon
 * and a private Node. The same commit gives the same bytes: every time is the last commit's, every file root's, names sorted.
 * Boundary: packs what `npm run build` has built, however dist is laid out; writes to build/ and .lab/ only.
 * Options: --quick (no compression, for tests), --version=V (for upgrade tests), --out=DIR.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { writeCodeCache } from "./code-cache.mjs";
import { buildInfo, copyright, deepModules, runtime, sbom } from "./package-parts.mjs";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const { version: ownVersion } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
const flag = (name) => process.argv.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
const quick = process.argv.includes("--quick");
const version = flag("version") ?? ownVersion;
const arch = { x64: "amd64", arm64: "arm64" }[process.arch];
const out = path.resolve(flag("out") ?? path.join(root, "build"));

const info = buildInfo(root, "deb");
const epoch = Math.floor(Date.parse(info.date) / 1000);
const env = { ...process.env, SOURCE_DATE_EPOCH: String(epoch), LC_ALL: "C", TZ: "UTC" };
const stage = path.join(out, `stage-${version}`);

function put(file, content, mode = 0o644) {
  const full = path.join(stage, file);
  fs.mkdirSync(path.dirname(full), { recursive: true });
  fs.writeFileSync(full, content);
  fs.chmodSync(full, mode);
}

const source = (name) => fs.readFileSync(path.join(root, "systemd", name));

/** What a running daemon needs of a folder: no types, maps, sources or documentation. */
function copyCode(from, to) {
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const file = path.join(from, entry.name);
    if (entry.isDirectory()) {
      if (!["node_modules", "test", "tests", "docs", "benchmarks", ".github"].includes(entry.name)) {
        copyCode(file, path.join(to, entry.name));
      }
    } else if (/\.(js|cjs|mjs|json|node)$/.test(entry.name) && !/^(tsconfig|\.)/.test(entry.name)) {
      const content = fs.readFileSync(file);
      const program = content.subarray(0, 2).toString() === "#!";
      // Modules' own programs are for developers, and want a Node of the system.
      if (program && from.includes("node_modules")) continue;
      put(path.join(to, entry.name), content, program ? 0o755 : 0o644);
    }
  }
}

function application(node) {
  const app = "usr/lib/vipd/app";
  put("usr/lib/vipd/node", fs.readFileSync(node.binary), 0o755);
  execFileSync("strip", [path.join(stage, "usr/lib/vipd/node")]);
  copyCode(path.join(root, "dist"), `${app}/dist`);
  // The build's own is of the Node that built.
  writeCodeCache(node.binary, path.join(stage, app, "dist/cli"));
  const manifest = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
  const { name, license, type, description } = manifest;
  put(`${app}/package.json`, `${JSON.stringify({ name, version, description, license, type }, null, 2)}\n`);
  put(`${app}/build-info.json`, `${JSON.stringify(info)}\n`);
  const addon = `${app}/native/prebuilds/linux-${process.arch}/vipd.node`;
  put(addon, fs.readFileSync(path.join(root, "native/build/Release/vipd.node")));
  execFileSync("strip", ["--strip-unneeded", path.join(stage, addon)]);
  for (const module of deepModules(root)) {
    // Headers for building the addon, which is built.
    if (module.name !== "node-addon-api") copyCode(module.folder, `${app}/${module.place}`);
  }
  put("usr/bin/vipd", source("deb/vipd"), 0o755);
}

function house(node) {
  put("usr/lib/systemd/system/vipd.service", source("vipd.service"));
  put("usr/lib/sysusers.d/vipd.conf", source("vipd.sysusers"));
  put("usr/lib/tmpfiles.d/vipd.conf", source("vipd.tmpfiles"));
  put("usr/lib/sysctl.d/60-vipd.conf", source("vipd.sysctl"));
  put("etc/vipd/config.json", source("deb/config.json"));
  put("usr/share/vipd/config.schema.json", fs.readFileSync(path.join(root, "config.schema.json")));
  for (const file of ["alerts.yml", "alerts.test.yml", "grafana-dashboard.json"])
    put(`usr/share/vipd/monitoring/${file}`, fs.readFileSync(path.join(root, "monitoring", file)));
  put("usr/share/lintian/overrides/vipd", source("deb/lintian-overrides"));
  const doc = "usr/share/doc/vipd";
  put(`${doc}/copyright`, copyright(root, node));
  put(`${doc}/README.md`, fs.readFileSync(path.join(root, "README.md")));
  put(`${doc}/config.example.json`, fs.readFileSync(path.join(root, "config.example.json")));
  put(`${doc}/vipd.cdx.json`, sbom(root, { version, node, date: info.date }));
  const when = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  const entry = `vipd (${version}) unstable; urgency=medium\n\n  * See CHANGELOG.md of the project.\n`;
  const changes = `${entry}\n -- vipd maintainers <vipd@localhost.invalid>  ${when}\n`;
  put(`${doc}/changelog.gz`, gzip(changes));
  put(`${doc}/CHANGELOG.md.gz`, gzip(fs.readFileSync(path.join(root, "CHANGELOG.md"))));
  const vipd = (...args) =>
    execFileSync(process.execPath, [path.join(stage, "usr/lib/vipd/app/dist/cli/main.js"), ...args]);
  put("usr/share/man/man8/vipd.8.gz", gzip(vipd("man", "vipd.8")));
  put("usr/share/man/man5/vipd.json.5.gz", gzip(vipd("man", "vipd.json.5")));
  put("usr/share/bash-completion/completions/vipd", vipd("completion", "bash"));
  put("usr/share/zsh/vendor-completions/_vipd", vipd("completion", "zsh"));
  put("usr/share/fish/vendor_completions.d/vipd.fish", vipd("completion", "fish"));
}

/** Node's gzip writes no time into its head. */
const gzip = (content) => gzipSync(content, { level: 9 });

function* files(folder) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* files(full);
    else yield full;
  }
}

function control() {
  const payload = [...files(stage)];
  const bytes = payload.reduce((sum, file) => sum + fs.statSync(file).size, 0);
  const sums = execFileSync(
    "md5sum",
    payload.map((file) => path.relative(stage, file)),
    { cwd: stage, maxBuffer: 1e8 },
  );
  const fields = { VERSION: version, ARCH: arch, SIZE: String(Math.ceil(bytes / 1024)) };
  const text = source("deb/control").toString();
  put(
    "DEBIAN/control",
    text.replace(/@([A-Z]+)@/g, (_, key) => fields[key]),
  );
  put("DEBIAN/md5sums", sums);
  put("DEBIAN/conffiles", "/etc/vipd/config.json\n");
  for (const script of ["preinst", "postinst", "prerm", "postrm"])
    put(`DEBIAN/${script}`, source(`deb/${script}`), 0o755);
}

function main() {
  if (arch === undefined) throw new Error(`no package for ${process.arch}: Node has binaries for x64 and arm64`);
  for (const built of ["dist/cli/main.js", "native/build/Release/vipd.node"]) {
    if (!fs.existsSync(path.join(root, built))) throw new Error(`${built} is not there: npm run build first`);
  }
  process.umask(0o022);
  fs.rmSync(stage, { recursive: true, force: true });
  const node = runtime(root, "24");
  application(node);
  house(node);
  control();
  const deb = path.join(out, `vipd_${version}_${arch}.deb`);
  // One thread: xz's blocks, and with them the bytes, would depend on the number of cores.
  const how = quick ? ["-Znone"] : ["-Zxz", "--threads-max=1"];
  execFileSync("dpkg-deb", ["--root-owner-group", ...how, "--build", stage, deb], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  fs.rmSync(stage, { recursive: true, force: true });
  process.stdout.write(`${deb} ${(fs.statSync(deb).size / 1e6).toFixed(1)} MB\n`);
}

main();
