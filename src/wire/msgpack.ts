/**
 * The msgpack dialect of memberlist ("old spec": strings and byte strings share the raw forms), read and written.
 * Purpose: a cursor over bytes that knows no messages. Boundary: bounded depth, sizes and counts; throws WireProblem only
 * ("truncated" when bytes are missing, so that a stream may wait for more). Writes the legacy forms, reads all forms.
 */
import { isUtf8 } from "node:buffer";
import { fail } from "./problem.js";

/** Nesting that `skip` follows in fields that we do not know. */
const SKIP_DEPTH_MAX = 8;
const TWO_32 = 0x1_0000_0000;

/**
 * Nearly all texts are the names of fields and of a few members: each place remembers the last one whose hash led there, and
 * to compare it costs less than to make a string.
 */
const FAMILIARS = 512;
const FAMILIAR_BYTES_MAX = 32;
const familiar: string[] = new Array<string>(FAMILIARS).fill("");

export class MsgpackReader {
  readonly #buf: Buffer;
  readonly #end: number;
  /** Bytes consumed so far, from the start of the buffer. */
  pos: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#buf = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.pos = start;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.pos;
  }

  /** Takes `n` bytes; returns where they start. */
  #take(n: number): number {
    const at = this.pos;
    if (n > this.#end - at) fail("truncated");
    this.pos = at + n;
    return at;
  }

  #u8(): number {
    return this.#buf[this.#take(1)]!;
  }

  #u16(): number {
    const at = this.#take(2);
    return (this.#buf[at]! << 8) | this.#buf[at + 1]!;
  }

  #u32(): number {
    return this.#buf.readUInt32BE(this.#take(4));
  }

  /** Number of pairs that follow; nil is an empty map. */
  mapHeader(): number {
    const tag = this.#u8();
    if ((tag & 0xf0) === 0x80) return tag & 0x0f;
    if (tag === 0xde) return this.#u16();
    if (tag === 0xdf) return this.#u32();
    return tag === 0xc0 ? 0 : fail("bad-msgpack");
  }

  /** Number of items that follow, at most `max`; nil is an empty list. */
  arrayHeader(max: number): number {
    const tag = this.#u8();
    let n = 0;
    if ((tag & 0xf0) === 0x90) n = tag & 0x0f;
    else if (tag === 0xdc) n = this.#u16();
    else if (tag === 0xdd) n = this.#u32();
    else if (tag !== 0xc0) fail("bad-msgpack");
    return n > max ? fail("too-many") : n;
  }

  /** Any integer or float form; nil is 0. Integers beyond 2^53 are refused. */
  number(): number {
    const tag = this.#u8();
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    switch (tag) {
      case 0xc0:
        return 0;
      case 0xca:
        return this.#buf.readFloatBE(this.#take(4));
      case 0xcb:
        return this.#buf.readDoubleBE(this.#take(8));
      case 0xcc:
        return this.#u8();
      case 0xcd:
        return this.#u16();
      case 0xce:
        return this.#u32();
      case 0xcf:
        return safe(this.#u32() * TWO_32 + this.#u32());
      case 0xd0:
        return this.#buf.readInt8(this.#take(1));
      case 0xd1:
        return this.#buf.readInt16BE(this.#take(2));
      case 0xd2:
        return this.#buf.readInt32BE(this.#take(4));
      case 0xd3: {
        const high = this.#buf.readInt32BE(this.#take(4));
        return safe(high * TWO_32 + this.#u32());
      }
      default:
        return fail("bad-msgpack");
    }
  }

  /** An integer in 0..max, in whatever form. */
  uint(max: number): number {
    const n = this.number();
    return Number.isInteger(n) && n >= 0 && n <= max ? n : fail("bad-field");
  }

  bool(): boolean {
    const tag = this.#u8();
    if (tag === 0xc3) return true;
    return tag === 0xc2 || tag === 0xc0 ? false : fail("bad-msgpack");
  }

  /** Length of the raw, str or bin value that starts here; -1 for nil. */
  #rawHeader(): number {
    const tag = this.#u8();
    if ((tag & 0xe0) === 0xa0) return tag & 0x1f;
    switch (tag) {
      case 0xc0:
        return -1;
      case 0xc4:
      case 0xd9:
        return this.#u8();
      case 0xc5:
      case 0xda:
        return this.#u16();
      case 0xc6:
      case 0xdb:
        return this.#u32();
      default:
        return fail("bad-msgpack");
    }
  }

  /** A view into the buffer (not a copy) of at most `max` bytes; null for nil. */
  bytes(max: number): Buffer | null {
    const n = this.#rawHeader();
    if (n < 0) return null;
    if (n > max) fail("too-large");
    const at = this.#take(n);
    return this.#buf.subarray(at, at + n);
  }

  /** The next `n` bytes as they are, without a header: a view. */
  rawBytes(n: number): Buffer {
    const at = this.#take(n);
    return this.#buf.subarray(at, at + n);
  }

  /** UTF-8 of at most `max` bytes; nil is "". */
  text(max: number): string {
    const n = this.#rawHeader();
    if (n <= 0) return "";
    if (n > max) fail("too-large");
    const at = this.#take(n);
    const end = at + n;
    let hash = n;
    for (let i = at; i < end; i++) {
      const byte = this.#buf[i]!;
      if (byte >= 0x80) return this.#utf8(at, end);
      hash = (31 * hash + byte) | 0;
    }
    if (n > FAMILIAR_BYTES_MAX) return this.#buf.toString("latin1", at, end);
    const slot = hash & (FAMILIARS - 1);
    if (!this.#is(familiar[slot]!, at, n)) familiar[slot] = this.#buf.toString("latin1", at, end);
    return familiar[slot]!;
  }

  #is(text: string, at: number, n: number): boolean {
    if (text.length !== n) return false;
    for (let i = 0; i < n; i++) if (text.charCodeAt(i) !== this.#buf[at + i]) return false;
    return true;
  }

  #utf8(at: number, end: number): string {
    if (!isUtf8(this.#buf.subarray(at, end))) fail("bad-text");
    return this.#buf.toString("utf8", at, end);
  }

  /** Passes over one value of any kind, extensions and times included. */
  skip(depth = 0): void {
    if (depth > SKIP_DEPTH_MAX) fail("too-deep");
    const tag = this.#u8();
    if (tag < 0x80 || tag >= 0xe0) return;
    if (tag < 0x90) {
      this.#skipMany((tag & 0x0f) * 2, depth);
      return;
    }
    if (tag < 0xa0) {
      this.#skipMany(tag & 0x0f, depth);
      return;
    }
    if (tag < 0xc0) return void this.#take(tag & 0x1f);
    this.#skipTagged(tag, depth);
  }

  #skipTagged(tag: number, depth: number): void {
    if (tag === 0xc0 || tag === 0xc2 || tag === 0xc3) return;
    if (tag === 0xc1) fail("bad-msgpack");
    if (tag === 0xc4 || tag === 0xd9) return void this.#take(this.#u8());
    if (tag === 0xc5 || tag === 0xda) return void this.#take(this.#u16());
    if (tag === 0xc6 || tag === 0xdb) return void this.#take(this.#u32());
    // ext: length, one type byte, data.
    if (tag === 0xc7) return void this.#take(this.#u8() + 1);
    if (tag === 0xc8) return void this.#take(this.#u16() + 1);
    if (tag === 0xc9) return void this.#take(this.#u32() + 1);
    if (tag === 0xca) return void this.#take(4);
    if (tag === 0xcb) return void this.#take(8);
    if (tag <= 0xcf) return void this.#take(1 << (tag - 0xcc));
    if (tag <= 0xd3) return void this.#take(1 << (tag - 0xd0));
    // fixext 1, 2, 4, 8, 16: one type byte, data.
    if (tag <= 0xd8) return void this.#take(1 + (1 << (tag - 0xd4)));
    if (tag === 0xdc) {
      this.#skipMany(this.#u16(), depth);
      return;
    }
    if (tag === 0xdd) {
      this.#skipMany(this.#u32(), depth);
      return;
    }
    if (tag === 0xde) {
      this.#skipMany(this.#u16() * 2, depth);
      return;
    }
    this.#skipMany(this.#u32() * 2, depth);
  }

  #skipMany(n: number, depth: number): void {
    // Each item takes at least a byte: a count beyond what is left cannot be honest, and must not cost a long loop.
    if (n > this.left) fail("truncated");
    for (let i = 0; i < n; i++) this.skip(depth + 1);
  }
}

