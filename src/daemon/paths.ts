/**
 * Whether other members still reach this host on its service interfaces (law 5): it asks for a few members' own addresses there,
 * and when none of them answers, round after round, tells the group, which then owns elsewhere. Boundary: only interfaces that
 * do not carry the gossip, whose silence the gossip itself would tell; only where two others can be asked, since of two hosts
 * neither knows whose path is broken. Never decides about a VIP.
 */
import type { Facts } from "../domain/facts.js";
import type { MemberView } from "../domain/swim/types.js";
import type { Responder } from "../ports.js";

const INTERVAL_MS = 500;
const TIMEOUT_MS = 300;
/** After a round without an answer the next one comes sooner. */
const AGAIN_MS = 50;
/** Rounds without any answer before the path counts as broken. */
const MISSES_MAX = 3;
/** Each is asked more than once within a round: several of several are not lost by chance. */
const ASKED_MAX = 4;
const PEERS_MIN = 2;
/** A round that took so long tells of a stall of ours, not of the path. */
const ROUND_MS_MAX = INTERVAL_MS + TIMEOUT_MS;

export interface PathsParts {
  readonly name: string;
  readonly responder: Pick<Responder, "ask">;
  readonly clock: { now(): number };
  readonly random: () => number;
  readonly members: () => readonly Pick<MemberView, "name" | "state" | "foreign">[];
  readonly facts: (member: string) => Facts | undefined;
  /** Each service interface that does not carry the gossip, with this host's own address there. */
  readonly places: () => ReadonlyMap<string, string>;
  readonly onPath: (iface: string, reached: boolean) => void;
}

export class Paths {
  readonly #parts: PathsParts;
  readonly #misses = new Map<string, number>();
  readonly #broken = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(parts: PathsParts) {
    this.#parts = parts;
  }

  /** To be called again when places may have changed: without any nothing wakes for them. Idempotent. */
  start(): void {
    if (this.#ended || this.#timer !== undefined || (this.#parts.places().size === 0 && this.#broken.size === 0))
      return;
    const missing = this.#misses.size > this.#broken.size;
    this.#timer = setTimeout(() => void this.#round(), missing ? AGAIN_MS : INTERVAL_MS);
  }

  stop(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #round(): Promise<void> {
    const places = this.#parts.places();
    for (const iface of this.#broken) if (!places.has(iface)) this.#settle(iface, true);
    await Promise.all([...places].map(([iface, own]) => this.probe(iface, own)));
    if (this.#timer === undefined) return;
    this.#timer = undefined;
    this.start();
  }

  /** One round on one interface. */
  async probe(iface: string, own: string): Promise<void> {
    const { responder, clock, random } = this.#parts;
    const peers = this.#peersOn(iface, own);
    if (peers.length < PEERS_MIN) return this.#settle(iface, true);
    const addresses = peers
      .map((address) => ({ address, at: random() }))
      .sort((a, b) => a.at - b.at)
      .slice(0, ASKED_MAX)
      .map(({ address }) => address);
    const began = clock.now();
    // An interface that is gone or down is the link's own story.
    const answers = await responder
      .ask({ interface: iface, addresses, timeoutMs: TIMEOUT_MS, source: own })
      .catch(() => null);
    if (answers === null || clock.now() - began > ROUND_MS_MAX) this.#misses.delete(iface);
    else if (answers.length > 0) this.#settle(iface, true);
    else this.#miss(iface);
  }

  #miss(iface: string): void {
    const misses = (this.#misses.get(iface) ?? 0) + 1;
    this.#misses.set(iface, misses);
    if (misses >= MISSES_MAX) this.#settle(iface, false);
  }

  #settle(iface: string, reached: boolean): void {
    if (reached) this.#misses.delete(iface);
    if (this.#broken.has(iface) !== reached) return;
    if (reached) this.#broken.delete(iface);
    else this.#broken.add(iface);
    this.#parts.onPath(iface, reached);
  }

  /** The addresses of living members on the interface of the same name, of the family that we can ask with. */
  #peersOn(iface: string, own: string): readonly string[] {
    const { name, members, facts } = this.#parts;
    const sixth = own.includes(":");
    return members().flatMap((member) => {
      if (member.name === name || member.foreign || member.state !== "alive") return [];
      const there = facts(member.name)?.interfaces.find((one) => one.name === iface && one.up && one.carrier);
      const address = there?.address ?? "";
      return address === "" || address.includes(":") !== sixth ? [] : [address];
    });
  }
}
