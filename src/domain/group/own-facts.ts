/**
 * This host's own facts, composed from configuration, links, settling and ownership. Purpose: the one place that says
 * what the others are told of us. Boundary: pure; publishing is the group's business.
 */
import { FACTS_FORMAT, type Facts, type GroupFacts, type HeldKey } from "../facts.js";
import type { Health } from "../health.js";
import type { Millis } from "../messages.js";
import type { Orders } from "../orders.js";
import type { Key } from "../ownership/key.js";
import type { Ownership } from "../ownership/machine.js";
import type { Profile } from "../profile.js";
import type { Settling } from "./settling.js";
import type { GroupSettings, GroupSpec, LinkFacts } from "./types.js";

/** A group that starts shares what it serves: for so long after a host's start its first claims give it no right to stay (law 9). */
const COLD_START_MS = 10_000;
/** For so long a rebalance moves what the hashing moves, with failback "never", too. */
const WAIVE_MS = 30_000;

/** A host that takes part again tells for so long that it holds what it gave away (failback "never"). */
const CLAIM_BACK_MS = 5000;
/** Timers may come a fraction of a millisecond early. */
const TIMER_EARLY_MS = 1;

/** Groups in which hosts tell what they hold. */
export function tellsHeld(group: GroupSpec, frozen: boolean): boolean {
  return frozen || group.failback === "never" || group.spread === "even";
}

export interface OwnState {
  readonly settings: GroupSettings;
  readonly links: ReadonlyMap<string, LinkFacts>;
  readonly settling: Settling;
  readonly ownership: Ownership;
  readonly profile: Profile;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly frozen: boolean;
  readonly health: ReadonlyMap<string, Health>;
  readonly unreached: ReadonlySet<string>;
  readonly orders: Orders | undefined;
  readonly barred: string;
  /** Ownership.refusing, as of now. */
  readonly refused: ReadonlyMap<string, readonly string[]>;
}

/** Keeps the claim epochs of the keys that others are told of as held. */
export class Incumbency {
  readonly #epochs = new Map<string, number>();
  readonly #coldUntil: Millis;
  /** Until then nothing is held in a group with failback "never". */
  #waivedUntil: Millis = Number.NEGATIVE_INFINITY;
  /** Keys that this host gave away to drain and wants back: told as held although they are not yet. */
  readonly #given = new Set<string>();
  #claimsBackUntil: Millis = Number.NEGATIVE_INFINITY;

  constructor(startedAt: Millis) {
    this.#coldUntil = startedAt + COLD_START_MS;
  }

