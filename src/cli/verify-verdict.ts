/** The judgement of `vipd verify`, and its text: a line a VIP, then one plug-in line with performance data. Pure. */
export interface Observation {
  readonly address: string;
  /** This host owns it, so that its own answers are not seen. */
  readonly own: boolean;
  readonly answers: readonly {
    readonly mac: string;
    readonly afterMs: number;
    /** From 0. */
    readonly round: number;
    /** The host of that MAC where it is known. */
    readonly host: string | null;
  }[];
}

export interface Verdict {
  readonly code: 0 | 1 | 2;
  readonly word: "OK" | "WARNING" | "CRITICAL";
  readonly summary: string;
}

const WORDS = ["OK", "WARNING", "CRITICAL"] as const;

/** Of one VIP asked `rounds` times. */
export function judgeOne(seen: Observation, rounds: number): { code: 0 | 1 | 2; text: string } {
  const macs = [...new Set(seen.answers.map((answer) => answer.mac))];
  if (seen.own) {
    if (macs.length === 0) return { code: 0, text: "owned by this host; asked the others: nobody else answers" };
    return { code: 2, text: `owned by this host, and ${macs.join(", ")} answers as well` };
  }
  if (macs.length === 0) return { code: 2, text: "nobody answers" };
  for (let round = 0; round < rounds; round++) {
    const inRound = new Set(seen.answers.filter((answer) => answer.round === round).map((answer) => answer.mac));
    if (inRound.size > 1) return { code: 2, text: `${inRound.size} answer: ${[...inRound].join(", ")}` };
  }
  const answered = new Set(seen.answers.map((answer) => answer.round)).size;
  const first = seen.answers[0]!;
  if (macs.length > 1) return { code: 1, text: `moved while asked: ${macs.join(", then ")}` };
  const who = first.host === null ? first.mac : `${first.mac} (${first.host})`;
  if (answered < rounds) return { code: 1, text: `${who} answered ${answered} of ${rounds} times` };
  return { code: 0, text: `${who} answers after ${medianMs(seen).toFixed(2)} ms` };
}

export function judge(observations: readonly Observation[], rounds: number): Verdict {
  const judged = observations.map((seen) => ({ seen, ...judgeOne(seen, rounds) }));
  const code = Math.max(0, ...judged.map((one) => one.code)) as 0 | 1 | 2;
  const bad = judged.filter((one) => one.code > 0);
  const good = judged.length - bad.length;
  const shown = bad.slice(0, 3).map((one) => `${one.seen.address}: ${one.text}`);
  const more = bad.length > 3 ? `; and ${bad.length - 3} more` : "";
  const noun = judged.length === 1 ? "VIP" : "VIPs";
  const one = `${good} of ${judged.length} ${noun} well`;
  const summary = bad.length === 0 ? `${one}, each with one voice` : `${one}; ${shown.join("; ")}${more}`;
  return { code, word: WORDS[code], summary };
}

export function verdictText(observations: readonly Observation[], verdict: Verdict, rounds: number): string {
  const width = Math.max(0, ...observations.map((seen) => seen.address.length));
  const lines = observations.map((seen) => `${seen.address.padEnd(width)}  ${judgeOne(seen, rounds).text}`);
  const silent = observations.filter((seen) => !seen.own && seen.answers.length === 0).length;
  const double = observations.filter((seen) => new Set(seen.answers.map((answer) => answer.mac)).size > 1).length;
  const times = observations.flatMap((seen) => seen.answers.map((answer) => answer.afterMs));
  const slowest = times.length === 0 ? "U" : `${Math.max(...times).toFixed(3)}ms`;
  const data = `vips=${observations.length} silent=${silent} double=${double} slowest=${slowest};;;0`;
  return [...lines, `VIPD ${verdict.word}: ${verdict.summary.replaceAll("|", "/")} | ${data}`].join("\n");
}

function medianMs(seen: Observation): number {
  const sorted = seen.answers.map((answer) => answer.afterMs).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
