/**
 * What the daemon needs of the outside, as types only: each is implemented once under adapters/ and once as a fake
 * in tests. Boundary: no behaviour, no node:* types.
 */
import type { ExplainedHost } from "./domain/group/explain.js";
import type { Renewal } from "./domain/group/types.js";
import type { Endpoint, FactsEnvelope, MemberState, Message, Millis, PushPull } from "./domain/messages.js";

// ---------------------------------------------------------------- clock

export interface Clock {
  /** CLOCK_BOOTTIME in ms, with fractions: goes on while the machine sleeps. */
  now(): Millis;
  /** Wall time for people: RFC 3339 with milliseconds of a clock reading. */
  wall(at: Millis): string;
}

/** One wake-up at a time. */
export interface Alarm {
  /** Calls back at this clock reading, or a little later; replaces the former. Infinity: not at all. */
  set(at: Millis): void;
  close(): void;
}

// ---------------------------------------------------------------- gossip transports

export interface GossipTransport {
  /** UDP and TCP are bound and live when it resolves. Throws with the address and errno when the port is taken. */
  start(handlers: GossipHandlers): Promise<void>;
  /** Hands over the datagrams that have arrived by now, a bounded number, without waiting for the loop's next round. */
  receive(): void;
  /** Encodes, seals, sends one datagram. Errors are counted, never thrown (the network is the network). */
  send(to: Endpoint, messages: readonly Message[]): void;
  /** One push/pull as the dialling side. Rejects with a one-line reason. */
  exchange(to: Endpoint, ours: PushPull): Promise<PushPull>;
  /** TCP ping; resolves true if acked in time. Never rejects. */
  streamPing(to: Endpoint, seqNo: number, node: string, timeoutMs: number): Promise<boolean>;
  /** A new key ring (first key seals); null = plaintext. */
  setKeys(keys: readonly Uint8Array[] | null): void;
  stats(): GossipStats;
  stop(): Promise<void>;
}

export interface GossipHandlers {
  /** What arrived together is handed over within one call of this, which calls `deliver` once, at once. */
  together(deliver: () => void): void;
  datagram(from: Endpoint, messages: readonly Message[]): void;
  /** A peer opened a push/pull with `theirs`; returns our half, which is sent before theirs is merged. */
  exchange(from: Endpoint, theirs: PushPull): PushPull;
  /** TCP ping for `node`: true answers it. */
  streamPing(node: string): boolean;
}

export interface GossipStats {
  readonly datagramsIn: number;
  readonly datagramsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly streamsIn: number;
  readonly streamsOut: number;
  /** Named reason -> count: "wrong-key", "plaintext", "truncated", "bad-crc", "unknown-type", "send-failed" … */
  readonly dropped: Readonly<Record<string, number>>;
}

// ---------------------------------------------------------------- the responder (native)

/** Own this address on this interface. Upsert by (interface, address). */
export interface OwnIntent {
  readonly address: string;
  readonly interface: string;
  /** MAC that is announced and answered with; null = the interface's own, followed when it changes. */
  readonly mac: string | null;
  /** A claim of this address by this MAC stops our answering in the thread, at once (law 6). null = none. */
  readonly heirMac: string | null;
}

export interface AnnounceRequest {
  readonly interface: string;
  /** In order: the first round goes over all of them before the second round of any. */
  readonly addresses: readonly string[];
  /** Delay of each round after the call, ms: `[0, 1000, 3000]`. */
  readonly roundsMs: readonly number[];
}

/** How announcements are paced. */
export interface AnnouncePace {
  /** Frames a second and interface. */
  readonly perSecond: number;
  /** A broadcast from each MAC this often. */
  readonly refreshMacMs: number;
  /** Each VIP again this often. */
  readonly refreshVipMs: number;
}

export interface AskRequest {
  readonly interface: string;
  readonly addresses: readonly string[];
  readonly timeoutMs: number;
  /** One question an address: whoever counts losses wants each of them to be seen. */
  readonly once?: boolean;
  /** Who asks, of the addresses' family; without it a probe that no cache learns from, or our link-local address. */
  readonly source?: string;
}

export interface AskAnswer {
  readonly address: string;
  readonly mac: string;
  /** After the question left. */
  readonly afterMs: number;
}

export interface LinkState {
  readonly name: string;
  /** 0: does not exist. */
  readonly index: number;
  readonly mac: string;
  readonly up: boolean;
  readonly carrier: boolean;
  readonly mtu: number;
  /** Index of the bond, bridge or VRF that it belongs to; 0: none. Nothing is answered on a member. */
  readonly master: number;
  /** Its name ("br0"; "#7" where it cannot be seen), and what the kernel calls it ("bridge", "bond", "vrf"); empty without one. */
  readonly masterName?: string;
  readonly masterKind?: string;
}

