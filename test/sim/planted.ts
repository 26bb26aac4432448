/**
 * Planted bugs: does the simulation find what it should? Each is a change of one place in the product's code, made in a copy
 * of the tree outside of it. Purpose: `npm run sim -- --planted[=NAME] --seeds=1000` says after how many seeds each was
 * found: the first that fails with it and not without it. Boundary: the tree itself is never touched; a place that is no
 * longer there is an error, so plants do not rot.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { play } from "./story.js";
import { Violation } from "./violation.js";

interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

interface Plant {
  readonly changes: readonly Change[];
  /** The stories in which it is looked for; else those that CI plays. */
  readonly stories?: { readonly quorum?: boolean; readonly wide?: boolean; readonly only?: readonly string[] };
}

const PLAIN: NonNullable<Plant["stories"]> = {};

export const PLANTS: Readonly<Record<string, Plant>> = {
  "a precedence rule turned round": {
    changes: [
      {
        file: "src/domain/swim/precedence.ts",
        from: 'return age === "newer" ? "accept" : "known";',
        to: 'return "accept";',
      },
    ],
  },
  "a refutation dropped": {
    changes: [
      {
        file: "src/domain/swim/verdicts.ts",
        from: "    this.#refute(claim.incarnation, from);\n    // It would",
        to: "    // It would",
      },
    ],
  },
  "an incarnation taken back": {
    changes: [
      {
        file: "src/domain/swim/precedence.ts",
        from: 'if (age === "older") return "older";',
        to: 'if (age === "older" && claim !== "alive") return "older";\n  if (age === "older") return "accept";',
      },
    ],
  },
  "the lease outlives its lapse": {
    changes: [
      {
        file: "test/sim/native.ts",
        from: "return this.#host.clock() < this.#leaseUntil;",
        to: "return this.#leaseUntil > 0;",
      },
      {
        file: "src/domain/group/deeds.ts",
        from: "if (until === this.#leaseSent && renews === this.#renewsSent) return;",
        to: "if (until < 0 || (until === this.#leaseSent && renews === this.#renewsSent)) return;",
      },
    ],
  },
  "the heir does not wait for the lease": {
    changes: [
      {
        file: "src/domain/ownership/claiming.ts",
        from: "if (now >= notBefore) continue;",
        to: "if (now >= 0) continue;",
      },
      {
        file: "src/domain/ownership/questions.ts",
        from: "Math.max(silentSince + askAfterMs, heardAt + view.leaseOf(member))",
        to: "now",
      },
    ],
    stories: { wide: true, only: ["stall", "restart", "the segment stalls", "weather on the segment"] },
  },
  "the wire is not asked": {
    changes: [
      {
        file: "src/domain/ownership/questions.ts",
        from: "if (name !== view.self && (member === null || weight(name) > weight(member))) member = name;",
        to: "",
      },
    ],
  },
  "the loser of a healing does not go silent": {
    changes: [
      {
        file: "src/domain/ownership/releasing.ts",
        from: "  ctx.out.silence(placesOf(key, fresh));",
        to: "",
      },
      { file: "test/sim/native.ts", from: 'if (yielded) entry.hold = "yielded";', to: "" },
    ],
  },
  "the winner of a healing does not announce": {
    changes: [
      {
        file: "src/domain/ownership/context.ts",
        from: "export function announceAgain(ctx: Context, key: Key, toward: string | null, now: Millis): void {",
        to: "export function announceAgain(ctx: Context, key: Key, toward: string | null, now: Millis): void {\n  if (now > 0) return;",
      },
    ],
  },
  "old evidence silences": {
    changes: [
      {
        file: "src/domain/ownership/releasing.ts",
        from: "return heard.at >= key.announcedAt && heard.at + CROSSING_MS >= lastRoundAt(key, now);",
        to: "return true;",
      },
    ],
  },
  "a quorum's lease dated at the ack": {
    changes: [
      {
        file: "src/domain/swim/inbox.ts",
        from: "this.#parts.quorum.answered(member, payload.instance, sentAt,",
        to: "this.#parts.quorum.answered(member, payload.instance, now,",
      },
    ],
    stories: { quorum: true },
  },
  "a lease that ran out is extended on the loop": {
    changes: [{ file: "test/sim/host.ts", from: " || now >= this.leaseUntil) {", to: ") {" }],
  },
  "a quorum's lease is extended on the loop": {
    changes: [
      {
        file: "src/domain/group/context.ts",
        from: "return this.options.renews === true && this.quorum.terms === null;",
        to: "return this.options.renews === true;",
      },
    ],
    stories: { quorum: true },
  },
  "no thaw": {
    changes: [
      {
        file: "src/domain/group/group.ts",
        from: "if (lease.lapsed(now)) this.#life.thaw();",
        to: "if (lease.lapsed(now)) lease.caughtUp(now, { alone: false });",
      },
    ],
  },
};

