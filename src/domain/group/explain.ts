/**
 * Why a VIP is where it is: everybody with its rank, its score, or the reason why it is no candidate, and who would own the VIP
 * without each. Purpose: `vipd explain`. Boundary: reads; the arithmetic is the election's own (roll.ts, election.ts).
 */
import type { Elected } from "../election.js";
import type { MemberState } from "../messages.js";
import type { KeyView } from "../ownership/types.js";
import type { GroupContext } from "./context.js";

export interface ExplainedHost {
  readonly name: string;
  readonly self: boolean;
  readonly state: MemberState;
  /** From 1, in the order in which the hashing wants them; null: no candidate, and `why` tells why not. */
  readonly rank: number | null;
  readonly why: string;
  /** The higher the better; its weight is in it. */
  readonly score: number | null;
  readonly weight: number;
  /** Labels of the placement that it has and that are preferred. */
  readonly preferred: number;
  readonly settling: boolean;
  /** Who would be elected if it died; null: not reckoned (no candidate, or an even spread over too many VIPs). */
  readonly without: Elected | null;
}

export interface Explanation {
  readonly view: KeyView;
  readonly together: boolean;
  readonly spread: "hash" | "even";
  readonly failbackAfterMs: number | null;
  readonly frozen: boolean;
  /** To whom an operator moved it, or null. */
  readonly moved: string | null;
  /** Who gets it whatever the hashing says, or null. */
  readonly fixed: string | null;
  readonly hosts: readonly ExplainedHost[];
}

/** `text`: an address, or the name of a group that goes together; null: none of ours. */
export function explain(ctx: GroupContext, text: string): Explanation | null {
  const { ownership, settings, roll, commands, swim, store, options } = ctx;
  const view = ownership.views().find(({ spec }) => spec.key === text || spec.addresses.includes(text));
  const group = settings.groups.find((one) => one.name === view?.spec.group);
  if (view === undefined || group === undefined) return null;
  const { key } = view.spec;
  const moves = commands.moves();
  const { ranked, fixed } = roll.explain(group, key, { frozen: commands.frozen, moves });
  const hosts = swim.members().map((member): ExplainedHost => {
    const { name, state } = member;
    const at = ranked.findIndex((one) => one.name === name);
    const candidate = ranked[at];
    const why = (): string => {
      if (member.foreign) return "is not vipd";
      if (state === "dead" || state === "left") return state === "dead" ? "is held dead" : "has left";
      return roll.whyNot(name, group) ?? "made room for a stranger that uses the VIP";
    };
    return {
      name,
      self: name === options.name,
      state,
      rank: candidate === undefined ? null : at + 1,
      why: candidate === undefined ? why() : "",
      score: candidate?.score ?? null,
      weight: store.facts(name)?.weight ?? 0,
      preferred: candidate?.preference ?? 0,
      settling: candidate?.behind ?? false,
      without: candidate?.without ?? null,
    };
  });
  hosts.sort((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || (a.name < b.name ? -1 : 1));
  return {
    view,
    together: group.together,
    spread: group.spread ?? "hash",
    failbackAfterMs: group.failback === "never" ? null : group.failback.afterMs,
    frozen: commands.frozen,
    moved: moves.get(key) ?? null,
    fixed,
    hosts,
  };
}
