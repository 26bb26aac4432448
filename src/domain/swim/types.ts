/**
 * The membership core's contract: what goes in, what comes out, what a member looks like. Purpose: one place for the
 * types that the core, the group around it, the simulator and the daemon share. Boundary: types only, no behaviour.
 * The core is driven: `handle(input, now)` returns outputs; time and randomness are arguments; timers are data.
 */
import type {
  AckPayload,
  Endpoint,
  FactsEnvelope,
  MemberState,
  Message,
  Meta,
  Millis,
  PushPull,
  VipdMessage,
  Vsn,
} from "../messages.js";
import type { Profile } from "../profile.js";

export interface SwimOptions {
  readonly name: string;
  /** Where others reach us (advertised). */
  readonly address: Endpoint;
  readonly profile: Profile;
  /** The lease that a member tells of itself, by which its patience is known; undefined: it has not told. */
  readonly leaseOf?: (member: string) => Millis | undefined;
  readonly meta: Meta;
  /** Uniform in [0, 1): the only source of chance. */
  readonly random: () => number;
  /** Bytes of the message inside a packet, without type-independent overheads (compound, seal, CRC, label). */
  readonly measure: (message: Message) => number;
  /** Bytes of messages (with 2 a part and 2 for the compound) that fit one datagram after CRC, seal and label. About 1350. */
  readonly packetBudget: number;
  /** Endpoints of `gossip.join`, already resolved; changed later with the input `join`. */
  readonly seeds: readonly Endpoint[];
  readonly limits?: Partial<SwimLimits>;
}

export interface SwimLimits {
  readonly members: number;
  readonly broadcasts: number;
  readonly pendingProbes: number;
}

/** A member as this host sees it. Values are snapshots: never mutated after they were handed out. */
export interface MemberView {
  readonly name: string;
  readonly address: Endpoint;
  readonly state: MemberState;
  readonly self: boolean;
  /** A plain memberlist or Serf agent: shown, never an owner. */
  readonly foreign: boolean;
  readonly incarnation: number;
  readonly meta: Meta;
  readonly vsn: Vsn;
  /** When `state` last changed. */
  readonly since: Millis;
  /** When this host last had a sign of life of it, first hand (an answer, or a question newer than any before). -Infinity: never. */
  readonly lastHeardAt: Millis;
  /** It asks us, but does not hear us, though others do. */
  readonly deaf: boolean;
  /** It came back from the dead, and nothing since shows that it hears this host. */
  readonly unmet: boolean;
  /** With a quorum: when a member that answered us had last heard it, at the latest. -Infinity: never. */
  readonly witnessedAt: Millis;
  /** Smoothed round-trip time of direct probes; null until measured. */
  readonly rttMs: number | null;
}

export type SwimTimer =
  /** One tick of the watch on this member (interval, retry, suspicion and verdict are decided when it fires). */
  | { readonly kind: "watch"; readonly member: string; readonly round: number }
  | { readonly kind: "probe"; readonly round: number }
  | { readonly kind: "probe-timeout"; readonly seqNo: number }
  | { readonly kind: "relay-timeout"; readonly seqNo: number }
  | { readonly kind: "suspicion"; readonly member: string; readonly incarnation: number; readonly round: number }
  | { readonly kind: "gossip"; readonly round: number }
  | { readonly kind: "push-pull"; readonly round: number }
  | { readonly kind: "quorum"; readonly round: number }
  | { readonly kind: "reconnect"; readonly round: number };

