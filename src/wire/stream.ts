/**
 * One message of a TCP stream, each direction (memberlist-wire.md, section 9): push/pull, ping, ack, err, user.
 * Purpose: `encodeStream` writes it, `StreamReader` takes chunks as they come until it is whole. Boundary: no sockets, no
 * deadlines; never throws on junk; holds at most `bytesMax`, and reads no byte more than a few times however it drips in.
 */
import { addressToBytes } from "../domain/address.js";
import type { MemberState, Message, PushPull, PushPullNode } from "../domain/messages.js";
import { decodeMeta, encodeMeta } from "./identity.js";
import { NODES_MAX, STREAM_BYTES_MAX } from "./limits.js";
import { decodeUserBody, TYPE } from "./message-codec.js";
import { MsgpackReader, MsgpackWriter } from "./msgpack.js";
import { decompressBody, type PacketOptions } from "./packet.js";
import { isStreamStart } from "./plausible.js";
import { fail, reasonOf, type WireReason } from "./problem.js";
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
import { SEAL_BYTES, SEAL_START_BYTES } from "./seal.js";
import { decodeUserState, encodeUserState, encodeVipdMessage } from "./vipd-messages.js";

const FRAME_BYTES = 5;
/** Bytes that repeated attempts at an unfinished row may read in all: what drips in byte by byte must not cost a loop. */
const SCAN_BYTES_MAX = 2 * STREAM_BYTES_MAX;
/** memberlist's numbers of states. */
const STATES: readonly MemberState[] = ["alive", "suspect", "dead", "left"];

export type StreamMessage =
  | { readonly kind: "push-pull"; readonly state: PushPull }
  | { readonly kind: "ping"; readonly seqNo: number; readonly node: string }
  | { readonly kind: "ack"; readonly seqNo: number }
  | { readonly kind: "err"; readonly text: string }
  | { readonly kind: "user"; readonly body: (Message & { readonly kind: "user" })["body"] };

/** `dialling`: the label header is written once, by the side that opened the stream. */
export function encodeStream(
  message: StreamMessage,
  options: PacketOptions & { readonly dialling: boolean },
): Uint8Array {
  const writer = new MsgpackWriter(4096);
  writeStream(writer, message);
  const plain = writer.finish();
  const prefix = options.dialling && options.label.length > 0 ? 2 + options.label.length : 0;
  const sealed = options.keys === null ? plain.length : FRAME_BYTES + SEAL_BYTES + plain.length;
  const out = Buffer.allocUnsafe(prefix + sealed);
  if (prefix > 0) {
    out[0] = TYPE.label;
    out[1] = options.label.length;
    out.set(options.label, 2);
  }
  if (options.keys === null) {
    out.set(plain, prefix);
    return out;
  }
  out[prefix] = TYPE.encrypt;
  out.writeUInt32BE(plain.length + SEAL_BYTES, prefix + 1);
  const aad = Buffer.concat([out.subarray(prefix, prefix + FRAME_BYTES), options.label]);
  options.keys.sealInto(out, prefix + FRAME_BYTES, plain, aad);
  return out;
}

function writeStream(writer: MsgpackWriter, message: StreamMessage): void {
  switch (message.kind) {
    case "push-pull":
      writePushPull(writer, message.state);
      return;
    case "ping":
      writer.byte(TYPE.ping);
      writer.map(2);
      writeText(writer, "Node", message.node);
      writeNumber(writer, "SeqNo", message.seqNo);
      return;
    case "ack":
      writer.byte(TYPE.ack);
      writer.map(2);
      writeBytes(writer, "Payload", null);
      writeNumber(writer, "SeqNo", message.seqNo);
      return;
    case "err":
      writer.byte(TYPE.err);
      writer.map(1);
      writeText(writer, "Error", message.text);
      return;
    case "user": {
      const body = message.body.kind === "foreign" ? message.body.bytes : encodeVipdMessage(message.body);
      writer.byte(TYPE.user);
      writer.map(1);
      writeNumber(writer, "UserMsgLen", body.length);
      writer.append(body);
      return;
    }
  }
}

function writePushPull(writer: MsgpackWriter, state: PushPull): void {
  const userState = encodeUserState(state.facts);
  writer.byte(TYPE.pushPull);
  writer.map(3);
  writeBool(writer, "Join", state.join);
  writeNumber(writer, "Nodes", state.nodes.length);
  writeNumber(writer, "UserStateLen", userState.length);
  for (const node of state.nodes) {
    writer.map(7);
    writeBytes(writer, "Addr", addressToBytes(node.address.host));
    writeNumber(writer, "Incarnation", node.incarnation);
    writeBytes(writer, "Meta", encodeMeta(node.meta));
    writeText(writer, "Name", node.name);
    writeNumber(writer, "Port", node.address.port);
    writeNumber(writer, "State", STATES.indexOf(node.state));
    writeBytes(writer, "Vsn", Uint8Array.from(node.vsn));
  }
  writer.append(userState);
}

