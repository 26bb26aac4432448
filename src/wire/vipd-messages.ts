/**
 * vipd's own words inside memberlist's user messages, and its facts in the user state of a push/pull.
 * Purpose: "vipd", a version byte, a msgpack map with short keys; later fields are skipped. Boundary: what does not begin so,
 * or is of a kind or version that we do not know, is foreign. Facts are passed on as the bytes that they came as.
 */
import { canonicalAddress } from "../domain/address.js";
import type { FactsEnvelope, VipdMessage } from "../domain/messages.js";
import { hasMagic, MAGIC } from "./identity.js";
import { FACTS_BYTES_MAX, NODES_MAX, TEXT_BYTES_MAX } from "./limits.js";
import { MsgpackReader, MsgpackWriter } from "./msgpack.js";
import { fail } from "./problem.js";

const VERSION = 1;
const U32_MAX = 0xffff_ffff;
/** Longest textual IPv6 address. */
const ADDRESS_BYTES_MAX = 45;

const KIND = { facts: 1, "facts-request": 2, claimed: 3 } as const;

const writer = new MsgpackWriter(4096);

function begin(): void {
  writer.reset();
  writer.append(MAGIC);
  writer.byte(VERSION);
}

function isOurs(bytes: Uint8Array): boolean {
  return hasMagic(bytes) && bytes[MAGIC.length] === VERSION;
}

function key(letter: string): void {
  writer.byte(0xa1);
  writer.byte(letter.charCodeAt(0));
}

function writeEnvelopeFields(facts: FactsEnvelope): void {
  key("b");
  writer.bytes(facts.body);
  key("i");
  writer.number(facts.instance);
  key("n");
  writer.text(facts.name);
  key("v");
  writer.number(facts.version);
}

function writeTexts(texts: readonly string[]): void {
  writer.array(texts.length);
  for (const text of texts) writer.text(text);
}

/** The body of a user message, without memberlist's type byte. */
export function encodeVipdMessage(message: VipdMessage): Uint8Array {
  begin();
  switch (message.kind) {
    case "facts":
      writer.map(5);
      writeEnvelopeFields(message.facts);
      break;
    case "facts-request":
      writer.map(2);
      key("m");
      writeTexts(message.names);
      break;
    case "claimed":
      writer.map(5);
      key("a");
      writeTexts(message.addresses);
      key("i");
      writer.number(message.instance);
      key("n");
      writer.text(message.name);
      key("r");
      writer.number(message.round);
      break;
  }
  key("k");
  writer.number(KIND[message.kind]);
  return writer.finish();
}

interface Fields {
  kind: number;
  name: string;
  instance: number;
  version: number;
  round: number;
  body: Uint8Array;
  names: string[];
  addresses: string[];
}

function readFields(reader: MsgpackReader): Fields {
  const out: Fields = {
    kind: 0,
    name: "",
    instance: 0,
    version: 0,
    round: 0,
    body: new Uint8Array(0),
    names: [],
    addresses: [],
  };
  for (let pairs = reader.mapHeader(); pairs > 0; pairs--) {
    switch (reader.text(TEXT_BYTES_MAX)) {
      case "k":
        out.kind = reader.uint(U32_MAX);
        break;
      case "n":
        out.name = reader.text(TEXT_BYTES_MAX);
        break;
      case "i":
        out.instance = reader.uint(U32_MAX);
        break;
      case "v":
        out.version = reader.uint(U32_MAX);
        break;
      case "r":
        out.round = reader.uint(U32_MAX);
        break;
      case "b":
        out.body = new Uint8Array(reader.bytes(FACTS_BYTES_MAX) ?? []);
        break;
      case "m":
        out.names = readTexts(reader, NODES_MAX, TEXT_BYTES_MAX);
        break;
      case "a":
        out.addresses = readTexts(reader, 0x10000, ADDRESS_BYTES_MAX).map(
          (text) => canonicalAddress(text) ?? fail("bad-address"),
        );
        break;
      default:
        reader.skip();
    }
  }
  return out;
}

function readTexts(reader: MsgpackReader, countMax: number, bytesMax: number): string[] {
  const out: string[] = [];
  for (let items = reader.arrayHeader(countMax); items > 0; items--) out.push(reader.text(bytesMax));
  return out;
}

/** Null: foreign, or of a later kind. Throws WireProblem when it is ours and broken. */
export function decodeVipdMessage(bytes: Uint8Array): VipdMessage | null {
  if (!isOurs(bytes)) return null;
  const f = readFields(new MsgpackReader(bytes, MAGIC.length + 1));
  switch (f.kind) {
    case KIND.facts:
      return { kind: "facts", facts: { name: f.name, instance: f.instance, version: f.version, body: f.body } };
    case KIND["facts-request"]:
      return { kind: "facts-request", names: f.names };
    case KIND.claimed:
      return { kind: "claimed", name: f.name, instance: f.instance, round: f.round, addresses: f.addresses };
    default:
      return null;
  }
}

/** Facts that no peer would take: the sender counts them (`encodeUserState` leaves them out). */
export function isOversized(facts: FactsEnvelope): boolean {
  return facts.body.length > FACTS_BYTES_MAX;
}

/** The user state of a push/pull, without what `isOversized`. */
export function encodeUserState(facts: readonly FactsEnvelope[]): Uint8Array {
  const fitting = facts.filter((one) => !isOversized(one));
  begin();
  writer.map(1);
  key("f");
  writer.array(fitting.length);
  for (const one of fitting) {
    writer.map(4);
    writeEnvelopeFields(one);
  }
  return writer.finish();
}

/** Empty for a foreign user state (Serf's, Consul's). Throws WireProblem when it is ours and broken. */
export function decodeUserState(bytes: Uint8Array): FactsEnvelope[] {
  const out: FactsEnvelope[] = [];
  if (!isOurs(bytes)) return out;
  const reader = new MsgpackReader(bytes, MAGIC.length + 1);
  for (let pairs = reader.mapHeader(); pairs > 0; pairs--) {
    if (reader.text(TEXT_BYTES_MAX) !== "f") {
      reader.skip();
      continue;
    }
    for (let items = reader.arrayHeader(NODES_MAX); items > 0; items--) {
      const f = readFields(reader);
      out.push({ name: f.name, instance: f.instance, version: f.version, body: f.body });
    }
  }
  return out;
}
