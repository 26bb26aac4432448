import { describe, expect, it } from "vitest";
import type { Facts } from "../../../src/domain/facts.js";
import { FactsStore } from "../../../src/domain/facts-store.js";
import type { Meta } from "../../../src/domain/messages.js";

const codec = { encode: () => new Uint8Array([1]), decode: () => ({}) as Facts };

function envelope(instance: number, version: number) {
  return { name: "b", instance, version, body: new Uint8Array([version]) };
}

function metaOf(instance: number): Meta {
  return { kind: "vipd", format: 1, instance, factsVersion: 1, factsDigest: 0 };
}

describe("facts of a member that is gone for good", () => {
  function forgotten(): FactsStore {
    const store = new FactsStore({ self: "a", instance: 1, codec });
    expect(store.offer(envelope(7, 3), metaOf(7))).toBe("taken");
    store.forget("b");
    expect(store.facts("b")).toBeUndefined();
    return store;
  }

  it("are not taken again from others, who forget it a little later", () => {
    expect(forgotten().offer(envelope(7, 3), undefined)).toBe("older");
  });

  it("are taken of another life of it", () => {
    expect(forgotten().offer(envelope(8, 1), undefined)).toBe("taken");
  });

  it("are taken when it is a member again", () => {
    expect(forgotten().offer(envelope(7, 3), metaOf(7))).toBe("taken");
  });
});
