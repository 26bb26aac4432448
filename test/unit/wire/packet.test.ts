/** Datagrams: golden bytes from the specification, round trips through every layer, what serf sent, and what must be refused. */
import { createCipheriv } from "node:crypto";
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type Message, VIPD_VSN } from "../../../src/domain/messages.js";
import { lzwCompress } from "../../../src/wire/lzw.js";
import { decodeMessage, encodeMessage, measure } from "../../../src/wire/message-codec.js";
import { MsgpackWriter } from "../../../src/wire/msgpack.js";
import {
  compressIfSmaller,
  labelBytes,
  packetBudget,
  packPacket,
  type Unpacked,
  unpackPacket,
} from "../../../src/wire/packet.js";
import type { KeyRing } from "../../../src/wire/seal.js";
import { keyRing } from "./key-ring.js";
import { KEY_A, KEY_B, MESSAGES, NO_LABEL, PORT } from "./samples.js";

const url = new URL("../../fixtures/wire/serf-recorded.json", import.meta.url);
const recorded = (JSON.parse(readFileSync(url, "utf8")) as { datagrams: string[] }).datagrams;
const PLAIN = { keys: null, label: NO_LABEL, defaultPort: PORT };

/** encode -> decode -> encode. */
function roundTrip(message: Message): void {
  const bytes = encodeMessage(message);
  const decoded = decodeMessage(bytes, PORT);
  expect(decoded).toEqual(message);
  expect(encodeMessage(decoded)).toEqual(bytes);
  expect(measure(message)).toBe(bytes.length);
}

function unpack(bytes: Uint8Array, more: { keys?: KeyRing | null; label?: Uint8Array } = {}): Unpacked {
  return unpackPacket(bytes, { ...PLAIN, ...more });
}

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ""), "hex");
const ping: Message = { kind: "ping", seqNo: 1, node: "b", source: null };
const nack: Message = { kind: "nack", seqNo: 6 };

describe("one message", () => {
  it.each(MESSAGES.map((m, i) => [i, m.kind, m] as const))("%i %s comes back", (_i, _kind, message) =>
    roundTrip(message),
  );

  const golden: [string, Message, string][] = [
    ["a ping", ping, "00 82 a44e6f6465 a162 a55365714e6f 01"],
    [
      "a ping with its source",
      { ...ping, source: { address: { host: "10.0.0.1", port: 7946 }, name: "a" } },
      "00 85 a44e6f6465 a162 a55365714e6f 01 aa536f7572636541646472 a40a000001 aa536f757263654e6f6465 a161 aa536f75726365506f7274 cd1f0a",
    ],
    [
      "an ack without payload",
      { kind: "ack", seqNo: 128, payload: null },
      "02 82 a75061796c6f6164 c0 a55365714e6f cc80",
    ],
    ["a nack", { kind: "nack", seqNo: 65536 }, "0b 81 a55365714e6f ce00010000"],
    [
      "a suspicion",
      { kind: "suspect", incarnation: 2, node: "b", from: "a" },
      "03 83 a446726f6d a161 ab496e6361726e6174696f6e 02 a44e6f6465 a162",
    ],
    [
      "an alive",
      {
        kind: "alive",
        incarnation: 1,
        node: "a",
        address: { host: "10.0.0.1", port: 7946 },
        meta: { kind: "foreign", bytes: new Uint8Array(32).fill(1) },
        vsn: VIPD_VSN,
      },
      `04 86 a441646472 a40a000001 ab496e6361726e6174696f6e 01 a44d657461 da0020 ${"01".repeat(32)} a44e6f6465 a161 a4506f7274 cd1f0a a356736e a6010502020505`,
    ],
  ];
  it.each(golden)("%s has the bytes that Go would write", (_name, message, bytes) => {
    expect(Buffer.from(encodeMessage(message)).toString("hex")).toBe(hex(bytes).toString("hex"));
  });

  const liberal: [string, string, Message][] = [
    [
      "signed integers, str8 and a key that nobody knows",
      "00 83 a44e6f6465 d90162 a55365714e6f d30000000000000001 a3586f78 93c0c1".replace("93c0c1", "92c0a0"),
      ping,
    ],
    ["keys in another order, map16", "00 de0002 a55365714e6f d101 a44e6f6465 c40162".replace("d101", "d10001"), ping],
    [
      "an IPv4 address in 16 bytes, and port 0",
      "01 83 a6546172676574 b000000000000000000000ffff0a000001 a55365714e6f 01 a44e6f6465 a162",
      {
        kind: "indirect-ping",
        seqNo: 1,
        target: { host: "10.0.0.1", port: PORT },
        node: "b",
        nack: false,
        source: null,
      },
    ],
  ];
  it.each(liberal)("%s are understood", (_name, bytes, message) => {
    expect(decodeMessage(hex(bytes), PORT)).toEqual(message);
  });

  it("a Meta of ours keeps the fields of a later release when it is passed on", () => {
    const meta = Buffer.concat([Buffer.from("vipd"), hex("83 a166 02 a169 05 a17a a3786f78")]);
    const writer = new MsgpackWriter();
    writer.append(hex("04 84 a44e6f6465 a161 a441646472 a40a000001 a4506f7274 01 a44d657461"));
    writer.bytes(meta);
    const alive = decodeMessage(writer.finish(), PORT) as Message & { kind: "alive" };
    expect(alive.meta).toMatchObject({ kind: "vipd", format: 2, instance: 5 });
    expect(Buffer.from(encodeMessage({ ...alive, incarnation: 9 })).includes(meta)).toBe(true);
  });
});

