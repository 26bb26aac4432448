/**
 * `npm run bench:stability`: false verdicts and takeovers of a healthy group while busy loops eat every core. Counts on the
 * wire (announcements by another than the owner) and in the daemons' own words (deaths, lapses). Boundary: nothing is broken on
 * purpose.
 */
import type { ProfileName } from "../../src/domain/profile.js";
import { Capture, voicesOf } from "../lab/lib/capture.js";
import { parallel, sleep } from "../lab/lib/shell.js";
import { BusyLoops, cpuMs, readFlags, startGroup, writeResult } from "./rig.js";

const USAGE = `usage: npm run bench:stability [-- --minutes=10 --loops=64 --hosts=3 --profiles=lan,fast,extreme --normal]
  --normal  normal priority instead of the unit's real-time scheduling
`;

interface Options {
  readonly hosts: number;
  readonly minutes: number;
  readonly loops: number;
  readonly realTime: boolean;
}

async function bench(profile: ProfileName, options: Options) {
  const { hosts, minutes, loops, realTime } = options;
  const lab = await startGroup({ hosts, profile, realTime });
  try {
    const owners = await lab.settled();
    const capture = await Capture.start(lab);
    const logged = lab.hosts.map((host) => host.log().length);
    const before = lab.hosts.map((host) => cpuMs(host.pid));
    const busy = new BusyLoops(loops);
    await sleep(minutes * 60_000);
    busy.stop();
    const usedMs = lab.hosts.map((host, i) => cpuMs(host.pid) - before[i]!);
    const voices = voicesOf(await capture.stop(), lab.vips);
    const wrong = voices.filter((voice) => lab.nameOfMac(voice.mac) !== owners.get(voice.address));
    const said = lab.hosts.map((host, i) => host.log().slice(logged[i]));
    const count = (event: string) => said.reduce((sum, text) => sum + text.split(event).length - 1, 0);
    const statuses = await parallel(lab.hosts, hosts, (host) => host.status(10_000));
    const result = {
      profile,
      ...options,
      falseTakeovers: new Set(wrong.map((voice) => `${voice.address} ${voice.mac}`)).size,
      falseVerdicts: count("member.dead"),
      takeovers: count("vip.owned"),
      lapses: statuses.reduce((sum, status) => sum + status.lease.lapses, 0),
      cpuPercent: usedMs.map((ms) => Math.round((ms / (minutes * 600)) * 100) / 100),
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return result;
  } finally {
    await lab.destroy();
  }
}

async function main(): Promise<void> {
  const flags = readFlags(["minutes", "loops", "hosts", "profiles", "normal"], USAGE);
  const options = {
    hosts: flags.number("hosts", 3),
    minutes: flags.number("minutes", 10),
    loops: flags.number("loops", 64),
    realTime: !flags.has("normal"),
  };
  const results: object[] = [];
  for (const profile of flags.list("profiles", ["lan", "fast", "extreme"]) as readonly ProfileName[]) {
    results.push(await bench(profile, options));
  }
  writeResult("stability", { results });
}

await main();