  /** When what is held changes without any deed: it must be told anew then. */
  changesAt(): Millis[] {
    return [this.#coldUntil, this.#waivedUntil, this.#claimsBackUntil].map((at) => at + TIMER_EARLY_MS);
  }

  waive(now: Millis): void {
    this.#waivedUntil = now + WAIVE_MS;
    this.#epochs.clear();
  }

  /** A drain begins: what is owned now is wanted back by `claimBack`. */
  give(keys: Iterable<Key>): void {
    this.#given.clear();
    for (const key of keys) if (key.state === "owned") this.#given.add(key.spec.key);
  }

  claimBack(now: Millis): void {
    this.#claimsBackUntil = now + CLAIM_BACK_MS;
  }

  /**
   * The held keys of a group, each with the epoch of its claim: one above all that the group knew at the claim. What is being
   * handed over keeps an epoch that it has, and gets none: that would outweigh its successor's, which may serve already.
   */
  held(group: GroupSpec, state: OwnState, known: () => ReadonlyMap<string, number>, now: Millis): HeldKey[] {
    const never = group.failback === "never";
    if (never && !state.frozen && now < this.#waivedUntil) return [];
    const cold = !state.frozen && now < this.#coldUntil;
    const back = never && !state.draining && now < this.#claimsBackUntil;
    const held: HeldKey[] = [];
    let epochs: ReadonlyMap<string, number> | undefined;
    for (const key of state.ownership.keys()) {
      if (key.spec.group !== group.name) continue;
      const name = key.spec.key;
      const wanted = back && this.#given.has(name);
      const begins = wanted || (key.state === "owned" && (back || key.tookOver || !cold));
      if (begins && !this.#epochs.has(name)) {
        epochs ??= known();
        this.#epochs.set(name, (epochs.get(name) ?? 0) + 1);
      } else if (!wanted && key.state !== "owned" && key.state !== "releasing") this.#epochs.delete(name);
      const epoch = this.#epochs.get(name);
      if (epoch !== undefined) held.push({ key: name, epoch });
    }
    return held.sort((a, b) => (a.key < b.key ? -1 : 1));
  }
}

const NOT_CHECKED: Health = { state: "passing", reason: "" };
const NOT_YET: Health = { state: "unknown", reason: "its checks have not finished yet" };

/** A broken path weighs like a failing check: where nobody is reached, nobody is better than this host. */
export function healthOfGroup(state: Pick<OwnState, "health" | "unreached">, group: GroupSpec): Health {
  const { interfaces } = group;
  if (interfaces.length > 0 && interfaces.every((name) => state.unreached.has(name))) {
    return { state: "failing", reason: `no other host answers on ${interfaces.join(", ")}` };
  }
  return group.checked ? (state.health.get(group.name) ?? NOT_YET) : NOT_CHECKED;
}

export function linkReason(link: LinkFacts | undefined, name: string): string {
  if (link === undefined || link.mac === "") return `interface ${name} does not exist`;
  if (link.refused) return `interface ${name} ${link.refused}`;
  if (!link.up) return `interface ${name} is down`;
  return link.carrier ? "" : `interface ${name} has no carrier`;
}

/** "" where one of the group's interfaces can carry frames, else why none can. */
export function linksReason(group: GroupSpec, links: ReadonlyMap<string, LinkFacts>): string {
  if (group.interfaces.length === 0) return group.waiting ?? "no interface";
  const reasons = group.interfaces.map((name) => linkReason(links.get(name), name));
  return reasons.includes("") ? "" : reasons.join(", ");
}

const REASON_MAX = 160;
/** So many are told at most: a stranger that claims a whole pool is not made room for key by key. */
const REFUSED_MAX = 256;

function refusedIn(group: string, refused: OwnState["refused"]): { readonly refused?: readonly string[] } {
  const keys = refused.get(group);
  return keys === undefined ? {} : { refused: keys.slice(0, REFUSED_MAX) };
}

export function composeFacts(state: OwnState, heldOf: (group: GroupSpec) => HeldKey[]): Facts {
  const names = [...new Set(state.settings.groups.flatMap((group) => group.interfaces))].sort();
  return {
    format: FACTS_FORMAT,
    weight: state.settings.weight,
    labels: state.settings.labels,
    draining: state.draining,
    barred: state.barred,
    ready: state.ready,
    leaseMs: state.profile.leaseMs,
    leaseExtensionMs: state.profile.leaseExtensionMs,
    defersTo: state.settling.defersTo(),
    interfaces: names.map((name) => {
      const link = state.links.get(name);
      const usable = link !== undefined && !link.refused;
      const address = state.settings.addressOf?.[name];
      const own = address === undefined ? {} : { address };
      return { name, mac: link?.mac ?? "", up: usable && link.up, carrier: usable && link.carrier, ...own };
    }),
    ...(state.orders === undefined ? {} : { orders: state.orders }),
    groups: state.settings.groups.map((group): GroupFacts => {
      const link = linksReason(group, state.links);
      const health = healthOfGroup(state, group);
      // Bounded: others take no longer text.
      const reason = (link === "" ? health.reason : link).slice(0, REASON_MAX);
      return {
        name: group.name,
        digest: group.digest,
        interface: group.interfaces.join(" "),
        eligible: link === "" && health.state !== "unknown",
        ...(health.state === "failing" ? { healthy: false } : {}),
        reason,
        ...state.settling.standing(group.name),
        held: tellsHeld(group, state.frozen) ? heldOf(group) : [],
        ...refusedIn(group.name, state.refused),
      };
    }),
  };
}