export interface StreamReaderOptions extends PacketOptions {
  /** True on the side that accepted the stream: the label header is expected once, first. */
  readonly accepting: boolean;
  readonly defaultPort: number;
  readonly bytesMax?: number;
}

export type StreamRead =
  | { readonly kind: "more" }
  /** `dropped`: the reasons of push/pull rows that were left out. */
  | { readonly kind: "message"; readonly message: StreamMessage; readonly dropped: readonly WireReason[] }
  | { readonly kind: "problem"; readonly reason: WireReason };

const MORE: StreamRead = { kind: "more" };

/** A push/pull under way: rows that are whole are never read again. */
interface PartialPushPull {
  readonly header: RawFields;
  readonly nodes: PushPullNode[];
  rows: number;
}

export class StreamReader {
  readonly #options: StreamReaderOptions;
  readonly #bytesMax: number;
  #buf: Buffer = Buffer.allocUnsafe(4096);
  #length = 0;
  /** Where the part that is not consumed begins. */
  #at = 0;
  #labelSeen: boolean;
  #peeked = false;
  #scanned = 0;
  #partial: PartialPushPull | null = null;
  readonly #dropped: WireReason[] = [];
  #done: StreamRead | null = null;

  constructor(options: StreamReaderOptions) {
    this.#options = options;
    this.#bytesMax = options.bytesMax ?? STREAM_BYTES_MAX;
    this.#labelSeen = !options.accepting;
  }

  /** What it holds in memory. */
  get bytesHeld(): number {
    return this.#buf.length;
  }

  /** Takes a chunk. After a message or a problem, the answer stays the same and further bytes are ignored. */
  push(chunk: Uint8Array): StreamRead {
    if (this.#done !== null) return this.#done;
    try {
      this.#append(chunk);
      const message = this.#read();
      if (message === null) return MORE;
      this.#done = { kind: "message", message, dropped: this.#dropped };
    } catch (error) {
      this.#done = { kind: "problem", reason: reasonOf(error) };
    }
    this.#buf = Buffer.alloc(0);
    return this.#done;
  }

  #append(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#bytesMax) fail("too-large");
    if (length > this.#buf.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#buf.length * 2, length));
      this.#buf.copy(larger, 0, 0, this.#length);
      this.#buf = larger;
    }
    this.#buf.set(chunk, this.#length);
    this.#length = length;
  }

