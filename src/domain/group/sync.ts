/**
 * Keeping everybody's facts equal: own facts straight to all, missing ones asked for, differing views exchanged.
 * Purpose: a lost datagram costs one probe interval ("Facts in the gossip"). Boundary: pure; it drives the membership
 * core's `tell` and `broadcast` and names exchanges, it never elects.
 */
import type { FactsStore } from "../facts-store.js";
import type { AckPayload, Endpoint, FactsEnvelope, Millis } from "../messages.js";
import type { MemberView, SwimInput } from "../swim/types.js";

/** Facts larger than this travel by TCP only. */
const DATAGRAM_BODY_MAX = 1100;
/** Above so many members, own facts go out by gossip only. */
const TELL_MAX = 128;
export const FETCH_GRACE_MS = 40;
const FETCH_AGAIN_MS = 250;
const FETCH_TRIES = 4;
/** Two views that stay as they are and differ for so long are not just spreading, nor do those that never come to rest. */
const DIFFERS_MS = 400;
const DIFFERS_MS_MAX = 3000;
const EXCHANGE_AGAIN_MS = 1000;

/** That a member's view is not ours. */
interface Difference {
  readonly firstAt: Millis;
  readonly since: Millis;
  readonly ours: number;
  readonly theirs: number;
}

export interface SyncDeeds {
  swim(input: SwimInput): void;
  exchange(to: Endpoint): void;
  fetchLater(member: string, tries: number, at: Millis): void;
}

export class FactsSync {
  readonly #store: FactsStore;
  readonly #deeds: SyncDeeds;
  readonly #differences = new Map<string, Difference>();
  readonly #exchangedAt = new Map<string, Millis>();

  constructor(store: FactsStore, deeds: SyncDeeds) {
    this.#store = store;
    this.#deeds = deeds;
  }

  /** Our facts changed: to all members at once, for whom we hold dead may hear us, and by gossip for whom that does not reach. */
  publish(self: string, members: readonly MemberView[]): void {
    const envelope = this.#store.envelope(self);
    if (envelope === undefined || envelope.body.length > DATAGRAM_BODY_MAX) return;
    const body = { kind: "facts", facts: envelope } as const;
    this.#deeds.swim({ kind: "broadcast", subject: `facts:${self}`, body });
    const others = members.filter((m) => !m.self && !m.foreign && m.state !== "left");
    if (others.length > TELL_MAX) return;
    for (const member of others) this.#deeds.swim({ kind: "tell", member: member.name, body });
  }

  /** It came after our facts were told to all: whoever met us through others would wait for its next probe. */
  introduce(self: string, member: MemberView): void {
    const envelope = this.#store.envelope(self);
    if (envelope === undefined || member.foreign || envelope.body.length > DATAGRAM_BODY_MAX) return;
    this.#deeds.swim({ kind: "tell", member: member.name, body: { kind: "facts", facts: envelope } });
  }

  /** A member's Meta changed: its facts are probably under way; ask if they do not come. */
  metaChanged(member: MemberView, now: Millis): void {
    const { meta } = member;
    if (meta.kind !== "vipd" || !this.#store.lacks(member.name, meta.instance, meta.factsVersion)) return;
    this.#deeds.fetchLater(member.name, 0, now + FETCH_GRACE_MS);
  }

  fetch(member: MemberView | undefined, tries: number, now: Millis): void {
    if (member === undefined || member.meta.kind !== "vipd") return;
    if (member.state === "dead" || member.state === "left") return;
    if (!this.#store.lacks(member.name, member.meta.instance, member.meta.factsVersion)) return;
    this.#deeds.swim({ kind: "tell", member: member.name, body: { kind: "facts-request", names: [member.name] } });
    if (tries + 1 < FETCH_TRIES) this.#deeds.fetchLater(member.name, tries + 1, now + FETCH_AGAIN_MS);
    else this.#exchange(member, now);
  }

  /** Answers a request: by datagram where it fits, else by opening an exchange. */
  requested(by: MemberView | undefined, names: readonly string[], now: Millis): void {
    if (by === undefined) return;
    for (const name of names.slice(0, 16)) {
      const facts = this.#store.envelope(name);
      if (facts === undefined) continue;
      if (facts.body.length > DATAGRAM_BODY_MAX) this.#exchange(by, now);
      else this.#deeds.swim({ kind: "tell", member: by.name, body: { kind: "facts", facts } });
    }
  }

  /** What an ack tells: the member's own facts version, and the digest of all that it knows. */
  acked(member: MemberView, payload: AckPayload, ownViewDigest: number, now: Millis): void {
    if (payload.kind !== "vipd" || member.foreign) return;
    if (this.#store.lacks(member.name, payload.instance, payload.factsVersion)) {
      const body = { kind: "facts-request", names: [member.name] } as const;
      this.#deeds.swim({ kind: "tell", member: member.name, body });
    }
    if (this.#differs(member.name, { ours: ownViewDigest, theirs: payload.viewDigest }, now))
      this.#exchange(member, now);
  }

  /** True if the views have been different for too long; begins anew then. */
  #differs(name: string, { ours, theirs }: Pick<Difference, "ours" | "theirs">, now: Millis): boolean {
    if (ours === theirs) {
      this.#differences.delete(name);
      return false;
    }
    const known = this.#differences.get(name) ?? { firstAt: now, since: now, ours, theirs };
    const same = known.ours === ours && known.theirs === theirs;
    const since = same ? known.since : now;
    const long = now - since >= DIFFERS_MS || now - known.firstAt >= DIFFERS_MS_MAX;
    this.#differences.set(name, long ? { firstAt: now, since: now, ours, theirs } : { ...known, since, ours, theirs });
    return long;
  }

  /** State is to be exchanged with this member, not only facts heard: whoever was met through a foreign one has not had it. */
  meet(member: MemberView, now: Millis): void {
    if (!member.foreign) this.#exchange(member, now);
  }

  forget(name: string): void {
    this.#differences.delete(name);
    this.#exchangedAt.delete(name);
  }

  #exchange(member: MemberView, now: Millis): void {
    if (now - (this.#exchangedAt.get(member.name) ?? Number.NEGATIVE_INFINITY) < EXCHANGE_AGAIN_MS) return;
    this.#exchangedAt.set(member.name, now);
    this.#deeds.exchange(member.address);
  }
}

/** Takes every envelope; returns the names whose facts are new, and the highest version of ourselves that was heard. */
export function offerAll(
  store: FactsStore,
  envelopes: readonly FactsEnvelope[],
  options: { self: string; instance: number; member: (name: string) => MemberView | undefined },
): { fresh: string[]; ownVersionHeard: number } {
  const fresh: string[] = [];
  let ownVersionHeard = -1;
  for (const envelope of envelopes) {
    const verdict = store.offer(envelope, options.member(envelope.name)?.meta);
    if (verdict === "taken") fresh.push(envelope.name);
    if (verdict === "own-name" && envelope.instance !== options.instance) {
      ownVersionHeard = Math.max(ownVersionHeard, envelope.version);
    }
  }
  return { fresh, ownVersionHeard };
}
