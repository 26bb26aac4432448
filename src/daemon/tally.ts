/**
 * What the daemon counts for `/metrics`: ownership transitions and conflicts from the group's events, and what its parts count
 * themselves. Boundary: counts; nothing is decided by it.
 */
import type { OwnershipEvent } from "../domain/group/types.js";
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

export class Tally {
  readonly #parts: TallyParts;
  readonly #transitions = new Map<string, number>();
  #conflicts = 0;

  constructor(parts: TallyParts) {
    this.#parts = parts;
  }

  heard({ event }: OwnershipEvent): void {
    if (event === "vip.conflict") this.#conflicts += 1;
    const state = TRANSITION.exec(event)?.[1];
    if (state !== undefined) this.#transitions.set(state, (this.#transitions.get(state) ?? 0) + 1);
  }

  counters(): Counter[] {
    const { responder, log, strictArp } = this.#parts;
    const transitions = [...this.#transitions].map(([state, value]) => ({
      name: "vipd_ownership_transitions_total",
      labels: { state },
      value,
    }));
    const { framesDropped, eventsDropped } = responder.stats();
    return [
      ...transitions,
      { name: "vipd_strict_arp_repairs_total", labels: {}, value: strictArp.repairs },
      { name: "vipd_conflicts_total", labels: {}, value: this.#conflicts },
      { name: "vipd_frames_dropped_total", labels: {}, value: framesDropped },
      { name: "vipd_responder_events_dropped_total", labels: {}, value: eventsDropped },
      { name: "vipd_log_lines_dropped_total", labels: {}, value: log.dropped() },
    ];
  }
}
