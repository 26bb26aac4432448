/**
 * Facts: what a host tells the group of itself, everything that elections need, so that all elect alike (law 7).
 * Boundary: types and their meaning. Their bytes are wire/facts-codec's business.
 */

import type { Orders } from "./orders.js";

/** Version of the facts format written by this release. */
export const FACTS_FORMAT = 1;

/** What `Facts.barred` begins with when the host's own lease lapsed again and again (law 2). */
export const UNSTEADY = "lease lapsed";

/** Of a host that only watches (`vipd run --observe`): how `Facts.barred` says it. */
export const OBSERVING = "observing";

export interface InterfaceFacts {
  readonly name: string;
  /** `02:00:00:00:00:01`, or "" while the interface does not exist. */
  readonly mac: string;
  readonly up: boolean;
  readonly carrier: boolean;
  /** The host's own there, for others to ask whether they reach it (law 5); left out where it has none. */
  readonly address?: string;
}

export interface GroupFacts {
  readonly name: string;
  /** Digest of what decides elections in this group: addresses, together, failback. u32. */
  readonly digest: number;
  /** Names in its configuration, a space between each two (a name holds none): it announces on all that are up. */
  readonly interface: string;
  /** One of its interfaces up with carrier (and whatever later decides it): this host could own VIPs of the group. */
  readonly eligible: boolean;
  /** Its checks pass (or there are none). Told apart, since with nobody healthy all may count ("whenNoneHealthy"). */
  readonly healthy?: boolean;
  /** Why not, in a few words; "" when eligible and healthy. */
  readonly reason: string;
  /** Eligible without interruption for `failback.afterMs`: newcomers rank behind this host (law 9). */
  readonly settled: boolean;
  /** This host ranks behind the members listed in `Facts.defersTo` for this group (law 9). */
  readonly deferring: boolean;
  /**
   * The election keys held, and the epoch of the newest claim: with failback "never", with an even spread, and in a group
   * that is frozen. Empty otherwise.
   */
  readonly held: readonly HeldKey[];
  /** Election keys that it yielded to a stranger and does not want for now (conflict "yield"); left out where there are none. */
  readonly refused?: readonly string[];
}

/** An incumbent's claim. The highest epoch wins. */
export interface HeldKey {
  readonly key: string;
  readonly epoch: number;
}

export interface Facts {
  readonly format: number;
  readonly weight: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly draining: boolean;
  /**
   * Set while this host may own nothing, with the reason ("name-conflict"); or, if it begins with UNSTEADY, while it should
   * own nothing as long as a steady host is there. "" otherwise.
   */
  readonly barred: string;
  /** False until it has exchanged state with a peer or found itself alone: it claims nothing before (law 9). */
  readonly ready: boolean;
  /** The lease that an heir must wait out (law 2), and one extension of it. ms. */
  readonly leaseMs: number;
  readonly leaseExtensionMs: number;
  /** Instances of the members that were settled when this host joined (law 9). */
  readonly defersTo: readonly number[];
  readonly interfaces: readonly InterfaceFacts[];
  /** What operators told the group, as far as this host knows; undefined: nothing yet. */
  readonly orders?: Orders;
  readonly groups: readonly GroupFacts[];
}
