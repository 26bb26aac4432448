/**
 * Claims that travel on through others (with a quorum only): two hosts that cannot talk to each other may both be reached by a
 * majority, and then the former owner must hear of the new one all the same. Purpose: whose claim a message tells of, and
 * whether it is to be passed on. Boundary: pure; bounded; what a claim means is ownership's business.
 */
import { hashText } from "../hash.js";
import type { Millis, VipdMessage } from "../messages.js";
import { isLive } from "../swim/members.js";
import type { MemberView } from "../swim/types.js";
import type { GroupContext } from "./context.js";

export type Claimed = Extract<VipdMessage, { kind: "claimed" }>;

/** One claim is passed on once in so long: by then its copies have stopped travelling. */
const AGAIN_MS = 1000;
const REMEMBERED_MAX = 4096;
/** Up to so many others are each told by whom the claimer told: gossip may miss the one host that hears nobody but us. */
const TOLD_EACH_MAX = 10;

export class ClaimNews {
  readonly #passedAt = new Map<string, Millis>();

  /** What gossip replaces an older copy by. */
  subject(claim: Claimed): string {
    const what = hashText([claim.name, claim.instance, ...claim.addresses].join(" "));
    return `claimed:${claim.name}:${what}`;
  }

  /** Whether it was taken in before, a moment ago: once at second hand, and once more at first hand, which is for more than gossip. */
  isKnown(claim: Claimed, firsthand: boolean, now: Millis): boolean {
    for (const [passed, at] of this.#passedAt) {
      if (now - at < AGAIN_MS) break;
      this.#passedAt.delete(passed);
    }
    return this.#passedAt.has(this.#slot(claim, firsthand));
  }

  /** False: more at once than are remembered stay where they are. What is forgotten while its copies travel would never come to rest. */
  remember(claim: Claimed, firsthand: boolean, now: Millis): boolean {
    if (this.#passedAt.size >= REMEMBERED_MAX) return false;
    this.#passedAt.set(this.#slot(claim, firsthand), now);
    return true;
  }

  #slot(claim: Claimed, firsthand: boolean): string {
    return `${this.subject(claim)}:${claim.round}:${firsthand}`;
  }
}

/** The member that claims, if it is the one that we know by that name. */
export function claimant(claim: Claimed, member: MemberView | undefined): string | null {
  if (member === undefined || member.self || member.meta.kind !== "vipd") return null;
  return member.meta.instance === claim.instance ? member.name : null;
}

/** Passes claims on, and hands them to ownership where they come from a member that we know. */
export class ClaimSpread {
  readonly #ctx: GroupContext;
  readonly #news = new ClaimNews();

  constructor(ctx: GroupContext) {
    this.#ctx = ctx;
  }

  /** Whoever cannot hear the claimer itself hears of it through others. `from`: who told us of it, or null. */
  spread(claim: Claimed, from: string | null): void {
    const { swim, ownership, now } = this.#ctx;
    const firsthand = from === claim.name;
    if (this.#news.isKnown(claim, firsthand, now)) return;
    if (this.#news.remember(claim, firsthand, now)) {
      this.#ctx.feedSwim({ kind: "broadcast", subject: this.#news.subject(claim), body: claim });
      if (firsthand) this.#tellEach(claim);
    }
    const member = claimant(claim, swim.member(claim.name));
    if (member === null) return;
    ownership.claimNoticed({ member, round: claim.round, addresses: claim.addresses }, now);
  }

  #tellEach(claim: Claimed): void {
    const members = this.#ctx.swim.members();
    const others = members.filter((one) => !one.self && !one.foreign && one.name !== claim.name && isLive(one.state));
    if (others.length > TOLD_EACH_MAX) return;
    for (const { name } of others) this.#ctx.feedSwim({ kind: "tell", member: name, body: claim });
  }
}
