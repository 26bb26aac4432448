import { describe, expect, test } from "vitest";
import { frame } from "../../../src/cli/redraw.js";

const ESC = "\u001b";

describe("a frame that is drawn in place", () => {
  test.each<[string, string, { columns: number; rows: number; before: number }, string, number]>([
    ["the first one", "a\nb", { columns: 80, rows: 24, before: 0 }, `\ra${ESC}[K\nb${ESC}[K${ESC}[J`, 2],
    ["the next one goes up over it", "a", { columns: 80, rows: 24, before: 3 }, `\r${ESC}[2Aa${ESC}[K${ESC}[J`, 1],
    [
      "a line that is too wide is cut, colours take no room",
      `${ESC}[31mred${ESC}[0m and more`,
      { columns: 5, rows: 24, before: 1 },
      `\r${ESC}[31mred${ESC}[0m a${ESC}[K${ESC}[J`,
      1,
    ],
    [
      "what does not fit the screen is counted",
      "a\nb\nc\nd",
      { columns: 80, rows: 4, before: 0 },
      `\ra${ESC}[K\nb${ESC}[K\n... 2 more lines${ESC}[K${ESC}[J`,
      3,
    ],
    ["a screen that became smaller", "a", { columns: 80, rows: 3, before: 20 }, `\r${ESC}[1Aa${ESC}[K${ESC}[J`, 1],
  ])("%s", (_, text, screen, output, rows) => expect(frame(text, screen)).toEqual({ output, rows }));
});
