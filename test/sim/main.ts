/**
 * `npm run sim -- --seed=N --hosts=N --minutes=N [--seeds=COUNT]`: plays stories and prints the detection table. A failure
 * prints the one command that repeats it, and exits 1.
 */
import { parseArgs } from "node:util";
import { measureDetection, quantiles } from "./detection.js";
import { play } from "./story.js";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    seeds: { type: "string", default: "1" },
    hosts: { type: "string", default: "5" },
    minutes: { type: "string", default: "2" },
    table: { type: "boolean", default: false },
  },
});

const [seed, seeds, hosts, minutes] = [values.seed, values.seeds, values.hosts, values.minutes].map(Number) as [
  number,
  number,
  number,
  number,
];

function playAll(): void {
  const healedMs: number[] = [];
  let chapters = 0;
  for (let each = seed; each < seed + seeds; each++) {
    try {
      const result = play({ seed: each, hosts, minutes });
      chapters += result.chapters;
      healedMs.push(...result.healedMs);
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      console.error(`\nrepeat it with: npm run sim -- --seed=${each} --hosts=${hosts} --minutes=${minutes}`);
      process.exit(1);
    }
  }
  console.log(
    `${seeds} seeds from ${seed}, ${hosts} hosts, ${minutes} minutes each: ${chapters} chapters, no violation`,
  );
  console.log(`healed within (min / median / p99 / max ms): ${quantiles(healedMs)}`);
}

function printTable(): void {
  console.log(
    "hosts  first knows (min / median / p99 / max ms)  last knows  datagrams per host and second  joined within ms",
  );
  for (const [size, crashes] of [
    [3, 40],
    [10, 40],
    [100, 20],
  ] as const) {
    const { firstMs, lastMs, datagramsPerSecond, joinedMs } = measureDetection({ seed, hosts: size, crashes });
    const cost = datagramsPerSecond.toFixed(1);
    console.log(`${size}  ${quantiles(firstMs)}  ${quantiles(lastMs)}  ${cost}  ${joinedMs.toFixed(0)}`);
  }
}

playAll();
if (values.table || seeds === 1) printTable();
