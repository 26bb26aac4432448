/**
 * `npm run sim`: plays stories in the simulated world, measures, or plants faults. A failure prints the one command that repeats
 * it, and exits 1.
 */
import { parseArgs } from "node:util";
import { measureDetection, quantiles } from "./detection.js";
import { PLANTS, plantAndPlay } from "./planted.js";
import { play } from "./story.js";

const USAGE = `usage: npm run sim [-- --seed=1 --seeds=1 --hosts=5 --minutes=2 --only=MISFORTUNE,… --quorum --wide --keep-going]
       npm run sim -- --table=3,10,100 [--addresses=10]
       npm run sim -- --planted=NAME|all [--seed=1 --seeds=1000]
  --seeds       so many stories, from --seed on; stops at the first that breaks a law
  --minutes     of simulated time, each
  --only        these misfortunes
  --quorum      hosts need a majority to own anything
  --wide        operators' commands, checks, an even spread and foreign members as well
  --keep-going  plays all of them, and says at the end how many broke a law
  --table       how soon a death is known and what rest costs, with so many hosts
  --addresses   so many VIPs; 0: the membership alone, since elections are most of what a thousand hosts that start cost
  --planted     changes one place of a copy of the tree, and plays until somebody notices
`;

const { values } = readOptions();

function readOptions() {
  try {
    return parseArgs({
      options: {
        seed: { type: "string", default: "1" },
        seeds: { type: "string", default: "1" },
        hosts: { type: "string", default: "5" },
        minutes: { type: "string", default: "2" },
        only: { type: "string", default: "" },
        table: { type: "string", default: "" },
        addresses: { type: "string", default: "10" },
        planted: { type: "string" },
        quorum: { type: "boolean", default: false },
        wide: { type: "boolean", default: false },
        "keep-going": { type: "boolean", default: false },
      },
    });
  } catch {
    process.stderr.write(USAGE);
    process.exit(64);
  }
}

const [seed, seeds, hosts, minutes] = [values.seed, values.seeds, values.hosts, values.minutes].map(Number) as [
  number,
  number,
  number,
  number,
];

function playAll(): number {
  const healedMs: number[] = [];
  let chapters = 0;
  let violations = 0;
  const only = values.only === "" ? undefined : values.only.split(",");
  const rest = only === undefined ? "" : ` "--only=${values.only}"`;
  const flags = `${values.quorum ? " --quorum" : ""}${values.wide ? " --wide" : ""}`;
  for (let each = seed; each < seed + seeds; each++) {
    try {
      const result = play({
        seed: each,
        hosts,
        minutes,
        quorum: values.quorum,
        wide: values.wide,
        ...(only === undefined ? {} : { only }),
      });
      chapters += result.chapters;
      healedMs.push(...result.healedMs);
    } catch (error) {
      violations += 1;
      const text = error instanceof Error ? (error.name === "Violation" ? error.message : error.stack) : String(error);
      console.error(values["keep-going"] ? text?.split("\n")[0] : text);
      console.error(
        `repeat it with: npm run sim -- --seed=${each} --hosts=${hosts} --minutes=${minutes}${rest}${flags}`,
      );
      if (!values["keep-going"]) return violations;
    }
  }
  const verdict = violations === 0 ? "no violation" : `${violations} violations`;
  console.log(`${seeds} seeds from ${seed}, ${hosts} hosts, ${minutes} minutes each: ${chapters} chapters, ${verdict}`);
  console.log(`healed within (min / median / p99 / max ms): ${quantiles(healedMs)}`);
  return violations;
}

function printTable(sizes: readonly number[]): void {
  console.log(
    "hosts | first knows (min / median / p99 / max ms) | last knows | datagrams, bytes per host and second | joined",
  );
  for (const size of sizes) {
    const crashes = size > 200 ? 5 : size > 20 ? 20 : 40;
    const { firstMs, lastMs, datagramsPerSecond, bytesPerSecond, joinedMs } = measureDetection({
      seed,
      hosts: size,
      crashes,
      addresses: Number(values.addresses),
    });
    const cost = `${datagramsPerSecond.toFixed(1)}, ${Math.round(bytesPerSecond)}`;
    console.log(`${size} | ${quantiles(firstMs)} | ${quantiles(lastMs)} | ${cost} | ${joinedMs.toFixed(0)} ms`);
  }
}

/** Every planted bug (or the named one) must be found. */
function playPlanted(name: string): number {
  let missed = 0;
  for (const plant of name === "all" ? Object.keys(PLANTS) : [name]) {
    const found = plantAndPlay(process.cwd(), plant, { seed, seeds });
    if (found.seeds === null) missed += 1;
    const verdict = found.seeds === null ? `NOT FOUND in ${seeds} seeds` : `found in seed ${found.seeds}`;
    const { alsoWithout } = found;
    const passed = alsoWithout.length === 0 ? "" : ` (fail without it, too: ${alsoWithout.join(" ")})`;
    console.log(`${plant}: ${verdict}${passed}${found.violation === "" ? "" : `: ${found.violation}`}`);
  }
  return missed;
}

if (values.planted !== undefined) process.exitCode = playPlanted(values.planted) === 0 ? 0 : 1;
else if (values.table !== "") printTable(values.table.split(",").map(Number));
else process.exitCode = playAll() === 0 ? 0 : 1;
