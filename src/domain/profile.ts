/**
 * Timing profiles: every duration that the membership and the lease need, in ms. Pure data; all of it local to a
 * host except the lease, which is gossiped. How the numbers hang together is told in ARCHITECTURE.md, "Timing".
 */
export type ProfileName = "relaxed" | "lan" | "fast" | "extreme";

export interface Profile {
  /** The stall of the whole network that must not lead to a false verdict. */
  readonly stallMs: number;

  // The watch: two or three watchers for each host probe it directly and often.
  readonly watchers: number;
  readonly watchIntervalMs: number;
  /** No ack after this long: probe again, faster, directly and through others. */
  readonly watchTimeoutMs: number;
  readonly watchRetryMs: number;
  /** No sign of life for this long: say "suspect" to all, the suspect first. */
  readonly suspectAfterMs: number;
  /** No sign of life for this long: say "dead" straight to all. What it must exceed: domain/timing.ts. */
  readonly deadAfterMs: number;
  /** How long the wire is asked for a suspect's VIPs before they are claimed (law 5): the last part of `deadAfterMs`. */
  readonly askTimeoutMs: number;

  // The lease (law 2).
  readonly leaseMs: number;
  readonly leaseExtensionMs: number;
  /** After a gap, peers have this long to answer; then this host goes on alone. */
  readonly catchUpMs: number;

  // memberlist's own SWIM (memberlist-wire.md, section 12), for what the watch does not cover and for foreign members.
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  readonly indirectChecks: number;
  readonly suspicionMult: number;
  readonly suspicionMaxTimeoutMult: number;
  readonly retransmitMult: number;
  readonly awarenessMaxMultiplier: number;
  readonly gossipIntervalMs: number;
  readonly gossipNodes: number;
  readonly gossipToTheDeadMs: number;
  readonly pushPullIntervalMs: number;
  /** Lost and never-met hosts are asked again by UDP this often, for ever. */
  readonly reconnectIntervalMs: number;
  /** Foreign members (plain memberlist, Serf) get memberlist's own patience. */
  readonly foreign: { readonly probeIntervalMs: number; readonly probeTimeoutMs: number };
}

const LAN: Profile = {
  stallMs: 500,
  watchers: 3,
  watchIntervalMs: 320,
  watchTimeoutMs: 70,
  watchRetryMs: 30,
  suspectAfterMs: 430,
  deadAfterMs: 905,
  askTimeoutMs: 90,
  leaseMs: 475,
  leaseExtensionMs: 120,
  catchUpMs: 1000,
  probeIntervalMs: 1000,
  probeTimeoutMs: 300,
  indirectChecks: 3,
  suspicionMult: 4,
  suspicionMaxTimeoutMult: 6,
  retransmitMult: 4,
  awarenessMaxMultiplier: 8,
  gossipIntervalMs: 100,
  gossipNodes: 3,
  gossipToTheDeadMs: 30_000,
  pushPullIntervalMs: 30_000,
  reconnectIntervalMs: 250,
  foreign: { probeIntervalMs: 1000, probeTimeoutMs: 500 },
};

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  /** Takeover in about 3 s: for networks whose spanning tree, firewall or hypervisor stalls for a second or two. */
  relaxed: {
    ...LAN,
    stallMs: 2000,
    watchIntervalMs: 575,
    watchTimeoutMs: 200,
    watchRetryMs: 150,
    suspectAfterMs: 1200,
    deadAfterMs: 2850,
    askTimeoutMs: 300,
    leaseMs: 1500,
    leaseExtensionMs: 250,
    catchUpMs: 2000,
    gossipIntervalMs: 200,
    reconnectIntervalMs: 500,
  },
  /** The default: within a second. */
  lan: LAN,
  /** Within a quarter of a second. */
  fast: {
    ...LAN,
    stallMs: 120,
    watchers: 2,
    watchIntervalMs: 90,
    watchTimeoutMs: 20,
    watchRetryMs: 15,
    suspectAfterMs: 120,
    deadAfterMs: 245,
    askTimeoutMs: 30,
    leaseMs: 120,
    leaseExtensionMs: 35,
    catchUpMs: 500,
    gossipIntervalMs: 50,
    reconnectIntervalMs: 100,
  },
  /**
   * Within 40 ms. The lease leaves the event loop about 13 ms for one turn, garbage collection included: without
   * real-time scheduling (the unit's SCHED_FIFO) any busy neighbour makes it lapse.
   */
  extreme: {
    ...LAN,
    stallMs: 15,
    watchers: 2,
    watchIntervalMs: 12,
    watchTimeoutMs: 4,
    watchRetryMs: 3,
    suspectAfterMs: 18,
    deadAfterMs: 37,
    askTimeoutMs: 5,
    leaseMs: 18,
    leaseExtensionMs: 4,
    catchUpMs: 250,
    gossipIntervalMs: 20,
    reconnectIntervalMs: 100,
  },
};
