import { describe, expect, it } from "vitest";
import { play } from "./story.js";

/** Seeds that told of a bug once; which one stands in the history of this file. New ones: `npm run sim -- --seeds=100`. */
const FIXED_SEEDS = [
  1000985, 2002164, 2002396, 2003183, 17, 22, 23, 24, 25, 27, 28, 46, 77, 118, 151, 155, 279, 284, 498, 538, 624, 1136,
  2094, 2131, 3013, 3141, 3190, 3214, 3331, 3337, 3417, 3422, 3486, 3514, 3585, 20113, 30000, 30002, 40022, 40070,
  40097, 40155, 50001, 60445, 70322, 70689, 70845, 71431, 73178, 73687, 73847, 73957, 74088, 74441, 74641, 91021,
  300773, 301185, 301353, 301939, 500605, 600419, 302302, 302337, 302556, 302667, 310831, 420103, 420112, 420129,
  611928, 612910, 613163, 702680, 703115, 4000901, 5002695, 5003774, 6000959, 8000726, 11011039, 657404290, 1295318017,
];
const FIXED_QUORUM_SEEDS = [5, 16, 42, 131, 201, 1200112, 1200336, 1200383, 2200065, 2201074, 2201088];

const HOSTS = 5;
const MINUTES = 0.3;

/** The title of a test is the command that repeats it. */
describe("stories: any misfortune in any order, then healing", () => {
  it.each(FIXED_SEEDS)("npm run sim -- --seed=%i --hosts=5 --minutes=0.3", (seed) => {
    expect(play({ seed, hosts: HOSTS, minutes: MINUTES }).chapters).toBeGreaterThan(0);
  });
});

describe("stories with a quorum: whoever is out of reach of a majority for a lease answers for nothing", () => {
  it.each(FIXED_QUORUM_SEEDS)("npm run sim -- --seed=%i --hosts=5 --minutes=0.3 --quorum", (seed) => {
    expect(play({ seed, hosts: HOSTS, minutes: MINUTES, quorum: true }).chapters).toBeGreaterThan(0);
  });
});

describe("wide stories: commands, checks, an even spread and foreign members as well", () => {
  it.each([
    1, 2, 3, 20, 74567, 74768, 90045, 885003, 892020, 960217, 1100560, 1101311, 2101289, 2103443, 3100032, 3100441,
    3103084, 4102387, 4103717, 6100451, 6101581, 6102268, 8400530, 9100032, 11100134,
  ])("npm run sim -- --seed=%i --hosts=5 --minutes=0.3 --wide", (seed) => {
    expect(play({ seed, hosts: HOSTS, minutes: MINUTES, wide: true }).chapters).toBeGreaterThan(0);
  });
});

it("npm run sim -- --seed=10250715 --hosts=5 --minutes=0.3 --quorum --wide", () => {
  expect(play({ seed: 10250715, hosts: HOSTS, minutes: MINUTES, quorum: true, wide: true }).chapters).toBeGreaterThan(
    0,
  );
});
