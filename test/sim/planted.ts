/**
 * Planted bugs: does the simulation find what it should? Each is a change of one place in the product's code, made in a copy
 * of the tree outside of it. Purpose: `npm run sim -- --planted[=NAME] --seeds=1000` says after how many seeds each was
 * found. Boundary: the tree itself is never touched; a place that is no longer there is an error, so plants do not rot.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const PLANTS: Readonly<Record<string, readonly Change[]>> = {
  "a precedence rule turned round": [
    {
      file: "src/domain/swim/precedence.ts",
      from: 'return age === "newer" ? "accept" : "known";',
      to: 'return "accept";',
    },
  ],
  "a refutation dropped": [
    {
      file: "src/domain/swim/verdicts.ts",
      from: "    this.#ctx.awareness.apply(1);\n    this.#refute(claim.incarnation, from);",
      to: "    this.#ctx.awareness.apply(1);",
    },
  ],
  "an incarnation taken back": [
    {
      file: "src/domain/swim/precedence.ts",
      from: 'if (age === "older") return "older";',
      to: 'if (age === "older" && claim !== "alive") return "older";\n  if (age === "older") return "accept";',
    },
  ],
  "the lease outlives its lapse": [
    {
      file: "test/sim/native.ts",
      from: "return this.#host.clock() < this.#leaseUntil;",
      to: "return this.#leaseUntil > 0;",
    },
    {
      file: "src/domain/group/group.ts",
      from: "if (until === this.#leaseSent) return;",
      to: "if (until === this.#leaseSent || until < 0) return;",
    },
  ],
  "the heir does not wait for the lease": [
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
  "the wire is not asked": [
    { file: "src/domain/ownership/questions.ts", from: "if (name !== view.self) member = name;", to: "" },
  ],
  "the loser of a healing does not go silent": [
    {
      file: "src/domain/ownership/releasing.ts",
      from: "  ctx.out.silence(placesOf(key, fresh));",
      to: "",
    },
    { file: "test/sim/native.ts", from: 'if (yielded) entry.hold = "yielded";', to: "" },
  ],
  "the winner of a healing does not announce": [
    {
      file: "src/domain/ownership/context.ts",
      from: "export function announceAgain(ctx: Context, key: Key, toward: string | null, now: Millis): void {",
      to: "export function announceAgain(ctx: Context, key: Key, toward: string | null, now: Millis): void {\n  if (now > 0) return;",
    },
  ],
  "old evidence silences": [
    { file: "src/domain/ownership/releasing.ts", from: "if (key.heard.at < key.announcedAt) return;", to: "" },
  ],
  "a quorum's lease dated at the ack": [
    {
      file: "src/domain/swim/inbox.ts",
      from: "this.#parts.quorum.answered(member, payload.instance, sentAt,",
      to: "this.#parts.quorum.answered(member, payload.instance, now,",
    },
  ],
  "no thaw": [
    {
      file: "src/domain/group/group.ts",
      from: "if (this.#lease.lapsed(now)) this.#thaw(now);",
      to: "this.#lease.lapsed(now + 0 * 1e9) && this.#lease.caughtUp(now, { alone: false });",
    },
  ],
};

export interface Finding {
  readonly plant: string;
  /** Null: not found. */
  readonly seeds: number | null;
  readonly violation: string;
}

export function plantAndPlay(root: string, plant: string, options: { seed: number; seeds: number }): Finding {
  const copy = mkdtempSync(join(tmpdir(), "vipd-planted-"));
  try {
    for (const part of ["src", "test/sim", "package.json", "tsconfig.json"]) {
      cpSync(join(root, part), join(copy, part), { recursive: true });
    }
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    for (const { file, from, to } of PLANTS[plant] ?? []) {
      const source = readFileSync(join(copy, file), "utf8");
      if (!source.includes(from)) throw new Error(`${plant}: ${file} no longer says ${JSON.stringify(from)}`);
      writeFileSync(join(copy, file), source.replace(from, to));
    }
    const args = [
      ...(plant.includes("quorum") ? ["--quorum"] : []),
      `--seed=${options.seed}`,
      `--seeds=${options.seeds}`,
      "--minutes=0.3",
    ];
    const run = spawnSync(process.execPath, ["--import", "tsx", "test/sim/main.ts", ...args], {
      cwd: copy,
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    const found = /repeat it with: .*--seed=(\d+)/.exec(run.stderr);
    const violation = run.stderr.split("\n")[0] ?? "";
    return { plant, seeds: found === null ? null : Number(found[1]) - options.seed + 1, violation };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
