import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PLANTS } from "./planted.js";

describe("planted faults", () => {
  it.each(Object.entries(PLANTS))("%s: the places that it changes are there", (_, { changes }) => {
    for (const { file, from } of changes) expect(readFileSync(file, "utf8")).toContain(from);
  });
});
