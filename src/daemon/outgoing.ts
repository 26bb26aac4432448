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
  /** Of all messages, with what a compound costs; null: not needed yet. To measure is to encode, and mostly a host is told one thing. */
  bytes: number | null;
}

export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #waiting = new Map<string, Waiting>();

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  /** `messages` fit one datagram, or are one that fits none: they stay together. */
  add(to: Endpoint, messages: readonly Message[]): void {
    const { packetBudget, send } = this.#options;
    const key = formatEndpoint(to);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) {
      const bytes = (waiting.bytes ?? COMPOUND_BYTES + this.#bytesOf(waiting.messages)) + this.#bytesOf(messages);
      const parts = waiting.messages.length + messages.length;
      if (bytes <= packetBudget && parts <= PARTS_MAX) {
        waiting.messages.push(...messages);
        waiting.bytes = bytes;
        return;
      }
      send(to, waiting.messages);
    } else if (this.#waiting.size >= WAITING_MAX) this.flush();
    this.#waiting.set(key, { to, messages: [...messages], bytes: null });
  }

  flush(): void {
    for (const { to, messages } of this.#waiting.values()) this.#options.send(to, messages);
    this.#waiting.clear();
  }

  #bytesOf(messages: readonly Message[]): number {
    return messages.reduce((sum, message) => sum + this.#options.measure(message) + PART_OVERHEAD_BYTES, 0);
  }
}