  /** Null: more bytes are needed. */
  #read(): StreamMessage | null {
    if (!this.#labelSeen && !this.#readLabel()) return null;
    const bytes = this.#buf.subarray(this.#at, this.#length);
    if (this.#partial === null) {
      if (bytes.length === 0) return null;
      const sealed = bytes[0] === TYPE.encrypt;
      if (this.#options.keys === null && sealed) fail("encrypted");
      if (this.#options.keys !== null) return sealed ? this.#readSealed(bytes) : fail("plaintext");
    }
    // A plain message: what is missing may still come.
    return this.#unlessTruncated(() => this.#readBody(bytes, 0, false));
  }

  /** False: more bytes are needed. */
  #readLabel(): boolean {
    const { label } = this.#options;
    if (this.#length === 0) return false;
    if (label.length === 0) {
      if (this.#buf[0] === TYPE.label) fail("bad-label");
    } else {
      const header = Buffer.concat([Uint8Array.of(TYPE.label, label.length), label]);
      const n = Math.min(header.length, this.#length);
      if (!header.subarray(0, n).equals(this.#buf.subarray(0, n))) fail("bad-label");
      if (n < header.length) return false;
      this.#at = n;
    }
    this.#labelSeen = true;
    return true;
  }

  #readSealed(bytes: Buffer): StreamMessage | null {
    if (bytes.length < FRAME_BYTES) return null;
    const n = bytes.readUInt32BE(1);
    // Refused by its stated length, before a byte of it is waited for.
    if (n > this.#bytesMax - FRAME_BYTES) fail("too-large");
    if (n <= SEAL_BYTES) fail("truncated");
    if (!this.#peeked && bytes.length >= FRAME_BYTES + Math.min(n, SEAL_START_BYTES)) {
      // Before megabytes are waited for and opened: does the beginning make sense under a key of ours?
      if (bytes[FRAME_BYTES]! > 1) fail("plaintext");
      if (!this.#options.keys!.peek(bytes.subarray(FRAME_BYTES, FRAME_BYTES + n), isStreamStart)) fail("wrong-key");
      this.#peeked = true;
    }
    if (bytes.length < FRAME_BYTES + n) return null;
    const aad = Buffer.concat([bytes.subarray(0, FRAME_BYTES), this.#options.label]);
    const plain = this.#options.keys!.open(bytes.subarray(FRAME_BYTES, FRAME_BYTES + n), aad);
    return this.#readBody(plain, 0, true);
  }

  #unlessTruncated(attempt: () => StreamMessage): StreamMessage | null {
    try {
      return attempt();
    } catch (error) {
      if (reasonOf(error) !== "truncated") throw error;
      if (this.#scanned > SCAN_BYTES_MAX) fail("too-large");
      return null;
    }
  }

  /** `whole`: no more bytes will come (it was sealed or compressed), so nothing is consumed by parts. */
  #readBody(bytes: Buffer, depth: number, whole: boolean): StreamMessage {
    if (this.#partial !== null) return this.#readRows(new MsgpackReader(bytes), whole);
    const type = bytes.length > 0 ? bytes[0]! : fail("truncated");
    const reader = new MsgpackReader(bytes, 1);
    switch (type) {
      case TYPE.compress: {
        if (depth > 0) fail("too-deep");
        const inner = this.#counted(reader, () => decompressBody(reader, this.#bytesMax));
        return this.#complete(() => this.#readBody(inner, depth + 1, true));
      }
      case TYPE.pushPull: {
        const header = this.#counted(reader, () => readRawFields(reader));
        if (header.nodes > NODES_MAX) fail("too-many");
        if (header.userStateLen > this.#bytesMax) fail("too-large");
        this.#partial = { header, nodes: [], rows: 0 };
        this.#consume(reader, whole);
        return this.#readRows(reader, whole);
      }
      case TYPE.ping: {
        const f = this.#counted(reader, () => readRawFields(reader));
        return { kind: "ping", seqNo: f.seqNo, node: f.node };
      }
      case TYPE.ack:
        return { kind: "ack", seqNo: this.#counted(reader, () => readRawFields(reader)).seqNo };
      case TYPE.err:
        return { kind: "err", text: this.#counted(reader, () => readRawFields(reader)).error };
      case TYPE.user: {
        const f = this.#counted(reader, () => readRawFields(reader));
        if (f.userMsgLen > this.#bytesMax) fail("too-large");
        if (reader.left < f.userMsgLen) fail("truncated");
        return { kind: "user", body: decodeUserBody(bytes.subarray(reader.pos, reader.pos + f.userMsgLen)) };
      }
      default:
        return fail("unknown-type");
    }
  }

  #readRows(reader: MsgpackReader, whole: boolean): StreamMessage {
    const partial = this.#partial!;
    while (partial.rows < partial.header.nodes) {
      const f = this.#counted(reader, () => readRawFields(reader));
      partial.rows++;
      // The fields are views into the buffer, so they are turned into values before the row is consumed.
      this.#takeRow(f, partial.nodes);
      this.#consume(reader, whole);
    }
    if (reader.left < partial.header.userStateLen) fail("truncated");
    const userState = reader.rawBytes(partial.header.userStateLen);
    const facts = this.#complete(() => decodeUserState(userState));
    return { kind: "push-pull", state: { join: partial.header.join, nodes: partial.nodes, facts } };
  }

  /** One row that makes no sense (an address of 5 bytes) must not keep the state of all others from us. */
  #takeRow(f: RawFields, into: PushPullNode[]): void {
    try {
      into.push({
        name: f.node,
        address: endpointOf(f.addr, f.port, this.#options.defaultPort),
        meta: decodeMeta(f.meta),
        incarnation: f.incarnation,
        state: STATES[f.state] ?? fail("bad-field"),
        vsn: vsnOf(f.vsn),
      });
    } catch (error) {
      this.#dropped.push(reasonOf(error));
    }
  }

  #consume(reader: MsgpackReader, whole: boolean): void {
    if (whole) return;
    this.#at = this.#length - reader.left;
  }

  #counted<T>(reader: MsgpackReader, attempt: () => T): T {
    const from = reader.pos;
    try {
      return attempt();
    } finally {
      this.#scanned += reader.pos - from;
    }
  }

  /** Inside of a length that is all there, "truncated" is a fault of the sender. */
  #complete<T>(attempt: () => T): T {
    try {
      return attempt();
    } catch (error) {
      const reason = reasonOf(error);
      return fail(reason === "truncated" ? "bad-msgpack" : reason);
    }
  }
}
