/**
 * One datagram: messages to bytes and back, through all layers of memberlist-wire.md, section 5.
 * Purpose: compound, compression, CRC, seal, label outwards; the reverse inwards, with a named reason for what is wrong.
 * Boundary: no sockets; never throws on junk. A compound whose tail is cut, or that holds a bad part, gives its good parts.
 */
import { crc32 } from "node:zlib";
import type { Message } from "../domain/messages.js";
import {
  COMPOUND_PART_BYTES_MAX,
  COMPOUND_PARTS_MAX,
  DATAGRAM_BYTES,
  INFLATED_DATAGRAM_BYTES_MAX,
  MESSAGES_MAX,
  NESTING_MAX,
} from "./limits.js";
import { lzwCompress, lzwDecompress } from "./lzw.js";
import { decodeMessage, encodeMessage, TYPE } from "./message-codec.js";
import { MsgpackReader, MsgpackWriter } from "./msgpack.js";
import { isPacketStart } from "./plausible.js";
import { fail, reasonOf, type WireReason } from "./problem.js";
import { readRawFields, writeBytes, writeNumber } from "./raw-fields.js";
import { type KeyRing, SEAL_BYTES } from "./seal.js";

const CRC_BYTES = 5;
const COMPOUND_BYTES = 2;
const COMPOUND_PART_BYTES = 2;
const ALGO_LZW = 0;

export interface PacketOptions {
  /** Null: plaintext. */
  readonly keys: KeyRing | null;
  /** UTF-8 of the label; empty: none. */
  readonly label: Uint8Array;
}

export interface PackOptions extends PacketOptions {
  /** Only where the recipient's PMax >= 5 is known. */
  readonly crc?: boolean;
  /** Compress where it makes the datagram smaller. */
  readonly compress?: boolean;
}

export interface UnpackOptions extends PacketOptions {
  /** Stands for port 0 in an address. */
  readonly defaultPort: number;
}

export type Unpacked =
  /** `dropped`: the reasons of compound parts that were left out. */
  | { readonly ok: true; readonly messages: readonly Message[]; readonly dropped: readonly WireReason[] }
  | { readonly ok: false; readonly reason: WireReason };

/** `label` of 0 to 255 bytes of UTF-8; throws RangeError beyond. */
export function labelBytes(label: string): Uint8Array {
  const bytes = new TextEncoder().encode(label);
  if (bytes.length > 255) throw new RangeError("a label has at most 255 bytes");
  return bytes;
}

/**
 * Bytes that messages, with 2 for each part and 2 for the compound, may fill so that the datagram stays within 1400
 * whatever else is put around it (CRC, seal, label header).
 */
export function packetBudget(options: { readonly sealed: boolean; readonly labelBytes: number }): number {
  const label = options.labelBytes > 0 ? 2 + options.labelBytes : 0;
  return DATAGRAM_BYTES - CRC_BYTES - (options.sealed ? SEAL_BYTES : 0) - label;
}

/** 1 to 255 messages into one datagram. More, or a part beyond 64 KiB, is a bug of the caller: RangeError. */
export function packPacket(messages: readonly Message[], options: PackOptions): Uint8Array {
  const crcBytes = options.crc === true ? CRC_BYTES : 0;
  const prefix = options.label.length > 0 ? 2 + options.label.length : 0;
  if (messages.length === 1 && options.keys !== null && crcBytes === 0 && options.compress !== true) {
    // At rest this is every datagram: it is sealed from where it was encoded.
    return framed(encodeMessage(messages[0]!), prefix, options);
  }
  let body = merged(messages, crcBytes);
  if (options.compress === true) {
    const smaller = compressIfSmaller(body.subarray(crcBytes));
    if (smaller !== null) body = Buffer.concat([Buffer.alloc(crcBytes), smaller]);
  }
  if (crcBytes > 0) {
    body[0] = TYPE.crc;
    body.writeUInt32BE(crc32(body.subarray(CRC_BYTES)), 1);
  }
  return framed(body, prefix, options);
}

/** With the label's header before it, and sealed. */
function framed(body: Uint8Array, prefix: number, options: PackOptions): Uint8Array {
  if (options.keys === null && prefix === 0) return body;
  const out = Buffer.allocUnsafe(prefix + body.length + (options.keys === null ? 0 : SEAL_BYTES));
  if (prefix > 0) {
    out[0] = TYPE.label;
    out[1] = options.label.length;
    out.set(options.label, 2);
  }
  if (options.keys === null) out.set(body, prefix);
  else options.keys.sealInto(out, prefix, body, options.label);
  return out;
}

