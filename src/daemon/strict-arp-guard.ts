/**
 * Strict ARP while the daemon runs: set at the start, looked at again and again, since other programs set the same sysctls, restored
 * at the end. Purpose: what was undone is set again and told. Boundary: which sysctls is the adapter's knowledge.
 */
import type { Log, StatusSnapshot, StrictArp } from "../ports.js";
import { reasonOf } from "./engine.js";

export class StrictArpGuard {
  readonly #strictArp: StrictArp;
  readonly #log: Log;
  readonly #said = new Set<string>();
  #alarm: string | null = null;
  #repairs = 0;

  constructor(strictArp: StrictArp, log: Log) {
    this.#strictArp = strictArp;
    this.#log = log;
  }

  async start(): Promise<void> {
    const changed = await this.#strictArp.start();
    for (const change of changed) this.#log.write("info", "strict-arp.changed", { change }, `strict ARP: ${change}`);
  }

  async check(): Promise<void> {
    try {
      const repaired = await this.#strictArp.check();
      this.#repairs += repaired.length;
      for (const one of repaired) {
        // Whoever undoes it every ten seconds is named once; /status and metrics count.
        const level = this.#said.has(one) ? "debug" : "warn";
        this.#said.add(one);
        const text = `strict ARP was undone by somebody, set again: ${one}`;
        this.#log.write(level, "strict-arp.repaired", { repaired: one }, text);
      }
      this.#alarm = null;
    } catch (error) {
      this.#alarm = `strict ARP: ${reasonOf(error)}`;
    }
  }

  restore(): Promise<void> {
    return this.#strictArp.restore();
  }

  /** What stands in the way of setting it, or null. */
  get alarm(): string | null {
    return this.#alarm;
  }

  get repairs(): number {
    return this.#repairs;
  }

  changed(): StatusSnapshot["strictArp"]["changed"] {
    return this.#strictArp.changed();
  }
}
