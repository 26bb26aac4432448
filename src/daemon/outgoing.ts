/**
 * What one wake-up says to each host: gathered, so that a host gets one datagram where it is told several things. Purpose: at rest
 * nothing changes; who is behind answers many datagrams at once, and a storm costs less the further behind everybody is.
 * Boundary: within the packet budget, in the order of saying; each host's own order is kept. Sends nothing before `flush`.
 */
import { type Endpoint, formatEndpoint, type Message } from "../domain/messages.js";
import { COMPOUND_BYTES, PART_OVERHEAD_BYTES, PARTS_MAX } from "../domain/swim/broadcasts.js";

/** So many datagrams wait at most: about what the kernel's queue takes at once. */
const WAITING_MAX = 256;

export interface OutgoingOptions {
  readonly send: (to: Endpoint, messages: readonly Message[]) => void;
  readonly measure: (message: Message) => number;
  readonly packetBudget: number;
}

interface Waiting {
  readonly to: Endpoint;
  readonly messages: Message[];
  bytes: number;
}

export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #waiting = new Map<string, Waiting>();

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  /** `messages` fit one datagram, or are one that fits none: they stay together. */
  add(to: Endpoint, messages: readonly Message[]): void {
    const { measure, packetBudget, send } = this.#options;
    let bytes = 0;
    for (const message of messages) bytes += measure(message) + PART_OVERHEAD_BYTES;
    const key = formatEndpoint(to);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) {
      const parts = waiting.messages.length + messages.length;
      if (waiting.bytes + bytes <= packetBudget && parts <= PARTS_MAX) {
        waiting.messages.push(...messages);
        waiting.bytes += bytes;
        return;
      }
      send(to, waiting.messages);
    } else if (this.#waiting.size >= WAITING_MAX) this.flush();
    this.#waiting.set(key, { to, messages: [...messages], bytes: COMPOUND_BYTES + bytes });
  }

  flush(): void {
    for (const { to, messages } of this.#waiting.values()) this.#options.send(to, messages);
    this.#waiting.clear();
  }
}
