import { expect, test } from "vitest";
import { isoText } from "../../../src/adapters/clock.js";

test.each([0, 1.9, 999.999, 1000, 1_795_274_442_166.172, 1_795_274_442_999.9, 1_795_274_443_000, 253_402_300_799_999])(
  "%d is the text that Date has for it",
  (ms) => expect(isoText(ms)).toBe(new Date(ms).toISOString()),
);

test("going to and fro between seconds mixes nothing up", () => {
  for (const ms of [5_000, 61_001, 5_999, 61_001]) expect(isoText(ms)).toBe(new Date(ms).toISOString());
});