/** The message, or the compound of the messages, after `gap` free bytes. */
function merged(messages: readonly Message[], gap: number): Buffer {
  const parts = messages.map(encodeMessage);
  if (parts.length === 1) {
    const out = Buffer.allocUnsafe(gap + parts[0]!.length);
    out.set(parts[0]!, gap);
    return out;
  }
  if (parts.length === 0 || parts.length > COMPOUND_PARTS_MAX) throw new RangeError(`${parts.length} parts`);
  let size = gap + COMPOUND_BYTES + COMPOUND_PART_BYTES * parts.length;
  for (const part of parts) size += part.length;
  const out = Buffer.allocUnsafe(size);
  out[gap] = TYPE.compound;
  out[gap + 1] = parts.length;
  let lengthAt = gap + COMPOUND_BYTES;
  let at = lengthAt + COMPOUND_PART_BYTES * parts.length;
  for (const part of parts) {
    if (part.length > COMPOUND_PART_BYTES_MAX) throw new RangeError(`a part of ${part.length} bytes`);
    out.writeUInt16BE(part.length, lengthAt);
    out.set(part, at);
    lengthAt += COMPOUND_PART_BYTES;
    at += part.length;
  }
  return out;
}

const writer = new MsgpackWriter(4096);

/** A compress message around `bytes`, or null where that is not smaller. */
export function compressIfSmaller(bytes: Uint8Array): Uint8Array | null {
  writer.reset();
  writer.byte(TYPE.compress);
  writer.map(2);
  writeNumber(writer, "Algo", ALGO_LZW);
  writeBytes(writer, "Buf", lzwCompress(bytes));
  return writer.pos < bytes.length ? writer.finish() : null;
}

/** The body of a compress message; `reader` stands after the type byte. */
export function decompressBody(reader: MsgpackReader, max: number): Buffer {
  const f = readRawFields(reader);
  if (f.algo !== ALGO_LZW || f.buf === null) fail("bad-compression");
  try {
    return lzwDecompress(f.buf, max);
  } catch (error) {
    // A cut code stream is not a cut packet: waiting for more bytes would not mend it.
    const reason = reasonOf(error);
    return fail(reason === "truncated" ? "bad-compression" : reason);
  }
}

/**
 * What looks wrong before any cryptography and without a copy: length, label header, first byte. Null: go on. Made so that a
 * flood of garbage costs a few comparisons.
 */
export function quickReason(bytes: Uint8Array, options: PacketOptions): WireReason | null {
  if (bytes.length === 0) return "empty";
  let at = 0;
  if (options.label.length > 0) {
    if (!hasLabel(bytes, options.label)) return "bad-label";
    at = 2 + options.label.length;
  } else if (bytes[0] === TYPE.label) {
    return "bad-label";
  }
  if (bytes.length === at) return "empty";
  const first = bytes[at]!;
  if (options.keys === null) return first > TYPE.crc || first === TYPE.pushPull ? "unknown-type" : null;
  // Sealed packets begin with their version, 0 or 1; 2 to 13 are the types of plain messages.
  if (first > 1) return first <= TYPE.err ? "plaintext" : "unknown-type";
  if (bytes.length - at > SEAL_BYTES) return null;
  return looksPlain(bytes, at) ? "plaintext" : "truncated";
}

/**
 * False: no key of ours makes sense of the beginning of this packet, so it is not worth opening ("wrong-key"). One AES block
 * instead of the whole of GCM; of what was sealed with another key, one in some hundred still seems ours. For what `quickReason`
 * let pass. Who recorded a packet of ours can change its end and still look so: SeenNonces stands against that.
 */
export function seemsOurs(bytes: Uint8Array, options: PacketOptions): boolean {
  if (options.keys === null) return true;
  const at = options.label.length > 0 ? 2 + options.label.length : 0;
  // A padded packet (version 0) is up to 16 longer than its messages, which is no matter here.
  const plainLength = bytes.length - at - SEAL_BYTES;
  const sealed = at > 0 ? bytes.subarray(at) : bytes;
  return options.keys.peek(sealed, (start) => isPacketStart(start, plainLength));
}

