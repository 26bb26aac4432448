/**
 * `npm run bench:stability`: false verdicts and takeovers of a healthy group while busy loops eat every core, while the network
 * loses frames, or stalls again and again for as long as the profile promises to ride out. Counts on the wire (announcements
 * by another than the owner) and in the daemons' own words (deaths, lapses). Boundary: nothing is broken for good.
 */
import { PROFILES, type ProfileName } from "../../src/domain/profile.js";
import { Capture, voicesOf } from "../lab/lib/capture.js";
import type { Lab } from "../lab/lib/lab.js";
import { parallel, sleep } from "../lab/lib/shell.js";
import { BusyLoops, cpuMs, readFlags, startGroup, writeResult } from "./rig.js";

const USAGE = `usage: npm run bench:stability [-- --minutes=10 --loops=64 --loss=0 --stalls=0 --hosts=3 --profiles=lan,fast,extreme --normal]
  --loops   busy loops at normal priority
  --loss    percent of all frames
  --stalls  so many stalls of the whole network, each as long as the profile promises to ride out; takes the place of --minutes
  --normal  normal priority instead of the unit's real-time scheduling
All profiles run at the same time.
`;
/** From one stall to the next: at least this, and as much again at random. */
const BETWEEN_STALLS_MS = 2000;
const WARNINGS_SHOWN = 12;

interface Options {
  readonly hosts: number;
  readonly minutes: number;
  readonly loops: number;
  readonly loss: number;
  readonly stalls: number;
  readonly realTime: boolean;
}

/** What is judged: from now until `finish`. */
async function watch(profile: ProfileName, lab: Lab, options: Options) {
  const owners = await lab.settled();
  const capture = await Capture.start(lab);
  const logged = lab.hosts.map((host) => host.log().length);
  const before = lab.hosts.map((host) => cpuMs(host.pid));
  const lapsesOf = async () => {
    const statuses = await parallel(lab.hosts, lab.hosts.length, (host) => host.status(10_000));
    return statuses.reduce((sum, status) => sum + status.lease.lapses, 0);
  };
  const lapsed = await lapsesOf();
  const begin = performance.now();
  return async () => {
    const took = performance.now() - begin;
    const usedMs = lab.hosts.map((host, i) => cpuMs(host.pid) - before[i]!);
    const voices = voicesOf(await capture.stop(), lab.vips);
    const wrong = voices.filter((voice) => lab.nameOfMac(voice.mac) !== owners.get(voice.address));
    const said = lab.hosts.map((host, i) => host.log().slice(logged[i]));
    const count = (event: string) => said.reduce((sum, text) => sum + text.split(`"event":"${event}"`).length - 1, 0);
    const result = {
      profile,
      ...options,
      minutes: Math.round(took / 6000) / 10,
      falseTakeovers: new Set(wrong.map((voice) => `${voice.address} ${voice.mac}`)).size,
      falseVerdicts: count("member.dead"),
      takeovers: count("vip.owned"),
      lapses: (await lapsesOf()) - lapsed,
      cpuPercent: usedMs.map((ms) => Math.round((ms / took) * 10_000) / 100),
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    const warnings = said.flatMap((text) => text.split("\n").filter((line) => line.includes('"level":"warn"')));
    for (const line of warnings.slice(0, WARNINGS_SHOWN)) process.stderr.write(`  ${line}\n`);
    return result;
  };
}

/** The whole network stands still, again and again. */
async function stallAgainAndAgain(lab: Lab, times: number, stallMs: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    await sleep(BETWEEN_STALLS_MS * (1 + Math.random()));
    lab.switch.stall(stallMs);
  }
  await sleep(BETWEEN_STALLS_MS);
}

async function bench(profiles: readonly ProfileName[], options: Options): Promise<object[]> {
  const labs: Lab[] = [];
  try {
    for (const profile of profiles) labs.push(await startGroup({ ...options, profile }));
    const finish = await Promise.all(labs.map((lab, i) => watch(profiles[i]!, lab, options)));
    const busy = new BusyLoops(options.loops);
    if (options.loss > 0) for (const lab of labs) lab.switch.lose(options.loss);
    if (options.stalls === 0) await sleep(options.minutes * 60_000);
    else {
      const stalled = labs.map((lab, i) => stallAgainAndAgain(lab, options.stalls, PROFILES[profiles[i]!].stallMs));
      await Promise.all(stalled);
    }
    busy.stop();
    return await Promise.all(finish.map((one) => one()));
  } finally {
    await Promise.all(labs.map((lab) => lab.destroy()));
  }
}

async function main(): Promise<void> {
  const flags = readFlags(["minutes", "loops", "loss", "stalls", "hosts", "profiles", "normal"], USAGE);
  const options = {
    hosts: flags.number("hosts", 3),
    minutes: flags.number("minutes", 10),
    loops: flags.number("loops", 64),
    loss: flags.number("loss", 0),
    stalls: flags.number("stalls", 0),
    realTime: !flags.has("normal"),
  };
  const profiles = flags.list("profiles", ["lan", "fast", "extreme"]) as readonly ProfileName[];
  writeResult("stability", { results: await bench(profiles, options) });
}

await main();
