/**
 * Checks a value against the schema: types, bounds, unknown and missing keys, each with its exact path and with what would be
 * right. Boundary: shapes only, pure; meaning (addresses, names that are free) is checked elsewhere.
 */
import { joinPath } from "./json.js";
import { type JsonType, SCHEMA, type Schema } from "./schema.js";
import type { Problem } from "./types.js";

const TYPE_NAMES: Readonly<Record<JsonType, string>> = {
  string: "a text",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  object: "an object { … }",
  array: "a list [ … ]",
  null: "null",
};

/** A value as it stands in the file, shortened: `the text "5"`. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

export function checkShape(value: unknown, schema: Schema, path: string): Problem[] {
  if (schema.anyOf !== undefined) return checkAnyOf(value, schema, path);
  const types = schema.type === undefined ? [] : typeof schema.type === "string" ? [schema.type] : schema.type;
  if (types.length > 0 && !types.some((type) => isOfType(value, type))) return [wrongType(value, types, schema, path)];
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    const hint = typeof value === "string" ? nearest(value, schema.enum.map(String)) : null;
    const known = schema.enum.map((one) => JSON.stringify(one)).join(", ");
    return [
      {
        path,
        message: `${show(value)} is not one of ${known}${hint === null ? "" : ` (did you mean ${JSON.stringify(hint)}?)`}`,
      },
    ];
  }
  if (typeof value === "string") return checkText(value, schema, path);
  if (typeof value === "number") return checkNumber(value, schema, path);
  if (Array.isArray(value)) return checkList(value, schema, path);
  if (isObject(value)) return checkObject(value, schema, path);
  return [];
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isOfType(value: unknown, type: JsonType): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return isObject(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

function wrongType(value: unknown, types: readonly JsonType[], schema: Schema, path: string): Problem {
  const wanted = types.map((type) => TYPE_NAMES[type]).join(" or ");
  const example = schema.examples?.[0] ?? schema.default;
  const such = example === undefined ? "" : `, such as ${show(example)}`;
  if (value === null)
    return { path, message: `must be ${wanted}${such}, is null (leave the key out if nothing is meant)` };
  return { path, message: `must be ${wanted}${such}, is ${describe(value)}` };
}

function describe(value: unknown): string {
  if (typeof value === "string") return `the text ${show(value)}`;
  if (typeof value === "number") return `the number ${show(value)}`;
  if (Array.isArray(value)) return `a list: ${show(value)}`;
  if (isObject(value)) return `an object: ${show(value)}`;
  return show(value);
}

/** A choice between types and constants: a value is judged as what it looks like, so that its parts get their paths. */
function checkAnyOf(value: unknown, schema: Schema, path: string): Problem[] {
  const branches = schema.anyOf ?? [];
  if (branches.some((branch) => branch.const !== undefined && branch.const === value)) return [];
  const fitting = branches.find((branch) => typeof branch.type === "string" && isOfType(value, branch.type));
  if (fitting !== undefined) return checkShape(value, fitting, path);
  const right = (schema.examples ?? []).map(show).join(" or ");
  return [{ path, message: `must be ${right}, is ${describe(value)}` }];
}

function checkText(value: string, schema: Schema, path: string): Problem[] {
  if (schema.minLength !== undefined && value.length < schema.minLength)
    return [{ path, message: "must not be empty" }];
  // Bytes, not UTF-16 units: all our limits come from the kernel or the wire.
  const bytes = new TextEncoder().encode(value).length;
  if (schema.maxLength !== undefined && bytes > schema.maxLength) {
    return [{ path, message: `${show(value)} has ${bytes} bytes, at most ${schema.maxLength} are possible` }];
  }
  return [];
}

