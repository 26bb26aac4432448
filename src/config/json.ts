/**
 * A strict, bounded reader for the configuration's JSON (RFC 8259). JSON.parse is not enough: it takes the last of two
 * equal keys in silence, and does not say the line of a mistake. Objects come back without a prototype, so that
 * `__proto__` is a key like any other. Pure; never throws.
 */
import type { Problem } from "./types.js";

export const JSON_DEPTH_MAX = 32;

export type JsonResult =
  | { readonly ok: true; readonly value: unknown; readonly duplicates: readonly Problem[]; readonly places: Places }
  | { readonly ok: false; readonly message: string; readonly line: number; readonly column: number };

/** Where something stands in the text; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
  /** As it is written there, shortened. */
  readonly value: string;
}

const VALUE_SHOWN_MAX = 80;

/** Finds the place of a path; of one that is not there (a missing key) that of the object that should have it. */
export class Places {
  /** By path: where its key begins (its value, in a list and for the whole), where the value begins, and where that ends. */
  readonly #spans = new Map<string, readonly [key: number, from: number, to: number]>();
  #lineStarts: readonly number[] | null = null;

  constructor(private readonly text: string) {}

  add(path: string, key: number, from: number, to: number): void {
    this.#spans.set(path, [key, from, to]);
  }

  find(path: string, of: "key" | "value"): Place | null {
    for (let at = path; ; at = parentOf(at)) {
      const span = this.#spans.get(at);
      if (span !== undefined) {
        const value = at === path ? this.text.slice(span[1], Math.min(span[2], span[1] + VALUE_SHOWN_MAX + 1)) : "";
        const shown = value.length > VALUE_SHOWN_MAX ? `${value.slice(0, VALUE_SHOWN_MAX - 1)}…` : value;
        return { ...this.#lineAt(of === "key" ? span[0] : span[1]), value: shown.replace(/\s+/g, " ") };
      }
      if (at === "") return null;
    }
  }

  #lineAt(offset: number): { line: number; column: number } {
    this.#lineStarts ??= [0, ...[...this.text.matchAll(/\n/g)].map((match) => match.index + 1)];
    const starts = this.#lineStarts;
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - starts[low]! + 1 };
  }
}