function safe(n: number): number {
  return Number.isSafeInteger(n) ? n : fail("bad-field");
}

export class MsgpackWriter {
  #buf: Buffer;
  pos = 0;

  constructor(capacity = 2048) {
    this.#buf = Buffer.allocUnsafeSlow(capacity);
  }

  #room(n: number): number {
    const at = this.pos;
    if (at + n > this.#buf.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#buf.length * 2, at + n));
      this.#buf.copy(larger, 0, 0, at);
      this.#buf = larger;
    }
    this.pos = at + n;
    return at;
  }

  byte(value: number): void {
    const at = this.#room(1);
    this.#buf[at] = value;
  }

  /** Bytes as they are, without a header. */
  append(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#buf.set(bytes, at);
  }

  map(pairs: number): void {
    this.#header(pairs, 0x80, 16, 0xde);
  }

  array(items: number): void {
    this.#header(items, 0x90, 16, 0xdc);
  }

  /** The fix form below `limit`, else the 16-bit form `wide`, else the 32-bit form after it. */
  #header(n: number, fix: number, limit: number, wide: number): void {
    if (n < limit) {
      this.byte(fix | n);
      return;
    }
    if (n < 0x10000) {
      const at = this.#room(3);
      this.#buf[at] = wide;
      this.#buf.writeUInt16BE(n, at + 1);
      return;
    }
    const at = this.#room(5);
    this.#buf[at] = wide + 1;
    this.#buf.writeUInt32BE(n, at + 1);
  }

  /** Unsigned forms for integers from 0 (what Go writes for uint fields), float64 for the rest. */
  number(n: number): void {
    if (!Number.isSafeInteger(n) || n < 0) {
      const at = this.#room(9);
      this.#buf[at] = 0xcb;
      this.#buf.writeDoubleBE(n, at + 1);
    } else if (n < 0x80) {
      this.byte(n);
    } else if (n < 0x100) {
      const at = this.#room(2);
      this.#buf[at] = 0xcc;
      this.#buf[at + 1] = n;
    } else if (n < 0x10000) {
      const at = this.#room(3);
      this.#buf[at] = 0xcd;
      this.#buf.writeUInt16BE(n, at + 1);
    } else if (n < TWO_32) {
      const at = this.#room(5);
      this.#buf[at] = 0xce;
      this.#buf.writeUInt32BE(n, at + 1);
    } else {
      const at = this.#room(9);
      this.#buf[at] = 0xcf;
      this.#buf.writeUInt32BE(Math.floor(n / TWO_32), at + 1);
      this.#buf.writeUInt32BE(n >>> 0, at + 5);
    }
  }

  bool(value: boolean): void {
    this.byte(value ? 0xc3 : 0xc2);
  }

  /** A raw byte string; null is nil. */
  bytes(value: Uint8Array | null): void {
    if (value === null) {
      this.byte(0xc0);
      return;
    }
    this.#header(value.length, 0xa0, 32, 0xda);
    this.append(value);
  }

  text(value: string): void {
    const n = Buffer.byteLength(value);
    this.#header(n, 0xa0, 32, 0xda);
    const at = this.#room(n);
    this.#buf.write(value, at, n, "utf8");
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    const out = new Uint8Array(this.pos);
    out.set(this.#buf.subarray(0, this.pos));
    return out;
  }

  reset(): void {
    this.pos = 0;
  }
}
