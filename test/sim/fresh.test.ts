/**
 * Stories that nobody has played before: other ones with each commit, so that the tree meets new ones all the time. A part of
 * `npm run test:soak` until 10 000 in a row are clean (CHANGELOG.md, "Known"): before that they would refuse commits by chance.
 */
import { describe, expect, it } from "vitest";
import { freshSeeds } from "./fresh-seeds.js";
import { play } from "./story.js";

const HOSTS = 5;
const MINUTES = 0.3;

describe("stories that this commit is the first to play", () => {
  it.each(freshSeeds(20))("npm run sim -- --seed=%i --hosts=5 --minutes=0.3", (seed) => {
    expect(play({ seed, hosts: HOSTS, minutes: MINUTES }).chapters).toBeGreaterThan(0);
  });

  it.each(freshSeeds(5))("npm run sim -- --seed=%i --hosts=5 --minutes=0.3 --quorum", (seed) => {
    expect(play({ seed, hosts: HOSTS, minutes: MINUTES, quorum: true }).chapters).toBeGreaterThan(0);
  });
});