/** `vips[0]` of `vips[0].name`; the reverse of joinPath. */
function parentOf(path: string): string {
  const parent = path.replace(/(?:\["(?:[^"\\]|\\.)*"\]|\[\d+\]|(?:^|\.)[\w$-]+)$/, "");
  return parent === path ? "" : parent;
}

/** `vips[1].name`, `node.labels["a b"]`. */
export function joinPath(parent: string, key: string | number): string {
  if (typeof key === "number") return `${parent}[${key}]`;
  if (!/^[A-Za-z_$][\w$-]*$/.test(key)) return `${parent}[${JSON.stringify(key)}]`;
  return parent === "" ? key : `${parent}.${key}`;
}

/** The value of `text`, or what is wrong with it: line, column, and the line itself. */
export function parseJson(text: string): JsonResult {
  const reader = new Reader(text.startsWith("\ufeff") ? text.slice(1) : text);
  try {
    return { ok: true, value: reader.document(), duplicates: reader.duplicates, places: reader.places };
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    return { ok: false, ...reader.describe(error) };
  }
}

class Mistake extends Error {
  constructor(
    readonly at: number,
    message: string,
  ) {
    super(message);
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class Reader {
  readonly duplicates: Problem[] = [];
  readonly places: Places;
  private at = 0;

  constructor(private readonly text: string) {
    this.places = new Places(text);
  }

  document(): unknown {
    this.space();
    if (this.at === this.text.length) throw new Mistake(this.at, "the file is empty");
    const value = this.placed("", this.at, 0);
    this.space();
    if (this.at < this.text.length) throw new Mistake(this.at, "something follows the end of the configuration");
    return value;
  }

  describe(mistake: Mistake): { message: string; line: number; column: number } {
    const before = this.text.slice(0, mistake.at);
    const lineStart = before.lastIndexOf("\n") + 1;
    const lineEnd = this.text.indexOf("\n", mistake.at);
    const line = this.text.slice(lineStart, lineEnd < 0 ? undefined : lineEnd).replace(/\r$/, "");
    const column = mistake.at - lineStart + 1;
    // A file of one long line: show the part around the mistake.
    const from = Math.max(0, column - 61);
    const shown = line.slice(from, from + 120).replace(/[^\x20-\x7e\u00a0-\uffff]/g, " ");
    const number = before.split("\n").length;
    const where = `line ${number}, column ${column}: ${mistake.message}`;
    const message =
      shown.trim() === ""
        ? where
        : `${where}\n  ${number} | ${shown}\n  ${" ".repeat(String(number).length)} | ${" ".repeat(column - 1 - from)}^`;
    return { message, line: number, column };
  }

  private placed(path: string, keyAt: number, depth: number): unknown {
    const from = this.at;
    const value = this.value(path, depth);
    this.places.add(path, keyAt, from, this.at);
    return value;
  }

  private value(path: string, depth: number): unknown {
    if (depth > JSON_DEPTH_MAX) throw new Mistake(this.at, `nested deeper than ${JSON_DEPTH_MAX} levels`);
    const c = this.text[this.at];
    if (c === "{") return this.object(path, depth);
    if (c === "[") return this.array(path, depth);
    if (c === '"') return this.string();
    if (c === "-" || (c !== undefined && c >= "0" && c <= "9")) return this.number();
    for (const [word, value] of [
      ["true", true],
      ["false", false],
      ["null", null],
    ] as const) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    throw this.unexpected("a value");
  }

  private object(path: string, depth: number): unknown {
    const object = Object.create(null) as Record<string, unknown>;
    this.at++;
    this.space();
    if (this.take("}")) return object;
    for (;;) {
      const keyAt = this.at;
      if (this.text[this.at] !== '"') throw this.unexpected("a key in double quotes", "}");
      const key = this.string();
      const keyPath = joinPath(path, key);
      if (key in object) {
        const before = this.text.slice(0, keyAt);
        const line = before.split("\n").length;
        const message = `the key is there twice, the second time in line ${line}`;
        this.duplicates.push({ path: keyPath, message, line, column: keyAt - before.lastIndexOf("\n") });
      }
      this.space();
      if (!this.take(":")) throw this.unexpected('":"');
      this.space();
      object[key] = this.placed(keyPath, keyAt, depth + 1);
      this.space();
      if (this.take("}")) return object;
      if (!this.take(",")) throw this.unexpected('"," or "}"');
      this.space();
    }
  }

  private array(path: string, depth: number): unknown {
    const array: unknown[] = [];
    this.at++;
    this.space();
    if (this.take("]")) return array;
    for (;;) {
      if (this.text[this.at] === "]") throw this.unexpected("a value", "]");
      array.push(this.placed(joinPath(path, array.length), this.at, depth + 1));
      this.space();
      if (this.take("]")) return array;
      if (!this.take(",")) throw this.unexpected('"," or "]"');
      this.space();
    }
  }

  private string(): string {
    const start = this.at++;
    let result = "";
    for (;;) {
      const c = this.text[this.at];
      if (c === undefined || c === "\n") throw new Mistake(start, "a text that is not closed");
      if (c < " ") throw new Mistake(this.at, "a control character in a text (write it as \\u00XX)");
      this.at++;
      if (c === '"') return result;
      result += c === "\\" ? this.escape() : c;
    }
  }

  private escape(): string {
    const c = this.text[this.at];
    const simple = c === undefined ? undefined : ESCAPES[c];
    if (simple !== undefined) {
      this.at++;
      return simple;
    }
    const hex = this.text.slice(this.at + 1, this.at + 5);
    if (c !== "u" || !/^[0-9a-f]{4}$/i.test(hex)) throw new Mistake(this.at - 1, "an escape that JSON does not know");
    this.at += 5;
    return String.fromCharCode(Number.parseInt(hex, 16));
  }

  private number(): number {
    const pattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (match === null) throw this.unexpected("a number");
    const end = this.at + match[0].length;
    if (/[\w.+-]/.test(this.text[end] ?? "")) throw new Mistake(this.at, "not a number as JSON writes them");
    this.at = end;
    return Number(match[0]);
  }

  private space(): void {
    while (" \t\r\n".includes(this.text[this.at] ?? "x")) this.at++;
    if (this.text[this.at] === "/" || this.text[this.at] === "#") throw new Mistake(this.at, "JSON has no comments");
  }

  private take(c: string): boolean {
    if (this.text[this.at] !== c) return false;
    this.at++;
    return true;
  }

  private unexpected(wanted: string, closer?: string): Mistake {
    const c = this.text[this.at];
    if (c === undefined) return new Mistake(this.at, `the file ends where ${wanted} should be`);
    if (c === closer) return new Mistake(this.at, `there is a comma too many before "${c}"`);
    return new Mistake(this.at, `expected ${wanted}, found ${JSON.stringify(c)}`);
  }
}
