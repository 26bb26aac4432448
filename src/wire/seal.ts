/**
 * AES-GCM as memberlist seals (memberlist-wire.md, section 7): version | nonce 12 | ciphertext | tag 16.
 * Purpose: a key ring whose first key seals and all of which open; version 1 is written, version 0 (PKCS#7 padded) is read.
 * Boundary: no framing; the caller brings the additional data, and the cipher itself (`Aead`). Nonces are random, drawn from
 * the kernel in batches.
 */
import { randomFillSync } from "node:crypto";
import { fail } from "./problem.js";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION_PADDED = 0;
const VERSION_PLAIN = 1;
/** What sealing adds: version, nonce, tag. */
export const SEAL_BYTES = 1 + NONCE_BYTES + TAG_BYTES;
const NO_AAD = new Uint8Array(0);

/** What `KeyRing.peek` shows of a packet's plaintext: a block. */
const PEEK_BYTES = 16;
/** Version, nonce and the first block: what a glance needs. */
export const SEAL_START_BYTES = 1 + NONCE_BYTES + PEEK_BYTES;
const peeked = new Uint8Array(PEEK_BYTES);

/** AES-GCM under one key. What is sealed stands as nonce, ciphertext, tag. */
export interface Aead {
  /** Behind the nonce that stands in `out` at `at`, the ciphertext and the tag of `plain`. */
  seal(out: Uint8Array, at: number, plain: Uint8Array, aad: Uint8Array): void;
  /** Into `plain`, which has its size. False: not authentic, and what `plain` holds is worthless. */
  open(sealed: Uint8Array, plain: Uint8Array, aad: Uint8Array): boolean;
  /** The plaintext's first bytes, a block at most, into `start`. Nothing is authenticated, and it costs one block. */
  peek(sealed: Uint8Array, start: Uint8Array): void;
}

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
  readonly #keys: readonly Aead[];

  constructor(keys: readonly Uint8Array[], newAead: (key: Uint8Array) => Aead) {
    if (keys.length === 0) throw new RangeError("a key ring needs a key");
    this.#keys = keys.map((bytes) => {
      if (![16, 24, 32].includes(bytes.length)) throw new RangeError(`a key of ${bytes.length} bytes`);
      return newAead(bytes);
    });
  }

  /**
   * True if `plausible` takes the first bytes (16 at most) that one of our keys makes of `sealed`, or its beginning.
   * Nothing is authenticated by it: GCM's plaintext is the ciphertext XORed with one AES block of nonce and counter, so that a
   * glance costs one block and tells another's key from ours, where `open` reads it all. `plausible` must not keep `start`.
   */
  peek(sealed: Uint8Array, plausible: (start: Uint8Array) => boolean): boolean {
    const n = Math.min(PEEK_BYTES, sealed.length - 1 - NONCE_BYTES);
    if (n <= 0) return false;
    const start = n === PEEK_BYTES ? peeked : peeked.subarray(0, n);
    const body = sealed.subarray(1);
    return this.#keys.some((key) => {
      key.peek(body, start);
      return plausible(start);
    });
  }

  /** Seals `plain` with the first key into `out` at `at`; returns the bytes written (plain.length + SEAL_BYTES). */
  sealInto(out: Buffer, at: number, plain: Uint8Array, aad: Uint8Array = NO_AAD): number {
    out[at] = VERSION_PLAIN;
    drawNonce(out, at + 1);
    this.#keys[0]!.seal(out, at + 1, plain, aad);
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
    // Messages keep parts of it: memory of its own, not a piece of the pool.
    const plain = Buffer.allocUnsafeSlow(sealed.length - SEAL_BYTES);
    const body = sealed.subarray(1);
    for (const key of this.#keys) {
      if (key.open(body, plain, aad)) return version === VERSION_PADDED ? unpadded(plain) : plain;
    }
    return fail("wrong-key");
  }
}

/** PKCS#7 to 16: the last byte tells how many bytes of its own value to take off, 1..16, all of them checked. */
function unpadded(plain: Buffer): Buffer {
  const n = plain.length > 0 ? plain[plain.length - 1]! : 0;
  if (n < 1 || n > 16 || n > plain.length || plain.length % 16 !== 0) fail("bad-padding");
  for (let i = plain.length - n; i < plain.length; i++) if (plain[i] !== n) fail("bad-padding");
  return plain.subarray(0, plain.length - n);
}
