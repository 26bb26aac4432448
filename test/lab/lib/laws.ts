/**
 * What the tests ask again and again of a lab with running daemons: does the wire agree with the statuses, who
 * spoke, how bad was the gap. Boundary: it asserts laws; measured values are printed, not judged beyond the law.
 */
import { expect } from "vitest";
import { type Voice, voicesBy } from "./capture.js";
import type { Client } from "./client.js";
import type { LabHost } from "./host.js";
import { type Lab, secondMac } from "./lab.js";
import type { ProbeReport } from "./prober.js";
import { parallel } from "./shell.js";

/** A measured value, in the test's output. */
export function measured(text: string): void {
  console.log(`   measured: ${text}`);
}

/** Each VIP is answered by its owner's MAC alone, whatever tool asks, and TCP reaches the owner's server. */
export async function expectWireAgrees(
  lab: Lab,
  owners: ReadonlyMap<string, string>,
  {
    vips = lab.vips,
    client = lab.client,
    web = true,
  }: { vips?: readonly string[]; client?: Client; web?: boolean } = {},
): Promise<void> {
  const questions = vips.flatMap((vip) => client.askersFor(vip).map((asker) => ({ vip, asker })));
  const answers = await parallel(questions, 10, async ({ vip, asker }) => {
    const macs = await client.who(vip, asker);
    return `${vip} ${asker}: ${macs.map((mac) => lab.nameOfMac(mac)).join(" and ") || "nobody"}`;
  });
  expectSame(
    answers,
    questions.map(({ vip, asker }) => `${vip} ${asker}: ${owners.get(vip)}`),
  );
  if (!web) return;
  const served = await parallel(
    vips,
    6,
    async (vip) => `${vip}: ${await client.web(vip).catch((e: Error) => e.message)}`,
  );
  expectSame(
    served,
    vips.map((vip) => `${vip}: ${owners.get(vip)}`),
  );
}

/** Shows only the lines that differ, each with what was wanted. */
function expectSame(got: readonly string[], wanted: readonly string[]): void {
  expect(got.length).toBe(wanted.length);
  expect(got.flatMap((line, i) => (line === wanted[i] ? [] : [`${line}, not ${wanted[i]}`]))).toEqual([]);
}

/** The client's cache holds the owner's MAC for each of these VIPs that it knows. */
export function expectCacheAgrees(
  lab: Lab,
  owners: ReadonlyMap<string, string>,
  { vips = lab.vips, client = lab.client }: { vips?: readonly string[]; client?: Client } = {},
): void {
  const cache = client.neighbours();
  const held = vips.map((vip) => `${vip}: ${lab.nameOfMac(cache.get(vip)?.mac ?? "nothing")}`);
  expectSame(
    held,
    vips.map((vip) => `${vip}: ${owners.get(vip)}`),
  );
}

/** Every host owns something. */
export function expectSpread(lab: Lab, owners: ReadonlyMap<string, string>): void {
  const counts = lab.hosts.map((host) => [...owners.values()].filter((owner) => owner === host.name).length);
  measured(`VIPs of each host: ${counts.join(", ")}`);
  expect(Math.min(...counts)).toBeGreaterThan(0);
}

export function vipsOf(owners: ReadonlyMap<string, string>, host: LabHost): readonly string[] {
  return [...owners].filter(([, owner]) => owner === host.name).map(([vip]) => vip);
}

/** What a host said on the wire, by any of its interfaces. */
export function voicesOfHost(voices: readonly Voice[], host: LabHost, fromMs = 0, toMs = Infinity): readonly Voice[] {
  return voicesBy(voices, [host.mac, secondMac(host)], fromMs).filter((voice) => voice.atMs <= toMs);
}

export function describeVoices(voices: readonly Voice[], zeroMs: number): readonly string[] {
  return voices.map((voice) => `${Math.round(voice.atMs - zeroMs)} ms: ${voice.kind} for ${voice.address}`);
}

/** The longest gap, its VIP, and the datagrams that were lost in all. */
export function describeGaps(reports: readonly ProbeReport[]): string {
  const lengths = reports.map((report) => report.maxGap.lengthMs).sort((a, b) => a - b);
  const lost = reports.reduce((sum, report) => sum + report.lost, 0);
  const sent = reports.reduce((sum, report) => sum + report.sent, 0);
  const at = (q: number): string => String(Math.round(lengths[Math.floor(q * (lengths.length - 1))] ?? 0));
  return `no answer for ${at(0)} / ${at(0.5)} / ${at(1)} ms (min / median / max), ${lost} of ${sent} datagrams lost`;
}

/** For each address the span in which two hosts spoke for it after `fromMs`: 0 where the second began after the first's last word. */
export function longestOverlapMs(voices: readonly Voice[], fromMs: number): { ms: number; address: string } {
  const spans = new Map<string, Map<string, { first: number; last: number }>>();
  for (const voice of voices) {
    if (voice.atMs < fromMs) continue;
    const macs = spans.get(voice.address) ?? new Map<string, { first: number; last: number }>();
    spans.set(voice.address, macs);
    const span = macs.get(voice.mac);
    if (span === undefined) macs.set(voice.mac, { first: voice.atMs, last: voice.atMs });
    else span.last = voice.atMs;
  }
  let worst = { ms: 0, address: "" };
  for (const [address, macs] of spans) {
    const ordered = [...macs.values()].sort((a, b) => a.first - b.first);
    for (let i = 1; i < ordered.length; i++) {
      const ms = ordered[i - 1]!.last - ordered[i]!.first;
      if (ms > worst.ms) worst = { ms, address };
    }
  }
  return worst;
}
