/**
 * What the daemon counts for `/metrics`: ownership transitions and conflicts from the group's events, and what its parts count
 * themselves. Boundary: counts; nothing is decided by it.
 */

import type { OwnershipEvent } from "../domain/group/types.js";
import type { SwimStats } from "../domain/swim/index.js";
import type { Log, Responder } from "../ports.js";

export interface Counter {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface TallyParts {
  readonly responder: Pick<Responder, "stats">;
  readonly log: Pick<Log, "dropped">;
  readonly strictArp: { readonly repairs: number };
}

const TRANSITION = /^vip\.(standby|claiming|owned|releasing|conflict|unowned)$/;
/** Why, by the state before, or by the state alone; what came to be owned says its cause itself. */
const REASONS: Readonly<Record<string, string>> = {
  "releasing>owned": "move-called-off",
  "releasing>standby": "handed-over",
  "releasing>unowned": "handed-over",
  "owned>releasing": "planned-move",
  "owned>standby": "let-go",
  "owned>unowned": "let-go",
  "claiming>releasing": "claim-given-up",
  "claiming>standby": "claim-given-up",
  "claiming>unowned": "claim-given-up",
  "conflict>standby": "conflict-over",
  conflict: "stranger",
  claiming: "elected",
  standby: "elected-elsewhere",
  unowned: "nobody-eligible",
};
const TAKEOVER_S = [0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 30];
const HAND_OVER_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export class Tally {
  readonly #parts: TallyParts;
  readonly #transitions = new Map<string, number>();
  readonly #takeovers = new Histogram("vipd_takeover_duration_seconds", TAKEOVER_S);
  readonly #handOvers = new Histogram("vipd_handover_duration_seconds", HAND_OVER_S);
  #conflicts = 0;

  constructor(parts: TallyParts) {
    this.#parts = parts;
  }

  heard({ event, fields }: OwnershipEvent): void {
    if (event === "vip.conflict") this.#conflicts += 1;
    const state = TRANSITION.exec(event)?.[1];
    if (state === undefined) return;
    const { cause, from, silentMs, tookMs } = fields;
    const reason = String(cause ?? REASONS[`${from}>${state}`] ?? REASONS[state] ?? "other");
    const slot = `${state} ${reason}`;
    this.#transitions.set(slot, (this.#transitions.get(slot) ?? 0) + 1);
    if (cause === "takeover" && typeof silentMs === "number") this.#takeovers.observe(silentMs / 1000);
    if (cause === "hand-over" && typeof tookMs === "number") this.#handOvers.observe(tookMs / 1000);
  }

  counters(): Counter[] {
    const { responder, log, strictArp } = this.#parts;
    const transitions = [...this.#transitions].map(([slot, value]) => {
      const [state, reason] = slot.split(" ") as [string, string];
      return { name: "vipd_ownership_transitions_total", labels: { state, reason }, value };
    });
    const { framesDropped, eventsDropped } = responder.stats();
    return [
      ...transitions,
      ...this.#takeovers.samples(),
      ...this.#handOvers.samples(),
      { name: "vipd_strict_arp_repairs_total", labels: {}, value: strictArp.repairs },
      { name: "vipd_conflicts_total", labels: {}, value: this.#conflicts },
      { name: "vipd_frames_dropped_total", labels: {}, value: framesDropped },
      { name: "vipd_responder_events_dropped_total", labels: {}, value: eventsDropped },
      { name: "vipd_log_lines_dropped_total", labels: {}, value: log.dropped() },
    ];
  }
}

/** Prometheus' cumulative histogram. */
export class Histogram {
  readonly #name: string;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  constructor(name: string, bounds: readonly number[]) {
    this.#name = name;
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.#bounds.forEach((bound, i) => {
      if (value <= bound) this.#counts[i]! += 1;
    });
    this.#sum += value;
    this.#count += 1;
  }

  samples(): Counter[] {
    const bucket = (le: string, value: number) => ({ name: `${this.#name}_bucket`, labels: { le }, value });
    return [
      ...this.#bounds.map((bound, i) => bucket(String(bound), this.#counts[i]!)),
      bucket("+Inf", this.#count),
      { name: `${this.#name}_sum`, labels: {}, value: this.#sum },
      { name: `${this.#name}_count`, labels: {}, value: this.#count },
    ];
  }
}

/** What the membership core counts. */
export function membershipCounters(stats: SwimStats): Counter[] {
  const values: Readonly<Record<string, number>> = {
    vipd_gossip_probes_total: stats.pings,
    vipd_gossip_probes_failed_total: stats.probesFailed,
    vipd_gossip_exchanges_total: stats.exchanges,
    vipd_suspicions_total: stats.suspicions,
    vipd_deaths_declared_total: stats.verdicts,
    vipd_refutations_total: stats.refutations,
    vipd_gossip_queue_messages: stats.queued,
    vipd_gossip_open_questions: stats.questions,
    vipd_gossip_awareness: stats.awareness,
  };
  return Object.entries(values).map(([name, value]) => ({ name, labels: {}, value }));
}