export interface Finding {
  /** Null: not found. */
  readonly seeds: number | null;
  readonly violation: string;
  /** Seeds that fail without the plant as well: they prove nothing. */
  readonly alsoWithout: readonly number[];
}

const HOSTS = 5;
const MINUTES = 0.3;

export function plantAndPlay(root: string, plant: string, options: { seed: number; seeds: number }): Finding {
  const copy = mkdtempSync(join(tmpdir(), "vipd-planted-"));
  const stories = PLANTS[plant]?.stories ?? PLAIN;
  const end = options.seed + options.seeds;
  const alsoWithout: number[] = [];
  try {
    plantIn(copy, root, plant);
    for (let seed = options.seed; seed < end; ) {
      const failed = firstFailure(copy, { seed, seeds: end - seed, stories });
      if (failed === null) break;
      if (!failsWithout(failed.seed, stories)) {
        return { seeds: failed.seed - options.seed + 1, violation: failed.violation, alsoWithout };
      }
      alsoWithout.push(failed.seed);
      seed = failed.seed + 1;
    }
    return { seeds: null, violation: "", alsoWithout };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function plantIn(copy: string, root: string, plant: string): void {
  const changes = PLANTS[plant]?.changes;
  if (changes === undefined) throw new Error(`no plant is called ${JSON.stringify(plant)}`);
  for (const part of ["src", "test/sim", "package.json", "tsconfig.json"]) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  for (const { file, from, to } of changes) {
    const source = readFileSync(join(copy, file), "utf8");
    if (!source.includes(from)) throw new Error(`${plant}: ${file} no longer says ${JSON.stringify(from)}`);
    writeFileSync(join(copy, file), source.replace(from, to));
  }
}

/** The first seed that the tree in `copy` does not survive. A run that ends without a verdict is an error, not a finding. */
function firstFailure(
  copy: string,
  { seed, seeds, stories }: { seed: number; seeds: number; stories: NonNullable<Plant["stories"]> },
): { seed: number; violation: string } | null {
  const story = [`--seed=${seed}`, `--seeds=${seeds}`, `--hosts=${HOSTS}`, `--minutes=${MINUTES}`];
  const { quorum, wide, only } = stories;
  const flags = [
    ...(quorum ? ["--quorum"] : []),
    ...(wide ? ["--wide"] : []),
    ...(only === undefined ? [] : [`--only=${only.join()}`]),
  ];
  const args = ["--import", "tsx", "test/sim/main.ts", ...flags, ...story];
  const env = { ...process.env, NODE_OPTIONS: "" };
  const run = spawnSync(process.execPath, args, { cwd: copy, encoding: "utf8", env });
  if (run.status === 0) return null;
  const failed = /repeat it with: .*--seed=(\d+)/.exec(run.stderr ?? "");
  if (failed === null) throw new Error(`the planted tree did not run: ${run.stderr || String(run.error)}`);
  return { seed: Number(failed[1]), violation: run.stderr.split("\n")[0] ?? "" };
}

/** What the tree itself does not survive, either, was not found because of the plant. */
function failsWithout(seed: number, stories: NonNullable<Plant["stories"]>): boolean {
  try {
    play({ seed, hosts: HOSTS, minutes: MINUTES, ...stories });
    return false;
  } catch (error) {
    if (error instanceof Violation) return true;
    throw error;
  }
}