export type ResponderEvent =
  | { readonly kind: "link"; readonly link: LinkState }
  /** Addresses of an interface other than lo came or went. */
  | { readonly kind: "addresses" }
  /** Someone else's ARP or NA claims an address of ours or of a watched one. `yielded`: it was the named heir, and we went silent. */
  | {
      readonly kind: "claim";
      readonly interface: string;
      readonly address: string;
      readonly mac: string;
      readonly yielded: boolean;
    }
  /** A round of an announcement is out. */
  | {
      readonly kind: "announced";
      readonly interface: string;
      readonly addresses: readonly string[];
      readonly round: number;
    }
  /** One of our addresses on lo was deleted by someone else (it has been put back if still wanted). */
  | { readonly kind: "address-removed"; readonly address: string; readonly restored: boolean }
  /** The event loop came too late to extend the lease. */
  | { readonly kind: "stalled" }
  /** The lease ran out while addresses were owned. */
  | { readonly kind: "lease-lapsed"; readonly at: Millis }
  /** A problem with an interface or an address: `ENETDOWN` and the like, with names. Rate-limited. */
  | {
      readonly kind: "trouble";
      readonly interface: string;
      readonly address: string;
      readonly errno: string;
      readonly message: string;
    }
  /** The event queue overflowed: this many were lost; ask for a fresh state. */
  | { readonly kind: "overflow"; readonly lost: number };

export interface ResponderStats {
  readonly replies: number;
  readonly announcements: number;
  /** Named reason -> count: "not-ours", "not-a-request", "lease-lapsed", "bad-checksum" … */
  readonly ignored: Readonly<Record<string, number>>;
  readonly framesDropped: number;
  readonly eventsDropped: number;
  readonly leaseLapses: number;
}

export interface Responder {
  /** Resolves when the threads are live. */
  start(onEvents: (events: readonly ResponderEvent[]) => void): Promise<void>;
  /** Replaces the set of interfaces that are listened on; each may not exist yet. Links of all are reported at once. */
  setInterfaces(names: readonly string[]): void;
  links(): readonly LinkState[];
  own(intents: readonly OwnIntent[]): void;
  release(intents: readonly { readonly address: string; readonly interface: string }[]): void;
  /** From now on others' claims of these are reported, and their solicited-node groups joined, though we do not own them. */
  watch(addresses: readonly { readonly address: string; readonly interface: string }[]): void;
  unwatch(addresses: readonly { readonly address: string; readonly interface: string }[]): void;
  announce(request: AnnounceRequest): void;
  /** Takes effect at once; what is being announced goes on at the new pace. */
  setAnnounce(pace: AnnouncePace): void;
  /**
   * No frame leaves after this CLOCK_BOOTTIME instant. -Infinity (or 0): silence at once. With `renewal` it is extended on the event
   * loop, without a call, as that says: a loop that stands still extends nothing.
   */
  lease(until: Millis, renewal?: Renewal | null): void;
  /** How far it reaches by now. */
  leaseUntil(): Millis;
  /** Asks the wire who has these addresses; answers by our own MACs are left out. Three questions an address (of many two), spaced. */
  ask(request: AskRequest): Promise<readonly AskAnswer[]>;
  stats(): ResponderStats;
  /** Joins the threads; every socket closed. Idempotent. */
  stop(): Promise<void>;
}

// ---------------------------------------------------------------- addresses on lo

export interface AddressHolder {
  /** Puts them on `lo`, scope host, valid_lft 60 s (renewed by itself), tagged as ours; present ones are fine. Rejects naming address and errno. */
  hold(addresses: readonly string[]): Promise<void>;
  /** Takes them off; absent ones are fine. */
  drop(addresses: readonly string[]): Promise<void>;
  /** Removes what an earlier, crashed daemon left (our tag); returns what it removed. */
  sweep(): Promise<readonly string[]>;
  held(): readonly string[];
}

// ---------------------------------------------------------------- the kernel's neighbour tables

export interface Neighbours {
  /** Keeps the entries of these hosts, of those on a network of ours, even where the table is full. Returns "", or the errno's name. */
  keep(hosts: readonly string[]): string;
  /** Every kept entry but these is an ordinary one again. Returns "", or the errno's name. */
  release(kept: readonly string[]): string;
}

// ---------------------------------------------------------------- strict ARP

export interface StrictArp {
  /** What `manage` changed and has not restored: "net.ipv4.conf.all.arp_ignore: 0 -> 1". */
  changed(): readonly string[];
  /** Applies `manage` or checks `require`; throws one line that says what to set. Returns what was changed. */
  start(): Promise<readonly string[]>;
  /** Looks again, and repairs under `manage`; returns what it had to repair. */
  check(): Promise<readonly string[]>;
  restore(): Promise<void>;
}

// ---------------------------------------------------------------- log, service manager

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

export interface Log {
  /** One event a line: `event` is a stable dotted name (`vip.owned`), `fields` its data, `text` a sentence for people. */
  write(level: LogLevel, event: string, fields: Readonly<Record<string, unknown>>, text?: string): void;
  setLevel(level: LogLevel): void;
  /** Lines lost because the reader did not keep up. */
  dropped(): number;
  flush(): Promise<void>;
}

