/**
 * LZW as Go's compress/lzw writes it: LSB first, literal width 8 (memberlist-wire.md, section 6; the code stream of GIF89a).
 * Purpose: read what memberlist sends, write what it reads. Boundary: output is capped before it is produced; tables are
 * reused, so neither direction allocates more than its output.
 */
import { fail } from "./problem.js";

const CLEAR = 256;
const END = 257;
const WIDTH_MIN = 9;
const WIDTH_MAX = 12;
const CODES = 1 << WIDTH_MAX;

// Table of the reader: an entry is the entry `prefix` and then the byte `suffix`; `length` is that of the whole string.
const prefix = new Uint16Array(CODES);
const suffix = new Uint8Array(CODES);
const length = new Uint16Array(CODES);

/**
 * Decompresses `input` to at most `max` bytes. Throws "bad-compression" for a code that cannot be there, "truncated" for a
 * stream without its end code, "too-large" beyond `max`.
 */
export function lzwDecompress(input: Uint8Array, max: number): Buffer {
  let out: Buffer = Buffer.allocUnsafe(Math.min(max, Math.max(256, input.length * 4)));
  let at = 0;
  let bits = 0;
  let bitCount = 0;
  let pos = 0;
  let width = WIDTH_MIN;
  // As in Go: `high` is the code that the next entry gets less one, and a code above it does not exist yet.
  let high = END;
  let previous = -1;
  for (;;) {
    while (bitCount < width) {
      if (pos >= input.length) fail("truncated");
      bits |= input[pos++]! << bitCount;
      bitCount += 8;
    }
    const code = bits & ((1 << width) - 1);
    bits >>>= width;
    bitCount -= width;
    if (code === CLEAR) {
      width = WIDTH_MIN;
      high = END;
      previous = -1;
      continue;
    }
    if (code === END) return out.subarray(0, at);
    if (code > high) fail("bad-compression");

    // The entry that this very code makes: the previous string and then its own first byte.
    const isNew = code === high && previous >= 0;
    const source = isNew ? previous : code;
    const n = (source < CLEAR ? 1 : length[source]!) + (isNew ? 1 : 0);
    if (at + n > max) fail("too-large");
    if (at + n > out.length) out = grown(out, at, Math.min(max, Math.max(out.length * 2, at + n)));
    const first = expand(source, out, at, isNew ? n - 1 : n);
    if (isNew) out[at + n - 1] = first;
    at += n;

    if (previous >= 0 && high < CODES) {
      prefix[high] = previous;
      suffix[high] = first;
      length[high] = (previous < CLEAR ? 1 : length[previous]!) + 1;
    }
    previous = code;
    high++;
    if (high >= 1 << width) {
      if (width === WIDTH_MAX) {
        // The table is full: no more entries until a clear.
        previous = -1;
        high--;
      } else {
        width++;
      }
    }
  }
}

/** Writes the string of `code`, `n` bytes long, to `out` at `at`; returns its first byte. */
function expand(code: number, out: Buffer, at: number, n: number): number {
  let current = code;
  for (let i = at + n - 1; i > at; i--) {
    out[i] = suffix[current]!;
    current = prefix[current]!;
  }
  out[at] = current;
  return current;
}

function grown(out: Buffer, used: number, size: number): Buffer {
  const larger = Buffer.allocUnsafe(size);
  out.copy(larger, 0, 0, used);
  return larger;
}

// Table of the writer: open addressing; a key is (code << 8 | byte) + 1, 0 is a free slot.
const SLOTS = CODES * 4;
const keys = new Uint32Array(SLOTS);
const codes = new Uint16Array(SLOTS);

/** Compresses `input`; byte for byte what Go's writer makes of it. */
export function lzwCompress(input: Uint8Array): Uint8Array {
  // 12 bits a byte at worst, two codes and a rounding more, and a clear for each 3 838 codes.
  const out = new Uint8Array(Math.ceil((input.length * 3) / 2) + Math.ceil(input.length / 2000) + 8);
  let at = 0;
  let bits = 0;
  let bitCount = 0;
  let width = WIDTH_MIN;
  let high = END;
  const emit = (code: number): void => {
    bits |= code << bitCount;
    bitCount += width;
    while (bitCount >= 8) {
      out[at++] = bits & 0xff;
      bits >>>= 8;
      bitCount -= 8;
    }
  };
  /** After each code: widen, or at the end of the code space clear and begin anew (true). */
  const step = (): boolean => {
    high++;
    if (high === 1 << width) width++;
    if (high !== CODES - 1) return false;
    emit(CLEAR);
    width = WIDTH_MIN;
    high = END;
    keys.fill(0);
    return true;
  };

  keys.fill(0);
  emit(CLEAR);
  let code = input.length > 0 ? input[0]! : -1;
  for (let i = 1; i < input.length; i++) {
    const key = ((code << 8) | input[i]!) + 1;
    let slot = Math.imul(key, 0x9e3779b1) >>> 18;
    while (keys[slot] !== 0 && keys[slot] !== key) slot = (slot + 1) & (SLOTS - 1);
    if (keys[slot] === key) {
      code = codes[slot]!;
      continue;
    }
    emit(code);
    code = input[i]!;
    if (step()) continue;
    keys[slot] = key;
    codes[slot] = high;
  }
  if (code >= 0) {
    emit(code);
    step();
  }
  emit(END);
  if (bitCount > 0) out[at++] = bits & 0xff;
  return out.subarray(0, at);
}
