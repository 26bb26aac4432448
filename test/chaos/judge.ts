/**
 * Judges an episode by the wire alone: who spoke for which VIP when, who answered clients' datagrams, how long a client got
 * no answer. Purpose: the laws of ownership as an onlooker on the switch sees them. Boundary: no daemon is asked anything.
 */
import { forbidden, type Voice, voicesOf } from "../lab/lib/capture.js";
import type { Lab } from "../lab/lib/lab.js";
import type { Frame } from "../lab/lib/pcap.js";
import type { ProbeReport } from "../lab/lib/prober.js";
import { exchanged } from "../lab/lib/served.js";
import type { Spell } from "./faults.js";

export interface Episode {
  readonly lab: Lab;
  readonly frames: readonly Frame[];
  readonly spells: readonly Spell[];
  readonly reports: readonly ProbeReport[];
  readonly silenceMs: number;
}

/** A frame that was on its way, and the capture's and our clock's small disagreement. */
const ON_ITS_WAY_MS = 50;
/** A former owner hears the new one's announcement within this, or by the gossip that follows it. */
const HAND_OVER_MS = 100;
/** Announcements are repeated at 150 and 1000 ms: one of them is heard through loss. */
const LOSSY_HAND_OVER_MS = 1200;
/** Of two that serve and know each other by the wire alone, one gives way once the wire has told it that the other does (law 8). */
const TORN_HAND_OVER_MS = 1000;
/** Law 8: one voice within 1 s of the first contact; and before that, members must find out that they meet again. */
const HEALED_MS = 2500;
/** The last round of announcements, and the old owner's linger. */
const MOVED_MS = 3500;
/** Whoever was frozen for longer has no lease any more. */
const LEASE_MS = 2000;

export function judge(episode: Episode): readonly string[] {
  const { lab, frames } = episode;
  const voices = voicesOf(frames, lab.vips);
  return [
    ...theDeadSpeak(episode, voices),
    ...twoVoices(episode, voices),
    ...answersUnasked(episode, voices),
    ...strangersServe(episode, voices),
    ...silences(episode),
    ...forbidden(frames, lab.vips),
  ];
}

/** Nothing is said for a VIP by whoever is off or stands still. */
function theDeadSpeak({ lab, spells }: Episode, voices: readonly Voice[]): string[] {
  return spells.flatMap(({ kind, host, fromMs, toMs }) => {
    if (host === null || (kind !== "dead" && kind !== "frozen")) return [];
    const said = voices.find(
      (voice) => voice.mac === host.mac && voice.atMs > fromMs + ON_ITS_WAY_MS && voice.atMs < toMs,
    );
    return said === undefined ? [] : [`${host.name} is ${kind} and speaks: ${say(lab, said)}`];
  });
}

/** Who speaks after another has spoken must announce it first; an answer that only crossed the announcement is no voice. */
function twoVoices(episode: Episode, voices: readonly Voice[]): string[] {
  const { lab } = episode;
  const found: string[] = [];
  for (const vip of lab.vips) {
    let owner: Voice | null = null;
    for (const voice of voices.filter(({ address }) => address === vip)) {
      if (owner === null || voice.kind === "announcement") {
        if (owner?.mac !== voice.mac) owner = voice;
        continue;
      }
      if (voice.mac === owner.mac || during(episode, voice.atMs, "divided", HEALED_MS)) continue;
      const lossy = during(episode, voice.atMs, "lossy", LOSSY_HAND_OVER_MS);
      const torn = during(episode, voice.atMs, "torn", TORN_HAND_OVER_MS);
      const allowed = lossy ? LOSSY_HAND_OVER_MS : torn ? TORN_HAND_OVER_MS : HAND_OVER_MS;
      const afterMs = voice.atMs - owner.atMs;
      if (afterMs <= allowed) continue;
      found.push(`two voices: ${say(lab, voice)}, ${Math.round(afterMs)} ms after ${say(lab, owner)}`);
      break;
    }
  }
  return found;
}

/** Law 2: the first word of whoever was frozen beyond its lease is a claim. */
function answersUnasked({ lab, spells }: Episode, voices: readonly Voice[]): string[] {
  return spells.flatMap(({ kind, host, fromMs, toMs }) => {
    if (kind !== "frozen" || host === null || toMs - fromMs < LEASE_MS) return [];
    const spoken = new Set<string>();
    return voices.flatMap((voice) => {
      if (voice.mac !== host.mac || voice.atMs < toMs || spoken.has(voice.address)) return [];
      spoken.add(voice.address);
      return voice.kind === "announcement" ? [] : [`an answer after the lease lapsed: ${say(lab, voice)}`];
    });
  });
}

/** Clients are served by the one whose announcement was the last, beyond the time that a hand-over takes. */
function strangersServe(episode: Episode, voices: readonly Voice[]): string[] {
  const { lab, frames } = episode;
  const found = new Map<string, string>();
  const announced = new Map<string, Voice[]>();
  for (const voice of voices) {
    if (voice.kind !== "announcement") continue;
    const runs = announced.get(voice.address) ?? [];
    announced.set(voice.address, runs);
    if (runs.at(-1)?.mac !== voice.mac) runs.push(voice);
  }
  for (const { frame, target, isQuestion } of exchanged(frames, lab.vips)) {
    if (isQuestion) continue;
    const owner = announced.get(target)?.findLast((run) => run.atMs <= frame.atMs);
    if (owner === undefined || owner.mac === frame.from || frame.atMs - owner.atMs < MOVED_MS) continue;
    if (during(episode, frame.atMs, "divided", HEALED_MS) || during(episode, frame.atMs, "lossy", MOVED_MS)) continue;
    const slot = `${target} ${frame.from}`;
    if (found.has(slot)) continue;
    const afterMs = Math.round(frame.atMs - owner.atMs);
    found.set(slot, `${lab.nameOfMac(frame.from)} serves ${target}, ${afterMs} ms after ${say(lab, owner)}`);
  }
  return [...found.values()];
}

function silences({ reports, silenceMs }: Episode): string[] {
  return reports.flatMap(({ target, maxGap, lateMs }) =>
    maxGap.lengthMs - lateMs <= silenceMs
      ? []
      : [
          `${target} is silent for ${Math.round(maxGap.lengthMs)} ms from ${stamp(maxGap.fromMs)}, more than ${silenceMs} (the client was late by ${Math.round(lateMs)})`,
        ],
  );
}

function during({ spells }: Episode, atMs: number, kind: Spell["kind"], afterMs: number): boolean {
  return spells.some((spell) => spell.kind === kind && atMs >= spell.fromMs && atMs <= spell.toMs + afterMs);
}

function say(lab: Lab, { mac, kind, address, atMs }: Voice): string {
  return `${lab.nameOfMac(mac)}'s ${kind} for ${address} at ${stamp(atMs)}`;
}

function stamp(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23);
}
