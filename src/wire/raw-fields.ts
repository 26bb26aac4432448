/**
 * The fields of memberlist's messages, read from one msgpack map whatever the message (memberlist-wire.md, section 4).
 * Purpose: one exhaustive table of Go field names, so that each message takes what it needs. Boundary: unknown keys are
 * skipped, missing ones are zero, ranges are checked here. `bytes` fields are views into the datagram: copy what stays.
 */
import { bytesToAddress } from "../domain/address.js";
import type { Endpoint, Vsn } from "../domain/messages.js";
import { INFLATED_DATAGRAM_BYTES_MAX, STREAM_BYTES_MAX, TEXT_BYTES_MAX } from "./limits.js";
import type { MsgpackReader, MsgpackWriter } from "./msgpack.js";
import { fail } from "./problem.js";

const U32_MAX = 0xffff_ffff;
const PORT_MAX = 0xffff;

export interface RawFields {
  seqNo: number;
  /** `Node`, or `Name` in the rows of a push/pull. */
  node: string;
  from: string;
  incarnation: number;
  /** `Addr`, or `Target` of an indirect ping. */
  addr: Uint8Array | null;
  port: number;
  nack: boolean;
  payload: Uint8Array | null;
  meta: Uint8Array | null;
  vsn: Uint8Array | null;
  state: number;
  sourceAddr: Uint8Array | null;
  sourcePort: number;
  sourceNode: string;
  nodes: number;
  userStateLen: number;
  userMsgLen: number;
  join: boolean;
  error: string;
  algo: number;
  buf: Uint8Array | null;
}

function blank(): RawFields {
  return {
    seqNo: 0,
    node: "",
    from: "",
    incarnation: 0,
    addr: null,
    port: 0,
    nack: false,
    payload: null,
    meta: null,
    vsn: null,
    state: 0,
    sourceAddr: null,
    sourcePort: 0,
    sourceNode: "",
    nodes: 0,
    userStateLen: 0,
    userMsgLen: 0,
    join: false,
    error: "",
    algo: 0,
    buf: null,
  };
}

/** Reads one map. Throws WireProblem; `reader.pos` then means nothing. */
export function readRawFields(reader: MsgpackReader): RawFields {
  const f = blank();
  for (let pairs = reader.mapHeader(); pairs > 0; pairs--) readField(reader, reader.text(TEXT_BYTES_MAX), f);
  return f;
}

function readField(reader: MsgpackReader, key: string, f: RawFields): void {
  switch (key) {
    case "SeqNo":
      f.seqNo = reader.uint(U32_MAX);
      return;
    case "Node":
    case "Name":
      f.node = reader.text(TEXT_BYTES_MAX);
      return;
    case "From":
      f.from = reader.text(TEXT_BYTES_MAX);
      return;
    case "Incarnation":
      f.incarnation = reader.uint(U32_MAX);
      return;
    case "Addr":
    case "Target":
      f.addr = reader.bytes(16);
      return;
    case "Port":
      f.port = reader.uint(PORT_MAX);
      return;
    case "Nack":
      f.nack = reader.bool();
      return;
    case "Payload":
      f.payload = reader.bytes(INFLATED_DATAGRAM_BYTES_MAX);
      return;
    case "Meta":
      f.meta = reader.bytes(INFLATED_DATAGRAM_BYTES_MAX);
      return;
    case "Vsn":
      f.vsn = reader.bytes(64);
      return;
    case "State":
      f.state = reader.uint(255);
      return;
    case "SourceAddr":
      f.sourceAddr = reader.bytes(16);
      return;
    case "SourcePort":
      f.sourcePort = reader.uint(PORT_MAX);
      return;
    case "SourceNode":
      f.sourceNode = reader.text(TEXT_BYTES_MAX);
      return;
    default:
      readStreamField(reader, key, f);
  }
}

function readStreamField(reader: MsgpackReader, key: string, f: RawFields): void {
  switch (key) {
    case "Nodes":
      f.nodes = reader.uint(U32_MAX);
      return;
    case "UserStateLen":
      f.userStateLen = reader.uint(U32_MAX);
      return;
    case "UserMsgLen":
      f.userMsgLen = reader.uint(U32_MAX);
      return;
    case "Join":
      f.join = reader.bool();
      return;
    case "Error":
      f.error = reader.text(TEXT_BYTES_MAX);
      return;
    case "Algo":
      f.algo = reader.uint(255);
      return;
    case "Buf":
      f.buf = reader.bytes(STREAM_BYTES_MAX);
      return;
    default:
      reader.skip();
  }
}

/** Port 0 means "the configured port" (memberlist-wire.md, section 4). */
export function endpointOf(addr: Uint8Array | null, port: number, defaultPort: number): Endpoint {
  if (addr === null || (addr.length !== 4 && addr.length !== 16)) fail("bad-address");
  return { host: bytesToAddress(addr), port: port === 0 ? defaultPort : port };
}

/** A missing or short Vsn counts as zeros, which the membership refuses by name. */
export function vsnOf(bytes: Uint8Array | null): Vsn {
  const at = (i: number): number => bytes?.[i] ?? 0;
  return [at(0), at(1), at(2), at(3), at(4), at(5)];
}

/** A Go field name as it stands in the map: fixstr header and ASCII, made once. */
function fieldKey(name: string): Uint8Array {
  return Uint8Array.of(0xa0 | name.length, ...Buffer.from(name, "latin1"));
}

const FIELD_NAMES = [
  "Addr",
  "Error",
  "From",
  "Incarnation",
  "Join",
  "Meta",
  "Nack",
  "Name",
  "Node",
  "Nodes",
  "Payload",
  "Port",
  "SeqNo",
  "SourceAddr",
  "SourceNode",
  "SourcePort",
  "State",
  "Target",
  "UserMsgLen",
  "UserStateLen",
  "Vsn",
  "Algo",
  "Buf",
] as const;

export type FieldName = (typeof FIELD_NAMES)[number];

const KEYS = Object.fromEntries(FIELD_NAMES.map((name) => [name, fieldKey(name)])) as Record<FieldName, Uint8Array>;

export function writeNumber(writer: MsgpackWriter, name: FieldName, value: number): void {
  writer.append(KEYS[name]);
  writer.number(value);
}

export function writeText(writer: MsgpackWriter, name: FieldName, value: string): void {
  writer.append(KEYS[name]);
  writer.text(value);
}

export function writeBytes(writer: MsgpackWriter, name: FieldName, value: Uint8Array | null): void {
  writer.append(KEYS[name]);
  writer.bytes(value);
}

export function writeBool(writer: MsgpackWriter, name: FieldName, value: boolean): void {
  writer.append(KEYS[name]);
  writer.bool(value);
}
