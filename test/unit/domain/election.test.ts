import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Candidate, GroupElection, ranking } from "../../../src/domain/election.js";

const KEYS = Array.from({ length: 2000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
const NONE = new Map<string, string>();

function hosts(...names: string[]): Candidate[] {
  return names.map((name) => ({ name, weight: 1, behind: false }));
}

function ownersOf(
  keys: readonly string[],
  candidates: readonly Candidate[],
  incumbents = NONE,
): Map<string, string | null> {
  const election = new GroupElection(keys);
  election.elect(candidates, incumbents);
  return new Map([...election.entries()].map(([key, elected]) => [key, elected.owner]));
}

describe("rendezvous election", () => {
  it("ranks in the open as it elects: the first is the owner, the second the heir, behind, preferred and fixed ones in place", () => {
    const candidates: Candidate[] = [
      { name: "a", weight: 1, behind: false },
      { name: "b", weight: 2.5, behind: true },
      { name: "c", weight: 1, behind: false, preference: 1 },
      { name: "d", weight: 3, behind: false, refused: new Set(KEYS.slice(0, 40)) },
    ];
    const fixed = new Map(KEYS.slice(20, 60).map((key) => [key, "b"]));
    const election = new GroupElection(KEYS.slice(0, 80));
    election.elect(candidates, fixed);
    for (const [key, { owner, heir }] of election.entries()) {
      const names = ranking(candidates, key, fixed.get(key)).map(({ candidate }) => candidate.name);
      expect([key, names.slice(0, 2)]).toEqual([key, [owner, heir]]);
      expect(names.includes("d")).toBe(!candidates[3]!.refused!.has(key));
    }
  });

  it("tells of every key what came of the first election, also that nobody is elected: somebody was before a reload", () => {
    const election = new GroupElection(["10.0.0.1", "10.0.0.2"]);
    expect([...election.elect([], NONE).keys()]).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(election.elect(hosts("a"), NONE).size).toBe(2);
    expect(election.elect(hosts("a", "b"), NONE).size).toBe(2);
    expect(election.elect(hosts("a", "b"), NONE).size).toBe(0);
  });

  it("gives the same owners whatever the order of arrival", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 12 }),
        fc.nat(),
        (names, seed) => {
          const shuffled = [...names].sort((a, b) => ((a.length * 7 + seed) % 5) - ((b.length * 7 + seed) % 5));
          expect(ownersOf(KEYS.slice(0, 50), hosts(...shuffled))).toEqual(ownersOf(KEYS.slice(0, 50), hosts(...names)));
        },
      ),
    );
  });

  it("moves only the keys of a host that goes, each to its heir", () => {
    const election = new GroupElection(KEYS);
    election.elect(hosts("a", "b", "c", "d"), NONE);
    const before = new Map(election.entries());
    const changed = election.elect(hosts("a", "b", "d"), NONE);
    for (const [key, now] of election.entries()) {
      const was = before.get(key)!;
      if (was.owner === "c") expect(now.owner).toBe(was.heir);
      else expect(now.owner).toBe(was.owner);
      expect(changed.has(key)).toBe(was.owner === "c" || was.heir === "c");
    }
  });

  it("spreads the keys evenly, and by weight where weights differ", () => {
    const count = (owners: Map<string, string | null>, name: string) =>
      [...owners.values()].filter((o) => o === name).length;
    const even = ownersOf(KEYS, hosts("a", "b", "c"));
    for (const name of ["a", "b", "c"]) expect(count(even, name)).toBeGreaterThan(560);
    const weighted = ownersOf(KEYS, [
      { name: "a", weight: 3, behind: false },
      { name: "b", weight: 1, behind: false },
    ]);
    expect(count(weighted, "a") / KEYS.length).toBeGreaterThan(0.71);
    expect(count(weighted, "a") / KEYS.length).toBeLessThan(0.79);
  });

  it("ranks those who settle behind the settled, and counts them when nobody else is there", () => {
    const newcomer: Candidate = { name: "n", weight: 1000, behind: true };
    expect(new Set(ownersOf(KEYS, [...hosts("a"), newcomer]).values())).toEqual(new Set(["a"]));
    expect(new Set(ownersOf(KEYS, [newcomer]).values())).toEqual(new Set(["n"]));
  });

  it("keeps an incumbent while it is a candidate", () => {
    const free = ownersOf(["k"], hosts("a", "b")).get("k");
    const other = free === "a" ? "b" : "a";
    expect(ownersOf(["k"], hosts("a", "b"), new Map([["k", other]])).get("k")).toBe(other);
    expect(ownersOf(["k"], hosts(free!), new Map([["k", other]])).get("k")).toBe(free);
  });

  it("has no owner without a candidate, and no heir with one", () => {
    const election = new GroupElection(["k"]);
    election.elect([], NONE);
    expect([...election.entries()]).toEqual([["k", { owner: null, heir: null }]]);
    election.elect(hosts("a"), NONE);
    expect([...election.entries()]).toEqual([["k", { owner: "a", heir: null }]]);
  });
});
