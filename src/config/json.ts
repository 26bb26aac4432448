/**
 * A strict, bounded reader for the configuration's JSON (RFC 8259). JSON.parse is not enough: it takes the last of two
 * equal keys in silence, and does not say the line of a mistake. Objects come back without a prototype, so that
 * `__proto__` is a key like any other. Pure; never throws.
 */
import type { Problem } from "./types.js";

export const JSON_DEPTH_MAX = 32;

export type JsonResult =
  | { readonly ok: true; readonly value: unknown; readonly duplicates: readonly Problem[] }
  | { readonly ok: false; readonly message: string };

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
    return { ok: true, value: reader.document(), duplicates: reader.duplicates };
  } catch (error) {
    if (!(error instanceof Mistake)) throw error;
    return { ok: false, message: reader.describe(error) };
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
  private at = 0;

  constructor(private readonly text: string) {}

  document(): unknown {
    this.space();
    if (this.at === this.text.length) throw new Mistake(this.at, "the file is empty");
    const value = this.value("", 0);
    this.space();
    if (this.at < this.text.length) throw new Mistake(this.at, "something follows the end of the configuration");
    return value;
  }

  describe(mistake: Mistake): string {
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
    return shown.trim() === ""
      ? where
      : `${where}\n  ${number} | ${shown}\n  ${" ".repeat(String(number).length)} | ${" ".repeat(column - 1 - from)}^`;
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
        const line = this.text.slice(0, keyAt).split("\n").length;
        this.duplicates.push({ path: keyPath, message: `the key is there twice, the second time in line ${line}` });
      }
      this.space();
      if (!this.take(":")) throw this.unexpected('":"');
      this.space();
      object[key] = this.value(keyPath, depth + 1);
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
      array.push(this.value(joinPath(path, array.length), depth + 1));
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
