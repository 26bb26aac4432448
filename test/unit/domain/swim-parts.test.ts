import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MemberState, Message } from "../../../src/domain/messages.js";
import { PROFILES } from "../../../src/domain/profile.js";
import { BroadcastQueue, retransmits } from "../../../src/domain/swim/broadcasts.js";
import { ageOf, refutation, rule } from "../../../src/domain/swim/precedence.js";
import { WatchRanks, watchersOf } from "../../../src/domain/swim/rank.js";
import { Suspicion, suspicionTerms } from "../../../src/domain/swim/suspicion.js";

describe("precedence", () => {
  const states: readonly MemberState[] = ["alive", "suspect", "dead", "left"];
  const claim = fc.record({ state: fc.constantFrom(...states), incarnation: fc.integer({ min: 1, max: 4 }) });

  function apply(claims: readonly { state: MemberState; incarnation: number }[]) {
    let known: { state: MemberState; incarnation: number } = { state: "alive", incarnation: 1 };
    for (const next of claims) {
      const ruling = rule(known.state, next.state, ageOf(next.incarnation, known.incarnation));
      if (ruling === "accept") known = next;
      else if (ruling === "raise") known = { ...known, incarnation: next.incarnation };
      expect(known.incarnation).toBeGreaterThanOrEqual(1);
    }
    return known;
  }

  it("whoever hears the same claims in another order lives or dies alike, once the member has spoken last", () => {
    fc.assert(
      fc.property(fc.array(claim, { maxLength: 8 }), fc.integer(), (claims, salt) => {
        const shuffled = [...claims].sort(
          (a, b) => ((a.incarnation * 7 + salt) % 3) - ((b.incarnation * 7 + salt) % 3),
        );
        const last = { state: "alive", incarnation: 9 } as const;
        expect(apply([...claims, last])).toEqual(apply([last, ...shuffled]));
      }),
    );
  });

  it("the incarnation never goes back, and nobody revives without a newer one", () => {
    fc.assert(
      fc.property(fc.constantFrom(...states), fc.constantFrom(...states), (known, next) => {
        expect(rule(known, next, "older")).toBe("older");
        if (next === "alive") expect(rule(known, next, "equal")).toBe("known");
      }),
    );
  });

  it("a refutation is above both, and never wraps", () => {
    expect(refutation(3, 7)).toBe(8);
    expect(refutation(9, 7)).toBe(10);
    expect(refutation(0xffff_fff0, 0xffff_ffff)).toBeLessThanOrEqual(0xffff_ff00);
  });
});

describe("who watches whom", () => {
  it("our rank, kept step by step, is the one that the definition gives", () => {
    const step = fc.record({ name: fc.integer({ min: 0, max: 12 }), watcher: fc.boolean(), watched: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const ranks = new WatchRanks("us");
        const watchers = new Set(["us"]);
        const watched = new Set<string>();
        for (const { name: n, watcher, watched: wanted } of steps) {
          const name = `h${n}`;
          ranks.setWatcher(name, watcher);
          ranks.setWatched(name, wanted);
          if (watcher) watchers.add(name);
          else watchers.delete(name);
          if (wanted) watched.add(name);
          else watched.delete(name);
        }
        for (const name of watched) expect(ranks.rank(name)).toBe(watchersOf(name, [...watchers]).indexOf("us"));
      }),
    );
  });

  it("the duty is spread: nobody of a hundred watches more than a dozen at three watchers each", () => {
    const names = Array.from({ length: 100 }, (_, i) => `host-${i}`);
    const duties = new Map<string, number>();
    for (const name of names) {
      for (const watcher of watchersOf(name, names).slice(0, 3)) duties.set(watcher, (duties.get(watcher) ?? 0) + 1);
    }
    expect(Math.max(...duties.values())).toBeLessThanOrEqual(12);
  });
});

describe("suspicion", () => {
  it("a foreign member of a pool of ten gets memberlist's 4 to 24 s", () => {
    expect(suspicionTerms(PROFILES.lan, 10, true)).toEqual({ minMs: 4000, maxMs: 24_000, confirmations: 2 });
  });

  it("two independent voices bring it down to the least, the first one's echo does not", () => {
    const terms = suspicionTerms(PROFILES.lan, 10, true);
    const suspicion = new Suspicion({ incarnation: 1, from: "a", terms, now: 0, round: 1 });
    expect(suspicion.dueAt).toBe(24_000);
    expect(suspicion.confirm("a")).toBe(false);
    expect(suspicion.confirm("b")).toBe(true);
    expect(suspicion.dueAt).toBe(11_381);
    expect(suspicion.confirm("c")).toBe(true);
    expect(suspicion.dueAt).toBe(4000);
    expect(suspicion.confirm("d")).toBe(false);
  });
});

describe("the broadcast queue", () => {
  const message = (node: string): Message => ({ kind: "suspect", incarnation: 1, node, from: "x" });

  it("sends the fewest sent first, each a bounded number of times", () => {
    const queue = new BroadcastQueue(10);
    queue.put("a", message("a"), 50);
    expect(queue.take(52, 255, 2, true)).toEqual([message("a")]);
    queue.put("b", message("b"), 50);
    expect(queue.take(52, 255, 2, true)).toEqual([message("b")]);
    queue.take(200, 255, 2, true);
    expect(queue.size).toBe(0);
  });

  it("keeps one entry a subject", () => {
    const queue = new BroadcastQueue(10);
    queue.put("a", message("old"), 50);
    queue.put("a", message("new"), 50);
    expect(queue.take(1000, 255, 1, true)).toEqual([message("new")]);
  });

  it("is bounded: the most often sent goes", () => {
    const queue = new BroadcastQueue(2);
    queue.put("a", message("a"), 50);
    queue.take(1000, 255, 9, true);
    queue.put("b", message("b"), 50);
    expect(queue.put("c", message("c"), 50)).toBe(false);
    expect(queue.take(1000, 255, 9, true)).toEqual([message("c"), message("b")]);
  });

  it("sends as often as memberlist does", () => {
    expect([1, 9, 10, 99, 100].map((n) => retransmits(4, n))).toEqual([4, 4, 8, 8, 12]);
  });
});
