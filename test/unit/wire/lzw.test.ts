/** LZW against what Go 1.19's compress/lzw wrote (test/fixtures/wire/lzw-go.json): lengths around every change of width and every clear. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lzwCompress, lzwDecompress } from "../../../src/wire/lzw.js";
import { WireProblem } from "../../../src/wire/problem.js";

interface Vector {
  readonly name: string;
  readonly kind: string;
  readonly length: number;
  readonly sha256: string;
  readonly hex?: string;
  readonly compressedLength: number;
}

const url = new URL("../../fixtures/wire/lzw-go.json", import.meta.url);
const vectors = JSON.parse(readFileSync(url, "utf8")) as Vector[];

/** The same bytes as the Go program that made the vectors. */
function input(kind: string, n: number): Uint8Array {
  const out = new Uint8Array(n);
  let x = 1;
  const next = (): number => (x = (Math.imul(x, 1664525) + 1013904223) >>> 0) >>> 24;
  const text = "the quick brown fox jumps over the lazy dog; ";
  for (let i = 0; i < n; i++) {
    if (kind === "count") out[i] = i;
    else if (kind === "noise") out[i] = next();
    else if (kind === "nibble") out[i] = next() & 3;
    else if (kind === "text") out[i] = text.charCodeAt(i % 45);
  }
  return out;
}

describe("LZW", () => {
  it.each(vectors)("$name is what Go writes, and comes back", (vector) => {
    const plain = input(vector.kind, vector.length);
    const packed = lzwCompress(plain);
    expect(packed.length).toBe(vector.compressedLength);
    expect(createHash("sha256").update(packed).digest("hex")).toBe(vector.sha256);
    if (vector.hex !== undefined && vector.hex !== "") {
      expect(Buffer.from(packed).toString("hex")).toBe(vector.hex);
    }
    expect(Buffer.compare(lzwDecompress(packed, vector.length), plain)).toBe(0);
  });

  it("stops at the cap, not after it", () => {
    const bomb = lzwCompress(new Uint8Array(1_000_000));
    expect(bomb.length).toBeLessThan(3000);
    expect(() => lzwDecompress(bomb, 65_536)).toThrow("too-large");
  });

  it.each([
    ["nothing", [], "truncated"],
    ["no end code", [0x00, 0x83], "truncated"],
    ["a code that does not exist yet", [0x2c, 0xff, 0xff], "bad-compression"],
  ])("refuses %s", (_name, bytes, reason) => {
    expect(() => lzwDecompress(Uint8Array.from(bytes), 1000)).toThrow(reason);
  });

  it("any bytes come back, and any junk is a named problem", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
        expect(Buffer.compare(lzwDecompress(lzwCompress(bytes), bytes.length), bytes)).toBe(0);
        try {
          expect(lzwDecompress(bytes, 4096).length).toBeLessThanOrEqual(4096);
        } catch (error) {
          expect(error).toBeInstanceOf(WireProblem);
        }
      }),
    );
  });
});
