/**
 * Does this look like the beginning of a packet or a stream of memberlist's? Purpose: judge the 16 bytes that `KeyRing.peek`
 * shows of a plaintext, so that what another key sealed is not opened at all. Boundary: says yes to whatever the decoders would
 * take, later fields included; a yes proves nothing.
 */
import { TYPE } from "./message-codec.js";

/** `start`: the first 16 bytes at most of a plaintext of `plainLength` bytes. */
export function isPacketStart(start: Uint8Array, plainLength: number, at = 0): boolean {
  // What is not shown is given the benefit of the doubt.
  if (at >= start.length) return true;
  switch (start[at]) {
    case TYPE.crc:
      return at === 0 && isPacketStart(start, plainLength, 5);
    case TYPE.compound:
      return isCompoundStart(start, plainLength, at);
    case TYPE.user:
      // Opaque: any application's.
      return true;
    case TYPE.ping:
    case TYPE.indirectPing:
    case TYPE.ack:
    case TYPE.suspect:
    case TYPE.alive:
    case TYPE.dead:
    case TYPE.compress:
    case TYPE.nack:
      return isStructAt(start, at + 1);
    default:
      return false;
  }
}

/** The first message of a stream, or of one that is compressed: also a user message begins with a struct here. */
export function isStreamStart(start: Uint8Array): boolean {
  switch (start[0]) {
    case TYPE.ping:
    case TYPE.ack:
    case TYPE.pushPull:
    case TYPE.user:
    case TYPE.compress:
    case TYPE.err:
      return isStructAt(start, 1);
    default:
      return false;
  }
}

/** Count, u16 lengths, bodies. Parts stand for themselves: only that nothing before a cut tail is whole makes it nonsense. */
function isCompoundStart(start: Uint8Array, plainLength: number, at: number): boolean {
  if (at + 4 > start.length) return true;
  const count = start[at + 1]!;
  const first = (start[at + 2]! << 8) | start[at + 3]!;
  return count > 0 && at + 2 + 2 * count + first <= plainLength;
}

/** A map, empty or with a string for its first key, in any form that the reader takes. */
function isStructAt(start: Uint8Array, at: number): boolean {
  if (at >= start.length) return true;
  const map = start[at]!;
  if (map === 0xde || map === 0xdf || map === 0xc0 || map === 0x80) return true;
  if ((map & 0xf0) !== 0x80) return false;
  if (at + 1 >= start.length) return true;
  const key = start[at + 1]!;
  return key >= 0xa0 && key <= 0xdb;
}
