/**
 * The glance at a sealed packet's first block: it must let everything pass that the decoders would take, and hardly anything
 * that another key sealed.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeMessage } from "../../../src/wire/message-codec.js";
import { nonceOf, packPacket, seemsOurs, unpackPacket } from "../../../src/wire/packet.js";
import { isPacketStart, isStreamStart } from "../../../src/wire/plausible.js";
import { SEAL_START_BYTES } from "../../../src/wire/seal.js";
import { encodeStream, StreamReader } from "../../../src/wire/stream.js";
import { keyRing } from "./key-ring.js";
import { KEY_A, KEY_B, MESSAGES, NO_LABEL, PORT, PUSH_PULL } from "./samples.js";

const url = new URL("../../fixtures/wire/serf-recorded.json", import.meta.url);
const serf = JSON.parse(readFileSync(url, "utf8")) as { datagrams: string[]; streams: string[] };
const PLAIN = { keys: null, label: NO_LABEL };
const LABEL = new TextEncoder().encode("blue");

const packets: Uint8Array[] = [
  ...serf.datagrams.map((text) => Buffer.from(text, "hex")),
  ...MESSAGES.map(encodeMessage),
  packPacket(MESSAGES, PLAIN),
  packPacket(MESSAGES, { ...PLAIN, crc: true, compress: true }),
  packPacket([MESSAGES[0]!, MESSAGES[1]!], { ...PLAIN, crc: true }),
];

describe("the glance", () => {
  it.each([
    ["a ring of one", [KEY_A], NO_LABEL],
    ["a ring in rotation, sealed with its second key", [KEY_B, KEY_A], NO_LABEL],
    ["a label", [KEY_A], LABEL],
  ] as const)("takes every packet and stream of ours, with %s", (_name, keys, label) => {
    const ours = { keys: keyRing([KEY_A]), label };
    const ring = { keys: keyRing(keys), label };
    for (const message of MESSAGES) expect(seemsOurs(packPacket([message], ours), ring)).toBe(true);
    for (const options of [{}, { crc: true }, { compress: true }, { crc: true, compress: true }]) {
      expect(seemsOurs(packPacket(MESSAGES, { ...ours, ...options }), ring)).toBe(true);
    }
    const reader = new StreamReader({ ...ring, accepting: true, defaultPort: PORT });
    const sealed = encodeStream({ kind: "push-pull", state: PUSH_PULL }, { ...ours, dialling: true });
    expect(reader.push(sealed).kind).toBe("message");
  });

  it("takes whatever serf sends", () => {
    for (const text of serf.datagrams) {
      const bytes = Buffer.from(text, "hex");
      expect(isPacketStart(bytes.subarray(0, 16), bytes.length)).toBe(true);
    }
    for (const text of serf.streams) expect(isStreamStart(Buffer.from(text, "hex").subarray(0, 16))).toBe(true);
  });

  it("takes whatever the decoder gets a message of, however it was changed", () => {
    const change = fc.tuple(fc.nat(packets.length - 1), fc.nat(40), fc.nat(255), fc.nat(2));
    fc.assert(
      fc.property(change, ([which, where, value, cut]) => {
        const bytes = Uint8Array.from(packets[which]!);
        bytes[where % bytes.length] = value;
        const some = cut === 0 ? bytes.subarray(0, where) : bytes;
        const got = unpackPacket(some, { ...PLAIN, defaultPort: PORT });
        if (got.ok && got.messages.length > 0) expect(isPacketStart(some.subarray(0, 16), some.length)).toBe(true);
      }),
      { numRuns: 20_000 },
    );
  });

  it("refuses nearly all that another key sealed, short or long", () => {
    const ring = { keys: keyRing([KEY_A]), label: NO_LABEL };
    let taken = 0;
    for (let i = 0; i < 4000; i++) {
      const bytes = randomBytes(i % 2 === 0 ? 200 : 1400);
      bytes[0] = 1;
      if (seemsOurs(bytes, ring)) taken++;
    }
    // A user message is any bytes behind its type: one in 256, and little else.
    expect(taken).toBeLessThan(4000 * 0.015);
  });

  it("refuses a stream of another key at its first block, and does not wait for megabytes", () => {
    const reader = new StreamReader({
      keys: keyRing([KEY_A]),
      label: NO_LABEL,
      accepting: true,
      defaultPort: PORT,
    });
    const head = Buffer.from([10, 0, 0x30, 0, 0, 1]);
    let answer = reader.push(head);
    expect(answer.kind).toBe("more");
    answer = reader.push(Buffer.alloc(SEAL_START_BYTES - 1, 0x56));
    expect(answer).toEqual({ kind: "problem", reason: "wrong-key" });
    expect(reader.bytesHeld).toBe(0);
  });

  it("tells packets apart by their nonces, and copies of one by nothing", () => {
    for (const label of [NO_LABEL, LABEL]) {
      const options = { keys: keyRing([KEY_A]), label };
      const some = Array.from({ length: 1000 }, () => packPacket([MESSAGES[0]!], options));
      expect(new Set(some.map((bytes) => nonceOf(bytes, options))).size).toBe(1000);
      expect(nonceOf(Uint8Array.from(some[0]!), options)).toBe(nonceOf(some[0]!, options));
    }
  });
});
