/** The memory of opened datagrams: it remembers enough, and never more than it may. */
import { describe, expect, it } from "vitest";
import { SeenNonces } from "../../../src/adapters/gossip-transport-seen.js";

describe("the nonces that were seen", () => {
  it("the latest are remembered, at least as many as it is for", () => {
    const seen = new SeenNonces(100);
    for (let i = 0; i < 1000; i++) {
      seen.add(i);
      for (let back = 0; back < Math.min(i, 100); back++) expect(seen.has(i - back)).toBe(true);
    }
    expect(seen.has(0)).toBe(false);
  });

  it("it holds at most twice that", () => {
    const seen = new SeenNonces(100);
    for (let i = 0; i < 10_000; i++) {
      seen.add(i);
      expect(seen.size).toBeLessThanOrEqual(200);
    }
  });

  it("each is told from all others, random and chosen ones, up to 48 bits", () => {
    const seen = new SeenNonces(1000);
    const known = new Set<number>();
    for (let i = 0; i < 1000; i++) {
      const nonce = i % 2 === 0 ? i * 2 ** 16 : Math.floor(Math.random() * 2 ** 48);
      seen.add(nonce);
      seen.add(nonce);
      known.add(nonce);
    }
    expect(seen.size).toBe(known.size);
    for (const nonce of known) {
      expect(seen.has(nonce)).toBe(true);
      expect(seen.has(nonce + 1)).toBe(known.has(nonce + 1));
    }
  });
});
