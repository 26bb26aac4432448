import { describe, expect, test } from "vitest";
import { type Answers, configFor, nextSteps, quorumAdvice, readHost } from "../../../src/cli/init-plan.js";

const a = { name: "a", address: "10.0.0.1" };
const b = { name: "b", address: "10.0.0.2" };
const c = { name: "c", address: "fd00::3" };
const answers: Answers = { interface: "eth0", vips: ["10.0.0.100"], hosts: [a, b, c], quorum: false, schema: null };

describe("a host on the command line", () => {
  test.each<[string, object | null]>([
    ["a=10.0.0.1", a],
    ["c=fd00:0::3", c],
    ["a", null],
    ["=10.0.0.1", null],
    ["a=10.0.0.300", null],
    ["../x=10.0.0.1", null],
  ])("%s", (text, expected) => expect(readHost(text)).toEqual(expected));
});

test("each host's file has its own name and address, and joins the others", () => {
  expect(JSON.parse(configFor(b, answers))).toEqual({
    node: { name: "b" },
    gossip: { bind: "10.0.0.2:7979", join: ["10.0.0.1:7979", "[fd00::3]:7979"], keyFile: "gossip.key" },
    vips: [{ name: "vips", addresses: ["10.0.0.100"], interface: "eth0" }],
  });
});

test("editors find the schema where the package has put it", () => {
  const file = "/usr/share/vipd/config.schema.json";
  expect(JSON.parse(configFor(a, { ...answers, schema: file }))).toHaveProperty("$schema", `file://${file}`);
});

test("a quorum is asked of all hosts", () => {
  expect(JSON.parse(configFor(a, { ...answers, quorum: true }))).toMatchObject({ quorum: "majority", expect: 3 });
});

describe("what is said of two hosts", () => {
  test.each<[string, Partial<Answers>, string]>([
    ["three hosts", {}, ""],
    ["two hosts", { hosts: [a, b] }, "both serve the VIPs"],
    ["two hosts with a quorum", { hosts: [a, b], quorum: true }, "silences the other"],
  ])("%s", (_, change, text) => {
    const said = quorumAdvice({ ...answers, ...change });
    if (text === "") expect(said).toBe("");
    else expect(said).toContain(text);
  });
});

test("one copy for each other host, then a look and a question", () => {
  const steps = nextSteps(answers, { folder: "/etc/vipd", here: "a", copies: "/etc/vipd/hosts" });
  expect(steps).toEqual([
    "tar c -C /etc/vipd/hosts/b config.json gossip.key | ssh root@10.0.0.2 tar x -C /etc/vipd",
    "tar c -C /etc/vipd/hosts/c config.json gossip.key | ssh root@fd00::3 tar x -C /etc/vipd",
    "vipd status",
    "vipd verify 10.0.0.100",
  ]);
  const elsewhere = nextSteps(answers, { folder: "/srv/vipd", here: "a", copies: "/srv/vipd/hosts" });
  expect(elsewhere.slice(2)).toEqual([
    "vipd status --config /srv/vipd/config.json",
    "vipd verify 10.0.0.100 --config /srv/vipd/config.json",
  ]);
});
