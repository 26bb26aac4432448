/**
 * Junk and mutations of real bytes into every decoder: a value or a named reason, never an exception, bounded in time.
 * Boundary: what this finds becomes a named case in packet.test.ts or stream.test.ts.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeFacts, encodeFacts } from "../../../src/wire/facts-codec.js";
import { lzwCompress } from "../../../src/wire/lzw.js";
import { encodeMessage } from "../../../src/wire/message-codec.js";
import { packPacket, unpackPacket } from "../../../src/wire/packet.js";
import { WIRE_REASONS } from "../../../src/wire/problem.js";
import type { KeyRing } from "../../../src/wire/seal.js";
import { encodeStream, StreamReader } from "../../../src/wire/stream.js";
import { keyRing } from "./key-ring.js";
import { FACTS, KEY_A, MESSAGES, NO_LABEL, PORT, PUSH_PULL } from "./samples.js";

const url = new URL("../../fixtures/wire/serf-recorded.json", import.meta.url);
const serf = JSON.parse(readFileSync(url, "utf8")) as { datagrams: string[]; streams: string[] };
const keys = keyRing([KEY_A]);
const PLAIN = { keys: null, label: NO_LABEL };

const datagrams: Uint8Array[] = [
  ...serf.datagrams.map((text) => Buffer.from(text, "hex")),
  ...MESSAGES.map(encodeMessage),
  packPacket(MESSAGES, PLAIN),
  packPacket(MESSAGES, { ...PLAIN, crc: true, compress: true }),
];
const streams: Uint8Array[] = [
  ...serf.streams.map((text) => Buffer.from(text, "hex")),
  encodeStream({ kind: "push-pull", state: PUSH_PULL }, { ...PLAIN, dialling: false }),
  encodeStream({ kind: "user", body: { kind: "foreign", bytes: new Uint8Array(9) } }, { ...PLAIN, dialling: false }),
];

/** One to eight edits: a byte set, a byte put in, a byte taken out, a cut, a doubling. */
const edits = fc.array(fc.tuple(fc.nat(4), fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 });

function mutated(bytes: Uint8Array, list: readonly (readonly [number, number, number])[]): Uint8Array {
  let out = [...bytes];
  for (const [kind, where, value] of list) {
    const at = out.length === 0 ? 0 : where % out.length;
    if (kind === 0) out[at] = value;
    else if (kind === 1) out.splice(at, 0, value);
    else if (kind === 2) out.splice(at, 1);
    else if (kind === 3) out = out.slice(0, at);
    else if (out.length < 10_000) out = [...out.slice(0, at), ...out];
  }
  return Uint8Array.from(out);
}

function takePacket(bytes: Uint8Array, ring: KeyRing | null): void {
  const unpacked = unpackPacket(bytes, { keys: ring, label: NO_LABEL, defaultPort: PORT });
  if (!unpacked.ok) expect(WIRE_REASONS).toContain(unpacked.reason);
  // What was understood can be said again.
  else for (const message of unpacked.messages) encodeMessage(message);
}

function takeStream(bytes: Uint8Array, step: number): void {
  const reader = new StreamReader({ ...PLAIN, accepting: true, defaultPort: PORT, bytesMax: 100_000 });
  for (let at = 0; at < bytes.length; at += step) {
    const read = reader.push(bytes.subarray(at, at + step));
    if (read.kind === "problem") expect(WIRE_REASONS).toContain(read.reason);
  }
}

const RUNS = { numRuns: Number(process.env.VIPD_FUZZ_RUNS ?? 2000) };

describe("fuzz", () => {
  it("junk", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(13), (junk, type) => {
        const typed = Uint8Array.of(type, ...junk);
        takePacket(junk, null);
        takePacket(typed, null);
        takePacket(typed, keys);
        takeStream(typed, 50);
        decodeFacts(junk);
      }),
      RUNS,
    );
  }, 60_000);

  it("mutated datagrams, plain, compressed, and sealed with the right key", () => {
    fc.assert(
      fc.property(fc.constantFrom(...datagrams), edits, (bytes, list) => {
        const bad = mutated(bytes, list);
        takePacket(bad, null);
        takePacket(bad, keys);
        if (bad.length > 0) takePacket(keys.seal(bad), keys);
        takePacket(lzwCompress(bad), null);
      }),
      RUNS,
    );
  }, 60_000);

  it("mutated streams, in pieces", () => {
    fc.assert(
      fc.property(fc.constantFrom(...streams), edits, fc.integer({ min: 1, max: 500 }), (bytes, list, step) => {
        takeStream(mutated(bytes, list), step);
      }),
      RUNS,
    );
  }, 60_000);

  it("mutated facts", () => {
    fc.assert(
      fc.property(edits, (list) => {
        const facts = decodeFacts(mutated(encodeFacts(FACTS), list));
        if (facts !== null) encodeFacts(facts);
      }),
      RUNS,
    );
  }, 60_000);
});