function checkNumber(value: number, schema: Schema, path: string): Problem[] {
  const fail = (message: string): Problem[] => [{ path, message: `${value} is not possible: ${message}` }];
  if (!Number.isFinite(value)) return fail("must be finite");
  if (schema.exclusiveMinimum !== undefined && value <= schema.exclusiveMinimum)
    return fail(`must be more than ${schema.exclusiveMinimum}`);
  if (schema.minimum !== undefined && value < schema.minimum) return fail(`must be at least ${schema.minimum}`);
  if (schema.maximum !== undefined && value > schema.maximum) return fail(`must be at most ${schema.maximum}`);
  return [];
}

function checkList(value: readonly unknown[], schema: Schema, path: string): Problem[] {
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    return [{ path, message: `has ${value.length} entries, at most ${schema.maxItems} are possible` }];
  }
  if (value.length < (schema.minItems ?? 0)) {
    return [
      {
        path,
        message:
          path === "vips"
            ? "is empty: there is nothing to do; name at least one group of addresses"
            : "must not be empty",
      },
    ];
  }
  const items = schema.items;
  return items === undefined ? [] : value.flatMap((item, i) => checkShape(item, items, joinPath(path, i)));
}

function checkObject(value: Record<string, unknown>, schema: Schema, path: string): Problem[] {
  const problems: Problem[] = [];
  const known = schema.properties ?? {};
  const keys = Object.keys(value);
  if (schema.maxProperties !== undefined && keys.length > schema.maxProperties) {
    problems.push({ path, message: `has ${keys.length} entries, at most ${schema.maxProperties} are possible` });
  }
  for (const key of keys) {
    const here = joinPath(path, key);
    const own = Object.hasOwn(known, key) ? known[key] : undefined;
    if (own !== undefined) problems.push(...checkShape(value[key], own, here));
    else if (schema.additionalProperties === false) problems.push(unknownKey(key, here, Object.keys(known)));
    else if (schema.additionalProperties !== undefined)
      problems.push(...checkShape(value[key], schema.additionalProperties, here));
  }
  for (const key of schema.required ?? []) {
    if (Object.hasOwn(value, key)) continue;
    const property = known[key];
    const such = property?.examples === undefined ? "" : `, such as ${show(property.examples[0])}`;
    problems.push({
      path: joinPath(path, key),
      message: `is missing${such === "" && property?.description ? `: ${property.description}` : such}`,
    });
  }
  return problems;
}

/** Unknown, with the nearest known key here, or with the place where a key of that name belongs. */
function unknownKey(key: string, path: string, siblings: readonly string[]): Problem {
  const near = nearest(key, siblings);
  if (near !== null) return { path, message: `unknown key; did you mean "${near}"?` };
  const elsewhere = placesOf(key).filter((place) => place !== path);
  if (elsewhere.length > 0) return { path, message: `unknown key here; did you mean ${elsewhere.join(" or ")}?` };
  return { path, message: `unknown key; known here: ${siblings.filter((one) => one !== "$schema").join(", ")}` };
}

function placesOf(key: string): string[] {
  const places: string[] = [];
  for (const [name, schema] of Object.entries(SCHEMA.properties!)) {
    if (name === key) places.push(name);
    if (Object.hasOwn(schema.properties ?? {}, key)) places.push(`${name}.${key}`);
    if (Object.hasOwn(schema.items?.properties ?? {}, key)) places.push(`${name}[].${key}`);
  }
  return places;
}

/** The known word that `word` was probably meant to be: Damerau-Levenshtein distance of at most a third of its length. */
export function nearest(word: string, known: readonly string[]): string | null {
  if (word.length > 64) return null;
  const lower = word.toLowerCase();
  let best: { word: string; distance: number } | null = null;
  for (const one of known) {
    const distance = editDistance(lower, one.toLowerCase());
    const limit = Math.max(1, Math.floor(Math.max(word.length, one.length) / 3));
    if (distance <= limit && (best === null || distance < best.distance)) best = { word: one, distance };
  }
  return best?.word ?? null;
}

function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const replace = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const cheapest = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, replace);
      row.push(swap ? Math.min(cheapest, rows[i - 2]![j - 2]! + 1) : cheapest);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
