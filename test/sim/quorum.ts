/**
 * The quorum's law as a check (law 4): whoever has been out of reach of enough hosts for a lease answers for nothing. Purpose:
 * the truth about who can reach whom, in both directions, itself or through others, held against who answers. Boundary:
 * looks at the networks and the responders only, never at what a group believes of itself.
 */
import type { Host } from "./host.js";
import { Violation } from "./violation.js";
import type { World } from "./world.js";

/** Looked at no more often than this: so much later than the truth a beginning is noticed. */
const LOOK_EVERY_MS = 0.5;
/** Clocks that stood still date nothing, and an instance's own past is too short to be judged. */
const AFTERMATH_MS = 3000;

export class QuorumWatch {
  readonly #world: World;
  readonly #lackingSince = new Map<Host, number>();
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(world: World) {
    this.#world = world;
    world.watch({ moment: () => this.#look() });
  }

  #look(): void {
    const { now, hosts } = this.#world;
    if (now - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = now;
    for (const host of this.#lackingSince.keys()) if (!host.up) this.#lackingSince.delete(host);
    for (const host of hosts) if (host.up && host.settings.quorum) this.#judge(host, host.settings.quorum.hosts);
  }

  #judge(host: Host, needed: number): void {
    const { now } = this.#world;
    if (this.#reach(host) >= needed) {
      this.#lackingSince.delete(host);
      return;
    }
    const since = this.#lackingSince.get(host) ?? now;
    this.#lackingSince.set(host, since);
    const { leaseMs } = this.#world.profileOf(host.name);
    if (now - since <= leaseMs || host.punctualMs < AFTERMATH_MS || !host.native.speaks()) return;
    throw new Violation(
      this.#world,
      `${host} answers, but has been out of reach of ${needed} hosts since ${since.toFixed(1)}, longer than its lease`,
    );
  }

  /** Names of the hosts that it can ask and be answered by, through others as well, itself included. */
  #reach(host: Host): number {
    const { gossip, hosts } = this.#world;
    const able = hosts.filter((other) => other.up && (other === host || other.turning));
    const names = new Set([host.name]);
    const found = new Set([host]);
    for (const at of found) {
      for (const other of able) {
        if (found.has(other)) continue;
        const [a, b] = [at.address.host, other.address.host];
        if (!gossip.passes(a, b) || !gossip.passes(b, a)) continue;
        found.add(other);
        names.add(other.name);
      }
    }
    return names.size;
  }
}
