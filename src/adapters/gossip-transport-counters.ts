/**
 * What the gossip transport counts, and what it says of drops. Purpose: every ignore has a name and a count; the log hears of
 * each name at most once a minute, so that a flood cannot fill it. Boundary: no sockets.
 */
import type { GossipStats, Log } from "../ports.js";
import type { WireReason } from "../wire/index.js";
import { bootTimeMs } from "./native.js";

const SAY_AGAIN_MS = 60_000;

/** Why something was not received or sent, beyond what is wrong with the bytes. */
export type TransportDrop =
  | WireReason
  | `stream-${WireReason}`
  /** A stranger's datagram, not opened: its budget of attempts is used up. */
  | "flood"
  /** Its nonce was seen already: a datagram that was recorded, or doubled on its way. */
  | "replayed"
  /** The source address is none that we can write. */
  | "bad-source"
  /** A host's facts in a push/pull that no peer would take: left out of it. */
  | "facts-too-large"
  | "send-failed"
  | "send-too-large"
  | "receive-failed"
  /** Our own push/pull is beyond what any peer takes of a stream. */
  | "state-too-large"
  | "stream-too-many"
  /** All places were taken, and it had waited longest for its peer's request. */
  | "stream-evicted"
  /** Unfinished requests hold too much memory together. */
  | "stream-memory"
  /** Not finished within the deadline, or silent for too long. */
  | "stream-too-slow"
  | "stream-closed-early"
  | "stream-failed"
  /** A well-formed message that has no place there: an ack nobody asked for, a user message. */
  | "stream-unexpected"
  | "stream-ping-for-other-name";

/** What an operator has to know of, since by itself it does not mend: our own state does not reach the others. */
const LOUD: Readonly<Partial<Record<TransportDrop, string>>> = {
  "facts-too-large": "facts of a host are larger than 1 MiB and are not sent: the others cannot count on what it owns",
  "state-too-large": "the state of this group is larger than a push/pull may be: nobody can be given it",
  "send-too-large": "a message is larger than a datagram can be and was not sent",
};

export class TransportCounters {
  datagramsIn = 0;
  datagramsOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  streamsIn = 0;
  streamsOut = 0;
  readonly #dropped = new Map<TransportDrop, number>();
  readonly #saidAt = new Map<TransportDrop, number>();
  readonly #log: Log | null;

  constructor(log: Log | null) {
    this.#log = log;
  }

  drop(reason: TransportDrop, peer: string): void {
    const count = (this.#dropped.get(reason) ?? 0) + 1;
    this.#dropped.set(reason, count);
    if (this.#log === null) return;
    const now = bootTimeMs();
    const saidAt = this.#saidAt.get(reason);
    if (saidAt !== undefined && now - saidAt < SAY_AGAIN_MS) return;
    this.#saidAt.set(reason, now);
    const text = LOUD[reason];
    if (text === undefined) this.#log.write("debug", "gossip.dropped", { reason, peer, count });
    else this.#log.write("warn", "gossip.too-large", { reason, peer, count }, text);
  }

  snapshot(): GossipStats {
    return {
      datagramsIn: this.datagramsIn,
      datagramsOut: this.datagramsOut,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      streamsIn: this.streamsIn,
      streamsOut: this.streamsOut,
      dropped: Object.fromEntries(this.#dropped),
    };
  }
}
