/**
 * Log lines for people at a terminal: time, level, event, the sentence, then the fields as `key=value`.
 * Boundary: a pure function of the event; control characters from the outside never reach the terminal.
 */
import type { LogLevel } from "../ports.js";

export interface PrettyEvent {
  readonly at: Date;
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly text: string | undefined;
}

/** SGR codes: grey, cyan, green, yellow, red. */
const COLOUR: Readonly<Record<LogLevel, number>> = { trace: 90, debug: 36, info: 32, warn: 33, error: 31 };

export function prettyLine(e: PrettyEvent, options: { readonly colour: boolean }): string {
  const paint = (code: number, s: string) => (options.colour ? `\x1b[${code}m${s}\x1b[0m` : s);
  const fields = Object.entries(e.fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${printable(key)}=${show(value)}`)
    .join(" ");
  const parts = [
    paint(90, clock(e.at)),
    paint(COLOUR[e.level], e.level.toUpperCase().padEnd(5)),
    paint(1, printable(e.event)),
    printable(e.text ?? ""),
    fields === "" ? "" : paint(90, fields),
  ];
  return `${parts.filter((part) => part !== "").join("  ")}\n`;
}

/** Local wall time, hh:mm:ss.mmm: who sits at a terminal thinks in it. */
function clock(at: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const ms = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}

function show(value: unknown): string {
  if (value instanceof Error) return printable(value.message);
  if (typeof value === "string") return printable(/[\s"=]/.test(value) || value === "" ? JSON.stringify(value) : value);
  try {
    return printable(JSON.stringify(value) ?? String(value));
  } catch {
    // A cycle, or a BigInt.
    return printable(String(value));
  }
}

/** A member's name comes from the network: no escape sequence of its making may reach the terminal. */
function printable(s: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  return s.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
