/**
 * What the demo shows: numbered steps, aligned tables, redrawn in place on a terminal and printed when they change
 * elsewhere. Colours on a terminal only (and not with NO_COLOR). Boundary: text in, text out.
 */

export type Colour = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

const CODES: Readonly<Record<Colour, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };

export interface Cell {
  readonly text: string;
  readonly colour?: Colour;
}

export class Screen {
  readonly live: boolean;
  #drawn = 0;
  #lastPlain = "";
  #lastPlainMs = 0;
  #step = 0;

  constructor(readonly out: NodeJS.WriteStream = process.stdout) {
    this.live = out.isTTY === true && process.env.TERM !== "dumb";
  }

  paint(text: string, colour: Colour | undefined): string {
    const coloured = this.live && colour !== undefined && process.env.NO_COLOR === undefined;
    return coloured ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text;
  }

  line(text = ""): void {
    this.#drawn = 0;
    this.out.write(`${text}\n`);
  }

  /** `1  Building the lab …` */
  step(text: string): void {
    this.#step++;
    this.line();
    this.line(`${this.paint(String(this.#step), "cyan")}  ${this.paint(text, "bold")}`);
  }

  say(text: string, colour?: Colour): void {
    this.line(`   ${this.paint(text, colour)}`);
  }

  /** Draws over the table that was drawn last, if nothing was said since. Off a terminal: when it changed, at most once a second. */
  table(header: readonly string[], rows: readonly (readonly Cell[])[], { force = false } = {}): void {
    const lines = layout(header, rows, (text, colour) => this.paint(text, colour));
    const plain = layout(header, rows, (text) => text).join("\n");
    if (!this.live) {
      const now = performance.now();
      if (plain === this.#lastPlain || (!force && now - this.#lastPlainMs < 1000)) return;
      this.#lastPlain = plain;
      this.#lastPlainMs = now;
      this.out.write(`\n${plain}\n`);
      return;
    }
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A` : "";
    this.out.write(`${up}${lines.map((line) => `\u001b[2K${line}\n`).join("")}`);
    this.#drawn = lines.length;
  }
}

function layout(
  header: readonly string[],
  rows: readonly (readonly Cell[])[],
  paint: (text: string, colour: Colour | undefined) => string,
): readonly string[] {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.text.length ?? 0)));
  const head = header.map((title, i) => paint(title.padEnd(widths[i]!), "dim")).join("  ");
  const body = rows.map((row) => row.map((cell, i) => paint(cell.text.padEnd(widths[i]!), cell.colour)).join("  "));
  return [head, ...body].map((text) => `   ${text}`.trimEnd());
}
