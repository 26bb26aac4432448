/**
 * AES-GCM as memberlist seals (memberlist-wire.md, section 7): version | nonce 12 | ciphertext | tag 16.
 * Purpose: a key ring whose first key seals and all of which open; version 1 is written, version 0 (PKCS#7 padded) is read.
 * Boundary: no framing; the caller brings the additional data. Nonces are random, drawn from the kernel in batches.
 */
import {
  type Cipher,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
  randomFillSync,
} from "node:crypto";
import { fail } from "./problem.js";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION_PADDED = 0;
const VERSION_PLAIN = 1;
/** What sealing adds: version, nonce, tag. */
export const SEAL_BYTES = 1 + NONCE_BYTES + TAG_BYTES;
const NO_AAD = new Uint8Array(0);

type Algorithm = "aes-128-gcm" | "aes-192-gcm" | "aes-256-gcm";

interface Key {
  readonly algorithm: Algorithm;
  readonly key: KeyObject;
  /** The bare block cipher, made once: a block costs a tenth of opening a packet (2.5 of 30 us on the lab's machine). */
  readonly blocks: Cipher;
}

/** What `KeyRing.peek` shows of a packet's plaintext: a block. */
const PEEK_BYTES = 16;
/** Version, nonce and the first block: what a glance needs. */
export const SEAL_START_BYTES = 1 + NONCE_BYTES + PEEK_BYTES;
/** GCM encrypts from counter 2 on; the counter is the last 4 of a block's 16 bytes. */
const FIRST_COUNTER = 2;
const counterBlock = Buffer.alloc(16);
counterBlock.writeUInt32BE(FIRST_COUNTER, NONCE_BYTES);
const peeked = Buffer.alloc(PEEK_BYTES);

// One call into the kernel for 256 nonces: drawing 12 bytes at a time costs as much as sealing.
const pool = Buffer.allocUnsafeSlow(NONCE_BYTES * 256);
let poolAt = pool.length;

function drawNonce(into: Buffer, at: number): void {
  if (poolAt === pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  pool.copy(into, at, poolAt, poolAt + NONCE_BYTES);
  // Used up: nothing of it stays in the pool, so that no bug can ever use it twice.
  pool.fill(0, poolAt, poolAt + NONCE_BYTES);
  poolAt += NONCE_BYTES;
}

/** Keys of 16, 24 or 32 bytes; throws RangeError on another length or an empty ring (the configuration's check was left out). */
export class KeyRing {
  readonly #keys: readonly Key[];

  constructor(keys: readonly Uint8Array[]) {
    if (keys.length === 0) throw new RangeError("a key ring needs a key");
    this.#keys = keys.map((bytes) => {
      if (![16, 24, 32].includes(bytes.length)) throw new RangeError(`a key of ${bytes.length} bytes`);
      const bits = (bytes.length * 8) as 128 | 192 | 256;
      const key = createSecretKey(bytes);
      const blocks = createCipheriv(`aes-${bits}-ecb`, key, null).setAutoPadding(false);
      return { algorithm: `aes-${bits}-gcm`, key, blocks };
    });
  }

  /**
   * True if `plausible` takes the first bytes (16 at most) that one of our keys makes of `sealed`, or its beginning.
   * Nothing is authenticated by it: GCM's plaintext is the ciphertext XORed with one AES block of nonce and counter, so that a
   * glance costs one block and tells another's key from ours, where `open` reads it all. `plausible` must not keep `start`.
   */
  peek(sealed: Uint8Array, plausible: (start: Uint8Array) => boolean): boolean {
    const bodyAt = 1 + NONCE_BYTES;
    if (sealed.length <= bodyAt) return false;
    const n = Math.min(PEEK_BYTES, sealed.length - bodyAt);
    for (let i = 0; i < NONCE_BYTES; i++) counterBlock[i] = sealed[1 + i]!;
    for (const { blocks } of this.#keys) {
      const stream = blocks.update(counterBlock);
      for (let i = 0; i < n; i++) peeked[i] = sealed[bodyAt + i]! ^ stream[i]!;
      if (plausible(n === PEEK_BYTES ? peeked : peeked.subarray(0, n))) return true;
    }
    return false;
  }

  /** Seals `plain` with the first key into `out` at `at`; returns the bytes written (plain.length + SEAL_BYTES). */
  sealInto(out: Buffer, at: number, plain: Uint8Array, aad: Uint8Array = NO_AAD): number {
    const { algorithm, key } = this.#keys[0]!;
    out[at] = VERSION_PLAIN;
    drawNonce(out, at + 1);
    const cipher = createCipheriv(algorithm, key, out.subarray(at + 1, at + 1 + NONCE_BYTES));
    if (aad.length > 0) cipher.setAAD(aad);
    const body = at + 1 + NONCE_BYTES;
    // GCM is a stream mode: all of the ciphertext comes from update, and final adds nothing but the tag.
    out.set(cipher.update(plain), body);
    cipher.final();
    out.set(cipher.getAuthTag(), body + plain.length);
    return plain.length + SEAL_BYTES;
  }

  seal(plain: Uint8Array, aad: Uint8Array = NO_AAD): Uint8Array {
    const out = Buffer.allocUnsafe(plain.length + SEAL_BYTES);
    this.sealInto(out, 0, plain, aad);
    return out;
  }

  /** Throws "truncated", "plaintext" (a first byte that no seal has), "wrong-key" or "bad-padding". */
  open(sealed: Uint8Array, aad: Uint8Array = NO_AAD): Buffer {
    const version = sealed.length > 0 ? sealed[0]! : fail("empty");
    if (version > VERSION_PLAIN) fail("plaintext");
    if (sealed.length <= SEAL_BYTES) fail("truncated");
    for (const key of this.#keys) {
      const plain = tryOpen(key, sealed, aad);
      if (plain !== null) return version === VERSION_PADDED ? unpadded(plain) : plain;
    }
    return fail("wrong-key");
  }
}

function tryOpen({ algorithm, key }: Key, sealed: Uint8Array, aad: Uint8Array): Buffer | null {
  const tagAt = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(algorithm, key, sealed.subarray(1, 1 + NONCE_BYTES), { authTagLength: TAG_BYTES });
  if (aad.length > 0) decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(tagAt));
  const plain = decipher.update(sealed.subarray(1 + NONCE_BYTES, tagAt));
  try {
    decipher.final();
  } catch {
    // Node says "unable to authenticate data" for every cause; nothing of `plain` is used.
    return null;
  }
  return plain;
}

/** PKCS#7 to 16: the last byte tells how many bytes of its own value to take off, 1..16, all of them checked. */
function unpadded(plain: Buffer): Buffer {
  const n = plain.length > 0 ? plain[plain.length - 1]! : 0;
  if (n < 1 || n > 16 || n > plain.length || plain.length % 16 !== 0) fail("bad-padding");
  for (let i = plain.length - n; i < plain.length; i++) if (plain[i] !== n) fail("bad-padding");
  return plain.subarray(0, plain.length - n);
}
