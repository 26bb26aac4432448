/**
 * How the durations of a profile must hang together, each rule with its reason: ARCHITECTURE.md, "Timing", as code. The
 * profiles are held to it by a test, `gossip.timers` by the configuration. Pure.
 */
import type { Millis } from "./messages.js";
import type { Profile } from "./profile.js";

/** Timers fire a little late, datagrams travel: so much is left between what must happen in order. */
const SLACK_SHARE = 0.02;
const SLACK_MS_MIN = 2;

/** In watch intervals: how long the more patient one of two that watch each other waits for the other's question. */
export const WATCH_PATIENCE = 1.1;

/** In watch intervals: one that was heard so recently need not be asked. Its answer counts, which may have taken a while. */
export const WATCH_SPARED = 0.8;

/** With a quorum of more hosts than these and itself, a host asks so many, and hears of the others in their answers. */
export const QUORUM_ASKS_DIRECT_MAX = 5;

/**
 * How old a host whose lease hangs on a quorum lets its evidence become before it asks again: in a large group the answers of a
 * quorum come in three or four rounds of this, all of them within the lease.
 */
export function quorumAskEveryMs({ watchIntervalMs, leaseMs }: Pick<Profile, "watchIntervalMs" | "leaseMs">): Millis {
  return Math.min(watchIntervalMs, leaseMs / 2) / 2;
}

export function slackMs(profile: Pick<Profile, "deadAfterMs">): Millis {
  return Math.max(SLACK_MS_MIN, profile.deadAfterMs * SLACK_SHARE);
}

/**
 * The stall of the whole network that leads to no verdict, whenever it begins: the more patient one of two has not asked for its
 * interval by then, and its next question after the stall comes a retry later.
 */
export function stallRiddenOutMs(profile: Profile): Millis {
  const { deadAfterMs, watchIntervalMs, watchRetryMs } = profile;
  return deadAfterMs - WATCH_PATIENCE * watchIntervalMs - watchRetryMs - slackMs(profile);
}

/** How long somebody must ignore what we say before it counts as deaf: what we said may still be on its way. */
export function deafAfterMs({ watchTimeoutMs }: Pick<Profile, "watchTimeoutMs">): Millis {
  return 2 * watchTimeoutMs;
}

/** From the beginning of the silence until the wire is asked: as late as leaves time for the answer before the verdict. */
export function askAfterMs(profile: Profile): Millis {
  return profile.deadAfterMs - profile.askTimeoutMs - slackMs(profile);
}

/** A duration of the profile by its name in `gossip.timers`. */
export type TimerName = Exclude<
  { [K in keyof Profile]: Profile[K] extends number ? (K extends `${string}Ms` ? K : never) : never }[keyof Profile],
  "stallMs"
>;

export interface BrokenRule {
  /** All whose change could mend it, the one that is too small (or large) first. */
  readonly timers: readonly [TimerName, ...TimerName[]];
  /** `must be at least 755 …: why`. */
  readonly text: string;
}

interface Rule {
  readonly timer: TimerName;
  readonly relation: "at least" | "at most";
  readonly of: readonly TimerName[];
  readonly bound: (profile: Profile) => Millis;
  readonly formula: string;
  readonly why: string;
}

const RULES: readonly Rule[] = [
  {
    timer: "watchTimeoutMs",
    relation: "at most",
    of: ["watchIntervalMs"],
    bound: (p) => p.watchIntervalMs,
    formula: "watchIntervalMs",
    why: "an answer that is missing must be noticed before the next question",
  },
  {
    timer: "watchRetryMs",
    relation: "at most",
    of: ["watchTimeoutMs"],
    bound: (p) => p.watchTimeoutMs,
    formula: "watchTimeoutMs",
    why: "after a missing answer the questions come faster, not slower",
  },
  {
    timer: "suspectAfterMs",
    relation: "at least",
    of: ["watchIntervalMs", "watchTimeoutMs"],
    bound: (p) => rounded(WATCH_PATIENCE * p.watchIntervalMs) + p.watchTimeoutMs,
    formula: `${WATCH_PATIENCE} x watchIntervalMs + watchTimeoutMs`,
    why: "before, its answer is not even late",
  },
  {
    timer: "suspectAfterMs",
    relation: "at most",
    of: ["leaseMs", "leaseExtensionMs"],
    bound: (p) => p.leaseMs + p.leaseExtensionMs,
    formula: "leaseMs + leaseExtensionMs",
    why: "a suspect must hear of it in time to refute",
  },
  {
    timer: "leaseMs",
    relation: "at least",
    of: ["leaseExtensionMs"],
    bound: (p) => 3 * p.leaseExtensionMs,
    formula: "3 x leaseExtensionMs",
    why: "one late extension must not silence a healthy host",
  },
  {
    timer: "leaseMs",
    relation: "at least",
    of: ["watchIntervalMs", "watchTimeoutMs"],
    bound: (p) => p.watchIntervalMs + p.watchTimeoutMs,
    formula: "watchIntervalMs + watchTimeoutMs",
    why: "one lost question must not silence a host whose lease hangs on answers",
  },
  {
    timer: "deadAfterMs",
    relation: "at least",
    of: ["leaseMs", "watchIntervalMs", "askTimeoutMs"],
    bound: (p) => p.leaseMs + Math.max(p.watchIntervalMs, p.leaseExtensionMs) + p.askTimeoutMs + slackMs(p),
    formula: "leaseMs + watchIntervalMs + askTimeoutMs and 2 % for late timers",
    why: "a host that stalls may answer until its lease ends, which is up to a watch interval after its last sign of life, and then the wire is asked",
  },
  {
    timer: "deadAfterMs",
    relation: "at least",
    of: ["suspectAfterMs", "watchRetryMs", "askTimeoutMs"],
    bound: (p) => p.suspectAfterMs + p.watchRetryMs + p.askTimeoutMs + slackMs(p),
    formula: "suspectAfterMs + watchRetryMs + askTimeoutMs and 2 % for late timers",
    why: "a suspect gets the time to refute, and the wire is asked, before the verdict",
  },
  {
    timer: "probeTimeoutMs",
    relation: "at most",
    of: ["probeIntervalMs"],
    bound: (p) => p.probeIntervalMs,
    formula: "probeIntervalMs",
    why: "after it others are asked, within the same interval",
  },
];

/** A tenth of a millisecond: 1.1 x 90 is 99. */
function rounded(ms: Millis): Millis {
  return Math.round(ms * 10) / 10;
}

/** Every rule that these durations break. */
export function brokenRules(profile: Profile): BrokenRule[] {
  return RULES.filter(({ timer, relation, bound }) =>
    relation === "at least" ? profile[timer] < bound(profile) : profile[timer] > bound(profile),
  ).map(({ timer, relation, of, bound, formula, why }) => {
    const limit = relation === "at least" ? Math.ceil(bound(profile)) : Math.floor(bound(profile));
    return { timers: [timer, ...of], text: `${timer} must be ${relation} ${limit} ms (${formula}): ${why}` };
  });
}
