/**
 * Timing profiles: every duration that the membership and the lease need, in ms. Pure data; all of it local to a
 * host except the lease, which is gossiped. How the numbers hang together is told in ARCHITECTURE.md, "Timing".
 */
export type ProfileName = "lan";

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
  /** No sign of life for this long: say "dead" straight to all. More than stallMs + watchIntervalMs, more than the lease and an extension. */
  readonly deadAfterMs: number;

  // The lease (law 2).
  readonly leaseMs: number;
  readonly leaseExtensionMs: number;

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

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  lan: {
    stallMs: 500,
    watchers: 3,
    watchIntervalMs: 200,
    watchTimeoutMs: 70,
    watchRetryMs: 50,
    suspectAfterMs: 350,
    deadAfterMs: 760,
    leaseMs: 450,
    leaseExtensionMs: 100,
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
  },
};
