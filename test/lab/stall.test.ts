/**
 * Law 2, the lease: an owner whose control plane stood still falls silent by itself and says nothing before it has
 * caught up (issue 2, measured point 4). Here only its event loop is blocked; broken-owner.test.ts freezes it whole.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Capture, forbidden, type Voice, voicesOf } from "./lib/capture.js";
import type { LabHost } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import {
  describeGaps,
  describeVoices,
  expectCacheAgrees,
  expectWireAgrees,
  longestOverlapMs,
  measured,
  vipsOf,
  voicesOfHost,
} from "./lib/laws.js";
import { worstGap } from "./lib/prober.js";
import { nowMs, sleep } from "./lib/shell.js";

const STALL_MS = 10_000;
const TAKEOVER_MS = 1500;
/** After this a stalled host is silent, whatever its native thread still does: lease + extension, with room for the load here. */
const SILENT_AFTER_MS = 1000;

let lab: Lab;
let before: ReadonlyMap<string, string>;

beforeAll(async () => {
  lab = await Lab.create({ hosts: 3, failbackMs: 0 });
  await lab.startAll({ preload: "block-loop.mjs" });
  before = await lab.atRest(30_000);
});
afterAll(() => lab?.destroy());

/** Blocks the host's event loop while everybody is asked for every VIP all the time. */
async function stalled(victim: LabHost) {
  const mine = vipsOf(before, victim);
  const capture = await Capture.start(lab);
  const asker = lab.client.ask(lab.vips, 100);
  const prober = await lab.client.probe(mine.slice(0, 8), 10);
  await sleep(1000);
  const pid = victim.pid;
  const fromMs = nowMs();
  victim.block();
  await sleep(STALL_MS - 3000);
  const others = lab.hosts.filter((host) => host !== victim);
  const meanwhile = await lab.settled(3000, others);
  const gapMs = worstGap(await prober.peek()).maxGap.lengthMs;
  await sleep(Math.max(0, fromMs + STALL_MS - nowMs()));
  const toMs = nowMs();
  await lab.settledAs(before);
  measured(`${victim.name} has its VIPs back ${Math.round(nowMs() - toMs)} ms after it went on`);
  await sleep(2000);
  const reports = await prober.stop();
  measured(`stall and return: ${describeGaps(reports)}`);
  await asker.end();
  const frames = await capture.stop();
  expect(victim.pid).toBe(pid);
  expect(victim.daemon?.running).toBe(true);
  for (const vip of lab.vips) {
    if (mine.includes(vip)) expect(meanwhile.get(vip), vip).not.toBe(victim.name);
    else expect(meanwhile.get(vip), vip).toBe(before.get(vip));
  }
  expect(gapMs).toBeLessThan(TAKEOVER_MS);
  expect(forbidden(frames, lab.vips)).toEqual([]);
  return { mine, fromMs, toMs, voices: voicesOf(frames, lab.vips) };
}

/** The first word for each VIP after going on must be a claim: an answer first is one that was not asked for anew. */
function expectClaimsFirst(voices: readonly Voice[], victim: LabHost, toMs: number): void {
  const later = voicesOfHost(voices, victim, toMs);
  const first = new Map<string, Voice>();
  for (const voice of later) if (!first.has(voice.address)) first.set(voice.address, voice);
  const wrong = [...first.values()].filter((voice) => voice.kind !== "announcement");
  expect(describeVoices(wrong, toMs)).toEqual([]);
  const earliest = Math.min(...later.map((voice) => voice.atMs));
  measured(`${victim.name} first speaks ${Math.round(earliest - toMs)} ms after it went on`);
  const overlap = longestOverlapMs(voices, toMs);
  measured(
    `longest time with two voices for one VIP at the hand-back: ${Math.round(overlap.ms)} ms ${overlap.address}`,
  );
  expect(overlap.ms).toBeLessThan(1000);
}

test("an owner whose event loop is blocked for 10 s falls silent by itself and catches up first", async () => {
  const victim = lab.hosts[1]!;
  const { toMs, fromMs, voices } = await stalled(victim);
  const during = voicesOfHost(voices, victim, fromMs, toMs - 200);
  const last = Math.max(fromMs, ...during.map((voice) => voice.atMs));
  measured(`its last answer ${Math.round(last - fromMs)} ms after the block began`);
  expect(last - fromMs).toBeLessThan(SILENT_AFTER_MS);
  expectClaimsFirst(voices, victim, toMs - 200);
  await expectWireAgrees(lab, before);
  expectCacheAgrees(lab, before, { vips: vipsOf(before, victim).slice(0, 8) });
  expect((await victim.status()).lease.lapses).toBeGreaterThan(0);
});
