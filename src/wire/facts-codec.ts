/**
 * A host's facts to and from bytes: one msgpack map with short keys, nested for interfaces and groups.
 * Purpose: canonical (equal facts, equal bytes: label keys sorted, one form a number), so that a digest of the bytes is one
 * of the facts. Boundary: unknown fields are skipped (relays keep the raw body, so nothing is lost), missing ones have safe
 * defaults; wrong types or sizes make the whole null.
 */
import type { Facts, GroupFacts, HeldKey, InterfaceFacts } from "../domain/facts.js";
import { MOVES_MAX, type MoveOrder, NO_ORDERS, type Orders, REBALANCE_INSTANCES_MAX } from "../domain/orders.js";
import { PROFILES } from "../domain/profile.js";
import { FACTS_BYTES_MAX, TEXT_BYTES_MAX } from "./limits.js";
import { MsgpackReader, MsgpackWriter } from "./msgpack.js";
import { fail, reasonOf } from "./problem.js";

const U32_MAX = 0xffff_ffff;
const LABELS_MAX = 256;
const INTERFACES_MAX = 1024;
const GROUPS_MAX = 4096;
/** A group with failback "never" may hold every address of the configuration. */
const HELD_MAX = 16_384;
const DEFERS_TO_MAX = 4096;

const writer = new MsgpackWriter(4096);

function key(name: string): void {
  writer.text(name);
}

function number(name: string, value: number): void {
  key(name);
  writer.number(value);
}

function text(name: string, value: string): void {
  key(name);
  writer.text(value);
}

function bool(name: string, value: boolean): void {
  key(name);
  writer.bool(value);
}

function list<T>(name: string, items: readonly T[], write: (item: T) => void): void {
  key(name);
  writer.array(items.length);
  for (const item of items) write(item);
}

/** Peers take at most FACTS_BYTES_MAX of it, which no configuration reaches; the transport counts and says what does. */
export function encodeFacts(facts: Facts): Uint8Array {
  writer.reset();
  writer.map(facts.orders === undefined ? 11 : 12);
  text("b", facts.barred);
  list("d", facts.defersTo, (instance) => writer.number(instance));
  number("f", facts.format);
  list("g", facts.groups, writeGroup);
  list("i", facts.interfaces, writeInterface);
  number("l", facts.leaseMs);
  number("le", facts.leaseExtensionMs);
  const labels = Object.entries(facts.labels).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  key("lb");
  writer.map(labels.length);
  for (const [name, value] of labels) text(name, value);
  bool("n", facts.draining);
  if (facts.orders !== undefined) writeOrders(facts.orders);
  bool("r", facts.ready);
  number("w", facts.weight);
  return writer.finish();
}

function writeOrders(orders: Orders): void {
  key("o");
  writer.map(4);
  number("f", orders.freeze.epoch);
  bool("fo", orders.freeze.on);
  list("m", orders.moves, (move) => {
    writer.map(3);
    number("e", move.epoch);
    text("h", move.host);
    text("k", move.key);
  });
  key("r");
  writer.map(2);
  number("e", orders.rebalance.epoch);
  list("i", orders.rebalance.instances, (instance) => writer.number(instance));
}

function writeInterface(one: InterfaceFacts): void {
  const { address } = one;
  writer.map(address === undefined ? 4 : 5);
  if (address !== undefined) text("a", address);
  bool("c", one.carrier);
  text("m", one.mac);
  text("n", one.name);
  bool("u", one.up);
}

function writeGroup(one: GroupFacts): void {
  const { refused } = one;
  writer.map(8 + (one.healthy === undefined ? 0 : 1) + (refused === undefined ? 0 : 1));
  number("d", one.digest);
  bool("e", one.eligible);
  bool("f", one.deferring);
  list("h", one.held, writeHeld);
  text("i", one.interface);
  if (one.healthy !== undefined) bool("k", one.healthy);
  text("n", one.name);
  text("r", one.reason);
  bool("s", one.settled);
  // Only where there is one, so that facts without are as short as ever.
  if (refused !== undefined) list("x", refused, (name) => writer.text(name));
}

