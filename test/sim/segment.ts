/**
 * The simulated segment of the VIPs: announcements, questions, and a client at each host's port of the switch with its
 * neighbour cache. Purpose: who hears whom, and what clients believe. Boundary: frames only; who may answer is native.ts's
 * business, who should is checked in voices.ts.
 */
import type { Answer } from "../../src/domain/ownership/types.js";
import type { Host } from "./host.js";
import type { World } from "./world.js";

export interface CacheEntry {
  /** MAC of the last announcement that came through. */
  mac: string;
  /** Who sent it, and when: it may have arrived after its sender's end. */
  by: Host | null;
  at: number;
  /** Owner's MAC -> when a frame of its last announcement did not come through. */
  readonly missedAt: Map<string, number>;
}

export class Segment {
  readonly #world: World;
  /** Port (address of the host there) -> VIP -> what the client there believes. */
  readonly clients = new Map<string, Map<string, CacheEntry>>();
  announcements = 0;
  /** Port -> when the last announcement reaches it. */
  readonly #lastAt = new Map<string, number>();
  /** Somebody may have begun to answer since this was last reset. */
  #changed = false;

  constructor(world: World) {
    this.#world = world;
  }

  changed(): void {
    this.#changed = true;
  }

  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  addPort(port: string): void {
    if (!this.clients.has(port)) this.clients.set(port, new Map());
  }

  announce(by: Host, address: string): void {
    this.announcements += 1;
    const { wire, agenda, now: sentAt } = this.#world;
    for (const port of this.clients.keys()) {
      const own = port === by.address.host;
      const delays = own ? [0.05] : wire.fateToPort(by.address.host, port);
      if (delays.length === 0) this.#entry(port, address).missedAt.set(by.mac, this.#world.now);
      for (const delay of delays)
        agenda.after(this.#inTurn(port, delay), () => this.#arrive(port, address, { by, sentAt }));
    }
  }

  /**
   * A switch hands frames on to a port in the order in which they came in: whoever answers an announcement is heard after it, by
   * all. Only foul weather (several switches, loops, strays) turns that round.
   */
  #inTurn(port: string, delay: number): number {
    const { now, wire } = this.#world;
    if (!wire.fair) return delay;
    const at = Math.max(now + delay, this.#lastAt.get(port) ?? 0);
    this.#lastAt.set(port, at);
    return at - now;
  }

  #arrive(port: string, address: string, { by, sentAt }: { by: Host; sentAt: number }): void {
    const { mac } = by;
    const entry = this.#entry(port, address);
    // A stray of foul weather, sent before what it covers up: that is as good as lost.
    if (sentAt < entry.at) entry.missedAt.set(entry.mac, entry.at);
    entry.mac = mac;
    entry.by = by;
    entry.at = sentAt;
    entry.missedAt.delete(mac);
    const host = this.#world.atPort(port);
    if (host !== undefined && host.mac !== mac) host.native.frame(() => host.native.claimed(address, mac));
  }

  #entry(port: string, address: string): CacheEntry {
    this.addPort(port);
    const cache = this.clients.get(port)!;
    let entry = cache.get(address);
    if (entry === undefined) {
      entry = { mac: "", by: null, at: Number.NEGATIVE_INFINITY, missedAt: new Map() };
      cache.set(address, entry);
    }
    return entry;
  }

  /** One question for each address, to everybody; answers come to `hear` if they arrive. */
  ask(by: Host, addresses: readonly string[], hear: (answer: Answer) => void): void {
    if (!by.link || by.stopped) return;
    const { wire, agenda } = this.#world;
    for (const other of this.#world.hosts) {
      if (other === by || !other.up) continue;
      for (const delay of wire.fate(by.address.host, other.address.host)) {
        agenda.after(delay, () =>
          other.native.frame(() => {
            for (const address of addresses) {
              if (!other.native.voices(address)) continue;
              const answer = { address, mac: other.mac };
              for (const back of wire.fate(other.address.host, by.address.host)) {
                agenda.after(back, () => by.native.frame(() => hear(answer)));
              }
            }
          }),
        );
      }
    }
  }
}
