/**
 * One frame of a text that is drawn again and again in place: goes up over the former frame, clears each line as it is written,
 * and fits the terminal. Boundary: pure; knows only SGR sequences (colours), which take no room.
 */
export interface Frame {
  readonly output: string;
  /** Lines that the next frame has to go up over. */
  readonly rows: number;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: an SGR sequence begins with ESC.
const PIECES = /\u001b\[[\d;]*m|[\s\S]/gu;

export function frame(text: string, screen: { columns: number; rows: number; before: number }): Frame {
  const all = text.split("\n");
  // The terminal would scroll, and the next frame would not find its first line again.
  const room = Math.max(1, screen.rows - 1);
  const cut = all.length > room;
  const shown = cut ? [...all.slice(0, room - 1), `... ${all.length - room + 1} more lines`] : all;
  const up = screen.before > 1 ? `\u001b[${Math.min(screen.before, room) - 1}A` : "";
  const lines = shown.map((line) => `${clip(line, screen.columns)}\u001b[K`);
  return { output: `\r${up}${lines.join("\n")}\u001b[J`, rows: shown.length };
}

function clip(line: string, columns: number): string {
  let width = 0;
  let out = "";
  for (const [piece] of line.matchAll(PIECES)) {
    if (piece.length > 1 && piece.startsWith("\u001b")) out += piece;
    else if (++width <= columns) out += piece;
  }
  return out;
}
