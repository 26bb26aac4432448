/** The wire floor's face: what adapters, daemon and simulator call. Boundary: re-exports only. */
export { decodeFacts, encodeFacts } from "./facts-codec.js";
export { DATAGRAM_BYTES, FACTS_BYTES_MAX, META_BYTES_MAX, STREAM_BYTES_MAX } from "./limits.js";
export { decodeMessage, encodeMessage, measure } from "./message-codec.js";
export {
  labelBytes,
  nonceOf,
  type PacketOptions,
  type PackOptions,
  packetBudget,
  packPacket,
  quickReason,
  seemsOurs,
  type Unpacked,
  type UnpackOptions,
  unpackPacket,
} from "./packet.js";
export { WIRE_REASONS, type WireReason } from "./problem.js";
export { type Aead, KeyRing, SEAL_BYTES } from "./seal.js";
export { encodeStream, type StreamMessage, type StreamRead, StreamReader, type StreamReaderOptions } from "./stream.js";
export { isOversized } from "./vipd-messages.js";
