import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

/** The house (DESIGN.md): imports go downward only. This test reads the sources' import statements, not what runs. */
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SRC = join(ROOT, "src");

function filesOf(folder: string, ending: RegExp): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes("/build/"));
}

/** Everything that is imported, type imports, re-exports and import() included. Comments are no code. */
function importsOf(source: string): string[] {
  const code = withoutComments(source);
  const statement = /\b(?:import|export)\b[^;"'`]*?\bfrom\s*["']([^"']+)["']/g;
  const bare = /\bimport\s*["']([^"']+)["']/g;
  const dynamic = /\b(?:import|require)\s*\(\s*["']([^"']+)["']/g;
  return [statement, bare, dynamic].flatMap((pattern) => [...code.matchAll(pattern)].map((m) => m[1]!));
}

/** Comments go, strings and templates stay (they may look like comments). */
function withoutComments(source: string): string {
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
  return source.replace(token, (t) => (t.startsWith("/*") || t.startsWith("//") ? " " : t));
}

/** And without strings: for words that must not occur in code. */
function bareCode(source: string): string {
  return withoutComments(source).replace(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, '""');
}

interface Source {
  /** Below src/. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const SOURCES: readonly Source[] = filesOf(SRC, /\.ts$/).map((file) => {
  const text = readFileSync(file, "utf8");
  return { path: relative(SRC, file), text, imports: importsOf(text) };
});

/** What a floor may import of the others; itself always. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  wire: ["domain"],
  config: ["domain"],
  "ports.ts": ["domain"],
  adapters: ["ports.ts", "wire", "config", "domain"],
  daemon: ["adapters", "ports.ts", "wire", "config", "domain"],
  cli: ["daemon", "adapters", "ports.ts", "wire", "config", "domain"],
};

const floorOf = (path: string) => path.split("/")[0]!;

/** The path below src/ that a relative import means; null for a package or a node: module. */
function target(from: string, specifier: string): string | null {
  if (!specifier.startsWith(".")) return null;
  return join(dirname(from), specifier).replace(/\.js$/, ".ts");
}

/** The wrong imports of a source, as sentences. */
function wrongImports(source: Source): string[] {
  const floor = floorOf(source.path);
  const wrong: string[] = [];
  for (const specifier of source.imports) {
    const to = target(source.path, specifier);
    if (to === null) {
      if (floor === "domain") wrong.push(`${source.path}: the domain imports ${specifier}`);
      continue;
    }
    const toFloor = floorOf(to);
    if (to.startsWith("../")) {
      // package.json is data at the top of the house; nothing else lies outside src/.
      if (!to.endsWith("/package.json")) wrong.push(`${source.path}: leaves src/ for ${specifier}`);
    } else if (toFloor !== floor && !(BELOW[floor] ?? []).includes(toFloor)) {
      wrong.push(`${source.path}: ${floor} imports ${toFloor} (${specifier})`);
    } else if (floor === "adapters" && toFloor === "adapters" && !isSameAdapter(source.path, to)) {
      wrong.push(`${source.path}: an adapter imports another (${specifier})`);
    }
  }
  return wrong;
}

/** An adapter is a file and the files whose names go on after it: http.ts, http-view.ts. The addon's face is everybody's. */
function isSameAdapter(a: string, b: string): boolean {
  const name = (path: string) => path.split("/")[1]!.replace(/\.ts$/, "");
  if (name(b) === "native") return true;
  const names = SOURCES.filter((s) => floorOf(s.path) === "adapters").map((s) => name(s.path));
  const family = (n: string) =>
    names.filter((other) => n === other || n.startsWith(`${other}-`)).sort((x, y) => x.length - y.length)[0];
  return family(name(a)) === family(name(b));
}

describe("the floors", () => {
  test("are the folders of src, and nothing else lies there", () => {
    const found = new Set(SOURCES.map((s) => floorOf(s.path)));
    for (const floor of found) expect(Object.keys(BELOW)).toContain(floor);
    expect(found).toContain("domain");
  });

  test("import downward only", () => {
    expect(SOURCES.flatMap(wrongImports)).toEqual([]);
  });

  test("import with the ending that NodeNext wants", () => {
    const wrong = SOURCES.flatMap((s) =>
      s.imports.filter((i) => i.startsWith(".") && !/\.(js|json)$/.test(i)).map((i) => `${s.path}: ${i}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe("the pure floors", () => {
  const FORBIDDEN: readonly [string, RegExp][] = [
    ["a clock", /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b|\bhrtime\b/],
    ["a timer", /\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/],
    ["chance", /\bMath\.random\b|\bcrypto\b/],
    ["async", /\basync\b|\bawait\b|\bPromise\b/],
    ["the process", /\bprocess\.|\bconsole\./],
  ];

  test.each(FORBIDDEN)("have no %s in the domain", (_, pattern) => {
    const found = SOURCES.filter((s) => floorOf(s.path) === "domain" && pattern.test(bareCode(s.text))).map(
      (s) => s.path,
    );
    expect(found).toEqual([]);
  });

  test("have no clock, timer or socket in the wire", () => {
    const pattern =
      /\bDate\.now\b|\bperformance\.now\b|\bset(?:Timeout|Interval|Immediate)\b|\basync\b|\bMath\.random\b/;
    const wrong = SOURCES.filter((s) => floorOf(s.path) === "wire").flatMap((s) => [
      ...s.imports.filter((i) => /^node:(?!crypto$|zlib$|buffer$)/.test(i)).map((i) => `${s.path}: ${i}`),
      ...(pattern.test(bareCode(s.text)) ? [s.path] : []),
    ]);
    expect(wrong).toEqual([]);
  });

  test("hold types only in ports.ts", () => {
    const ports = bareCode(readFileSync(join(SRC, "ports.ts"), "utf8"));
    expect(ports).not.toMatch(/\b(?:function|class|const|let|var|enum)\b/);
    expect(ports).not.toMatch(/^import (?!type)/m);
  });
});

test("napi.h is included in the addon folder of native only", () => {
  const wrong = filesOf(join(ROOT, "native"), /\.(h|hh|hpp|c|cc|cpp)$/)
    .filter((file) => /#\s*include\s*[<"](?:napi|node_api)\.h/.test(readFileSync(file, "utf8")))
    .map((file) => relative(join(ROOT, "native"), file))
    .filter((path) => !/(^|\/)addon\//.test(path));
  expect(wrong).toEqual([]);
});

describe("this test itself", () => {
  const source = (path: string, text: string): Source => ({ path, text, imports: importsOf(text) });

  test.each<[string, string, string, number]>([
    ["an upward import", "domain/a.ts", 'import { x } from "../wire/b.js";', 1],
    ["an upward type import", "ports.ts", 'import type { X } from "./daemon/b.js";', 1],
    ["a node: module in the domain", "domain/a.ts", 'import { isIP } from "node:net";', 1],
    ["a package in the domain", "domain/a.ts", 'import z from "zod";', 1],
    ["a bare import", "wire/a.ts", 'import "../adapters/b.js";', 1],
    ["an import()", "wire/a.ts", 'await import("../adapters/b.js");', 1],
    ["a re-export over several lines", "config/a.ts", 'export {\n  a,\n  b,\n} from "../daemon/b.js";', 1],
    ["an adapter that imports another", "adapters/log.ts", 'import { x } from "./http.js";', 1],
    ["nothing in an adapter's second file", "adapters/http.ts", 'import { x } from "./http-view.js";', 0],
    ["nothing in the addon's face", "adapters/log.ts", 'import { x } from "./native.js";', 0],
    ["nothing in a comment", "domain/a.ts", '// import { x } from "../wire/b.js";\n/* import "node:fs"; */', 0],
    ["nothing in a downward import", "cli/a.ts", 'import { x } from "../domain/b.js";', 0],
  ])("finds %s", (_, path, text, count) => {
    expect(wrongImports(source(path, text))).toHaveLength(count);
  });
});
