/** A snapshot as a host with VIPs has it, for the tests of the HTTP side. */
import type { StatusSnapshot, VipStatus } from "../../../src/ports.js";

export function vips(count: number): VipStatus[] {
  return Array.from({ length: count }, (_, i) => ({
    address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    group: "pool",
    interface: "eth0",
    owner: "host-a",
    heir: null,
    state: "owned",
    since: "2026-01-01T00:00:00.000Z",
    reason: "elected",
    conflict: null,
  }));
}

export function snapshot(change: Partial<StatusSnapshot> = {}): StatusSnapshot {
  return {
    node: "host-a",
    version: "0.1.0",
    instance: "0011aabb",
    ready: true,
    readyReason: "has exchanged state with host-b",
    draining: false,
    frozen: false,
    moves: [],
    lease: { untilMs: 1400, lapses: 0 },
    members: [],
    vips: vips(2),
    interfaces: [],
    gossip: {
      bind: "10.0.0.1:7979",
      encrypted: true,
      datagramsIn: 0,
      datagramsOut: 0,
      bytesIn: 0,
      bytesOut: 0,
      dropped: {},
    },
    responder: { replies: 0, announcements: 0, ignored: {} },
    strictArp: { mode: "manage", changed: [], repairs: 0 },
    alarms: [],
    checks: [],
    ...change,
  };
}
