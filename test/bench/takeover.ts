/**
 * `npm run bench:takeover`: from the power cut of an owner to the first announcement of one of its VIPs on the wire, and
 * to that of the last one; keepalived beside it, on the same wire. Boundary: reads the wire, not the daemons.
 */
import type { ProfileName } from "../../src/domain/profile.js";
import { Capture, type Voice, voicesOf } from "../lab/lib/capture.js";
import type { LabHost } from "../lab/lib/host.js";
import type { Lab } from "../lab/lib/lab.js";
import { sleep, until } from "../lab/lib/shell.js";
import { Keepalived } from "./keepalived.js";
import { Cutter, figures, readFlags, scheduled, show, startGroup, writeResult } from "./rig.js";

const USAGE = `usage: npm run bench:takeover [-- --times=20 --hosts=3,5 --profiles=lan,fast,extreme --normal --rivals]
  --normal  normal priority instead of the unit's real-time scheduling
  --rivals  keepalived at 1 s and at 0.1 s as well
`;
const VERDICT_MS_MAX = 15_000;

interface Cut {
  readonly firstMs: number;
  readonly lastMs: number;
}

/** The first announcement of each address by another than `mac` after the cut; undefined until all have spoken. */
function takenOver(voices: readonly Voice[], mac: string, cutAtMs: number, vips: readonly string[]): Cut | undefined {
  const first = new Map<string, number>();
  for (const voice of voices) {
    if (voice.kind !== "announcement" || voice.mac === mac || voice.atMs < cutAtMs) continue;
    first.set(voice.address, Math.min(voice.atMs, first.get(voice.address) ?? Number.POSITIVE_INFINITY));
  }
  const times = vips.map((vip) => first.get(vip));
  if (times.some((time) => time === undefined)) return undefined;
  const afterMs = (times as number[]).map((time) => time - cutAtMs);
  return { firstMs: Math.min(...afterMs), lastMs: Math.max(...afterMs) };
}

/** Cuts the victim's power and waits for the wire's word. */
async function cutOnce(lab: Lab, cutter: Cutter, victim: LabHost, vips: readonly string[]): Promise<Cut> {
  const capture = await Capture.start(lab);
  // At no fixed phase of anybody's timers.
  await sleep(200 + Math.random() * 500);
  const cutAtMs = await cutter.cut(victim.port);
  if (victim.daemon?.running) await victim.kill9();
  const see = async () => takenOver(voicesOf(await capture.frames(), vips), victim.mac, cutAtMs, vips);
  const cut = await until(`takeover from ${victim.name}`, VERDICT_MS_MAX, see);
  await capture.stop();
  return cut;
}

async function benchVipd(hosts: number, profile: ProfileName, times: number, realTime: boolean) {
  const lab = await startGroup({ hosts, profile, realTime });
  const cutter = await Cutter.start(lab);
  try {
    const cuts: Cut[] = [];
    let owners = await lab.atRest(30_000, 500);
    for (let i = 0; i < times; i++) {
      const victim = lab.hosts[i % hosts]!;
      const vips = lab.vips.filter((vip) => owners.get(vip) === victim.name);
      if (vips.length === 0) {
        process.stdout.write(`${victim.name} owns nothing: ${(await victim.status()).alarms.join("; ")}\n`);
        await sleep(2000);
      } else {
        cuts.push(await cutOnce(lab, cutter, victim, vips));
        await victim.powerOn(scheduled(realTime));
      }
      owners = await lab.atRest(30_000, 500);
    }
    return report(`vipd ${profile}, ${hosts} hosts`, cuts, { hosts, profile, realTime });
  } finally {
    cutter.stop();
    await lab.destroy();
  }
}

async function benchKeepalived(intervalMs: number, times: number, realTime: boolean) {
  const rival = await Keepalived.start({ hosts: 3, intervalMs, realTime });
  const cutter = await Cutter.start(rival.lab);
  try {
    const cuts: Cut[] = [];
    for (let i = 0; i < times; i++) {
      const victim = await rival.master();
      const cutting = cutOnce(rival.lab, cutter, victim, rival.lab.vips);
      cuts.push(await cutting);
      await rival.restart(victim);
    }
    return report(`keepalived ${intervalMs / 1000} s, 3 hosts`, cuts, { rival: "keepalived", intervalMs, realTime });
  } finally {
    cutter.stop();
    await rival.lab.destroy();
  }
}

function report(what: string, cuts: readonly Cut[], of: object) {
  const first = figures(cuts.map((cut) => cut.firstMs));
  const last = figures(cuts.map((cut) => cut.lastMs));
  process.stdout.write(`${what}: first announcement ${show(first)}; all of its VIPs ${show(last)}\n`);
  return { ...of, first, last, cuts };
}

async function main(): Promise<void> {
  const flags = readFlags(["times", "hosts", "profiles", "normal", "rivals"], USAGE);
  const times = flags.number("times", 20);
  const realTime = !flags.has("normal");
  const results: object[] = [];
  for (const profile of flags.list("profiles", ["lan", "fast", "extreme"]) as readonly ProfileName[]) {
    for (const hosts of flags.list("hosts", ["3", "5"])) {
      results.push(await benchVipd(Number(hosts), profile, times, realTime));
    }
  }
  if (flags.has("rivals")) {
    for (const intervalMs of [1000, 100]) results.push(await benchKeepalived(intervalMs, times, realTime));
  }
  writeResult("takeover", { times, results });
}

await main();
