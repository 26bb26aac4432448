/** Streams: round trips whole and byte by byte, what serf sent, bounds, and what must be refused by name. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FACTS_BYTES_MAX } from "../../../src/wire/limits.js";
import { lzwCompress } from "../../../src/wire/lzw.js";
import { encodeMessage } from "../../../src/wire/message-codec.js";
import { MsgpackWriter } from "../../../src/wire/msgpack.js";
import { labelBytes, type PacketOptions } from "../../../src/wire/packet.js";

import { encodeStream, type StreamMessage, type StreamRead, StreamReader } from "../../../src/wire/stream.js";
import { keyRing } from "./key-ring.js";
import { ENVELOPE, KEY_A, KEY_B, MESSAGES, NO_LABEL, PORT, PUSH_PULL } from "./samples.js";

const url = new URL("../../fixtures/wire/serf-recorded.json", import.meta.url);
const recorded = (JSON.parse(readFileSync(url, "utf8")) as { streams: string[] }).streams;
const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ""), "hex");

const STREAM_MESSAGES: readonly StreamMessage[] = [
  { kind: "push-pull", state: PUSH_PULL },
  { kind: "push-pull", state: { join: false, nodes: [], facts: [] } },
  { kind: "ping", seqNo: 0xffff_ffff, node: "host-b" },
  { kind: "ack", seqNo: 3 },
  { kind: "err", text: "no" },
  { kind: "user", body: { kind: "facts", facts: ENVELOPE } },
  { kind: "user", body: { kind: "foreign", bytes: Uint8Array.of(1, 2, 3) } },
];

const WORLDS: [string, PacketOptions][] = [
  ["plain", { keys: null, label: NO_LABEL }],
  ["sealed", { keys: keyRing([KEY_A]), label: NO_LABEL }],
  ["plain, labelled", { keys: null, label: labelBytes("prod") }],
  ["sealed, labelled", { keys: keyRing([KEY_B, KEY_A]), label: labelBytes("prod") }],
];

function read(
  bytes: Uint8Array,
  step: number,
  options: PacketOptions,
  accepting = true,
  bytesMax = 1 << 20,
): StreamRead {
  const reader = new StreamReader({ ...options, accepting, defaultPort: PORT, bytesMax });
  let last: StreamRead = { kind: "more" };
  for (let at = 0; at < bytes.length; at += step) {
    expect(last.kind).toBe("more");
    last = reader.push(bytes.subarray(at, at + step));
  }
  return last;
}

describe.each(WORLDS)("a stream, %s", (_name, options) => {
  it.each(STREAM_MESSAGES.map((m) => [m.kind, m] as const))("%s comes back, whole and in pieces", (_kind, message) => {
    for (const dialling of [true, false]) {
      const bytes = encodeStream(message, { ...options, dialling });
      for (const step of [1, 7, 1000, bytes.length]) {
        expect(read(bytes, step, options, dialling)).toEqual({ kind: "message", message, dropped: [] });
      }
    }
  });

  it("that ends early asks for more, and never makes a message of it", () => {
    const bytes = encodeStream(STREAM_MESSAGES[0]!, { ...options, dialling: true });
    for (let n = 1; n < bytes.length; n += 13) expect(read(bytes.subarray(0, n), n, options)).toEqual({ kind: "more" });
  });
});

describe("what serf sent", () => {
  it("is a push/pull with one member and a user state that is not ours", () => {
    const result = read(hex(recorded[0]!), 11, WORLDS[0]![1], false);
    expect(result).toMatchObject({
      kind: "message",
      message: { kind: "push-pull", state: { facts: [], nodes: [{ name: "serf-1", state: "alive" }] } },
      dropped: [],
    });
  });
});

function compressed(plain: Uint8Array): Buffer {
  const writer = new MsgpackWriter();
  writer.append(hex("09 82 a4416c676f 00 a3427566"));
  writer.bytes(lzwCompress(plain));
  return Buffer.from(writer.finish());
}

describe("bounds and refusals", () => {
  const plain = WORLDS[0]![1];
  const sealed = WORLDS[1]![1];
  const header = (nodes: string, state: string) =>
    `06 83 a44a6f696e c3 a54e6f646573 ${nodes} ac5573657253746174654c656e ${state}`;
  const cases: [string, Uint8Array, PacketOptions, string][] = [
    ["plain where a seal belongs", hex("00 80"), sealed, "plaintext"],
    [
      "a seal where we have no key",
      encodeStream(STREAM_MESSAGES[3]!, { ...sealed, dialling: true }),
      plain,
      "encrypted",
    ],
    [
      "another key",
      encodeStream(STREAM_MESSAGES[3]!, { keys: keyRing([KEY_B]), label: NO_LABEL, dialling: true }),
      sealed,
      "wrong-key",
    ],
    ["a frame larger than we take", hex("0a 7fffffff"), sealed, "too-large"],
    ["a frame too small for a seal", hex("0a 00000010"), sealed, "truncated"],
    [
      "a label that we do not have",
      encodeStream(STREAM_MESSAGES[3]!, { keys: null, label: labelBytes("x"), dialling: true }),
      plain,
      "bad-label",
    ],
    ["no label", hex("00 80"), WORLDS[2]![1], "bad-label"],
    ["more nodes than we take", hex(header("ce00010000", "00")), plain, "too-many"],
    ["a negative number of nodes", hex(header("d1ffff", "00")), plain, "bad-field"],
    ["more user state than we take", hex(header("00", "ce7fffffff")), plain, "too-large"],
    ["a type that has no stream", hex("04 80"), plain, "unknown-type"],
    ["a compressed body in a compressed body", compressed(compressed(hex("02 80"))), plain, "too-deep"],
    ["a compressed body that ends early", compressed(hex("02 81")), plain, "bad-msgpack"],
    ["a bomb", compressed(new Uint8Array(3 << 20)), plain, "too-large"],
    [
      "an endless stream",
      Buffer.concat([hex("08 81 aa557365724d73674c656e ce00100000"), new Uint8Array(1 << 20)]),
      plain,
      "too-large",
    ],
  ];
  it.each(cases)("%s", (_name, bytes, options, reason) => {
    expect(read(bytes, bytes.length, options)).toEqual({ kind: "problem", reason });
  });

  it("compressed streams are read", () => {
    const bytes = compressed(encodeStream(STREAM_MESSAGES[0]!, { ...plain, dialling: false }));
    expect(read(bytes, 5, plain)).toEqual({ kind: "message", message: STREAM_MESSAGES[0], dropped: [] });
  });

  it("a row that makes no sense does not keep the others from us", () => {
    const good = encodeStream(STREAM_MESSAGES[0]!, { ...plain, dialling: false });
    const at = Buffer.from(good).indexOf(hex("a40a4d000b"));
    const bad = Buffer.concat([good.subarray(0, at), hex("a30a4d00"), good.subarray(at + 5)]);
    const result = read(bad, bad.length, plain);
    expect(result).toMatchObject({ dropped: ["bad-address"], message: { state: { nodes: [{ name: "host-b" }] } } });
  });

  it("a row that never ends, dripping byte by byte, costs a bounded scan", () => {
    const reader = new StreamReader({ ...plain, accepting: true, defaultPort: PORT });
    let last = reader.push(hex(header("01", "00")));
    // A map of 65 535 pairs of one-byte keys and values: each attempt reads it from the start.
    last = reader.push(hex("de ffff"));
    let bytes = 0;
    const from = process.cpuUsage();
    while (last.kind === "more" && bytes < 100_000) {
      last = reader.push(hex("a0c0"));
      bytes += 2;
    }
    expect(last).toEqual({ kind: "problem", reason: "too-large" });
    expect(process.cpuUsage(from).user).toBeLessThan(5_000_000);
  });

  it("facts that no peer would take are left out", () => {
    const large = { ...ENVELOPE, name: "large", body: new Uint8Array(FACTS_BYTES_MAX + 1) };
    const bytes = encodeStream(
      { kind: "push-pull", state: { join: false, nodes: [], facts: [large, ENVELOPE] } },
      { ...plain, dialling: false },
    );
    expect(read(bytes, bytes.length, plain)).toMatchObject({ message: { state: { facts: [ENVELOPE] } } });
  });

  it("a message of a packet is none of a stream", () => {
    const bytes = encodeMessage(MESSAGES[11]!);
    expect(read(bytes, bytes.length, plain)).toEqual({ kind: "problem", reason: "unknown-type" });
  });
});