export interface ServiceManager {
  ready(status: string): void;
  reloading(): void;
  stopping(status: string): void;
  status(text: string): void;
  watchdog(): void;
  /** Half of WATCHDOG_USEC in ms, or null where no watchdog is wanted. */
  readonly watchdogMs: number | null;
}

// ---------------------------------------------------------------- what the HTTP side is fed with

export type VipState = "standby" | "claiming" | "owned" | "releasing" | "conflict" | "unowned";

export interface QuorumStatus {
  readonly hosts: number;
  readonly expect: number | null;
  readonly reached: number;
  readonly held: boolean;
  readonly losses: number;
}

/** The body of `GET /status` (DESIGN.md, "HTTP"). Times are RFC 3339 with milliseconds. */
export interface StatusSnapshot {
  readonly node: string;
  readonly version: string;
  readonly instance: string;
  /** Has exchanged state with a peer, or is rightfully alone. */
  readonly ready: boolean;
  readonly readyReason: string;
  readonly draining: boolean;
  /** The whole group makes no planned moves (`vipd freeze`). */
  readonly frozen: boolean;
  /** VIPs, or groups that go together, that an operator moved to a host (`vipd move`). */
  readonly moves: readonly { readonly vip: string; readonly host: string }[];
  readonly lease: { readonly untilMs: number; readonly lapses: number };
  /** Hosts needed and expected, reached within the lease (this one included), and whether that lets this host own anything. */
  readonly quorum?: QuorumStatus | null;
  readonly members: readonly MemberStatus[];
  readonly vips: readonly VipStatus[];
  readonly interfaces: readonly {
    readonly name: string;
    readonly mac: string;
    readonly up: boolean;
    readonly carrier: boolean;
  }[];
  readonly gossip: {
    readonly bind: string;
    readonly encrypted: boolean;
    readonly datagramsIn: number;
    readonly datagramsOut: number;
    readonly bytesIn: number;
    readonly bytesOut: number;
    readonly dropped: Readonly<Record<string, number>>;
  };
  readonly responder: {
    readonly replies: number;
    readonly announcements: number;
    readonly ignored: Readonly<Record<string, number>>;
  };
  readonly strictArp: {
    readonly mode: "manage" | "require" | "ignore";
    /** What was changed and will be restored at the end. */
    readonly changed: readonly string[];
    /** Times that somebody undid it, and it was set again. */
    readonly repairs: number;
  };
  /** What an operator should look at, a line each; empty at rest. */
  readonly alarms: readonly string[];
  /** Health checks of this host. */
  readonly checks: readonly CheckStatus[];
}

export interface CheckStatus {
  readonly group: string;
  /** Which one: `tcp 127.0.0.1:80`; with a number where a group has several. */
  readonly check: string;
  readonly type: string;
  readonly state: "unknown" | "passing" | "failing";
  readonly since: string;
  /** The last run; null before the first. */
  readonly lastAt: string | null;
  readonly lastOk: boolean | null;
  readonly lastMs: number | null;
  readonly reason: string;
  readonly runs: number;
  readonly failures: number;
}

export interface MemberStatus {
  readonly name: string;
  readonly address: string;
  readonly state: MemberState;
  readonly self: boolean;
  readonly foreign: boolean;
  readonly incarnation: number;
  readonly weight: number;
  readonly draining: boolean;
  /** Why it may own nothing at all ("observing", "name-conflict" …); "" otherwise. */
  readonly barred: string;
  readonly settled: boolean;
  readonly rttMs: number | null;
  /** With which MACs it announces, by interface; empty while its facts are not known. */
  readonly macs: readonly { readonly interface: string; readonly mac: string }[];
  readonly since: string;
}

export interface VipStatus {
  readonly address: string;
  readonly group: string;
  readonly interface: string;
  readonly owner: string | null;
  readonly heir: string | null;
  readonly state: VipState;
  readonly since: string;
  readonly reason: string;
  /** Somebody who is no member claimed or answered for it within the last minute: who, since when, and when last. */
  readonly conflict: { readonly mac: string; readonly since: string; readonly at: string } | null;
}

/** The body of `GET /explain?vip=`: why a VIP is where it is. */
export interface VipExplanation {
  readonly vip: string;
  readonly group: string;
  /** All addresses that go with it. */
  readonly addresses: readonly string[];
  readonly interface: string;
  readonly owner: string | null;
  readonly heir: string | null;
  /** Of this host. */
  readonly state: VipState;
  readonly since: string;
  readonly reason: string;
  readonly spread: "hash" | "even";
  /** null: never. */
  readonly failbackAfterMs: number | null;
  readonly frozen: boolean;
  /** To whom an operator moved it, or null. */
  readonly moved: string | null;
  /** Who gets it whatever the scores say (a move, a freeze, failback "never"), or null. */
  readonly fixed: string | null;
  readonly hosts: readonly ExplainedHost[];
}

/** Counters and gauges beyond the snapshot, for `/metrics`. */
export interface MetricsSource {
  counters(): readonly {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

/** Facts as envelopes, re-exported for adapters that carry them. */
export type { FactsEnvelope };
