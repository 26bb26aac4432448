/**
 * Hashes that every host must compute alike: 32-bit for digests, 53-bit for rendezvous. Not for security. Pure.
 * MurmurHash3 x86_32 (Austin Appleby, public domain algorithm), twice with different seeds where 53 bits are wanted.
 */

const encoder = new TextEncoder();

/** MurmurHash3_x86_32 of `bytes`. Returns u32. */
export function hashBytes(bytes: Uint8Array, seed = 0): number {
  let h = seed | 0;
  const blocks = bytes.length & ~3;
  for (let i = 0; i < blocks; i += 4) {
    const k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    h ^= scramble(k);
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64;
  }
  let tail = 0;
  for (let i = bytes.length - 1; i >= blocks; i--) tail = (tail << 8) | bytes[i]!;
  h ^= scramble(tail);
  return finalize(h ^ bytes.length);
}

/** MurmurHash3_x86_32 of the UTF-8 bytes of `text`. Returns u32. */
export function hashText(text: string, seed = 0): number {
  return hashBytes(encoder.encode(text), seed);
}

function scramble(k: number): number {
  const m = Math.imul(k, 0xcc9e2d51);
  return Math.imul((m << 15) | (m >>> 17), 0x1b873593);
}

/** MurmurHash3's 32-bit finalizer: every input bit reaches every output bit. Returns u32. */
export function finalize(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
