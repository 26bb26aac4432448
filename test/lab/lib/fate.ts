/**
 * What became of the datagrams that nobody answered, frame by frame: to whose MAC each went, whether an answer or an ICMP
 * error was on the wire, and how that lay to the announcements. Boundary: reads a capture with `traffic`; judges nothing.
 */
import { type Voice, voicesOf } from "./capture.js";
import type { Lab } from "./lab.js";
import type { Frame } from "./pcap.js";
import type { ProbeReport } from "./prober.js";

type Datagram = Extract<Frame, { kind: "udp" }>;

/** One line for each lost datagram, at most `max`. */
export function fates(
  lab: Lab,
  frames: readonly Frame[],
  reports: readonly ProbeReport[],
  max = 20,
): readonly string[] {
  const lost = reports.filter((report) => report.lost > 0);
  const voices = voicesOf(
    frames,
    lost.map((report) => report.target),
  );
  const datagrams = frames.filter((frame): frame is Datagram => frame.kind === "udp");
  return lost
    .flatMap((report) => report.lostOnes.map((one) => fate(lab, frames, datagrams, voices, report, one)))
    .slice(0, max);
}

function fate(
  lab: Lab,
  frames: readonly Frame[],
  datagrams: readonly Datagram[],
  voices: readonly Voice[],
  { target, by }: ProbeReport,
  { seq, atMs }: { seq: number; atMs: number },
): string {
  const asked = datagrams.find(
    (one) => one.destination === target && one.sourcePort === by && one.payload === String(seq),
  );
  const answered = datagrams.find((one) => one.destinationPort === by && one.payload.startsWith(`${seq}:`));
  const refused = frames.find(
    (one) => one.kind === "unreachable" && Math.abs(one.atMs - atMs) < 50 && lab.clients.some((c) => c.mac === one.to),
  );
  const went =
    asked === undefined ? "was never on the wire" : `went to ${lab.nameOfMac(asked.to)} at ${stamp(asked.atMs, atMs)}`;
  const came =
    answered === undefined
      ? "no answer on the wire"
      : `answered by ${lab.nameOfMac(answered.from)} at ${stamp(answered.atMs, atMs)}`;
  const said = voices
    .filter((voice) => voice.address === target && Math.abs(voice.atMs - atMs) < 300)
    .map((voice) => `${lab.nameOfMac(voice.mac)} ${voice.kind} ${stamp(voice.atMs, atMs)}`);
  const icmp = refused === undefined ? "" : `; ${lab.nameOfMac(refused.from)} says unreachable`;
  return `${target} #${seq}: ${went}; ${came}${icmp}; voices: ${said.join(", ") || "none"}`;
}

function stamp(atMs: number, zeroMs: number): string {
  const ms = atMs - zeroMs;
  return `${ms < 0 ? "" : "+"}${ms.toFixed(1)} ms`;
}
