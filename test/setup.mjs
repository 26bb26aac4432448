/**
 * All set-up that `npm run demo` and `npm test` need, on a bare Debian 12 with Node 20 and root: Debian packages,
 * both arpings, npm packages, TypeScript, the addon. One line for each thing it does, nothing where nothing is to do.
 * Boundary: plain Node without dependencies (it runs before `npm ci`); writes only to node_modules, dist, native/build
 * and .lab. It never removes a Debian package: both arpings are unpacked beside the system, since they conflict.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
export const cache = path.join(root, ".lab");
const toolsDir = path.join(cache, "tools");
const logDir = path.join(cache, "logs");

/** Package -> what we need it for, said when it is missing. */
const packages = {
  "g++": "builds the addon",
  make: "builds the addon",
  python3: "node-gyp and the lab's asker",
  iproute2: "namespaces",
  nftables: "partitions",
  procps: "sysctl",
  ndisc6: "asks for IPv6 neighbours",
  tcpdump: "watches the wire",
  curl: "a client",
  strace: "counts system calls",
  serf: "a real memberlist member",
  libnet1: "Habets' arping",
  "libpcap0.8": "Habets' arping",
  libseccomp2: "Habets' arping",
};

/** What the tests need and the demo does not. The sanitizers' libraries come with g++. */
const packagesOfTests = {
  clang: "builds the fuzz target",
  "libclang-rt-14-dev": "libFuzzer",
  iptables: "rules that nft does not show",
};

/** 80 MB to fetch and 290 installed: only where the page's test is to run. */
const packagesOfPage = { chromium: "shows the status page" };

/**
 * Debian package -> the program inside, unpacked into .lab/tools/<package>: the arpings conflict with each other, and
 * prometheus, of which only promtool is wanted, would start a service.
 */
const unpacked = {
  "iputils-arping": "usr/bin/arping",
  arping: "usr/sbin/arping",
  prometheus: "usr/bin/promtool",
};

class SetupProblem extends Error {
  name = "SetupProblem";
}

const say = (line) => process.stdout.write(`setup: ${line}\n`);

/** Runs quietly into a log file; on failure shows the end of the log and throws. */
function quietly(name, argv, { env = {}, cwd = root, hint = "" } = {}) {
  fs.mkdirSync(logDir, { recursive: true });
  const logFile = path.join(logDir, `${name}.log`);
  const fd = fs.openSync(logFile, "w");
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", fd, fd],
    });
    child.on("error", (error) => reject(new SetupProblem(`cannot run ${argv[0]}: ${error.message}`)));
    child.on("close", (code) => {
      fs.closeSync(fd);
      if (code === 0) return resolve();
      const tail = fs.readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-40).join("\n");
      process.stderr.write(`${tail}\n`);
      const where = path.relative(root, logFile);
      reject(new SetupProblem(`\`${argv.join(" ")}\` failed (${where})${hint ? `: ${hint}` : ""}`));
    });
  });
}

async function timed(text, work) {
  const begin = Date.now();
  process.stdout.write(`setup: ${text} …`);
  try {
    await work();
  } catch (error) {
    process.stdout.write(" failed\n");
    throw error;
  }
  process.stdout.write(` ${((Date.now() - begin) / 1000).toFixed(1)} s\n`);
}

function checkMachine() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 20)) {
    throw new SetupProblem(`Node ${process.versions.node} is too old: vipd needs Node 20.20 or newer`);
  }
  if (process.platform !== "linux") throw new SetupProblem("vipd runs on Linux only");
  if (process.getuid?.() !== 0) {
    throw new SetupProblem("needs root: it makes network namespaces and raw sockets; run it with sudo or as root");
  }
  const release = fs.existsSync("/etc/os-release") ? fs.readFileSync("/etc/os-release", "utf8") : "";
  if (!/^ID=debian$/m.test(release) || !/^VERSION_ID="?12/m.test(release)) {
    say("this is not Debian 12; going on, but only Debian 12 is tried");
  }
}

function isInstalled(names) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders.
  const out = spawnSync("dpkg-query", ["-W", "-f", "${Package} ${db:Status-Status}\n", ...names], { encoding: "utf8" });
  if (out.error) throw new SetupProblem("needs Debian's package tools (dpkg-query), which are not on this machine");
  const present = new Set(
    out.stdout
      .split("\n")
      .filter((line) => line.endsWith(" installed"))
      .map((line) => line.split(" ")[0]),
  );
  return (name) => present.has(name);
}

