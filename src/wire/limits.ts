/**
 * The bounds of the wire, in one place. Purpose: what memberlist leaves open (memberlist-wire.md, section 14) is closed
 * here. Boundary: numbers only. Sizes in bytes.
 */

/** UDP payload with every overhead (memberlist's UDPBufferSize). */
export const DATAGRAM_BYTES = 1400;
/** What we take in one datagram, after decompression. */
export const INFLATED_DATAGRAM_BYTES_MAX = 64 * 1024;
/** What we take on one stream, framing and seal included, and again after decompression. */
export const STREAM_BYTES_MAX = 4 * 1024 * 1024;
/** memberlist's MetaMaxSize. */
export const META_BYTES_MAX = 512;
/** Names of members, error texts and the like. */
export const TEXT_BYTES_MAX = 512;
/** One host's encoded facts: enough for 16 384 held VIPs of either family, the most that a configuration can have. */
export const FACTS_BYTES_MAX = 1024 * 1024;
export const ACK_PAYLOAD_BYTES_MAX = 1024;
/** Compounds within compressed bodies within compounds: deeper is nobody's honest packet. */
export const NESTING_MAX = 4;
/** Messages of one datagram. */
export const MESSAGES_MAX = 512;
/** Rows and envelopes of one push/pull. */
export const NODES_MAX = 8192;
/** A compound's count is one byte. */
export const COMPOUND_PARTS_MAX = 255;
/** A compound's part length is a u16. */
export const COMPOUND_PART_BYTES_MAX = 0xffff;
