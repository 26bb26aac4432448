import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Candidate, GroupElection } from "../../../src/domain/election.js";
import { sharesOf } from "../../../src/domain/even.js";

type Owners = Map<string, string>;

function hosts(names: readonly string[], weight = 1): Candidate[] {
  return names.map((name) => ({ name, weight, behind: false }));
}

function keysOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
}

function elect(keys: readonly string[], candidates: readonly Candidate[], holders: Owners = new Map()): GroupElection {
  const election = new GroupElection(keys);
  election.elect(candidates, new Map(), holders);
  return election;
}

function ownersOf(election: GroupElection): Owners {
  return new Map([...election.entries()].map(([key, { owner }]) => [key, owner ?? "nobody"]));
}

function countsOf(owners: Owners, candidates: readonly Candidate[]): number[] {
  return candidates.map((c) => [...owners.values()].filter((owner) => owner === c.name).length);
}

function moves(before: Owners, after: Owners): number {
  return [...after].filter(([key, owner]) => before.get(key) !== owner).length;
}

const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 9 });
const count = fc.integer({ min: 0, max: 120 });
/** Any assignment at all, as a history of deaths and moves might have left it. */
const history = fc.infiniteStream(fc.nat({ max: 20 }));

describe("an even spread", () => {
  it("has counts that differ by at most one, from whatever was held before", () => {
    fc.assert(
      fc.property(names, count, history, (some, n, at) => {
        const keys = keysOf(n);
        const holders: Owners = new Map(keys.flatMap((key) => [[key, some[at.next().value] ?? "gone"] as const]));
        const counts = countsOf(ownersOf(elect(keys, hosts(some), holders)), hosts(some));
        expect(counts.reduce((a, b) => a + b, 0)).toBe(n);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("obeys an operator who moves a key to a host that ranks behind, and shares the rest among the others", () => {
    const keys = keysOf(7);
    const candidates = hosts(["a", "b"]).concat({ name: "late", weight: 1, behind: true });
    const election = new GroupElection(keys);
    election.elect(candidates, new Map([[keys[3]!, "late"]]), new Map());
    expect(ownersOf(election).get(keys[3]!)).toBe("late");
    expect(countsOf(ownersOf(election), candidates)).toEqual([3, 3, 1]);
  });

  it("moves only what must move: nobody's keys, and what is held beyond a share", () => {
    fc.assert(
      fc.property(names, count, history, (some, n, at) => {
        const keys = keysOf(n);
        const holders: Owners = new Map(keys.map((key) => [key, some[at.next().value] ?? "gone"]));
        const after = ownersOf(elect(keys, hosts(some), holders));
        const held = some.map((name) => [...holders.values()].filter((owner) => owner === name).length);
        const floor = Math.floor(n / some.length);
        let extra = n % some.length;
        const kept = [...held]
          .sort((a, b) => b - a)
          .map((own) => (own > floor && extra-- > 0 ? floor + 1 : Math.min(own, floor)))
          .reduce((a, b) => a + b, 0);
        expect(moves(holders, after)).toBe(n - kept);
      }),
    );
  });

  it("a death moves the dead host's keys, each to the heir that was named; a return moves no more than its share", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), count, (h, n) => {
        const keys = keysOf(n);
        const all = hosts(Array.from({ length: h }, (_, i) => `host-${i}`));
        const election = elect(keys, all);
        const before = ownersOf(election);
        const heirs = new Map([...election.entries()].map(([key, { heir }]) => [key, heir]));
        const dead = all[0]!.name;
        const after = ownersOf(elect(keys, all.slice(1), before));
        for (const key of keys)
          expect(after.get(key)).toBe(before.get(key) === dead ? heirs.get(key) : before.get(key));
        const back = ownersOf(elect(keys, all, after));
        expect(moves(after, back)).toBe(countsOf(back, [all[0]!])[0]);
      }),
    );
  });

  it("a move that is half done changes nothing in what is elected", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 6 }), count, history, (h, n, at) => {
        const keys = keysOf(n);
        const all = hosts(Array.from({ length: h }, (_, i) => `host-${i}`));
        const before: Owners = new Map(keys.map((key) => [key, all[at.next().value]?.name ?? "gone"]));
        const wanted = ownersOf(elect(keys, all, before));
        const halfway = new Map(keys.map((key) => [key, (at.next().value % 2 === 0 ? before : wanted).get(key)!]));
        expect(ownersOf(elect(keys, all, halfway))).toEqual(wanted);
      }),
    );
  });

  it("is the same whatever the order of the hosts", () => {
    fc.assert(
      fc.property(names, count, (some, n) => {
        const keys = keysOf(n);
        const sorted = hosts([...some].sort());
        expect(ownersOf(elect(keys, [...sorted].reverse()))).toEqual(ownersOf(elect(keys, sorted)));
      }),
    );
  });

  it("follows weights, within one of the exact share", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }), count, (weights, n) => {
        const all = weights.map((weight, i) => ({ name: `h${i}`, weight, behind: false }));
        const total = weights.reduce((a, b) => a + b, 0);
        const counts = countsOf(ownersOf(elect(keysOf(n), all)), all);
        for (const [i, own] of counts.entries()) expect(Math.abs(own - (n * weights[i]!) / total)).toBeLessThan(1);
      }),
    );
  });

  it("gives nothing to hosts that rank behind, or are preferred less, while others are there", () => {
    const all: Candidate[] = [
      { name: "a", weight: 1, behind: false, preference: 1 },
      { name: "b", weight: 1, behind: false, preference: 1 },
      { name: "c", weight: 1, behind: false, preference: 0 },
      { name: "d", weight: 1, behind: true, preference: 1 },
    ];
    expect(countsOf(ownersOf(elect(keysOf(10), all)), all)).toEqual([5, 5, 0, 0]);
    expect(countsOf(ownersOf(elect(keysOf(10), all.slice(2))), all)).toEqual([0, 0, 10, 0]);
  });

  it("keeps moves of an operator, and still places every key", () => {
    const election = new GroupElection(keysOf(9));
    election.elect(hosts(["a", "b", "c"]), new Map(keysOf(5).map((key) => [key, "a"])), new Map());
    expect(countsOf(ownersOf(election), hosts(["a", "b", "c"]))).toEqual([5, 2, 2]);
  });

  it("elects nobody where nobody is", () => {
    expect(ownersOf(elect(["k"], []))).toEqual(new Map([["k", "nobody"]]));
  });

  it("shares add up, also where fractions do not", () => {
    const all = [0.1, 0.2, 0.7].map((weight, i) => ({ name: `h${i}`, weight }));
    expect(sharesOf(10, all, [0, 0, 0])).toEqual([1, 2, 7]);
  });
});