function writeHeld(one: HeldKey): void {
  writer.map(2);
  number("e", one.epoch);
  text("k", one.key);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Null: not facts that we can read. What a later release adds is ignored. */
export function decodeFacts(body: Uint8Array): Facts | null {
  if (body.length > FACTS_BYTES_MAX) return null;
  try {
    return readFacts(new MsgpackReader(body));
  } catch (error) {
    reasonOf(error);
    return null;
  }
}

function readFacts(reader: MsgpackReader): Facts {
  const out: Mutable<Facts> = {
    format: 1,
    weight: 1,
    labels: {},
    draining: false,
    barred: "",
    ready: false,
    // A host that does not say its lease is given the usual one: an heir must never claim too early.
    leaseMs: PROFILES.lan.leaseMs,
    leaseExtensionMs: PROFILES.lan.leaseExtensionMs,
    defersTo: [],
    interfaces: [],
    groups: [],
  };
  readMap(reader, (name) => {
    switch (name) {
      case "b":
        out.barred = reader.text(TEXT_BYTES_MAX);
        return true;
      case "d":
        out.defersTo = readList(reader, DEFERS_TO_MAX, () => reader.uint(U32_MAX));
        return true;
      case "f":
        out.format = reader.uint(U32_MAX);
        return true;
      case "g":
        out.groups = readList(reader, GROUPS_MAX, () => readGroup(reader));
        return true;
      case "i":
        out.interfaces = readList(reader, INTERFACES_MAX, () => readInterface(reader));
        return true;
      case "l":
        out.leaseMs = readAmount(reader);
        return true;
      case "le":
        out.leaseExtensionMs = readAmount(reader);
        return true;
      case "lb":
        out.labels = readLabels(reader);
        return true;
      case "n":
        out.draining = reader.bool();
        return true;
      case "o":
        out.orders = readOrders(reader);
        return true;
      case "r":
        out.ready = reader.bool();
        return true;
      case "w":
        out.weight = readAmount(reader);
        return true;
      default:
        return false;
    }
  });
  return out;
}

/** Calls `field` for each key; where it returns false, the value is skipped. */
function readMap(reader: MsgpackReader, field: (name: string) => boolean): void {
  for (let pairs = reader.mapHeader(); pairs > 0; pairs--) if (!field(reader.text(TEXT_BYTES_MAX))) reader.skip();
}

function readList<T>(reader: MsgpackReader, max: number, read: () => T): T[] {
  const out: T[] = [];
  for (let items = reader.arrayHeader(max); items > 0; items--) out.push(read());
  return out;
}

/** A finite number from 0. */
function readAmount(reader: MsgpackReader): number {
  const n = reader.number();
  return Number.isFinite(n) && n >= 0 ? n : fail("bad-field");
}

function readLabels(reader: MsgpackReader): Record<string, string> {
  const pairs = reader.mapHeader();
  if (pairs > LABELS_MAX) fail("too-many");
  const entries: [string, string][] = [];
  for (let i = 0; i < pairs; i++) entries.push([reader.text(TEXT_BYTES_MAX), reader.text(TEXT_BYTES_MAX)]);
  // Not by assignment: a label named __proto__ must stay a label.
  return Object.fromEntries(entries);
}

function readOrders(reader: MsgpackReader): Orders {
  let on = false;
  let freezeEpoch = 0;
  const out: Mutable<Orders> = { ...NO_ORDERS };
  readMap(reader, (name) => {
    if (name === "f") freezeEpoch = readEpoch(reader);
    else if (name === "fo") on = reader.bool();
    else if (name === "m") out.moves = readList(reader, MOVES_MAX, () => readMove(reader));
    else if (name === "r") out.rebalance = readRebalance(reader);
    else return false;
    return true;
  });
  return { ...out, freeze: { on, epoch: freezeEpoch } };
}

function readEpoch(reader: MsgpackReader): number {
  return reader.uint(Number.MAX_SAFE_INTEGER);
}

function readMove(reader: MsgpackReader): MoveOrder {
  const out: Mutable<MoveOrder> = { key: "", host: "", epoch: 0 };
  readMap(reader, (name) => {
    if (name === "e") out.epoch = readEpoch(reader);
    else if (name === "h") out.host = reader.text(TEXT_BYTES_MAX);
    else if (name === "k") out.key = reader.text(TEXT_BYTES_MAX);
    else return false;
    return true;
  });
  return out;
}

function readRebalance(reader: MsgpackReader): Orders["rebalance"] {
  const out: Mutable<Orders["rebalance"]> = { instances: [], epoch: 0 };
  readMap(reader, (name) => {
    if (name === "e") out.epoch = readEpoch(reader);
    else if (name === "i") out.instances = readList(reader, REBALANCE_INSTANCES_MAX, () => reader.uint(U32_MAX));
    else return false;
    return true;
  });
  return out;
}

function readInterface(reader: MsgpackReader): InterfaceFacts {
  const out: Mutable<InterfaceFacts> = { name: "", mac: "", up: false, carrier: false };
  readMap(reader, (name) => {
    if (name === "a") out.address = reader.text(TEXT_BYTES_MAX);
    else if (name === "c") out.carrier = reader.bool();
    else if (name === "m") out.mac = reader.text(TEXT_BYTES_MAX);
    else if (name === "n") out.name = reader.text(TEXT_BYTES_MAX);
    else if (name === "u") out.up = reader.bool();
    else return false;
    return true;
  });
  return out;
}

function readGroup(reader: MsgpackReader): GroupFacts {
  const out: Mutable<GroupFacts> = {
    name: "",
    digest: 0,
    interface: "",
    eligible: false,
    reason: "",
    settled: false,
    deferring: false,
    held: [],
  };
  readMap(reader, (name) => {
    if (name === "d") out.digest = reader.uint(U32_MAX);
    else if (name === "e") out.eligible = reader.bool();
    else if (name === "f") out.deferring = reader.bool();
    else if (name === "h") out.held = readList(reader, HELD_MAX, () => readHeld(reader));
    else if (name === "i") out.interface = reader.text(TEXT_BYTES_MAX);
    else if (name === "k") out.healthy = reader.bool();
    else if (name === "n") out.name = reader.text(TEXT_BYTES_MAX);
    else if (name === "r") out.reason = reader.text(TEXT_BYTES_MAX);
    else if (name === "s") out.settled = reader.bool();
    else if (name === "x") out.refused = readList(reader, HELD_MAX, () => reader.text(TEXT_BYTES_MAX));
    else return false;
    return true;
  });
  return out;
}

function readHeld(reader: MsgpackReader): HeldKey {
  const out: Mutable<HeldKey> = { key: "", epoch: 0 };
  readMap(reader, (name) => {
    if (name === "e") out.epoch = reader.uint(Number.MAX_SAFE_INTEGER);
    else if (name === "k") out.key = reader.text(TEXT_BYTES_MAX);
    else return false;
    return true;
  });
  return out;
}
