/** Facts: round trip, canonical bytes, defaults, unknown fields, junk. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Facts } from "../../../src/domain/facts.js";
import { decodeFacts, encodeFacts } from "../../../src/wire/facts-codec.js";
import { FACTS_BYTES_MAX } from "../../../src/wire/limits.js";
import { FACTS } from "./samples.js";

describe("facts", () => {
  it("come back", () => {
    const decoded = decodeFacts(encodeFacts(FACTS));
    expect(decoded).toEqual(FACTS);
    expect(encodeFacts(decoded!)).toEqual(encodeFacts(FACTS));
  });

  it("equal facts are equal bytes, whatever the order of the labels", () => {
    const turned: Facts = { ...FACTS, labels: Object.fromEntries(Object.entries(FACTS.labels).reverse()) };
    expect(encodeFacts(turned)).toEqual(encodeFacts(FACTS));
  });

  it("missing fields have safe defaults: not ready, the usual lease", () => {
    expect(decodeFacts(Uint8Array.of(0x80))).toMatchObject({ ready: false, weight: 1, leaseMs: 475, groups: [] });
  });

  it("what a later release adds is passed over", () => {
    const later = Buffer.concat([
      Uint8Array.of(0xde, 0, 2),
      Buffer.from("a27a7a8193c0c2ca00000000c3", "hex"),
      Buffer.from("a172c3", "hex"),
    ]);
    expect(decodeFacts(later)).toMatchObject({ ready: true });
  });

  it("a host that holds every VIP that a configuration can have is within the bound", () => {
    const held = Array.from({ length: 16_384 }, (_, i) => ({
      key: `fd77:1111:2222:3333:4444:5555:6666:${(0x1000 + i).toString(16)}`,
      epoch: 1_700_000_000_000 + i,
    }));
    const facts = { ...FACTS, groups: [{ ...FACTS.groups[0]!, held }] };
    const body = encodeFacts(facts);
    expect(body.length).toBeLessThan(FACTS_BYTES_MAX);
    expect(decodeFacts(body)?.groups[0]?.held).toHaveLength(16_384);
  });

  it("a label named __proto__ stays a label", () => {
    const labels = Object.fromEntries([["__proto__", "x"]]);
    const decoded = decodeFacts(encodeFacts({ ...FACTS, labels }))!;
    expect(Object.entries(decoded.labels)).toEqual([["__proto__", "x"]]);
  });

  it.each([
    ["nothing", []],
    ["a list", [0x90]],
    ["a weight below zero", [0x81, 0xa1, 0x77, 0xff]],
    ["a weight that is no number", [0x81, 0xa1, 0x77, 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]],
    ["a list of four billion groups", [0x81, 0xa1, 0x67, 0xdd, 0xff, 0xff, 0xff, 0xff]],
    ["more than 1 MiB", new Array<number>(1024 * 1024 + 1).fill(0x80)],
  ])("%s is null", (_name, bytes) => {
    expect(decodeFacts(Uint8Array.from(bytes))).toBeNull();
  });

  it("any weight and lease come back, and no junk throws", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), fc.uint8Array(), (weight, junk) => {
        const facts = { ...FACTS, weight: weight + 0, leaseMs: weight / 3 };
        expect(decodeFacts(encodeFacts(facts))).toEqual(facts);
        decodeFacts(junk);
      }),
    );
  });
});
