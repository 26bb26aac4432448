/**
 * The parts of a package that are facts rather than files: which commit, which modules, which Node, whose licences, and the
 * SBOM. Purpose: shared by the Debian package and `npm pack`. Boundary: reads the tree, git and npm; only runtime() writes,
 * to .lab/runtimes.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";

/** Commit and its date; "-dirty" where tracked files differ from it. Without git: SOURCE_DATE_EPOCH, and no commit. */
export function buildInfo(root, kind) {
  const git = (...args) =>
    execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    const dirty = git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "-dirty";
    const date = new Date(Number(git("log", "-1", "--format=%ct")) * 1000).toISOString();
    return { commit: git("rev-parse", "HEAD") + dirty, date, package: kind };
  } catch {
    const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? 0);
    return { commit: "unknown", date: new Date(epoch * 1000).toISOString(), package: kind };
  }
}

/** Production modules as npm has laid them out, in the order of their places: { name, version, folder, place }. */
export function deepModules(root) {
  const lock = JSON.parse(fs.readFileSync(path.join(root, "package-lock.json"), "utf8")).packages;
  return Object.entries(lock)
    .filter(([place, entry]) => place !== "" && !entry.dev && fs.existsSync(path.join(root, place)))
    .map(([place, entry]) => ({
      name: place.split("node_modules/").pop(),
      version: entry.version,
      license: entry.license ?? "see its licence file",
      integrity: entry.integrity,
      place,
      folder: path.join(root, place),
    }))
    .sort((a, b) => (a.place < b.place ? -1 : 1));
}

/** The Node of a line ("24"), from npm by systemd/runtime's lock file; kept in .lab/runtimes. */
export function runtime(root, line) {
  const pinned = path.join(root, "systemd/runtime");
  const cache = path.join(root, ".lab/runtimes");
  const lock = fs.readFileSync(path.join(pinned, "package-lock.json"));
  const folder = path.join(cache, `node_modules/node${line}-${process.arch}`);
  const stamp = path.join(cache, "node_modules/.stamp");
  const fresh = fs.existsSync(stamp) && fs.readFileSync(stamp).equals(lock);
  if (!fresh || !fs.existsSync(folder)) {
    fs.mkdirSync(cache, { recursive: true });
    for (const file of ["package.json", "package-lock.json"])
      fs.copyFileSync(path.join(pinned, file), path.join(cache, file));
    process.stderr.write("fetching the Node runtimes (npm ci, .lab/runtimes)\n");
    execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: cache,
      stdio: ["ignore", "ignore", "inherit"],
    });
    fs.writeFileSync(stamp, lock);
  }
  const entry = JSON.parse(lock.toString()).packages[`node_modules/node${line}-${process.arch}`];
  return { binary: path.join(folder, "bin/node"), folder, version: entry.version, integrity: entry.integrity };
}

/** Every word of an embedded text is kept; a blank line is " ." in Debian's format. */
function indented(text) {
  return text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => (line.trim() === "" ? " ." : ` ${line}`))
    .join("\n");
}

/** Debian's machine-readable format 1.0, with the full texts of all that is inside. */
export function copyright(root, node) {
  const own = "/usr/share/common-licenses/Apache-2.0";
  const stanzas = [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: vipd\nSource: the project's repository",
    `Files: *\nCopyright: the vipd authors\nLicense: Apache-2.0\n On Debian systems the full text is in\n ${own}.`,
    `Files: usr/lib/vipd/node\nCopyright: Node.js contributors, and others as named below\nLicense: Node-and-its-libraries\n${indented(fs.readFileSync(path.join(node.folder, "LICENSE"), "utf8"))}`,
  ];
  for (const module of deepModules(root)) {
    if (module.name === "node-addon-api") continue;
    const file = fs.readdirSync(module.folder).find((name) => /^licen[cs]e/i.test(name));
    const text = file
      ? fs.readFileSync(path.join(module.folder, file), "utf8")
      : `${module.license}, as its package.json says.`;
    const holder =
      /^.*copyright.*\d{4}.*$/im
        .exec(text)?.[0]
        .trim()
        .replace(/^copyright\s*/i, "") ?? `the authors of ${module.name}`;
    stanzas.push(
      `Files: usr/lib/vipd/app/${module.place}/*\nCopyright: ${holder}\nLicense: ${module.license}-${module.name.replace(/[^a-z0-9-]/gi, "-")}\n${indented(text)}`,
    );
  }
  return `${stanzas.join("\n\n")}\n`;
}

/** CycloneDX 1.6: what is inside, by name, version and digest. The serial number is made from the content. */
export function sbom(root, { version, node, date }) {
  const sha512 = (integrity) => Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex");
  const component = (name, it, license) => ({
    type: "library",
    "bom-ref": `pkg:npm/${name}@${it.version}`,
    name,
    version: it.version,
    purl: `pkg:npm/${name}@${it.version}`,
    licenses: [{ license: { name: license } }],
    hashes: [{ alg: "SHA-512", content: sha512(it.integrity) }],
  });
  const modules = deepModules(root).filter((module) => module.name !== "node-addon-api");
  const components = [
    {
      ...component(`node-linux-${process.arch}`, node, "MIT and others"),
      type: "application",
      description: "Node.js runtime",
    },
    ...modules.map((module) => component(module.name, module, module.license)),
  ];
  const hex = createHash("sha256")
    .update(JSON.stringify([version, components]))
    .digest("hex");
  const uuid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  const main = {
    type: "application",
    "bom-ref": "vipd",
    name: "vipd",
    version,
    licenses: [{ license: { id: "Apache-2.0" } }],
  };
  const bom = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuid}`,
    version: 1,
    metadata: { timestamp: date, component: main },
    components,
    dependencies: [{ ref: "vipd", dependsOn: components.map((one) => one["bom-ref"]) }],
  };
  return `${JSON.stringify(bom, null, 2)}\n`;
}