export type SwimInput =
  | { readonly kind: "start" }
  /** All messages of one authenticated datagram, compound parts in order. */
  | { readonly kind: "datagram"; readonly from: Endpoint; readonly messages: readonly Message[] }
  | { readonly kind: "timer"; readonly timer: SwimTimer }
  /** An exchange (push/pull) that we asked for, or that a peer opened, brought the peer's state. */
  | { readonly kind: "exchanged"; readonly with: Endpoint; readonly state: PushPull; readonly initiator: boolean }
  | { readonly kind: "exchange-failed"; readonly with: Endpoint; readonly reason: string }
  /** The TCP fallback ping for this probe was answered (or not: then nothing is said). */
  | { readonly kind: "stream-ping-answered"; readonly seqNo: number; readonly node: string }
  /** Endpoints to join, tried for ever; replaces the former list. */
  | { readonly kind: "join"; readonly seeds: readonly Endpoint[] }
  /** Our Meta changed: new incarnation, alive broadcast. */
  | { readonly kind: "meta"; readonly meta: Meta }
  | { readonly kind: "ack-payload"; readonly payload: AckPayload }
  /** The lease hangs on the answers of so many hosts, this one included (law 4); null: it does not. */
  | { readonly kind: "quorum"; readonly hosts: number | null }
  /** Spread this to all by gossip. A newer one with the same `subject` replaces an older one. */
  | { readonly kind: "broadcast"; readonly subject: string; readonly body: VipdMessage }
  /** Say this to one member, at once, once. */
  | { readonly kind: "tell"; readonly member: string; readonly body: VipdMessage }
  /**
   * After a gap (law 2): every timer starts anew from `now`, nothing overdue counts. `queued`: what came in meanwhile is told
   * next, and then thawed once more without.
   */
  | { readonly kind: "thawed"; readonly queued: boolean }
  /** Graceful leave: say dead{self, self} to all, repeatedly; nobody's suspicion is judged any more. */
  | { readonly kind: "leave" };

export type SwimOutput =
  /** Messages for one datagram; they fit the packet budget. */
  | { readonly kind: "send"; readonly to: Endpoint; readonly messages: readonly Message[] }
  /** Arm a timer. Never cancelled: when it fires, the core checks whether it still applies. */
  | { readonly kind: "arm"; readonly timer: SwimTimer; readonly at: Millis }
  /** Open a TCP push/pull with this endpoint; the driver takes `pushPull()` for our half when the stream is open. */
  | { readonly kind: "exchange"; readonly with: Endpoint; readonly join: boolean }
  /** TCP ping fallback; answered before `deadline` or dropped silently. */
  | {
      readonly kind: "stream-ping";
      readonly to: Endpoint;
      readonly seqNo: number;
      readonly node: string;
      readonly deadline: Millis;
    }
  | { readonly kind: "event"; readonly event: SwimEvent };

export type SwimEvent =
  | { readonly kind: "member"; readonly change: MemberChange; readonly member: MemberView; readonly reason: string }
  /** It is known to hear us, after it came back from the dead. */
  | { readonly kind: "met"; readonly member: string }
  /** Somebody spread that we are suspect, dead or gone; we have refuted it already. */
  | { readonly kind: "self-accused"; readonly state: "suspect" | "dead"; readonly from: string }
  /** Another host uses our name (or two others share one). `endpoint` is the rival's. */
  | { readonly kind: "name-conflict"; readonly name: string; readonly endpoint: Endpoint; readonly self: boolean }
  | {
      readonly kind: "exchanged";
      readonly with: Endpoint;
      readonly member: string | null;
      readonly facts: readonly FactsEnvelope[];
    }
  | { readonly kind: "exchange-failed"; readonly with: Endpoint; readonly reason: string }
  | { readonly kind: "ack-payload"; readonly member: string; readonly payload: AckPayload }
  | { readonly kind: "said"; readonly member: string | null; readonly from: Endpoint; readonly body: VipdMessage }
  /** All retransmissions of our leave are out. */
  | { readonly kind: "left" }
  | { readonly kind: "dropped"; readonly reason: SwimDrop };

/** Why input was ignored: each counted and shown. */
export type SwimDrop =
  | "ping-for-other-name"
  | "ack-nobody-asked"
  | "ack-from-stranger"
  | "unknown-member"
  | "old-incarnation"
  /** An incarnation that leaves no room above it: junk or an attack, never a member's own. */
  | "absurd-incarnation"
  | "bad-version"
  | "too-many-members"
  | "too-many-relays"
  | "merge-refused"
  | "foreign-user-message"
  | "broadcast-queue-full"
  | "leaving";

export type MemberChange = "joined" | "alive" | "suspect" | "dead" | "left" | "updated" | "forgotten";
