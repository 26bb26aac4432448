/**
 * The judgement of `vipd verify`: what was heard of each VIP, round by round, what that means, and the plug-in line with
 * performance data. Boundary: pure; knows neither the wire nor the daemon, only what it is told of them.
 */
export interface Answer {
  readonly mac: string;
  readonly afterMs: number;
  /** The member of that MAC, where members are known. */
  readonly host: string | null;
}

/** Whoever answered, by its host where that is known: two interfaces of one host are one voice. */
export interface Voice {
  readonly host: string | null;
  readonly macs: string[];
  answers: number;
}

/** What the group says of a VIP. */
export interface Expected {
  /** Whom `/status` named as owner while it was asked, before or after; empty: nobody. */
  readonly owners: readonly string[];
  /** The MACs of these, for whoever has to find the stranger. */
  readonly macs: readonly string[];
}

export type Code = 0 | 1 | 2 | 3;
export const WORDS = ["OK", "WARNING", "CRITICAL", "UNKNOWN"] as const;
/** Worst last: what is known to be wrong outweighs what could not be asked. */
const SEVERITY: readonly Code[] = [0, 1, 3, 2];

/** One VIP. Bounded however long it is asked for. */
export class Observation {
  readonly voices: Voice[] = [];
  asked = 0;
  answered = 0;
  /** Rounds in which more than one voice answered. */
  together = 0;
  /** Times that another voice answered than in the round before that was answered. */
  changes = 0;
  fastestMs = Number.POSITIVE_INFINITY;
  slowestMs = 0;
  sumMs = 0;
  /** What the group says; null: nobody could be asked, or it does not know this VIP. */
  expected: Expected | null = null;
  /** The group is known, and has no such VIP: nobody can say who should answer. */
  notOfGroup = false;
  /** This host had it before and has not now, or the other way round: its own answers of that time are not seen. */
  ownChanged = false;
  #last = "";

  constructor(
    readonly address: string,
    /** This host has it, so that its own answers are not seen. */
    readonly own: boolean = false,
    /** Why the wire is unlikely to know it, or "". */
    readonly offLink: string = "",
  ) {}

