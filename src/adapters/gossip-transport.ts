/**
 * Gossip over UDP (the addon's socket) and TCP (node:net) on one port, in memberlist's format. Purpose: the `GossipTransport` of
 * ports.ts. Boundary: binds both halves to one port and passes on; what comes in is judged in gossip-transport-datagrams.ts and
 * gossip-transport-streams.ts.
 */
import { type Endpoint, formatEndpoint, type Message, type PushPull } from "../domain/messages.js";
import type { GossipHandlers, GossipStats, GossipTransport, Log } from "../ports.js";
import { KeyRing, labelBytes, packetBudget } from "../wire/index.js";
import { TransportCounters } from "./gossip-transport-counters.js";
import { GossipDatagrams } from "./gossip-transport-datagrams.js";
import type { GateOptions } from "./gossip-transport-gate.js";
import { GossipStreams, STREAM_LIMITS, type StreamLimits } from "./gossip-transport-streams.js";
import { newAead } from "./native.js";

/** A random port is free for UDP, but perhaps not for TCP. */
const RANDOM_PORT_TRIES = 10;

export interface GossipTransportOptions {
  /** `0.0.0.0` and `::` listen on every address; `::` on IPv4 as well. Port 0: any (see `address`). */
  readonly bind: Endpoint;
  /** 16, 24 or 32 bytes each; the first seals, all open. Null: plaintext. */
  readonly keys: readonly Uint8Array[] | null;
  readonly label?: string;
  /** True where the recipient is known to take a CRC (PMax >= 5) and the seal does not make it needless. Default: never. */
  readonly crcFor?: (to: Endpoint) => boolean;
  /** Compress datagrams that become smaller by it. Default: no. */
  readonly compress?: boolean;
  readonly limits?: Partial<StreamLimits>;
  readonly gate?: GateOptions;
  readonly log?: Log;
}

/** The bytes of messages (with 2 a part and 2 for the compound) that a transport with these options fits in a datagram. */
export function transportPacketBudget(options: Pick<GossipTransportOptions, "keys" | "label">): number {
  return packetBudget({ sealed: options.keys !== null, labelBytes: labelBytes(options.label ?? "").length });
}

export class MemberlistTransport implements GossipTransport {
  readonly #options: GossipTransportOptions;
  readonly #label: Uint8Array;
  readonly #counters: TransportCounters;
  readonly #datagrams: GossipDatagrams;
  #keys: KeyRing | null;
  #streams: GossipStreams | null = null;
  #bound: Endpoint;

  constructor(options: GossipTransportOptions) {
    this.#options = options;
    this.#bound = options.bind;
    this.#label = labelBytes(options.label ?? "");
    this.#keys = keyRing(options.keys);
    this.#counters = new TransportCounters(options.log ?? null);
    const { crcFor, compress, gate } = options;
    this.#datagrams = new GossipDatagrams({
      label: this.#label,
      keys: () => this.#keys,
      counters: this.#counters,
      crcFor,
      compress,
      gate,
    });
  }

  /** Where it is bound; the port is known after `start`. */
  get address(): Endpoint {
    return this.#bound;
  }

  /** See `transportPacketBudget`. */
  get packetBudget(): number {
    return packetBudget({ sealed: this.#keys !== null, labelBytes: this.#label.length });
  }

  async start(handlers: GossipHandlers): Promise<void> {
    if (this.#streams !== null) throw new Error("the gossip transport was started already");
    const { bind } = this.#options;
    for (let tries = 1; ; tries++) {
      const port = this.#bindUdp(handlers);
      const streams = this.#newStreams(port);
      try {
        await streams.listen(port, handlers);
      } catch (error) {
        this.#datagrams.close();
        const code = (error as NodeJS.ErrnoException).code;
        if (bind.port === 0 && code === "EADDRINUSE" && tries < RANDOM_PORT_TRIES) continue;
        throw bindError("TCP", { host: bind.host, port }, error);
      }
      if (!this.#datagrams.listen()) {
        await streams.close();
        throw new Error("the gossip transport was stopped while it started");
      }
      this.#bound = { host: bind.host, port };
      this.#streams = streams;
      return;
    }
  }

  #bindUdp(handlers: GossipHandlers): number {
    const { bind } = this.#options;
    try {
      return this.#datagrams.bind(bind, handlers);
    } catch (error) {
      throw bindError("UDP", bind, error);
    }
  }

  #newStreams(port: number): GossipStreams {
    return new GossipStreams({
      bind: { host: this.#options.bind.host, port },
      label: this.#label,
      limits: { ...STREAM_LIMITS, ...this.#options.limits },
      counters: this.#counters,
      keys: () => this.#keys,
      canonicalHost: (address) => this.#datagrams.canonical(address),
    });
  }

  receive(): void {
    this.#datagrams.receive();
  }

  send(to: Endpoint, messages: readonly Message[]): void {
    this.#datagrams.send(to, messages);
  }

  async exchange(to: Endpoint, ours: PushPull): Promise<PushPull> {
    if (this.#streams === null) throw new Error("the gossip transport is not started");
    return this.#streams.exchange(to, ours);
  }

  async streamPing(to: Endpoint, seqNo: number, node: string, timeoutMs: number): Promise<boolean> {
    return this.#streams === null ? false : this.#streams.ping(to, seqNo, node, timeoutMs);
  }

  setKeys(keys: readonly Uint8Array[] | null): void {
    this.#keys = keyRing(keys);
  }

  stats(): GossipStats {
    return this.#counters.snapshot();
  }

  /** Closes everything; open streams are cut. Idempotent. */
  async stop(): Promise<void> {
    const streams = this.#streams;
    this.#streams = null;
    this.#datagrams.close();
    await streams?.close();
  }
}

function keyRing(keys: readonly Uint8Array[] | null): KeyRing | null {
  return keys === null ? null : new KeyRing(keys, newAead);
}

function bindError(protocol: string, at: Endpoint, error: unknown): Error {
  // The addon's message is the errno's name.
  const { code, message } = error as NodeJS.ErrnoException;
  return new Error(`cannot bind ${protocol} ${formatEndpoint(at)}: ${code ?? message}`, { cause: error });
}