describe("a datagram", () => {
  const label = labelBytes("production");
  const worlds: [string, { keys: KeyRing | null; label: Uint8Array; crc?: boolean; compress?: boolean }][] = [];
  for (const keys of [null, keyRing([KEY_A, KEY_B]), keyRing([KEY_B]), keyRing([KEY_A.subarray(0, 24)])]) {
    for (const [crc, compress] of [
      [false, false],
      [true, false],
      [true, true],
      [false, true],
    ] as const) {
      for (const of of [NO_LABEL, label]) {
        worlds.push([
          `${keys === null ? "plain" : "sealed"} crc=${crc} compress=${compress} label=${of.length}`,
          { keys, label: of, crc, compress },
        ]);
      }
    }
  }
  it.each(worlds)("%s comes back", (_name, options) => {
    for (const messages of [MESSAGES, MESSAGES.slice(0, 1), Array<Message>(255).fill(nack)]) {
      const unpacked = unpack(packPacket(messages, options), options);
      expect(unpacked).toEqual({ ok: true, messages, dropped: [] });
    }
  });

  it("has the size that measure and the budget promise", () => {
    const keys = keyRing([KEY_A]);
    const bytes = packPacket(MESSAGES, { keys, label, crc: true });
    const parts = MESSAGES.reduce((sum, m) => sum + 2 + measure(m), 2);
    expect(bytes.length - parts).toBe(1400 - packetBudget({ sealed: true, labelBytes: label.length }));
    expect(packetBudget({ sealed: false, labelBytes: 0 })).toBe(1395);
    expect(packetBudget({ sealed: true, labelBytes: 0 })).toBe(1366);
  });

  it.each(recorded.map((text, i) => [i, text] as const))("%i that serf sent is understood whole", (_i, text) => {
    const unpacked = unpack(hex(text));
    expect(unpacked).toMatchObject({ ok: true, dropped: [] });
    if (unpacked.ok) for (const message of unpacked.messages) if (message.kind !== "user") roundTrip(message);
  });

  it("opens what was sealed with any key of the ring", () => {
    const bytes = packPacket([ping], { keys: keyRing([KEY_B]), label: NO_LABEL });
    expect(unpack(bytes, { keys: keyRing([KEY_A, KEY_B]) }).ok).toBe(true);
  });

  it("never seals twice with one nonce", () => {
    const keys = keyRing([KEY_A]);
    const nonces = new Set<string>();
    for (let i = 0; i < 2000; i++) nonces.add(Buffer.from(keys.seal(Uint8Array.of(1)).subarray(1, 13)).toString("hex"));
    expect(nonces.size).toBe(2000);
  });

  it("a compound with a cut tail or a bad part gives its good parts", () => {
    const whole = packPacket([ping, nack, ping], { keys: null, label: NO_LABEL });
    expect(unpack(whole.subarray(0, whole.length - 1))).toEqual({
      ok: true,
      messages: [ping, nack],
      dropped: ["truncated"],
    });
    const bad = Buffer.from(whole);
    bad[2 + 6] = 99;
    expect(unpack(bad)).toEqual({ ok: true, messages: [nack, ping], dropped: ["unknown-type"] });
  });
});

