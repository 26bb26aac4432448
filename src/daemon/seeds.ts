/**
 * Names in `gossip.join` are resolved again and again: their hosts may move, or DNS may be late at boot. Purpose: the membership
 * hears of the addresses, the log once of each name that has none. Boundary: whom to contact, and when, is the membership's.
 */
import type { Resolver } from "../adapters/resolver.js";
import type { Config } from "../config/types.js";
import type { Endpoint } from "../domain/messages.js";
import type { Log } from "../ports.js";
import { reasonOf } from "./engine.js";

const AGAIN_MS = 30_000;
const MISSING_AGAIN_MS = 1000;

export interface SeedsParts {
  readonly resolver: Resolver;
  readonly log: Log;
  readonly onSeeds: (seeds: readonly Endpoint[]) => void;
}

export class Seeds {
  readonly #parts: SeedsParts;
  readonly #unresolved = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #addresses: readonly Endpoint[] = [];
  /** Of several that wait for answers only the last one goes on. */
  #turn = 0;

  constructor(parts: SeedsParts) {
    this.#parts = parts;
  }

  /** As they were resolved last. */
  get addresses(): readonly Endpoint[] {
    return this.#addresses;
  }

  /** Resolves at once, and then from time to time until `stop`. */
  async follow(join: Config["gossip"]["join"]): Promise<void> {
    this.stop();
    if (join.length === 0) return;
    const turn = this.#turn;
    const answers = await Promise.allSettled(join.map((target) => this.#parts.resolver.resolve(target)));
    if (turn !== this.#turn) return;
    this.#addresses = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    this.#parts.onSeeds(this.#addresses);
    const failed = answers.flatMap((answer) => (answer.status === "rejected" ? [reasonOf(answer.reason)] : []));
    for (const problem of failed) {
      if (!this.#unresolved.has(problem)) this.#parts.log.write("warn", "gossip.unresolved", { problem }, problem);
    }
    this.#unresolved.clear();
    for (const problem of failed) this.#unresolved.add(problem);
    const again = failed.length > 0 ? MISSING_AGAIN_MS : AGAIN_MS;
    this.#timer = setTimeout(() => void this.follow(join), again);
  }

  stop(): void {
    this.#turn += 1;
    clearTimeout(this.#timer);
  }
}
