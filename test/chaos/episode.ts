/**
 * One episode: faults one on another under clients' datagrams, healing, and the time until the last client has moved. Purpose:
 * what was lost, and what the judge says. Boundary: which faults come is the caller's choice.
 */
import { Capture } from "../lab/lib/capture.js";
import { fates } from "../lab/lib/fate.js";
import type { LabHost } from "../lab/lib/host.js";
import { nowMs, sleep } from "../lab/lib/shell.js";
import type { Contender } from "./contender.js";
import type { Fault, Spell } from "./faults.js";
import { judge } from "./judge.js";

const DATAGRAM_MS = 2;
const ASK_MS = 100;
/** Between faults of one episode. */
const APART_MS_MAX = 800;
const FATES_MAX = 5;
const SETTLED_MS = 30_000;
/** The last round of announcements is out. */
const AFTER_MS = 3200;

export interface Outcome {
  readonly faults: readonly string[];
  readonly victims: readonly string[];
  readonly longestGapMs: number;
  readonly lost: number;
  readonly sent: number;
  readonly violations: readonly string[];
  /** What became of some of the lost datagrams. */
  readonly fates: readonly string[];
}

export async function play(
  contender: Contender,
  faults: readonly Fault[],
  random: () => number,
  via: readonly string[],
): Promise<Outcome> {
  const { lab } = contender;
  const owners = await contender.settled(SETTLED_MS);
  const capture = await Capture.start(lab, { traffic: true });
  const probers = await Promise.all(lab.clients.map((client) => client.probe(lab.vips, DATAGRAM_MS, { via })));
  const asker = lab.client.ask(lab.vips, ASK_MS);
  await sleep(700);
  for (const prober of probers) prober.mark();
  const spells: Spell[] = [];
  const victims: LabHost[] = [];
  const undos: (() => Promise<void> | void)[] = [];
  let cutOffMs = 0;
  for (const [i, fault] of faults.entries()) {
    if (i > 0) await sleep(random() * APART_MS_MAX);
    const victim = pickVictim(contender, owners, victims, random);
    victims.push(victim);
    const owned = [...owners].filter(([, name]) => name === victim.name).map(([vip]) => vip);
    const undo = await fault.begin({ contender, random, victim, owned, spells });
    const since = nowMs();
    undos.push(async () => {
      await undo();
      if (fault.cutsOff) cutOffMs += nowMs() - since;
    });
  }
  await sleep(Math.max(...faults.map((fault) => fault.lastsMs)));
  for (const undo of undos.reverse()) await undo();
  const unsettled = await contender.settled(SETTLED_MS).then(
    () => [],
    (error: Error) => [`not settled again: ${error.message}`],
  );
  await sleep(AFTER_MS);
  const reports = (await Promise.all(probers.map((prober) => prober.stop()))).flat();
  await asker.end();
  const frames = await capture.stop();
  const silenceMs = Math.ceil(cutOffMs) + faults.reduce((sum, fault) => sum + fault.silenceMs, 0);
  return {
    faults: faults.map(({ name }) => name),
    victims: victims.map(({ name }) => name),
    longestGapMs: Math.max(...reports.map(({ maxGap }) => maxGap.lengthMs)),
    lost: reports.reduce((sum, report) => sum + report.lost, 0),
    sent: reports.reduce((sum, report) => sum + report.sent, 0),
    fates: fates(lab, frames, reports, FATES_MAX),
    violations: [...unsettled, ...judge({ lab, frames, spells, reports, silenceMs })],
  };
}

/** Somebody who owns something, and whom nothing has befallen yet in this episode. */
function pickVictim(
  { lab }: Contender,
  owners: ReadonlyMap<string, string>,
  former: readonly LabHost[],
  random: () => number,
): LabHost {
  const spared = lab.hosts.filter((host) => !former.includes(host));
  const serving = spared.filter((host) => [...owners.values()].includes(host.name));
  const among = serving.length > 0 ? serving : spared;
  return among[Math.floor(random() * among.length)]!;
}
