/**
 * The AddressHolder port on the native engine: VIPs on `lo`, in a native thread over rtnetlink. Purpose: translate and
 * remember what is held. Boundary: which VIP belongs there is the daemon's decision. It never removes an address that is
 * not tagged as ours.
 */
import type { AddressHolder } from "../ports.js";
import { type NativeEngine, sharedEngine } from "./native.js";

/** The daemon's address holder; it shares the engine of `createResponder`, whose lease decides on renewals. */
export function createAddressHolder(engine: NativeEngine = sharedEngine()): LoAddressHolder {
  return new LoAddressHolder(engine);
}

export class LoAddressHolder implements AddressHolder {
  readonly #engine: NativeEngine;
  readonly #held = new Set<string>();

  constructor(engine: NativeEngine) {
    this.#engine = engine;
  }

  async hold(addresses: readonly string[]): Promise<void> {
    for (const address of addresses) this.#held.add(address);
    await this.#engine.request((raw) => raw.hold(addresses));
  }

  async drop(addresses: readonly string[]): Promise<void> {
    for (const address of addresses) this.#held.delete(address);
    await this.#engine.request((raw) => raw.drop(addresses));
  }

  async sweep(): Promise<readonly string[]> {
    return (await this.#engine.request((raw) => raw.sweep())).addresses;
  }

  /** What is wanted on `lo`, whether or not the last `hold` succeeded for each. */
  held(): readonly string[] {
    return [...this.#held];
  }
}
