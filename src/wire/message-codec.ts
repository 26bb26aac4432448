/**
 * One `Message` to and from its bytes: type byte, then a msgpack map with Go's field names in Go's order (sorted).
 * Purpose: memberlist-wire.md, section 4, for packets. Boundary: knows no compound, CRC, compression or seal (packet.ts).
 * What is said to many is encoded once for each message object: `measure` and `packPacket` share the bytes.
 */
import { addressToBytes } from "../domain/address.js";
import type { Message, PingSource } from "../domain/messages.js";
import { decodeAckPayload, decodeMeta, encodeAckPayload, encodeMeta } from "./identity.js";
import { MsgpackReader, MsgpackWriter } from "./msgpack.js";
import { fail } from "./problem.js";
import {
  endpointOf,
  type RawFields,
  readRawFields,
  vsnOf,
  writeBool,
  writeBytes,
  writeNumber,
  writeText,
} from "./raw-fields.js";
import { decodeVipdMessage, encodeVipdMessage } from "./vipd-messages.js";

/** memberlist's message types (memberlist-wire.md, section 2). */
export const TYPE = {
  ping: 0,
  indirectPing: 1,
  ack: 2,
  suspect: 3,
  alive: 4,
  dead: 5,
  pushPull: 6,
  compound: 7,
  user: 8,
  compress: 9,
  encrypt: 10,
  nack: 11,
  crc: 12,
  err: 13,
  label: 244,
} as const;

const encoded = new WeakMap<Message, Uint8Array>();
const writer = new MsgpackWriter(4096);

/** The message with its type byte. The same object may give the same bytes object: do not write into it. */
export function encodeMessage(message: Message): Uint8Array {
  let bytes = encoded.get(message);
  if (bytes === undefined) {
    writer.reset();
    write(message);
    bytes = writer.finish();
    // Questions and answers are said once; what is spread is said to many, and measured before.
    if (!(message.kind === "ping" || message.kind === "ack")) encoded.set(message, bytes);
  }
  return bytes;
}

/** Exact bytes of the message inside a packet, without compound, CRC, seal and label. */
export function measure(message: Message): number {
  return encodeMessage(message).length;
}

function write(message: Message): void {
  switch (message.kind) {
    case "ping":
      writer.byte(TYPE.ping);
      writer.map(2 + sourcePairs(message.source));
      writeText(writer, "Node", message.node);
      writeNumber(writer, "SeqNo", message.seqNo);
      writeSource(message.source);
      return;
    case "indirect-ping":
      writer.byte(TYPE.indirectPing);
      writer.map(5 + sourcePairs(message.source));
      writeBool(writer, "Nack", message.nack);
      writeText(writer, "Node", message.node);
      writeNumber(writer, "Port", message.target.port);
      writeNumber(writer, "SeqNo", message.seqNo);
      writeSource(message.source);
      writeBytes(writer, "Target", addressToBytes(message.target.host));
      return;
    case "ack":
      writer.byte(TYPE.ack);
      writer.map(2);
      writeBytes(writer, "Payload", encodeAckPayload(message.payload));
      writeNumber(writer, "SeqNo", message.seqNo);
      return;
    case "nack":
      writer.byte(TYPE.nack);
      writer.map(1);
      writeNumber(writer, "SeqNo", message.seqNo);
      return;
    case "suspect":
    case "dead":
      writer.byte(message.kind === "dead" ? TYPE.dead : TYPE.suspect);
      writer.map(3);
      writeText(writer, "From", message.from);
      writeNumber(writer, "Incarnation", message.incarnation);
      writeText(writer, "Node", message.node);
      return;
    case "alive":
      writer.byte(TYPE.alive);
      writer.map(6);
      writeBytes(writer, "Addr", addressToBytes(message.address.host));
      writeNumber(writer, "Incarnation", message.incarnation);
      writeBytes(writer, "Meta", encodeMeta(message.meta));
      writeText(writer, "Node", message.node);
      writeNumber(writer, "Port", message.address.port);
      writeBytes(writer, "Vsn", Uint8Array.from(message.vsn));
      return;
    case "user":
      writer.byte(TYPE.user);
      writer.append(message.body.kind === "foreign" ? message.body.bytes : encodeVipdMessage(message.body));
      return;
  }
}

function sourcePairs(source: PingSource | null): number {
  return source === null ? 0 : 2 + (source.name === "" ? 0 : 1);
}

/** The source that was written last, nearly always this host. */
let sourceHost = "";
let sourceBytes: Uint8Array = new Uint8Array(0);

/** Omitted when empty, as Go's `omitempty` does. */
function writeSource(source: PingSource | null): void {
  if (source === null) return;
  const { host } = source.address;
  if (host !== sourceHost) {
    sourceBytes = addressToBytes(host);
    sourceHost = host;
  }
  writeBytes(writer, "SourceAddr", sourceBytes);
  if (source.name !== "") writeText(writer, "SourceNode", source.name);
  writeNumber(writer, "SourcePort", source.address.port);
}

/** Both of address and port, or the ack goes to the datagram's source (memberlist-wire.md, section 4). */
function sourceOf(f: RawFields, defaultPort: number): PingSource | null {
  if (f.sourceAddr === null || f.sourceAddr.length === 0 || f.sourcePort === 0) return null;
  return { address: endpointOf(f.sourceAddr, f.sourcePort, defaultPort), name: f.sourceNode };
}

/**
 * The message in `bytes` (type byte first; what stands after it is ignored, as memberlist does). Throws WireProblem;
 * "unknown-type" also for the types that are not messages of a packet.
 */
export function decodeMessage(bytes: Uint8Array, defaultPort: number): Message {
  const type = bytes.length > 0 ? bytes[0]! : fail("empty");
  if (type === TYPE.user) return decodeUser(bytes);
  if (type > TYPE.dead && type !== TYPE.nack) fail("unknown-type");
  const f = readRawFields(new MsgpackReader(bytes, 1));
  switch (type) {
    case TYPE.ping:
      return { kind: "ping", seqNo: f.seqNo, node: f.node, source: sourceOf(f, defaultPort) };
    case TYPE.indirectPing:
      return {
        kind: "indirect-ping",
        seqNo: f.seqNo,
        target: endpointOf(f.addr, f.port, defaultPort),
        node: f.node,
        nack: f.nack,
        source: sourceOf(f, defaultPort),
      };
    case TYPE.ack:
      return { kind: "ack", seqNo: f.seqNo, payload: decodeAckPayload(f.payload) };
    case TYPE.nack:
      return { kind: "nack", seqNo: f.seqNo };
    case TYPE.suspect:
    case TYPE.dead:
      return {
        kind: type === TYPE.dead ? "dead" : "suspect",
        incarnation: f.incarnation,
        node: f.node,
        from: f.from,
      };
    default:
      return {
        kind: "alive",
        incarnation: f.incarnation,
        node: f.node,
        address: endpointOf(f.addr, f.port, defaultPort),
        meta: decodeMeta(f.meta),
        vsn: vsnOf(f.vsn),
      };
  }
}

function decodeUser(bytes: Uint8Array): Message {
  return { kind: "user", body: decodeUserBody(bytes.subarray(1)) };
}

/** Also the body of a user message on a stream. */
export function decodeUserBody(body: Uint8Array): (Message & { readonly kind: "user" })["body"] {
  return decodeVipdMessage(body) ?? { kind: "foreign", bytes: new Uint8Array(body) };
}
