/**
 * What members say to each other, as values. Purpose: the vocabulary shared by the membership core (which
 * decides) and the wire floor (which turns these into memberlist's bytes and back). Boundary: no bytes layout here.
 * Names and fields follow memberlist (shared/memberlist-wire.md, section 4).
 */

/** Milliseconds on the daemon's one clock (CLOCK_BOOTTIME), with fractions. Never wall time. */
export type Millis = number;

/** A UDP/TCP address. `host` is a canonical IPv4 or IPv6 literal (RFC 5952), never a name. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.host === b.host && a.port === b.port;
}

/** `10.0.0.1:7979`, `[fd00::1]:7979`. */
export function formatEndpoint(e: Endpoint): string {
  return e.host.includes(":") ? `[${e.host}]:${e.port}` : `${e.host}:${e.port}`;
}

/** [pMin, pMax, pCur, dMin, dMax, dCur] of memberlist's version negotiation. */
export type Vsn = readonly [number, number, number, number, number, number];

/** What every vipd member speaks, fixed so that a Serf pool accepts us (memberlist-wire.md, section 10). */
export const VIPD_VSN: Vsn = [1, 5, 2, 2, 5, 5];

/** A member's Meta (at most 512 bytes on the wire): ours when it starts with our magic, else a foreign agent's. */
export type Meta =
  | {
      readonly kind: "vipd";
      /** Version of the facts format that the member writes. */
      readonly format: number;
      /** Random for each start of a daemon: tells a restart from a return. u32. */
      readonly instance: number;
      /** Version of the member's facts, rising within an instance and over restarts. u32. */
      readonly factsVersion: number;
      /** `hashBytes` of the encoded facts. u32. */
      readonly factsDigest: number;
    }
  | { readonly kind: "foreign"; readonly bytes: Uint8Array };

/** What a vipd member adds to its ack, so that a lost datagram costs one probe interval. */
export type AckPayload =
  | {
      readonly kind: "vipd";
      /** The acking member's own instance and facts version. */
      readonly instance: number;
      readonly factsVersion: number;
      /** Order-independent digest of the facts of all members that it knows (see domain/facts-store.ts). u32. */
      readonly viewDigest: number;
      /** Number of the acking member's latest question: what it asks from now on is newer than anything recorded before. */
      readonly asked?: number;
      /** With a quorum: of whom the acking member has had answers, or heard, within its lease. */
      readonly sightings?: readonly Sighting[];
    }
  | { readonly kind: "foreign"; readonly bytes: Uint8Array };

/** What an acking member knows of another, in ms before its ack, rounded up; null: not within its lease. */
export interface Sighting {
  readonly instance: number;
  /** It answered a question (in a chain of them) that was sent so long ago. */
  readonly answeredAgoMs: number | null;
  /** The acking member itself heard it so long ago. */
  readonly heardAgoMs: number | null;
}

/** Sightings in one ack: enough for the majority of 255 hosts, and little enough for a datagram. */
export const SIGHTINGS_MAX = 112;
export const SIGHTING_AGE_MS_MAX = 0xfffe;

/** One host's facts as they travel: the raw body is relayed unchanged, so unknown fields survive an older relay. */
export interface FactsEnvelope {
  readonly name: string;
  readonly instance: number;
  readonly version: number;
  /** Encoded facts (wire/facts-codec). At most 1 MiB; beyond a datagram by push/pull only. */
  readonly body: Uint8Array;
}

/** Our own words inside memberlist's user messages. */
export type VipdMessage =
  | { readonly kind: "facts"; readonly facts: FactsEnvelope }
  /** "Tell me the facts of these": answered by `facts`, one each (by TCP push/pull where they do not fit a datagram). */
  | { readonly kind: "facts-request"; readonly names: readonly string[] }
  /** "I announce these now": the gossip's half of the hand-over's evidence (law 6). Sent straight to the former owner. */
  | {
      readonly kind: "claimed";
      readonly name: string;
      readonly instance: number;
      /** 1 = first round of announcements, 2 = second; 0 = given up: it served until now, and is silent. */
      readonly round: number;
      /** Canonical addresses. */
      readonly addresses: readonly string[];
    };

export interface PingSource {
  readonly address: Endpoint;
  readonly name: string;
}

export type Message =
  | { readonly kind: "ping"; readonly seqNo: number; readonly node: string; readonly source: PingSource | null }
  | {
      readonly kind: "indirect-ping";
      readonly seqNo: number;
      readonly target: Endpoint;
      readonly node: string;
      readonly nack: boolean;
      readonly source: PingSource | null;
    }
  | { readonly kind: "ack"; readonly seqNo: number; readonly payload: AckPayload | null }
  | { readonly kind: "nack"; readonly seqNo: number }
  | { readonly kind: "suspect"; readonly incarnation: number; readonly node: string; readonly from: string }
  | { readonly kind: "dead"; readonly incarnation: number; readonly node: string; readonly from: string }
  | {
      readonly kind: "alive";
      readonly incarnation: number;
      readonly node: string;
      readonly address: Endpoint;
      readonly meta: Meta;
      readonly vsn: Vsn;
    }
  | { readonly kind: "user"; readonly body: VipdMessage | { readonly kind: "foreign"; readonly bytes: Uint8Array } };

export type MemberState = "alive" | "suspect" | "dead" | "left";

/** One row of a push/pull. */
export interface PushPullNode {
  readonly name: string;
  readonly address: Endpoint;
  readonly meta: Meta;
  readonly incarnation: number;
  readonly state: MemberState;
  readonly vsn: Vsn;
}

/** A push/pull, one direction (memberlist-wire.md, section 9). `facts` is our user state; a foreign one's is dropped. */
export interface PushPull {
  readonly join: boolean;
  readonly nodes: readonly PushPullNode[];
  readonly facts: readonly FactsEnvelope[];
}