  /** One probe and its answers. Returns what changed since the round before, or null. */
  round(answers: readonly Answer[]): string | null {
    this.asked++;
    if (answers.length > 0) this.answered++;
    const heard = new Set<Voice>();
    for (const answer of answers) heard.add(this.#hear(answer));
    if (heard.size > 1) this.together++;
    const now =
      heard.size === 0 ? "nobody answers" : `${nameVoices([...heard])} ${heard.size > 1 ? "answer" : "answers"}`;
    const before = this.#last;
    if (heard.size > 0 && this.#lastHeard !== "" && now !== this.#lastHeard) this.changes++;
    this.#last = now;
    if (heard.size > 0) this.#lastHeard = now;
    return now === before ? null : now;
  }
  #lastHeard = "";

  /** Who joined the group while it was asked has a name afterwards. */
  attribute(hosts: ReadonlyMap<string, string>): void {
    for (const voice of [...this.voices]) {
      const host = voice.host === null ? hosts.get(voice.macs[0] ?? "") : undefined;
      if (host === undefined) continue;
      this.voices.splice(this.voices.indexOf(voice), 1);
      const same = this.voices.find((one) => one.host === host);
      if (same === undefined) this.voices.push({ ...voice, host });
      else {
        same.macs.push(...voice.macs.filter((mac) => !same.macs.includes(mac)));
        same.answers += voice.answers;
      }
    }
  }

  #hear({ mac, host, afterMs }: Answer): Voice {
    let voice = this.voices.find((one) => (host === null ? one.macs.includes(mac) : one.host === host));
    if (voice === undefined) this.voices.push((voice = { host, macs: [], answers: 0 }));
    if (!voice.macs.includes(mac)) voice.macs.push(mac);
    voice.answers++;
    this.fastestMs = Math.min(this.fastestMs, afterMs);
    this.slowestMs = Math.max(this.slowestMs, afterMs);
    this.sumMs += afterMs;
    return voice;
  }

  get meanMs(): number {
    return this.sumMs / this.voices.reduce((sum, voice) => sum + voice.answers, 0);
  }
}

export interface Judged {
  readonly code: Code;
  readonly text: string;
}

/** `watching`: for so long a time that VIPs may well have moved; a move is told, and is no second voice. */
export function judgeOne(seen: Observation, watching = false): Judged {
  const { voices, asked, answered, expected } = seen;
  const who = nameVoices(voices);
  const isOwner = ({ host }: Voice) => (host !== null && expected?.owners.includes(host)) ?? false;
  if (seen.ownChanged && seen.together === 0 && voices.every(isOwner)) {
    const moved = `moved while asked, ${seen.own ? "from" : "to"} this host`;
    return { code: 1, text: voices.length === 0 ? moved : `${moved}; ${who} answered` };
  }
  if (seen.own) {
    if (voices.length === 0) return { code: 0, text: "owned by this host; asked the others: nobody else answers" };
    return { code: 2, text: `owned by this host, and ${who} answers as well` };
  }
  if (seen.offLink !== "" && answered === 0) return { code: 3, text: seen.offLink };
  if (answered === 0) return { code: 2, text: `nobody answers (${asked} ${asked === 1 ? "probe" : "probes"})` };
  if (seen.together > 0 || (!watching && seen.changes > 1)) {
    return {
      code: 2,
      text: `${voices.length} voices: ${voices.map((one) => nameOf(one, expected !== null)).join(", ")}`,
    };
  }
  const strangers = expected === null ? [] : voices.filter((voice) => voice.host === null);
  if (strangers.length > 0)
    return { code: 2, text: `a stranger answers: ${nameVoices(strangers)}; ${shouldBe(expected)}` };
  if (seen.notOfGroup) return { code: 3, text: `${who} answers, and it is no VIP of this group` };
  if (voices.length > 1)
    return { code: 1, text: `moved while asked: ${voices.map((one) => nameOf(one)).join(", then ")}` };
  if (expected !== null && !expected.owners.includes(voices[0]?.host ?? "")) {
    return { code: 1, text: `${who} answers, a member; ${shouldBe(expected)}` };
  }
  if (answered < asked) {
    const lost = Math.round((1 - answered / asked) * 100);
    return { code: 1, text: `${who} answered ${answered} of ${asked} probes, ${lost} % lost` };
  }
  return { code: 0, text: `${who} answers after ${seen.meanMs.toFixed(2)} ms` };
}

function shouldBe(expected: Expected | null): string {
  const { owners = [], macs = [] } = expected ?? {};
  if (owners.length === 0) return "nobody should: the group knows no owner";
  return `the owner is ${owners.join(" or ")}${macs.length === 0 ? "" : ` (${macs.join(", ")})`}`;
}

function nameVoices(voices: readonly Voice[]): string {
  return voices.map((one) => nameOf(one)).join(" and ");
}

function nameOf({ host, macs }: Voice, membersKnown = false): string {
  if (host !== null) return `${host} (${macs.join(", ")})`;
  return membersKnown ? `a stranger (${macs.join(", ")})` : macs.join(", ");
}

export interface Verdict {
  readonly code: Code;
  readonly word: (typeof WORDS)[number];
  readonly summary: string;
}

const SHOWN_MAX = 3;

export function judge(observations: readonly Observation[], watching = false): Verdict {
  const judged = observations.map((seen) => ({ seen, ...judgeOne(seen, watching) }));
  const worst = (a: Code, b: Code): Code => (SEVERITY.indexOf(a) > SEVERITY.indexOf(b) ? a : b);
  const code = judged.map((one) => one.code).reduce(worst, 0);
  const bad = judged.filter((one) => one.code > 0);
  bad.sort((a, b) => SEVERITY.indexOf(b.code) - SEVERITY.indexOf(a.code));
  const well = `${judged.length - bad.length} of ${judged.length} ${judged.length === 1 ? "VIP" : "VIPs"} well`;
  const shown = bad.slice(0, SHOWN_MAX).map((one) => `${one.seen.address}: ${one.text}`);
  const more = bad.length > SHOWN_MAX ? [`and ${bad.length - SHOWN_MAX} more`] : [];
  const only = judged.length === 1 ? `${judged[0]!.seen.address}: ${judged[0]!.text}` : `${well}, each with one voice`;
  const summary = bad.length === 0 || judged.length === 1 ? only : [well, ...shown, ...more].join("; ");
  return { code, word: WORDS[code], summary };
}

/** One line, as monitoring plug-ins print: what is right of the bar is performance data (label=value[unit];warn;crit;min;max). */
export function pluginLine(observations: readonly Observation[], verdict: Verdict): string {
  const others = observations.filter((seen) => !seen.own && !(seen.offLink !== "" && seen.answered === 0));
  const sum = (of: (seen: Observation) => number) => others.reduce((total, seen) => total + of(seen), 0);
  const [asked, answered] = [sum((seen) => seen.asked), sum((seen) => seen.answered)];
  const answers = sum((seen) => seen.voices.reduce((total, voice) => total + voice.answers, 0));
  const time = (value: number) => (answers === 0 ? "U" : `${value.toFixed(3)}ms;;;0`);
  const slowest = Math.max(0, ...others.map((seen) => seen.slowestMs));
  const data = [
    `vips=${observations.length};;;0`,
    `silent=${others.filter((seen) => seen.answered === 0).length};;;0`,
    `double=${others.filter((seen) => seen.together > 0).length};;;0`,
    `loss=${asked === 0 ? "U" : `${((1 - answered / asked) * 100).toFixed(1)}%;;;0;100`}`,
    `rtt=${time(sum((seen) => seen.sumMs) / answers)}`,
    `rtt_max=${time(slowest)}`,
  ];
  return `VIPD ${verdict.word}: ${verdict.summary.replaceAll("|", "/")} | ${data.join(" ")}`;
}

/** A line a VIP. */
export function vipLines(observations: readonly Observation[], watching = false): string[] {
  const width = Math.max(0, ...observations.map((seen) => seen.address.length));
  return observations.map((seen) => {
    const { code, text } = judgeOne(seen, watching);
    return `${seen.address.padEnd(width)}  ${WORDS[code].padEnd(8)}  ${text}`;
  });
}