/** 48 bits of the packet's nonce, as a number: enough to tell packets from one another. For what `quickReason` let pass. */
export function nonceOf(bytes: Uint8Array, options: PacketOptions): number {
  const at = (options.label.length > 0 ? 2 + options.label.length : 0) + 1;
  const high = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
  const low = (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!;
  return high * 0x100_0000 + low;
}

function hasLabel(bytes: Uint8Array, label: Uint8Array): boolean {
  if (bytes.length < 2 + label.length || bytes[0] !== TYPE.label || bytes[1] !== label.length) return false;
  for (let i = 0; i < label.length; i++) if (bytes[2 + i] !== label[i]) return false;
  return true;
}

/** A plain ping or indirect ping begins with 0 or 1 as a seal does, but then with a map and a short key. */
function looksPlain(bytes: Uint8Array, at: number): boolean {
  return (
    (bytes[at + 1]! & 0xf0) === 0x80 &&
    (bytes[at + 2]! & 0xf0) === 0xa0 &&
    (bytes[at + 3] === 0x4e || bytes[at + 3] === 0x53)
  );
}

export function unpackPacket(bytes: Uint8Array, options: UnpackOptions): Unpacked {
  const quick = quickReason(bytes, options);
  if (quick !== null) return { ok: false, reason: quick };
  const at = options.label.length > 0 ? 2 + options.label.length : 0;
  try {
    let body: Uint8Array = at > 0 ? bytes.subarray(at) : bytes;
    if (options.keys !== null) body = options.keys.open(body, options.label);
    const into: Collected = { messages: [], dropped: [], inflated: 0, defaultPort: options.defaultPort };
    dispatch(checked(body), into, 0);
    return { ok: true, messages: into.messages, dropped: into.dropped };
  } catch (error) {
    const reason = reasonOf(error);
    return { ok: false, reason: reason === "wrong-key" && looksPlain(bytes, at) ? "plaintext" : reason };
  }
}

/** Takes the CRC off. */
function checked(body: Uint8Array): Uint8Array {
  if (body[0] !== TYPE.crc || body.length < CRC_BYTES) return body;
  const rest = body.subarray(CRC_BYTES);
  const stated = ((body[1]! << 24) | (body[2]! << 16) | (body[3]! << 8) | body[4]!) >>> 0;
  return crc32(rest) === stated ? rest : fail("bad-crc");
}

interface Collected {
  readonly messages: Message[];
  readonly dropped: WireReason[];
  /** Decompressed bytes so far: the cap holds for the datagram, not for each body. */
  inflated: number;
  readonly defaultPort: number;
}

function dispatch(bytes: Uint8Array, into: Collected, depth: number): void {
  if (depth > NESTING_MAX) fail("too-deep");
  const type = bytes.length > 0 ? bytes[0]! : fail("empty");
  if (type === TYPE.compound) {
    dispatchCompound(bytes, into, depth);
    return;
  }
  if (type === TYPE.compress) {
    const inner = decompressBody(new MsgpackReader(bytes, 1), INFLATED_DATAGRAM_BYTES_MAX - into.inflated);
    into.inflated += inner.length;
    dispatch(inner, into, depth + 1);
    return;
  }
  if (into.messages.length >= MESSAGES_MAX) fail("too-many");
  into.messages.push(decodeMessage(bytes, into.defaultPort));
}

/** Each part for itself: what is wrong with one, or a cut tail, does not cost the others. */
function dispatchCompound(bytes: Uint8Array, into: Collected, depth: number): void {
  if (bytes.length < COMPOUND_BYTES) fail("truncated");
  const count = bytes[1]!;
  let at = COMPOUND_BYTES + COMPOUND_PART_BYTES * count;
  if (at > bytes.length) fail("truncated");
  for (let i = 0; i < count; i++) {
    const lengthAt = COMPOUND_BYTES + COMPOUND_PART_BYTES * i;
    const end = at + ((bytes[lengthAt]! << 8) | bytes[lengthAt + 1]!);
    if (end > bytes.length) {
      drop(into, "truncated");
      return;
    }
    try {
      dispatch(bytes.subarray(at, end), into, depth + 1);
    } catch (error) {
      drop(into, reasonOf(error));
    }
    at = end;
  }
}

function drop(into: Collected, reason: WireReason): void {
  if (into.dropped.length < MESSAGES_MAX) into.dropped.push(reason);
}
