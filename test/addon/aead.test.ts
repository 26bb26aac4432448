/** The addon's AES-GCM against node:crypto's, both ways. Needs no root and no wire. */
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newAead } from "../../src/adapters/native.js";
import { nodeAead } from "../unit/wire/key-ring.js";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const key = fc.constantFrom(16, 24, 32).map((size) => new Uint8Array(randomBytes(size)));

describe("the addon's AES-GCM", () => {
  it("seals what node:crypto opens, opens what it seals, and peeks alike", () => {
    fc.assert(
      fc.property(key, bytes(1500), bytes(40), fc.nat(20), (secret, plain, aad, at) => {
        const [ours, nodes] = [newAead(secret), nodeAead(secret)];
        const room = Buffer.alloc(at + NONCE_BYTES + plain.length + TAG_BYTES, 0xee);
        room.set(randomBytes(NONCE_BYTES), at);
        const theirs = Buffer.from(room);
        ours.seal(room, at, plain, aad);
        nodes.seal(theirs, at, plain, aad);
        expect(room).toEqual(theirs);
        const opened = new Uint8Array(plain.length);
        expect(ours.open(room.subarray(at), opened, aad)).toBe(true);
        expect(opened).toEqual(plain);
        const start = new Uint8Array(Math.min(16, plain.length));
        ours.peek(room.subarray(at), start);
        expect(start).toEqual(plain.subarray(0, start.length));
      }),
    );
  });

  it("opens nothing of which a bit was changed, or with another key or other additional data", () => {
    fc.assert(
      fc.property(
        key,
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        bytes(20),
        fc.nat(),
        (secret, plain, aad, bit) => {
          const aead = newAead(secret);
          const sealed = Buffer.concat([randomBytes(NONCE_BYTES), Buffer.alloc(plain.length + TAG_BYTES)]);
          aead.seal(sealed, 0, plain, aad);
          const opened = new Uint8Array(plain.length);
          expect(newAead(randomBytes(secret.length)).open(sealed, opened, aad)).toBe(false);
          expect(aead.open(sealed, opened, Buffer.concat([aad, Buffer.of(0)]))).toBe(false);
          sealed[(bit >> 3) % sealed.length]! ^= 1 << (bit & 7);
          expect(aead.open(sealed, opened, aad)).toBe(false);
          // What failed leaves nothing behind.
          sealed[(bit >> 3) % sealed.length]! ^= 1 << (bit & 7);
          expect(aead.open(sealed, opened, aad)).toBe(true);
          expect(opened).toEqual(plain);
        },
      ),
    );
  });

  it.each([
    ["a key of another length", () => newAead(new Uint8Array(15))],
    [
      "no room for the tag",
      () => newAead(new Uint8Array(16)).seal(new Uint8Array(30), 0, new Uint8Array(3), new Uint8Array(0)),
    ],
    [
      "a place beyond the end",
      () => newAead(new Uint8Array(16)).seal(new Uint8Array(30), 40, new Uint8Array(1), new Uint8Array(0)),
    ],
    [
      "a plaintext of another size",
      () => newAead(new Uint8Array(16)).open(new Uint8Array(40), new Uint8Array(13), new Uint8Array(0)),
    ],
    ["a peek beyond a block", () => newAead(new Uint8Array(16)).peek(new Uint8Array(60), new Uint8Array(17))],
    ["a peek beyond the end", () => newAead(new Uint8Array(16)).peek(new Uint8Array(14), new Uint8Array(3))],
  ])("refuses %s", (_, use) => {
    expect(use).toThrow(RangeError);
  });
});
