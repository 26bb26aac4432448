/** The prober's order of servers: by question, so that a late answer is no change of hands, and a real one is never hidden. */
import fc from "fast-check";
import { expect, it } from "vitest";

const file = new URL("../lab/lib/servers.mjs", import.meta.url).href;
const { Servers } = (await import(file)) as {
  Servers: new () => {
    answered(seq: number, name: string, atMs: number): void;
    list(): readonly { name: string; fromMs: number }[];
  };
};

function listOf(answers: readonly (readonly [number, string])[]): readonly string[] {
  const servers = new Servers();
  answers.forEach(([seq, name], i) => void servers.answered(seq, name, i));
  return servers.list().map(({ name, fromMs }) => `${name} ${fromMs}`);
}

it.each<[string, readonly (readonly [number, string])[], readonly string[]]>([
  ["nobody answered", [], []],
  [
    "a late answer of the former owner",
    [
      [0, "c"],
      [2, "a"],
      [1, "c"],
      [3, "a"],
    ],
    ["c 0", "a 1"],
  ],
  [
    "a late answer of the heir",
    [
      [0, "c"],
      [3, "a"],
      [2, "a"],
      [1, "c"],
    ],
    ["c 0", "a 1"],
  ],
  [
    "an owner that came back",
    [
      [0, "c"],
      [1, "a"],
      [2, "c"],
    ],
    ["c 0", "a 1", "c 2"],
  ],
  [
    "two voices, of which one is late",
    [
      [0, "c"],
      [2, "c"],
      [1, "a"],
    ],
    ["c 0", "a 2", "c 1"],
  ],
])("%s", (_name, answers, wanted) => {
  expect(listOf(answers)).toEqual(wanted);
});

it("does not depend on the order in which answers come", () => {
  const names = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 30 });
  fc.assert(
    fc.property(names, fc.infiniteStream(fc.nat()), (byQuestion, keys) => {
      const answers = byQuestion.map((name, seq) => [seq, name, keys.next().value as number] as const);
      const shuffled = [...answers].sort((x, y) => x[2] - y[2]).map(([seq, name]) => [seq, name] as const);
      const wanted = byQuestion.filter((name, i) => name !== byQuestion[i - 1]);
      expect(listOf(shuffled).map((line) => line.split(" ")[0])).toEqual(wanted);
    }),
  );
});
