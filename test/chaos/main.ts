/**
 * `npm run chaos`: real daemons in namespaces, real clients, and one misfortune on another. Each fault comes once by itself, then
 * several at once until the time is over; keepalived goes through what applies to it. Ends with 1 if vipd broke a law.
 */
import * as os from "node:os";
import * as path from "node:path";
import { figures, readFlags, show, writeResult } from "../bench/rig.js";
import { sh, sleep } from "../lab/lib/shell.js";
import { seeded } from "../sim/random.js";
import { type Contender, Rival, Vipd } from "./contender.js";
import { type Outcome, play } from "./episode.js";
import { FAULTS, type Fault } from "./faults.js";

const USAGE = `usage: npm run chaos [-- --seed=N --minutes=10 --hosts=5 --clients=2 --only=FAULT,… --alone --why --normal]
  --only    these faults, by the beginnings of their names
  --alone   without keepalived at 1 s and at 0.1 s beside it
  --why     tells what became of some of the datagrams that were lost
  --normal  normal priority instead of the unit's real-time scheduling
`;
const AT_ONCE_MAX = 3;

interface Plan {
  readonly random: () => number;
  readonly faults: readonly Fault[];
  /** Several at once, until then; null: none of that. */
  readonly untilMs: number | null;
  readonly via: readonly string[];
  readonly command: string;
  readonly why: boolean;
}

async function torment(contender: Contender, plan: Plan): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const one = async (faults: readonly Fault[]): Promise<void> => {
    contender.forgetLogs();
    const outcome = await play(contender, faults, plan.random, plan.via);
    outcomes.push(outcome);
    const what = faults.map((fault, i) => `${fault.name} (${outcome.victims[i]})`).join(" + ");
    process.stdout.write(
      `${contender.name} ${outcomes.length}: ${what}: ${outcome.longestGapMs.toFixed(0)} ms without an answer, ${outcome.lost} of ${outcome.sent} datagrams lost\n`,
    );
    if (plan.why) for (const fate of outcome.fates) process.stdout.write(`    ${fate}\n`);
    if (contender.name !== "vipd") return;
    for (const violation of outcome.violations) process.stdout.write(`    LAW BROKEN: ${violation}\n`);
    if (outcome.violations.length === 0) return;
    const logs = path.join(os.tmpdir(), `vipd-chaos-${process.pid}`, `episode-${outcomes.length}`);
    contender.keepLogs(logs);
    process.stdout.write(`    the daemons' logs of it: ${logs}\n    repeat: ${plan.command}\n`);
  };
  for (const fault of shuffled(plan.faults, plan.random)) {
    if (plan.untilMs !== null && Date.now() > plan.untilMs) break;
    await one([fault]);
  }
  while (plan.untilMs !== null && Date.now() < plan.untilMs) {
    const count = 2 + Math.floor(plan.random() * (AT_ONCE_MAX - 1));
    await one(shuffled(plan.faults, plan.random).slice(0, count));
  }
  return outcomes;
}

function shuffled<T>(items: readonly T[], random: () => number): readonly T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

const SEVERAL = "several at once";

function table(results: ReadonlyMap<string, readonly Outcome[]>): string {
  const nameOf = (outcome: Outcome) => (outcome.faults.length === 1 ? outcome.faults[0]! : SEVERAL);
  const names = [...results.keys()];
  const lines = [["longest gap, ms / lost", ...names.map((name) => name)]];
  for (const fault of [...FAULTS.map(({ name }) => name), SEVERAL]) {
    const cells = names.map((name) => {
      const of = results.get(name)!.filter((outcome) => nameOf(outcome) === fault);
      if (of.length === 0) return "-";
      const gap = Math.max(...of.map((outcome) => outcome.longestGapMs)).toFixed(0);
      return `${gap} / ${of.reduce((sum, outcome) => sum + outcome.lost, 0)}${of.length > 1 ? ` (${of.length} times)` : ""}`;
    });
    if (cells.some((cell) => cell !== "-")) lines.push([fault, ...cells]);
  }
  return lines
    .map((cells) => cells.map((cell, i) => (i === 0 ? cell.padEnd(24) : cell.padStart(22))).join(""))
    .join("\n");
}

async function main(): Promise<void> {
  const flags = readFlags(["seed", "minutes", "hosts", "clients", "only", "alone", "why", "normal"], USAGE);
  const seed = flags.number("seed", Math.floor(Math.random() * 1e6));
  const minutes = flags.number("minutes", 10);
  const [hosts, clients] = [flags.number("hosts", 5), flags.number("clients", 2)];
  const realTime = !flags.has("normal");
  const only = flags.list("only", [""]);
  const faults = FAULTS.filter(({ name }) => only.some((start) => name.startsWith(start)));
  const given = process.argv.slice(2).filter((argument) => !argument.startsWith("--seed="));
  const command = `npm run chaos -- --seed=${seed} ${given.join(" ")}`.trim();
  const via = realTime ? ["chrt", "--fifo", "20"] : [];
  process.stdout.write(`seed ${seed}, ${minutes} minutes, ${hosts} hosts, ${clients} clients: ${command}\n`);
  const results = new Map<string, readonly Outcome[]>();
  const told = { via, command, why: flags.has("why") };
  const run = async (contender: Contender, plan: Plan): Promise<void> => {
    try {
      // The servers behind the VIPs are part of the yardstick, as the clients are.
      const servers = realTime ? contender.lab.hosts.map((host) => String(host.serverPid)) : [];
      for (const pid of servers) sh("chrt", "--all-tasks", "--fifo", "--pid", "20", pid);
      results.set(contender.name, await torment(contender, plan));
    } finally {
      await contender.end();
    }
  };
  const untilMs = Date.now() + minutes * 60_000;
  await run(await Vipd.start(hosts, clients, realTime), { random: seeded(seed), faults, untilMs, ...told });
  if (!flags.has("alone")) {
    const fitting = faults.filter(({ vipdOnly }) => vipdOnly !== true);
    for (const intervalMs of [1000, 100]) {
      const rival = await Rival.start(Math.min(hosts, 3), clients, intervalMs, realTime);
      await run(rival, { random: seeded(seed), faults: fitting, untilMs: null, ...told });
      await sleep(200);
    }
  }
  const mine = results.get("vipd") ?? [];
  const broken = mine.flatMap(({ violations }) => violations);
  process.stdout.write(`\n${table(results)}\n\n`);
  process.stdout.write(
    `vipd: ${mine.length} episodes, longest gaps ${show(figures(mine.map((one) => one.longestGapMs)))}, `,
  );
  process.stdout.write(`laws broken: ${broken.length}; repeat: ${command}\n`);
  writeResult("chaos", { seed, minutes, hosts, realTime, results: Object.fromEntries(results) });
  if (broken.length > 0) process.exitCode = 1;
}

await main();
