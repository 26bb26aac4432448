/** A key ring on node:crypto: the tests of the wire need no addon, and the addon's cipher is held against this one. */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { type Aead, KeyRing } from "../../../src/wire/seal.js";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

type Gcm = "aes-128-gcm" | "aes-192-gcm" | "aes-256-gcm";

export function nodeAead(key: Uint8Array): Aead {
  const bits = key.length * 8;
  return {
    seal(out, at, plain, aad) {
      const nonce = out.subarray(at, at + NONCE_BYTES);
      const cipher = createCipheriv(`aes-${bits}-gcm` as Gcm, key, nonce).setAAD(aad);
      out.set(Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]), at + NONCE_BYTES);
    },
    open(sealed, plain, aad) {
      const tagAt = sealed.length - TAG_BYTES;
      const options = { authTagLength: TAG_BYTES };
      const decipher = createDecipheriv(`aes-${bits}-gcm` as Gcm, key, sealed.subarray(0, NONCE_BYTES), options);
      decipher.setAAD(aad).setAuthTag(sealed.subarray(tagAt));
      plain.set(decipher.update(sealed.subarray(NONCE_BYTES, tagAt)));
      try {
        decipher.final();
        return true;
      } catch {
        return false;
      }
    },
    peek(sealed, start) {
      const block = Buffer.alloc(16);
      block.set(sealed.subarray(0, NONCE_BYTES));
      block[15] = 2;
      const stream = createCipheriv(`aes-${bits}-ecb`, key, null).setAutoPadding(false).update(block);
      for (let i = 0; i < start.length; i++) start[i] = sealed[NONCE_BYTES + i]! ^ stream[i]!;
    },
  };
}

export function keyRing(keys: readonly Uint8Array[]): KeyRing {
  return new KeyRing(keys, nodeAead);
}
