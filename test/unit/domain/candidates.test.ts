import { describe, expect, it } from "vitest";
import { FACTS_FORMAT, type Facts, UNSTEADY } from "../../../src/domain/facts.js";
import { candidatesOf, type KnownHost } from "../../../src/domain/group/candidates.js";

const WEB = { name: "web", digest: 1 };
const LAPSED = `${UNSTEADY} (or held dead and unanswered) 3 times within 60 s`;

function host(name: string, barred: string, instance: number): KnownHost {
  const facts: Facts = {
    format: FACTS_FORMAT,
    weight: 1,
    labels: {},
    draining: false,
    barred,
    ready: true,
    leaseMs: 450,
    leaseExtensionMs: 100,
    defersTo: [],
    interfaces: [],
    groups: [
      {
        name: "web",
        digest: 1,
        interface: "eth0",
        eligible: true,
        reason: "",
        settled: true,
        deferring: false,
        held: [],
      },
    ],
  };
  return { name, instance, facts };
}

describe("who may be elected", () => {
  it.each([
    ["a steady host before an unsteady one", { a: LAPSED, b: "" }, ["b"]],
    ["an unsteady one before none at all", { a: LAPSED, b: LAPSED }, ["a", "b"]],
    ["an unsteady one before one with a name conflict", { a: LAPSED, b: "name-conflict" }, ["a"]],
    ["nobody rather than a name conflict", { a: "name-conflict" }, []],
  ])("%s", (_, bars, wanted) => {
    const hosts = Object.entries(bars).map(([name, barred], i) => host(name, barred, i));
    expect(candidatesOf(hosts, WEB).map((candidate) => candidate.name)).toEqual(wanted);
  });
});
