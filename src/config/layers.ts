/**
 * convict's layers: defaults, then the file, then `VIPD_…` variables, then `--section.key` flags. convict's formats are ours:
 * they record every problem instead of throwing one text, and turn the text of a variable into what the schema wants.
 * Boundary: merges and checks single values; what values mean together is semantics.ts's business.
 */
import convict from "convict";
import { type Leaf, leaves, SCHEMA, type Schema } from "./schema.js";
import { checkShape, isObject, nearest, show } from "./shape.js";
import type { Problem } from "./types.js";

export interface Layers {
  /** Leaf path -> value; undefined where nothing is set, and where what is set is wrong. */
  readonly values: ReadonlyMap<string, unknown>;
  /** Leaf paths that a variable or a flag sets, so that the file's place says nothing of them. */
  readonly outside: ReadonlySet<string>;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

export interface LayerInput {
  /** What the file says; an object, or null where there is none to read. */
  readonly raw: unknown;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `gossip.bind` -> the flag's text. */
  readonly overrides: Readonly<Record<string, string>>;
}

/** Variables of ours that are no keys of the configuration. */
const OTHER_VARIABLES = ["VIPD_CONFIG"];
const FORMAT_PREFIX = "vipd-";

let formatsAdded = false;

/** convict's formats are global; ours carry no state: the record of problems is a property of the key's definition. */
function addFormats(): void {
  if (formatsAdded) return;
  formatsAdded = true;
  for (const kind of ["text", "number", "boolean", "list", "port-or-text"]) {
    convict.addFormat({
      name: FORMAT_PREFIX + kind,
      validate: (value: unknown, definition: unknown) => (definition as { accept(value: unknown): void }).accept(value),
      coerce: (value: unknown) => (typeof value === "string" ? coerceText(value, kind) : value),
    });
  }
}

/** What does not look like the kind stays a text, which the format then refuses with the text in the message. */
function coerceText(text: string, kind: string): unknown {
  if (text === UNSET) return text;
  if (kind === "number" && /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text)) return Number(text);
  if (kind === "boolean" && /^(?:true|false)$/i.test(text)) return text.toLowerCase() === "true";
  if (kind === "list") return text.split(",").map((one) => one.trim());
  return text;
}

function kindOf(schema: Schema): string {
  if (Array.isArray(schema.type)) return "port-or-text";
  if (schema.type === "number" || schema.type === "integer") return "number";
  if (schema.type === "boolean") return "boolean";
  return schema.type === "string" ? "text" : "list";
}

export function layer(input: LayerInput): Layers {
  addFormats();
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const broken = new Set<string>();
  const keys = leaves();
  const file = fileLayer(input.raw, { keys, problems, broken });
  const outside = outsideLayer(input, { keys, warnings, problems });

  const definitions: Record<string, unknown> = {};
  for (const key of keys) {
    // Objects were checked in the file; "vips" is checked item by item in vips.ts. Here they only have to come through.
    const accept = (value: unknown) => {
      if (value === undefined || isBoxed(key) || value === UNSET) return;
      const found = checkShape(value, key.schema, key.path);
      if (found.length > 0) broken.add(key.path);
      const from = outside.source.get(key.path);
      problems.push(
        ...found.map((one) => (from === undefined ? one : { ...one, message: `${one.message} (from ${from})` })),
      );
    };
    const definition = {
      doc: key.schema.description,
      default: key.schema.default === undefined || isBoxed(key) ? UNSET : key.schema.default,
      format: FORMAT_PREFIX + kindOf(key.schema),
      ...(key.variable === null ? {} : { env: key.variable }),
      accept,
    };
    place(definitions, key.path, definition);
  }
  // No `args`: convict's argument parser would make 1000 of `--node.name=1e3`. Flags come as variables, on top of them.
  const config = convict(definitions as convict.Schema<unknown>, { env: outside.env, args: [] });
  config.load(file);
  config.validate({ allowed: "strict" });

  const values = new Map<string, unknown>();
  for (const key of keys) {
    const value: unknown = (config as unknown as { get(path: string): unknown }).get(key.path);
    if (value !== UNSET && !broken.has(key.path))
      values.set(key.path, isBoxed(key) ? (value as readonly unknown[])[0] : value);
  }
  return { values, outside: new Set(outside.source.keys()), problems, warnings };
}

/** Stands for "not set": convict wants a default for every key, and null is a mistake in a file. */
const UNSET = "\u0000unset";

/** The file's sections and keys that are right so far. Unknown keys, wrong sections and wrong values are problems. */
function fileLayer(raw: unknown, to: { keys: readonly Leaf[]; problems: Problem[]; broken: Set<string> }): object {
  const tree: Record<string, unknown> = {};
  if (raw === null) return tree;
  // Lists and single values of known keys are judged here, before convict would turn texts into numbers.
  const shallow = checkShape(raw, { ...SCHEMA, required: [] }, "").filter((one) => !/^vips\b/.test(one.path));
  to.problems.push(...shallow);
  if (!isObject(raw)) return tree;
  for (const key of to.keys) {
    const [first, second] = key.path.split(".") as [string, string | undefined];
    const outer = Object.hasOwn(raw, first) ? raw[first] : undefined;
    const value =
      second === undefined ? outer : isObject(outer) && Object.hasOwn(outer, second) ? outer[second] : undefined;
    if (value === undefined) continue;
    if (key.path === "vips") {
      tree.vips = [value];
    } else if (checkShape(value, key.schema, key.path).length > 0) {
      to.broken.add(key.path);
    } else {
      place(tree, key.path, isBoxed(key) ? [value] : value);
    }
  }
  return tree;
}

/** Objects travel through convict in a list of one, since it takes keys with dots in them apart. So does "vips". */
function isBoxed(key: Leaf): boolean {
  return key.path === "vips" || key.schema.type === "object";
}

function place(tree: Record<string, unknown>, path: string, value: unknown): void {
  const [first, second] = path.split(".") as [string, string | undefined];
  if (second === undefined) {
    tree[first] = value;
    return;
  }
  const section = (tree[first] ??= {}) as Record<string, unknown>;
  section[second] = value;
}

function outsideLayer(input: LayerInput, to: { keys: readonly Leaf[]; warnings: Problem[]; problems: Problem[] }) {
  const env: Record<string, string> = {};
  const source = new Map<string, string>();
  const known = to.keys.filter((key) => key.variable !== null);
  for (const [name, text] of Object.entries(input.env)) {
    if (!name.startsWith("VIPD_") || OTHER_VARIABLES.includes(name) || name.startsWith("VIPD_TEST_")) continue;
    const key = known.find((one) => one.variable === name);
    if (key === undefined) {
      const near = nearest(
        name,
        known.map((one) => one.variable!),
      );
      to.warnings.push({
        path: "",
        message: `the variable ${name} means nothing${near === null ? "" : `; did you mean ${near}?`}`,
      });
    } else if (text !== undefined && text !== "") {
      // An empty variable counts as not set, as units and containers write it.
      env[name] = text;
      source.set(key.path, name);
    }
  }
  for (const [path, text] of Object.entries(input.overrides)) {
    const key = known.find((one) => one.path === path);
    if (key === undefined) {
      to.problems.push({ path: "", message: `the flag ${show(`--${path}`)} names no key that a flag can set` });
      continue;
    }
    env[key.variable!] = text;
    source.set(path, `--${path}`);
  }
  return { env, source };
}
