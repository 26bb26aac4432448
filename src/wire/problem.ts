/**
 * What can be wrong with bytes from the network, by name. Purpose: the one error that decoders throw, and the list of
 * reasons under which it is counted. Boundary: never leaves the wire floor; packet.ts and stream.ts turn it into values.
 * One object exists for each reason, made once, without a stack: a flood of junk must not pay for stack traces.
 */
export const WIRE_REASONS = [
  /** No bytes, or no type byte. */
  "empty",
  /** Ended in the middle of a value. In a compound only the tail is lost. */
  "truncated",
  /** A value, a datagram, a stream or a decompressed body is larger than we take. */
  "too-large",
  /** Compounds or compressed bodies nested deeper than we follow. */
  "too-deep",
  /** More messages, nodes or list items than we take. */
  "too-many",
  "bad-msgpack",
  /** A string that is not UTF-8. */
  "bad-text",
  /** An IP address of neither 4 nor 16 bytes, or none where one is needed. */
  "bad-address",
  /** A number outside of its field's range. */
  "bad-field",
  "bad-crc",
  "bad-label",
  "bad-padding",
  "bad-compression",
  /** Sealed, and no key of ours opens it (or it was changed on the way). */
  "wrong-key",
  /** Not sealed, and we have a key. */
  "plaintext",
  /** Sealed, and we have no key. */
  "encrypted",
  "unknown-type",
] as const;

export type WireReason = (typeof WIRE_REASONS)[number];

export class WireProblem extends Error {
  constructor(readonly reason: WireReason) {
    super(reason);
    this.name = "WireProblem";
  }
}

const problems = new Map<WireReason, WireProblem>(WIRE_REASONS.map((reason) => [reason, new WireProblem(reason)]));

/** Throws the one WireProblem of this reason. */
export function fail(reason: WireReason): never {
  throw problems.get(reason)!;
}

/** The reason of a WireProblem; anything else is a bug of ours and goes on up. */
export function reasonOf(error: unknown): WireReason {
  if (error instanceof WireProblem) return error.reason;
  throw error;
}
