/**
 * Config: what was validated. Raw (what the file says) is config/load's business and never leaves that floor.
 * Boundary: types only; everything canonical: addresses in RFC 5952 form, ranges and CIDR blocks expanded.
 */
import type { Endpoint } from "../domain/messages.js";
import type { Profile, ProfileName } from "../domain/profile.js";

export interface Config {
  readonly node: {
    readonly name: string;
    readonly weight: number;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly gossip: {
    /** host null: use the one address of the VIPs' interface (resolved at start by adapters/interfaces). */
    readonly bind: { readonly host: string | null; readonly port: number };
    readonly advertise: Endpoint | null;
    /** Each a literal or a host name; names are resolved again and again. */
    readonly join: readonly { readonly host: string; readonly port: number }[];
    readonly keyFile: string | null;
    readonly insecure: boolean;
    readonly label: string;
    readonly profile: ProfileName;
    /** The profile with `gossip.timers` in it; keeps the rules of domain/timing.ts. */
    readonly timing: Profile;
    readonly aloneAfterMs: number;
  };
  readonly vips: readonly VipGroup[];
  /** Hosts (this one included) that must be reached for any to be owned, and how many there are; null: not asked for. */
  readonly quorum: { readonly hosts: number; readonly expect: number | null } | null;
  readonly announce: { readonly perSecond: number; readonly refreshMacMs: number; readonly refreshVipMs: number };
  readonly hooks: Hooks;
  readonly strictArp: "manage" | "require" | "ignore";
  readonly status: {
    readonly listen: { readonly host: string; readonly port: number };
    readonly socket: string;
  };
  readonly log: { readonly level: "trace" | "debug" | "info" | "warn" | "error" };
}

export interface VipGroup {
  readonly name: string;
  /** Canonical, expanded, in the file's order, without duplicates. */
  readonly addresses: readonly string[];
  /** Announced on all of these that are up; "auto": on the one whose subnets hold the addresses. */
  readonly interface: readonly string[] | "auto";
  readonly conflict: "defend" | "yield";
  readonly together: boolean;
  readonly failback: { readonly afterMs: number } | "never";
  readonly local: boolean;
  /** All must pass; empty: the interface decides alone. */
  readonly checks: readonly Check[];
  readonly whenNoneHealthy: "keep" | "withdraw";
  readonly spread: "hash" | "even";
  readonly hosts: Placement;
}

/** By labels; each value is one of the texts. */
export interface Placement {
  readonly require: Readonly<Record<string, readonly string[]>>;
  readonly prefer: Readonly<Record<string, readonly string[]>>;
}

export type Check = CheckTerms &
  (
    | { readonly type: "tcp"; readonly host: string; readonly port: number }
    | {
        readonly type: "http";
        readonly url: string;
        /** Empty: 200 to 299. */
        readonly status: readonly number[];
        /** Must occur in the answer; null: any body. */
        readonly body: string | null;
        readonly verifyTls: boolean;
        /** The Host header; null: the URL's. */
        readonly host: string | null;
      }
    | { readonly type: "arp"; readonly address: string }
    | { readonly type: "exec"; readonly command: readonly string[] }
  );

export interface CheckTerms {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** So many results in a row turn it. */
  readonly rise: number;
  readonly fall: number;
  /** Share of the interval by which each run is moved at random. */
  readonly jitter: number;
}

export const HOOK_EVENTS = ["owned", "released", "conflict", "member"] as const;
export type HookEvent = (typeof HOOK_EVENTS)[number];
/** By event, the argument lists of the programs to run, in order. */
export type Hooks = Readonly<Record<HookEvent, readonly (readonly string[])[]>> & { readonly timeoutMs: number };

/** One thing wrong (or, as a warning, odd) with the configuration. */
export interface Problem {
  /** `vips[1].addresses[0]`; "" for the file as a whole. */
  readonly path: string;
  readonly message: string;
  /** Where in the file, from 1; not there for what a variable, a flag or a default says. */
  readonly line?: number;
  readonly column?: number;
  /** What stands there, shortened. */
  readonly value?: string;
}

export type Loaded =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] };