/** Installs what is missing; `apt-get update` at most once. */
async function debianPackages(wanted) {
  const has = isInstalled(Object.keys(wanted));
  const missing = Object.keys(wanted).filter((name) => !has(name));
  const toUnpack = Object.entries(unpacked).filter(([name, file]) => !fs.existsSync(path.join(toolsDir, name, file)));
  if (missing.length === 0 && toUnpack.length === 0) return;

  const env = { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  const offline = "no Debian packages can be had from here; connect the machine to a Debian mirror and run again";
  await timed("refreshing Debian's package lists", () =>
    quietly("apt-update", ["apt-get", "-q", "update"], { env, hint: offline }),
  );
  if (missing.length > 0) {
    await timed(`installing Debian packages: ${missing.join(", ")}`, () =>
      quietly("apt-install", ["apt-get", "-q", "-y", "--no-install-recommends", "install", ...missing], {
        env,
        hint: `${offline} (wanted: ${missing.map((name) => `${name}, ${wanted[name]}`).join("; ")})`,
      }),
    );
  }
  for (const [name, file] of toUnpack) {
    await timed(`fetching ${name} (unpacked beside the system, not installed)`, () => unpack(name, file, env, offline));
  }
}

async function unpack(name, file, env, hint) {
  const work = path.join(toolsDir, `${name}.new`);
  const target = path.join(toolsDir, name);
  fs.rmSync(work, { recursive: true, force: true });
  fs.mkdirSync(work, { recursive: true });
  await quietly(`fetch-${name}`, ["apt-get", "-q", "download", name], { env, cwd: work, hint });
  const deb = fs.readdirSync(work).find((entry) => entry.endsWith(".deb"));
  if (!deb) throw new SetupProblem(`apt-get download ${name} brought no package`);
  await quietly(`unpack-${name}`, ["dpkg-deb", "-x", path.join(work, deb), work]);
  if (!fs.existsSync(path.join(work, file))) throw new SetupProblem(`${name} does not contain ${file}`);
  fs.rmSync(target, { recursive: true, force: true });
  fs.renameSync(work, target);
}

/** True when node_modules holds exactly the versions that package-lock.json names (optional ones may be absent). */
function npmIsCurrent() {
  const read = (file) => JSON.parse(fs.readFileSync(path.join(root, file), "utf8")).packages ?? {};
  if (!fs.existsSync(path.join(root, "node_modules/.package-lock.json"))) return false;
  const wanted = read("package-lock.json");
  const present = read("node_modules/.package-lock.json");
  for (const [key, entry] of Object.entries(wanted)) {
    if (key === "") continue;
    if (present[key] === undefined ? !entry.optional : present[key].version !== entry.version) return false;
  }
  return Object.keys(present).every((key) => wanted[key] !== undefined);
}

async function npmPackages() {
  if (npmIsCurrent()) return;
  await timed("installing npm packages (npm ci)", () =>
    quietly("npm-ci", ["npm", "ci", "--no-progress"], { hint: "is the npm registry reachable?" }),
  );
}

/** Digest of names and contents of all files below these paths, so that a build runs only when something changed. */
function digestOf(entries, skip = () => false) {
  const hash = createHash("sha256").update(process.version);
  const walk = (relative) => {
    const full = path.join(root, relative);
    if (!fs.existsSync(full) || skip(relative)) return;
    if (fs.statSync(full).isDirectory()) {
      for (const entry of fs.readdirSync(full).sort()) walk(path.join(relative, entry));
      return;
    }
    hash.update(`\0${relative}\0`).update(fs.readFileSync(full));
  };
  for (const entry of entries) walk(entry);
  return hash.digest("hex");
}

async function buildIfChanged({ text, script, name, digest, stampFile, args = [], env = {} }) {
  const stamp = path.join(root, stampFile);
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === digest) return false;
  await timed(text, () => quietly(name, ["npm", "run", script, ...(args.length > 0 ? ["--", ...args] : [])], { env }));
  fs.mkdirSync(path.dirname(stamp), { recursive: true });
  fs.writeFileSync(stamp, digest);
  return true;
}

async function buildTypeScript() {
  await buildIfChanged({
    text: "compiling TypeScript",
    script: "build:ts",
    name: "build-ts",
    digest: digestOf([
      "src",
      "tsconfig.json",
      "tsconfig.build.json",
      "systemd/bundle.mjs",
      "systemd/start.cjs",
      "systemd/code-cache.mjs",
      "systemd/code-cache-maker.cjs",
      "package-lock.json",
    ]),
    stampFile: "dist/.stamp",
  });
}

async function buildAddon() {
  // Node's own headers, where they came with Node (NodeSource, nodejs.org and Docker images all do): else node-gyp fetches them.
  const prefix = path.resolve(path.dirname(fs.realpathSync(process.execPath)), "..");
  const args = fs.existsSync(path.join(prefix, "include/node/node_api.h")) ? [`--nodedir=${prefix}`] : [];
  await buildIfChanged({
    text: "building the addon (C++)",
    script: "build:native",
    name: "build-native",
    digest: digestOf(["native"], (file) => /^native\/(build|prebuilds|test)(\/|$)/.test(file)),
    stampFile: "native/build/.stamp",
    args,
    env: { PYTHON: "/usr/bin/python3", JOBS: "max" },
  });
}

/** Both builds, the second one also when the first fails; returns what went wrong. */
async function builds() {
  const problems = [];
  for (const build of [buildTypeScript, buildAddon]) {
    try {
      await build();
    } catch (error) {
      if (!(error instanceof SetupProblem)) throw error;
      problems.push(error.message);
    }
  }
  return problems;
}

/**
 * Everything, in order. Throws SetupProblem with one clear sentence. A build that fails is returned instead, so that
 * the test runner can count it and go on.
 */
export async function setup({ forTests = false, browser = false } = {}) {
  const begin = Date.now();
  checkMachine();
  fs.mkdirSync(cache, { recursive: true });
  await debianPackages({ ...packages, ...(forTests && packagesOfTests), ...(browser && packagesOfPage) });
  await npmPackages();
  const problems = await builds();
  if (problems.length === 0) say(`ready (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
  return problems;
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const fail = (text) => {
    process.stderr.write(`setup: ${text}\n`);
    process.exitCode = 1;
  };
  setup().then(
    (problems) => problems.forEach(fail),
    (error) => fail(error instanceof SetupProblem ? error.message : error.stack),
  );
}
