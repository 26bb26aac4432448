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
    const lines = layout(header, rows, (text, colour) => this.paint(text, colour), this.live ? this.out.columns : 0);
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
  columns = 0,
): readonly string[] {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.text.length ?? 0)));
  if (columns > 0) shrink(widths, columns - INDENT.length);
  const cell = (text: string, i: number) => text.slice(0, widths[i]!).padEnd(widths[i]!);
  const head = header.map((title, i) => paint(cell(title, i), "dim")).join("  ");
  const body = rows.map((row) => row.map(({ text, colour }, i) => paint(cell(text, i), colour)).join("  "));
  return [head, ...body].map((text) => `${INDENT}${text}`.trimEnd());
}

const INDENT = "   ";

/** A row that wraps would be drawn over wrongly: the widest column gives way until the row fits. */
function shrink(widths: number[], room: number): void {
  const total = () => widths.reduce((sum, width) => sum + width + 2, -2);
  while (total() > room && Math.max(...widths) > 4) widths[widths.indexOf(Math.max(...widths))]! -= 1;
}
