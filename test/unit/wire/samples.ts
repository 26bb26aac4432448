/** Values that the wire tests share: one message of each kind, a push/pull, facts. Boundary: data only. */
import type { Facts } from "../../../src/domain/facts.js";
import { type FactsEnvelope, type Message, type PushPull, VIPD_VSN } from "../../../src/domain/messages.js";

export const PORT = 7979;
export const NO_LABEL = new Uint8Array(0);
export const KEY_A = new Uint8Array(32).map((_, i) => i);
export const KEY_B = new Uint8Array(16).map((_, i) => 200 - i);

const source = { address: { host: "10.77.0.11", port: 7979 }, name: "host-a" };
const vipdMeta = {
  kind: "vipd",
  format: 1,
  instance: 0xdeadbeef,
  factsVersion: 77,
  factsDigest: 0xffff_ffff,
} as const;

export const ENVELOPE: FactsEnvelope = {
  name: "host-a",
  instance: 0xdeadbeef,
  version: 77,
  body: Uint8Array.of(0x81, 0xa1, 0x77, 0x01),
};

export const MESSAGES: readonly Message[] = [
  { kind: "ping", seqNo: 1, node: "host-b", source },
  { kind: "ping", seqNo: 0xffff_ffff, node: "", source: null },
  { kind: "ping", seqNo: 2, node: "host-b", source: { address: { host: "fd77::1", port: 65535 }, name: "" } },
  { kind: "indirect-ping", seqNo: 300, target: { host: "fd77::12", port: 7979 }, node: "h", nack: true, source },
  {
    kind: "indirect-ping",
    seqNo: 70000,
    target: { host: "10.0.0.1", port: 1 },
    node: "h",
    nack: false,
    source: null,
  },
  { kind: "ack", seqNo: 5, payload: null },
  { kind: "ack", seqNo: 5, payload: { kind: "vipd", instance: 1, factsVersion: 2, viewDigest: 0x8000_0000 } },
  {
    kind: "ack",
    seqNo: 6,
    payload: {
      kind: "vipd",
      instance: 1,
      factsVersion: 2,
      viewDigest: 3,
      asked: 0xffff_ffff,
      sightings: [
        { instance: 0xffff_ffff, answeredAgoMs: 0, heardAgoMs: null },
        { instance: 7, answeredAgoMs: null, heardAgoMs: 0xfffe },
      ],
    },
  },
  { kind: "ack", seqNo: 5, payload: { kind: "foreign", bytes: Uint8Array.of(1, 2, 3) } },
  { kind: "nack", seqNo: 6 },
  { kind: "suspect", incarnation: 7, node: "host-b", from: "host-a" },
  { kind: "dead", incarnation: 0xffff, node: "host-ü", from: "host-ü" },
  {
    kind: "alive",
    incarnation: 1,
    node: "host-a",
    address: { host: "10.77.0.11", port: 7979 },
    meta: vipdMeta,
    vsn: VIPD_VSN,
  },
  {
    kind: "alive",
    incarnation: 9,
    node: "s".repeat(40),
    address: { host: "fd77::ffff", port: 7946 },
    meta: { kind: "foreign", bytes: new Uint8Array(512).fill(255) },
    vsn: [1, 5, 2, 2, 5, 4],
  },
  {
    kind: "alive",
    incarnation: 0,
    node: "bare",
    address: { host: "192.0.2.1", port: 7946 },
    meta: { kind: "foreign", bytes: new Uint8Array(0) },
    vsn: [1, 5, 2, 0, 0, 0],
  },
  { kind: "user", body: { kind: "facts", facts: ENVELOPE } },
  { kind: "user", body: { kind: "facts-request", names: ["host-a", "host-b"] } },
  {
    kind: "user",
    body: { kind: "claimed", name: "host-a", instance: 3, round: 2, addresses: ["10.77.0.100", "fd77::100"] },
  },
  { kind: "user", body: { kind: "foreign", bytes: Uint8Array.of(0, 1, 2) } },
];

export const PUSH_PULL: PushPull = {
  join: true,
  nodes: [
    {
      name: "host-a",
      address: { host: "10.77.0.11", port: 7979 },
      meta: vipdMeta,
      incarnation: 4,
      state: "alive",
      vsn: VIPD_VSN,
    },
    {
      name: "host-b",
      address: { host: "fd77::12", port: 7979 },
      meta: { kind: "foreign", bytes: Uint8Array.of(255, 0x80) },
      incarnation: 0xffff_ffff,
      state: "left",
      vsn: VIPD_VSN,
    },
  ],
  facts: [ENVELOPE, { ...ENVELOPE, name: "host-b", body: new Uint8Array(3000).fill(7) }],
};

export const FACTS: Facts = {
  format: 1,
  weight: 1.5,
  labels: { rack: "r1", __proto_: "x", zone: "ü" },
  draining: true,
  barred: "name-conflict",
  ready: true,
  leaseMs: 450,
  leaseExtensionMs: 100.25,
  defersTo: [1, 0xffff_ffff],
  orders: {
    freeze: { on: true, epoch: 3 },
    moves: [{ key: "10.77.0.100", host: "host-b", epoch: 2 }],
    rebalance: { instances: [1, 0xffff_ffff], epoch: 1 },
  },
  interfaces: [
    { name: "eth0", mac: "02:00:00:00:00:01", up: true, carrier: false },
    { name: "eth1", mac: "", up: false, carrier: false },
  ],
  groups: [
    {
      name: "web",
      digest: 0xffff_fffe,
      interface: "eth0",
      eligible: false,
      reason: "no carrier",
      settled: true,
      deferring: true,
      held: [{ key: "10.77.0.100", epoch: 1_700_000_000_000 }],
      refused: ["10.77.0.100"],
    },
  ],
};
