import { describe, expect, it } from "vitest";
import { play } from "./story.js";

/** Seeds that told of a bug once; which one stands in the history of this file. New ones: `npm run sim -- --seeds=100`. */
const FIXED_SEEDS = [17, 22, 23, 27, 28, 77, 118, 151, 155, 279, 284, 498, 624, 1136, 1295318017];

describe("stories: any misfortune in any order, then healing", () => {
  it.each(FIXED_SEEDS)("npm run sim -- --seed=%i --hosts=5 --minutes=0.3", (seed) => {
    expect(play({ seed, hosts: 5, minutes: 0.3 }).chapters).toBeGreaterThan(0);
  });
});

describe("stories with a quorum: whoever is out of reach of a majority for a lease answers for nothing", () => {
  it.each([5, 42, 131, 201])("npm run sim -- --seed=%i --hosts=5 --minutes=0.3 --quorum", (seed) => {
    expect(play({ seed, hosts: 5, minutes: 0.3, quorum: true }).chapters).toBeGreaterThan(0);
  });
});
