/**
 * What clients get: at each port of the switch, how long a VIP has led nowhere. Purpose: liveness as those see it whom nobody
 * asks, also while a fault lasts. Boundary: it looks at neighbour caches, ways and addresses, never at what hosts believe.
 */
import type { Host } from "./host.js";
import type { World } from "./world.js";

export interface Outage {
  readonly port: string;
  readonly address: string;
  readonly fromMs: number;
  lengthMs: number;
}

const LOOK_EVERY_MS = 1;

export class ServedWatch {
  readonly #world: World;
  readonly #ports: readonly string[];
  readonly #addresses: readonly string[];
  readonly #open = new Map<string, Outage>();
  readonly #all: Outage[] = [];

  constructor(world: World, ports: readonly string[], addresses: readonly string[]) {
    this.#world = world;
    this.#ports = ports;
    this.#addresses = addresses;
  }

  run(ms: number): void {
    const until = this.#world.now + ms;
    while (this.#world.now < until) {
      this.#world.run(LOOK_EVERY_MS);
      this.#look();
    }
  }

  /** The longest time for which one of these addresses led nowhere, at any port. */
  longest(addresses: readonly string[]): Outage | null {
    const ours = this.#all.filter(({ address }) => addresses.includes(address));
    return ours.reduce<Outage | null>((worst, one) => (one.lengthMs > (worst?.lengthMs ?? 0) ? one : worst), null);
  }

  #look(): void {
    for (const port of this.#ports) {
      for (const address of this.#addresses) {
        const slot = `${port} ${address}`;
        if (this.#serves(port, address)) {
          this.#open.delete(slot);
          continue;
        }
        const outage = this.#open.get(slot) ?? { port, address, fromMs: this.#world.now, lengthMs: 0 };
        if (!this.#open.has(slot)) this.#all.push(outage);
        this.#open.set(slot, outage);
        outage.lengthMs = this.#world.now - outage.fromMs + LOOK_EVERY_MS;
      }
    }
  }

  /** The one whose announcement the client at this port believes hears it, is heard by it, and takes its packets. */
  #serves(port: string, address: string): boolean {
    const mac = this.#world.segment.clients.get(port)?.get(address)?.mac;
    const host = this.#world.hosts.find((one) => one.up && one.mac === mac);
    if (host === undefined) return false;
    const { wire } = this.#world;
    const reached = wire.passes(port, host.address.host) && wire.passes(host.address.host, port);
    return reached && host.link && takes(host, address);
  }
}

/** The kernel takes packets for what is on lo; what never is there belongs to whoever answers for it. */
function takes(host: Host, address: string): boolean {
  const local = host.settings.groups.find((group) => group.addresses.includes(address))?.local ?? true;
  return local ? host.native.held.has(address) : host.native.voices(address);
}
