/**
 * What is still to be spread by gossip: one entry a subject, each sent a bounded number of times, fewest sent first
 * (memberlist-wire.md, section 12). Purpose: fill the room that is left in every datagram. Boundary: it picks; the
 * packets are composed by context.ts. Bounded: the most often sent entry makes room for a new one.
 */
import type { Message } from "../messages.js";

interface Entry {
  readonly subject: string;
  readonly message: Message;
  readonly bytes: number;
  readonly id: number;
  sent: number;
}

/** Bytes of a compound's own head. */
export const COMPOUND_BYTES = 2;
/** Bytes that each part of a compound costs beyond itself. */
export const PART_OVERHEAD_BYTES = 2;
/** memberlist's count of parts is one byte. */
export const PARTS_MAX = 255;

export class BroadcastQueue {
  readonly #limit: number;
  readonly #bySubject = new Map<string, Entry>();
  #ordered: Entry[] | null = null;
  #nextId = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#bySubject.size;
  }

  /** Replaces what is queued of the same subject. False: an entry had to go for it. */
  put(subject: string, message: Message, bytes: number): boolean {
    this.#bySubject.delete(subject);
    const full = this.#bySubject.size >= this.#limit;
    if (full) {
      const worn = this.#inOrder().at(-1);
      if (worn !== undefined) this.#bySubject.delete(worn.subject);
    }
    this.#bySubject.set(subject, { subject, message, bytes, id: this.#nextId++, sent: 0 });
    this.#ordered = null;
    return !full;
  }

  remove(subject: string): void {
    if (this.#bySubject.delete(subject)) this.#ordered = null;
  }

  clear(): void {
    this.#bySubject.clear();
    this.#ordered = null;
  }

  /** Messages for `room` bytes and `parts` parts; each counts as sent, and goes after `timesMax` times. */
  take(room: number, parts: number, timesMax: number, user: boolean): Message[] {
    if (this.#bySubject.size === 0) return [];
    const taken: Message[] = [];
    let left = room;
    for (const entry of this.#inOrder()) {
      if (taken.length >= parts || left <= PART_OVERHEAD_BYTES) break;
      if (!user && entry.message.kind === "user") continue;
      if (entry.bytes + PART_OVERHEAD_BYTES > left) continue;
      left -= entry.bytes + PART_OVERHEAD_BYTES;
      taken.push(entry.message);
      entry.sent += 1;
      if (entry.sent >= timesMax) this.#bySubject.delete(entry.subject);
    }
    if (taken.length > 0) this.#ordered = null;
    return taken;
  }

  #inOrder(): Entry[] {
    this.#ordered ??= [...this.#bySubject.values()].sort(
      (a, b) =>
        Number(a.message.kind === "user") - Number(b.message.kind === "user") ||
        a.sent - b.sent ||
        b.bytes - a.bytes ||
        b.id - a.id,
    );
    return this.#ordered;
  }
}

/** Each entry is sent at most RetransmitMult * ceil(log10(n + 1)) times. */
export function retransmits(retransmitMult: number, n: number): number {
  return retransmitMult * Math.ceil(Math.log10(n + 1));
}
