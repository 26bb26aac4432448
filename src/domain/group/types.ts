/**
 * The group's contract: the one state machine that the daemon and the simulator drive. Membership, facts, elections,
 * ownership and the lease behind one `handle(input, now)`. Boundary: types only.
 */
import type { FactsCodec } from "../facts-store.js";
import type { Health } from "../health.js";
import type { AckPayload, Endpoint, Message, Millis } from "../messages.js";
import type { Order, Orders } from "../orders.js";
import type { Answer, At, KeyTimer, OwnershipEvent, OwnershipOutput } from "../ownership/types.js";
import type { Profile } from "../profile.js";
import type { SwimInput, SwimOutput, SwimTimer } from "../swim/types.js";

export interface GroupSpec {
  readonly name: string;
  readonly digest: number;
  /** Announced on all of them that are up. Empty: `waiting` says for what. */
  readonly interfaces: readonly string[];
  /** Why no interface is known yet ("auto" that matches none, or several). */
  readonly waiting?: string;
  readonly addresses: readonly string[];
  readonly together: boolean;
  readonly failback: { readonly afterMs: number } | "never";
  readonly local: boolean;
  /** Not eligible before its checks have said something. */
  readonly checked?: boolean;
  readonly whenNoneHealthy?: "keep" | "withdraw";
  readonly spread?: "hash" | "even";
  readonly hosts?: Placement;
  readonly conflict?: "defend" | "yield";
}

/** By labels: the value must be one of these. */
export interface Placement {
  readonly require: Readonly<Record<string, readonly string[]>>;
  readonly prefer: Readonly<Record<string, readonly string[]>>;
}

export interface GroupSettings {
  readonly weight: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly groups: readonly GroupSpec[];
  /** This host's own address on each of the groups' interfaces that has one. */
  readonly addressOf?: Readonly<Record<string, string>>;
  /** Hosts that must be reached for this one to own anything (law 4), and how many there are in all; null: not asked for. */
  readonly quorum?: { readonly hosts: number; readonly expect: number | null } | null;
}

export interface GroupOptions {
  readonly name: string;
  readonly address: Endpoint;
  /** Random u32, new for each start. */
  readonly instance: number;
  readonly profile: Profile;
  readonly settings: GroupSettings;
  readonly seeds: readonly Endpoint[];
  readonly aloneAfterMs: number;
  readonly codec: FactsCodec;
  readonly random: () => number;
  readonly measure: (message: Message) => number;
  readonly packetBudget: number;
  /** Only watch: never own anything, and say so to all. */
  readonly observe?: boolean;
  /** The driver extends the lease between turns, as a `lease` output allows, and tells `renewed`. Else turns come for that alone. */
  readonly renews?: boolean;
  /** What an earlier run of this host was told and must not forget. */
  readonly initial?: { readonly draining?: boolean; readonly orders?: Orders };
}

export interface LinkFacts {
  readonly name: string;
  readonly mac: string;
  readonly up: boolean;
  readonly carrier: boolean;
  /** Nothing may be answered on it, and why ("is a member of the bridge br0: name br0 instead"). */
  readonly refused?: string;
}

export type GroupTimer =
  | { readonly kind: "swim"; readonly timer: SwimTimer }
  | { readonly kind: "key"; readonly timer: KeyTimer }
  | { readonly kind: "lease"; readonly round: number }
  | { readonly kind: "alone" }
  | { readonly kind: "rest" }
  | { readonly kind: "settle" }
  /** What this host holds may have changed: it is told. */
  | { readonly kind: "held" }
  | { readonly kind: "fetch"; readonly member: string; readonly tries: number };

export type GroupInput =
  | Extract<SwimInput, { kind: "datagram" | "exchanged" | "exchange-failed" | "stream-ping-answered" | "join" }>
  | { readonly kind: "start" }
  /** Nothing but the time: the driver came too late to extend the lease. */
  | { readonly kind: "wake" }
  | { readonly kind: "timer"; readonly timer: GroupTimer }
  /** All input that was queued before the last `drain-queue` output has been handed in. */
  | { readonly kind: "queue-drained" }
  | { readonly kind: "link"; readonly link: LinkFacts }
  | { readonly kind: "claim-heard"; readonly address: string; readonly mac: string; readonly yielded: boolean }
  | { readonly kind: "asked"; readonly id: number; readonly answers: readonly Answer[] }
  | { readonly kind: "held"; readonly addresses: readonly string[] }
  | { readonly kind: "hold-failed"; readonly addresses: readonly string[]; readonly error: string }
  | { readonly kind: "reconfigure"; readonly settings: GroupSettings }
  /** Give everything away and take nothing (true), or take part again, at once (false). */
  | { readonly kind: "drain"; readonly on: boolean }
  /** What the checks of a group say together. */
  | { readonly kind: "health"; readonly group: string; readonly health: Health }
  /** Other members answer on a service interface, or none does (law 5). */
  | { readonly kind: "path"; readonly interface: string; readonly reached: boolean }
  /** What an operator tells the whole group through this host. */
  | { readonly kind: "order"; readonly order: Order }
  /** Hand everything over; then say goodbye with `leave`. */
  | { readonly kind: "stop" }
  | { readonly kind: "leave" };

/**
 * Between turns the driver may extend a lease that lives: each `everyMs`, while its event loop runs, to `byMs` from then, and not at
 * or after `endsAt` without another word.
 */
export interface Renewal {
  readonly byMs: Millis;
  readonly everyMs: Millis;
  readonly endsAt: Millis;
}

export type GroupOutput =
  | Extract<SwimOutput, { kind: "send" | "exchange" | "stream-ping" }>
  | Exclude<OwnershipOutput, { kind: "exchange-with" | "tell-claimed" | "arm" }>
  | { readonly kind: "arm"; readonly timer: GroupTimer; readonly at: Millis }
  | { readonly kind: "lease"; readonly until: Millis; readonly renewal: Renewal | null }
  /** Watch these addresses, too, for others' claims (and join their groups): keys that this host is heir to, or claims. No longer: unwatch. */
  | { readonly kind: "watch" | "unwatch"; readonly at: readonly At[] }
  /** Handle what is queued, then answer `queue-drained`. */
  | { readonly kind: "drain-queue" }
  | { readonly kind: "event"; readonly event: OwnershipEvent }
  | { readonly kind: "left" };

export type { AckPayload, OwnershipEvent };
