/**
 * The quorum's law as a check (law 4): whoever could not have been answered by enough hosts for a lease answers for nothing.
 * Purpose: the truth about when each host could last have been asked something that it then could answer, directly or in a chain,
 * held against who answers. Boundary: looks at the networks and the responders only, never at what a group believes of itself.
 */
import type { Host } from "./host.js";
import { Violation } from "./violation.js";
import type { World } from "./world.js";

/** Looked at no more often than this: so much later than the truth a beginning is noticed. */
const LOOK_EVERY_MS = 0.5;
/** Clocks that stood still date nothing, and an instance's own past is too short to be judged. */
const AFTERMATH_MS = 3000;

/** By another host: the latest instant at which a question could have set out. */
type Dates = Map<Host, number>;

export class QuorumWatch {
  readonly #world: World;
  /** Of questions that could have arrived; whoever stands still answers what has queued up once it wakes. */
  readonly #asked = new Map<Host, Dates>();
  /** Of those among them that could have been answered. */
  readonly #answered = new Map<Host, Dates>();
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(world: World) {
    this.#world = world;
    world.watch({ moment: () => this.#look() });
  }

  #look(): void {
    const { now } = this.#world;
    if (now - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = now;
    const hosts = this.#world.hosts.filter((host) => host.up);
    for (const dates of [this.#asked, this.#answered]) {
      for (const host of dates.keys()) if (!host.up) dates.delete(host);
    }
    this.#note(hosts);
    for (const host of hosts) if (host.settings.quorum) this.#judge(host, host.settings.quorum.hosts);
  }

  #note(hosts: readonly Host[]): void {
    const { now, gossip } = this.#world;
    const answers: [Host, Host][] = [];
    for (const host of hosts) {
      const asked = datesOf(this.#asked, host);
      for (const other of hosts) {
        if (other === host) continue;
        if (host.turning && gossip.passes(host.address.host, other.address.host)) asked.set(other, now);
        if (!other.turning || !gossip.passes(other.address.host, host.address.host)) continue;
        const at = asked.get(other);
        if (at === undefined) continue;
        later(datesOf(this.#answered, host), other, at);
        answers.push([host, other]);
      }
    }
    // Who answers tells of whom it had answers itself: as often as the longest chain has links.
    for (let link = 1; link < hosts.length; link++) {
      for (const [host, other] of answers) {
        const asked = datesOf(this.#asked, host).get(other)!;
        for (const [third, at] of datesOf(this.#answered, other)) {
          if (third !== host) later(datesOf(this.#answered, host), third, Math.min(at, asked));
        }
      }
    }
  }

  #judge(host: Host, needed: number): void {
    const { now, hosts } = this.#world;
    if (needed <= 1) return;
    const names = new Map<string, number>();
    for (const [other, at] of datesOf(this.#answered, host)) {
      if (other.name !== host.name) names.set(other.name, Math.max(at, names.get(other.name) ?? at));
    }
    const since = [...names.values()].sort((a, b) => b - a)[needed - 2] ?? host.startedAt;
    const { leaseMs, suspectAfterMs } = this.#world.profileOf(host.name);
    if (host.punctualMs < AFTERMATH_MS || !host.native.speaks()) return;
    // A pause that nobody noticed makes what the paused host tells of others look younger by as much.
    const unnoticed = hosts.filter(
      ({ punctualMs, pausedMs }) => punctualMs < AFTERMATH_MS && pausedMs < suspectAfterMs,
    );
    const misdatedMs = unnoticed.reduce((sum, { pausedMs }) => sum + pausedMs, 0);
    if (now - since <= leaseMs + misdatedMs + LOOK_EVERY_MS) return;
    throw new Violation(
      this.#world,
      `${host} answers, but has been out of reach of ${needed} hosts since ${since.toFixed(1)}, longer than its lease`,
    );
  }
}

function datesOf(dates: Map<Host, Dates>, host: Host): Dates {
  const known = dates.get(host);
  if (known !== undefined) return known;
  const none: Dates = new Map();
  dates.set(host, none);
  return none;
}

function later(dates: Dates, host: Host, at: number): void {
  if (at > (dates.get(host) ?? Number.NEGATIVE_INFINITY)) dates.set(host, at);
}
