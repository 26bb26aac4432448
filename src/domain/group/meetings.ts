/**
 * Two sides meet: once the facts of a member that may own something are known, it counts for settling and elections, and the winner
 * announces again (law 8). Purpose: once for each life of a member. Boundary: pure; who is alive is the membership's finding.
 */
import type { Conclusions } from "./conclusions.js";
import type { GroupContext } from "./context.js";
import { settledMember } from "./roll.js";

export class Meetings {
  readonly #ctx: GroupContext;
  readonly #conclusions: Conclusions;
  readonly #met = new Set<string>();
  /** Held dead until they return: what they served meanwhile, also in a life that is over, clients may still believe. */
  readonly #died = new Set<string>();

  constructor(ctx: GroupContext, conclusions: Conclusions) {
    this.#ctx = ctx;
    this.#conclusions = conclusions;
  }

  greetAll(): void {
    for (const member of this.#ctx.swim.members()) if (!member.self) this.greet(member.name);
  }

  greet(name: string): void {
    const { store, swim, readiness, settling, ownership, now } = this.#ctx;
    const envelope = store.envelope(name);
    const facts = store.facts(name);
    const member = swim.member(name);
    if (envelope === undefined || facts === undefined || member === undefined) return;
    if (this.#met.has(name) || !readiness.ready || member.state !== "alive" || member.foreign) return;
    this.#met.add(name);
    settling.meet(settledMember({ name, instance: envelope.instance, facts }));
    this.#conclusions.reelect();
    if (this.#died.delete(name) || facts.ready) ownership.memberChanged(name, "back", now);
  }

  /** It died or went: when it comes back, it is met anew. */
  parted(name: string, how: "dead" | "left" | "forgotten"): void {
    this.#met.delete(name);
    if (how === "dead") this.#died.add(name);
    else if (how === "forgotten") this.#died.delete(name);
  }
}