/** Version 0: padded, as memberlist's ProtocolVersion 1 seals. */
function sealPadded(plain: Uint8Array): Buffer {
  const nonce = Buffer.alloc(12, 7);
  const cipher = createCipheriv("aes-256-gcm", KEY_A, nonce);
  return Buffer.concat([Uint8Array.of(0), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function padded(plain: Uint8Array): Buffer {
  const n = 16 - (plain.length % 16);
  return Buffer.concat([plain, Buffer.alloc(n, n)]);
}

function compressed(bytes: Uint8Array, algo = 0): Buffer {
  const writer = new MsgpackWriter();
  writer.append(hex("09 82 a4416c676f"));
  writer.number(algo);
  writer.append(hex("a3427566"));
  writer.bytes(lzwCompress(bytes));
  return Buffer.from(writer.finish());
}

function nested(depth: number): Uint8Array {
  let bytes = encodeMessage(ping);
  for (let i = 0; i < depth; i++)
    bytes = Buffer.concat([Uint8Array.of(7, 1, bytes.length >> 8, bytes.length & 255), bytes]);
  return bytes;
}

describe("refused by name", () => {
  const keys = keyRing([KEY_A]);
  const plainPing = encodeMessage(ping);
  const withCrc = packPacket([ping], { keys: null, label: NO_LABEL, crc: true });
  const cases: [string, Uint8Array, { keys?: KeyRing; label?: Uint8Array }, string][] = [
    ["nothing", new Uint8Array(0), {}, "empty"],
    ["a ping cut short", plainPing.subarray(0, 8), {}, "truncated"],
    ["a list where a map belongs", hex("00 90"), {}, "bad-msgpack"],
    ["a name of 600 bytes", hex(`00 81 a44e6f6465 da0258 ${"61".repeat(600)}`), {}, "too-large"],
    ["a name that is not UTF-8", hex("00 81 a44e6f6465 a2c328"), {}, "bad-text"],
    ["a sequence number beyond 32 bits", hex("0b 81 a55365714e6f cf0000000100000000"), {}, "bad-field"],
    ["a negative incarnation", hex("03 81 ab496e6361726e6174696f6e ff"), {}, "bad-field"],
    ["an address of 5 bytes", hex("04 81 a441646472 a50102030405"), {}, "bad-address"],
    ["an alive without an address", hex("04 81 a44e6f6465 a161"), {}, "bad-address"],
    ["a push/pull by UDP", hex("06 80"), {}, "unknown-type"],
    ["a type that nobody knows", hex("63 80"), {}, "unknown-type"],
    ["a wrong CRC", Buffer.concat([withCrc.subarray(0, 4), hex("00"), withCrc.subarray(5)]), {}, "bad-crc"],
    ["a label where none is expected", packPacket([ping], { keys: null, label: labelBytes("x") }), {}, "bad-label"],
    ["no label where one is expected", plainPing, { label: labelBytes("x") }, "bad-label"],
    [
      "another label, sealed",
      packPacket([ping], { keys, label: labelBytes("y") }),
      { keys, label: labelBytes("x") },
      "bad-label",
    ],
    [
      "a key that we do not have",
      packPacket([ping], { keys: keyRing([KEY_B]), label: NO_LABEL }),
      { keys },
      "wrong-key",
    ],
    ["plaintext where a seal belongs", plainPing, { keys }, "plaintext"],
    ["a long plain ping where a seal belongs", encodeMessage(MESSAGES[0]!), { keys }, "plaintext"],
    [
      "a version-0 seal with a bad pad",
      sealPadded(Buffer.concat([plainPing, Buffer.alloc(16 - (plainPing.length % 16), 0)])),
      { keys },
      "bad-padding",
    ],
    ["an unknown compression", compressed(plainPing, 1), {}, "bad-compression"],
    ["a cut code stream", hex("09 81 a3427566 a100"), {}, "bad-compression"],
    ["a bomb", compressed(new Uint8Array(70_000)), {}, "too-large"],
    ["compressed nothing", compressed(new Uint8Array(0)), {}, "empty"],
  ];
  it.each(cases)("%s", (_name, bytes, options, reason) => {
    expect(unpack(bytes, options)).toEqual({ ok: false, reason });
  });

  it("a seal in which any one bit is turned", () => {
    const bytes = packPacket([ping], { keys, label: NO_LABEL });
    for (let bit = 8; bit < bytes.length * 8; bit++) {
      const turned = Uint8Array.from(bytes);
      turned[bit >> 3]! ^= 1 << (bit & 7);
      expect(unpack(turned, { keys }).ok).toBe(false);
    }
  });

  it("compounds that are nested too deep, and more messages than we take", () => {
    expect(unpack(nested(4))).toMatchObject({ ok: true, messages: [ping] });
    expect(unpack(nested(5))).toEqual({ ok: true, messages: [], dropped: ["too-deep"] });
    const many = packPacket(Array<Message>(255).fill(nack), { keys: null, label: NO_LABEL });
    const outer = Buffer.concat([
      hex("07 03"),
      ...[0, 0, 0].map(() => {
        const l = Buffer.alloc(2);
        l.writeUInt16BE(many.length);
        return l;
      }),
      many,
      many,
      many,
    ]);
    const unpacked = unpack(outer);
    expect(unpacked.ok && unpacked.messages.length).toBe(512);
    expect(unpacked.ok && unpacked.dropped.every((reason) => reason === "too-many")).toBe(true);
  });

  it("but a version-0 seal with a good pad is read", () => {
    expect(unpack(sealPadded(padded(plainPing)), { keys })).toMatchObject({ ok: true, messages: [ping] });
  });

  it("compression is written only where it is smaller", () => {
    expect(compressIfSmaller(plainPing)).toBeNull();
    expect(compressIfSmaller(new Uint8Array(1000))?.length).toBeLessThan(200);
  });

  it("CRC is that of IEEE", () => {
    expect(Buffer.from(withCrc).readUInt32BE(1)).toBe(crc32(plainPing));
  });
});
