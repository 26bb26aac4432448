/**
 * Meta and ack payloads: memberlist's two opaque byte fields in which vipd members tell versions and digests.
 * Purpose: "vipd" and a msgpack map with short keys; whatever else stands there is foreign and kept as it is. Boundary:
 * never throws. The bytes of a Meta that was read are kept beside the value, so that a relay repeats unknown fields.
 */
import { type AckPayload, type Meta, SIGHTINGS_MAX, type Sighting } from "../domain/messages.js";
import { ACK_PAYLOAD_BYTES_MAX, META_BYTES_MAX } from "./limits.js";
import { MsgpackReader, MsgpackWriter } from "./msgpack.js";
import { fail, reasonOf } from "./problem.js";

const U32_MAX = 0xffff_ffff;
/** "vipd" in ASCII: no Serf tag block (255) and no Serf message type (0..13) begins so. */
export const MAGIC = new Uint8Array([0x76, 0x69, 0x70, 0x64]);

export function hasMagic(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x76 && bytes[1] === 0x69 && bytes[2] === 0x70 && bytes[3] === 0x64;
}

const raw = new WeakMap<object, Uint8Array>();
const writer = new MsgpackWriter(256);

interface Numbers {
  format: number;
  instance: number;
  version: number;
  digest: number;
  sightings: Sighting[] | null;
  asked: number | null;
}

/** Instance, answered ms ago, heard ms ago: 4, 2 and 2 bytes, the ages with 0xffff for "not". */
const SIGHTING_BYTES = 8;
const NOT_SEEN = 0xffff;

function readSightings(bytes: Uint8Array | null): Sighting[] {
  if (bytes === null || bytes.length % SIGHTING_BYTES !== 0) fail("bad-field");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const age = (at: number) => (view.getUint16(at) === NOT_SEEN ? null : view.getUint16(at));
  const out: Sighting[] = [];
  for (let at = 0; at < bytes.length; at += SIGHTING_BYTES) {
    out.push({ instance: view.getUint32(at), answeredAgoMs: age(at + 4), heardAgoMs: age(at + 6) });
  }
  return out;
}

function writeSightings(sightings: readonly Sighting[]): void {
  const bytes = new Uint8Array(Math.min(sightings.length, SIGHTINGS_MAX) * SIGHTING_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [i, { instance, answeredAgoMs, heardAgoMs }] of sightings.slice(0, SIGHTINGS_MAX).entries()) {
    const at = i * SIGHTING_BYTES;
    view.setUint32(at, instance);
    view.setUint16(at + 4, Math.min(answeredAgoMs ?? NOT_SEEN, NOT_SEEN));
    view.setUint16(at + 6, Math.min(heardAgoMs ?? NOT_SEEN, NOT_SEEN));
  }
  writer.byte(0xa1);
  writer.byte(0x73);
  writer.bytes(bytes);
}

/** Null when the map is no map of ours: then the bytes are foreign, magic or not. */
function readNumbers(bytes: Uint8Array): Numbers | null {
  const out: Numbers = { format: 0, instance: 0, version: 0, digest: 0, sightings: null, asked: null };
  try {
    const reader = new MsgpackReader(bytes, MAGIC.length);
    for (let pairs = reader.mapHeader(); pairs > 0; pairs--) {
      const key = reader.text(32);
      if (key === "d") out.digest = reader.uint(U32_MAX);
      else if (key === "f") out.format = reader.uint(U32_MAX);
      else if (key === "i") out.instance = reader.uint(U32_MAX);
      else if (key === "q") out.asked = reader.uint(U32_MAX);
      else if (key === "s") out.sightings = readSightings(reader.bytes(SIGHTINGS_MAX * SIGHTING_BYTES));
      else if (key === "v") out.version = reader.uint(U32_MAX);
      else reader.skip();
    }
    return out;
  } catch (error) {
    reasonOf(error);
    return null;
  }
}

function writeNumber(key: number, value: number): void {
  writer.byte(0xa1);
  writer.byte(key);
  writer.number(value);
}

/** Throws "too-large" beyond memberlist's 512 bytes. `bytes` is copied. */
export function decodeMeta(bytes: Uint8Array | null): Meta {
  if (bytes === null || bytes.length === 0) return { kind: "foreign", bytes: new Uint8Array(0) };
  if (bytes.length > META_BYTES_MAX) fail("too-large");
  const copy = new Uint8Array(bytes);
  const numbers = hasMagic(bytes) ? readNumbers(bytes) : null;
  if (numbers === null) return { kind: "foreign", bytes: copy };
  const meta: Meta = {
    kind: "vipd",
    format: numbers.format,
    instance: numbers.instance,
    factsVersion: numbers.version,
    factsDigest: numbers.digest,
  };
  raw.set(meta, copy);
  return meta;
}

/** Null for an empty foreign Meta, which travels as nil. */
export function encodeMeta(meta: Meta): Uint8Array | null {
  if (meta.kind === "foreign") return meta.bytes.length > 0 ? meta.bytes : null;
  const known = raw.get(meta);
  if (known !== undefined) return known;
  writer.reset();
  writer.append(MAGIC);
  writer.map(4);
  writeNumber(0x64, meta.factsDigest);
  writeNumber(0x66, meta.format);
  writeNumber(0x69, meta.instance);
  writeNumber(0x76, meta.factsVersion);
  const bytes = writer.finish();
  raw.set(meta, bytes);
  return bytes;
}

export function decodeAckPayload(bytes: Uint8Array | null): AckPayload | null {
  if (bytes === null || bytes.length === 0) return null;
  if (bytes.length > ACK_PAYLOAD_BYTES_MAX) fail("too-large");
  const numbers = hasMagic(bytes) ? readNumbers(bytes) : null;
  if (numbers === null) return { kind: "foreign", bytes: new Uint8Array(bytes) };
  const { instance, version: factsVersion, digest: viewDigest, sightings, asked } = numbers;
  return {
    kind: "vipd",
    instance,
    factsVersion,
    viewDigest,
    ...(asked === null ? {} : { asked }),
    ...(sightings === null ? {} : { sightings }),
  };
}

export function encodeAckPayload(payload: AckPayload | null): Uint8Array | null {
  if (payload === null) return null;
  if (payload.kind === "foreign") return payload.bytes.length > 0 ? payload.bytes : null;
  writer.reset();
  writer.append(MAGIC);
  writer.map(3 + Number(payload.asked !== undefined) + Number(payload.sightings !== undefined));
  writeNumber(0x64, payload.viewDigest);
  writeNumber(0x69, payload.instance);
  if (payload.asked !== undefined) writeNumber(0x71, payload.asked);
  if (payload.sightings !== undefined) writeSightings(payload.sightings);
  writeNumber(0x76, payload.factsVersion);
  return writer.finish();
}
