/**
 * Gossip over UDP (the addon's socket) and TCP (node:net) on one port, in memberlist's format. Purpose: the `GossipTransport` of
 * ports.ts. Boundary: carries and counts, decides nothing about members. What comes in is judged from the cheapest test to the
 * dearest, so that a flood of junk does not take the loop from members: first byte, known nonce, one AES block, source, seal, parse.
 */
import { canonicalAddress } from "../domain/address.js";
import { type Endpoint, formatEndpoint, type Message, type PushPull } from "../domain/messages.js";
import type { GossipHandlers, GossipStats, GossipTransport, Log } from "../ports.js";
import {
  KeyRing,
  labelBytes,
  nonceOf,
  type PacketOptions,
  packetBudget,
  packPacket,
  quickReason,
  seemsOurs,
  unpackPacket,
} from "../wire/index.js";
import { TransportCounters } from "./gossip-transport-counters.js";
import { type GateOptions, StrangerGate } from "./gossip-transport-gate.js";
import { SeenNonces } from "./gossip-transport-seen.js";
import { GossipStreams, STREAM_LIMITS, type StreamLimits } from "./gossip-transport-streams.js";
import { bootTimeMs, DATAGRAM_SLOT_BYTES, DATAGRAM_SLOTS, newAead, newDatagrams, type RawDatagrams } from "./native.js";

/** Beyond it no IPv4 datagram exists. */
const UDP_BYTES_MAX = 65_507;
const SOURCES_MAX = 4096;
/** So many full batches are taken in before what is due gets its turn: a flood must not keep it from that. */
const BATCHES_MAX = 16;
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
  readonly #gate: StrangerGate;
  readonly #seen = new SeenNonces();
  /** Source as the kernel prints it -> canonical. */
  readonly #sources = new Map<string, string | null>();
  #keys: KeyRing | null;
  #socket: RawDatagrams | null = null;
  #streams: GossipStreams | null = null;
  #bound: Endpoint;

  constructor(options: GossipTransportOptions) {
    this.#options = options;
    this.#bound = options.bind;
    this.#label = labelBytes(options.label ?? "");
    this.#keys = options.keys === null ? null : new KeyRing(options.keys, newAead);
    this.#counters = new TransportCounters(options.log ?? null);
    this.#gate = new StrangerGate(bootTimeMs(), options.gate);
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
    if (this.#socket !== null) throw new Error("the gossip transport was started already");
    const { bind } = this.#options;
    for (let tries = 1; ; tries++) {
      const { socket, port } = this.#bindUdp(handlers);
      const streams = this.#newStreams(port);
      try {
        await streams.listen(port, handlers);
      } catch (error) {
        socket.close();
        const code = (error as NodeJS.ErrnoException).code;
        if (bind.port === 0 && code === "EADDRINUSE" && tries < RANDOM_PORT_TRIES) continue;
        throw bindError("TCP", { host: bind.host, port }, error);
      }
      this.#bound = { host: bind.host, port };
      this.#socket = socket;
      this.#streams = streams;
      return;
    }
  }

  #newStreams(port: number): GossipStreams {
    return new GossipStreams({
      bind: { host: this.#options.bind.host, port },
      label: this.#label,
      limits: { ...STREAM_LIMITS, ...this.#options.limits },
      counters: this.#counters,
      keys: () => this.#keys,
      canonicalHost: (address) => this.#canonical(address),
    });
  }

  #bindUdp(handlers: GossipHandlers): { socket: RawDatagrams; port: number } {
    const { bind } = this.#options;
    const socket = newDatagrams((count, errors) => {
      // Errors of a bound socket (ENOMEM, ICMP's echoes) concern one datagram; the next may do well.
      for (let i = 0; i < errors; i++) this.#counters.drop("receive-failed", "udp");
      handlers.together(() => {
        // What comes before both sockets listen, or after the stop, is nobody's.
        for (let i = 0; i < count && this.#socket === socket; i++) {
          const bytes = memory.subarray(i * DATAGRAM_SLOT_BYTES, i * DATAGRAM_SLOT_BYTES + lengths[2 * i]!);
          this.#receive(bytes, socket.sender(i), lengths[2 * i + 1]!, handlers);
        }
      });
    });
    const memory = Buffer.from(socket.memory());
    const lengths = new Uint32Array(socket.lengths());
    try {
      return { socket, port: socket.bind(bind.host, bind.port) };
    } catch (error) {
      throw bindError("UDP", bind, error);
    }
  }

  receive(): void {
    for (let batches = 0; batches < BATCHES_MAX; batches++) {
      if ((this.#socket?.receive() ?? 0) < DATAGRAM_SLOTS) return;
    }
  }

  /** `bytes` are overwritten after the turn. */
  #receive(bytes: Buffer, sender: string, port: number, handlers: GossipHandlers): void {
    const counters = this.#counters;
    counters.datagramsIn++;
    counters.bytesIn += bytes.length;
    const options = { keys: this.#keys, label: this.#label, defaultPort: this.#bound.port };
    const glance = quickReason(bytes, options) ?? (options.keys === null ? null : this.#glance(bytes, options));
    if (glance !== null) {
      counters.drop(glance, sender);
      return;
    }
    const host = sender.includes(":") ? this.#canonical(sender) : sender;
    if (host === null) {
      counters.drop("bad-source", sender);
      return;
    }
    const now = bootTimeMs();
    const from = { host, port };
    if (options.keys !== null && !this.#gate.admit(from, now)) {
      counters.drop("flood", host);
      return;
    }
    // Remembered whether it opens or not: a copy of it, changed behind its beginning, must not be opened again and again.
    if (options.keys !== null) this.#seen.add(nonceOf(bytes, options));
    // Messages keep parts of their datagram. What was sealed is opened into memory of its own.
    const unpacked = unpackPacket(options.keys === null ? Buffer.from(bytes) : bytes, options);
    if (!unpacked.ok) {
      counters.drop(unpacked.reason, host);
      return;
    }
    if (options.keys !== null) this.#gate.know(from, now);
    for (const reason of unpacked.dropped) counters.drop(reason, host);
    if (unpacked.messages.length > 0) handlers.datagram(from, unpacked.messages);
  }

  /** What a sealed datagram is dropped for before it is opened. */
  #glance(bytes: Uint8Array, options: PacketOptions): "replayed" | "wrong-key" | null {
    if (this.#seen.has(nonceOf(bytes, options))) return "replayed";
    return seemsOurs(bytes, options) ? null : "wrong-key";
  }

  #canonical(address: string): string | null {
    let host = this.#sources.get(address);
    if (host === undefined) {
      // A socket on `::` sees IPv4 peers as mapped addresses; everyone else knows them by the dotted one.
      host = canonicalAddress(address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address);
      if (this.#sources.size >= SOURCES_MAX) this.#sources.clear();
      this.#sources.set(address, host);
    }
    return host;
  }

  send(to: Endpoint, messages: readonly Message[]): void {
    const socket = this.#socket;
    const counters = this.#counters;
    if (socket === null || messages.length === 0) return;
    const crc = this.#options.crcFor?.(to) === true;
    const compress = this.#options.compress === true;
    const bytes = packPacket(messages, { keys: this.#keys, label: this.#label, crc, compress });
    // What is beyond the budget of 1400 is the core's error, yet rather fragmented by the kernel than lost.
    if (bytes.length > UDP_BYTES_MAX) {
      counters.drop("send-too-large", formatEndpoint(to));
      return;
    }
    if (this.#keys !== null) this.#gate.know(to, bootTimeMs());
    if (socket.send(bytes, to.host, to.port) !== undefined) {
      counters.drop("send-failed", formatEndpoint(to));
      return;
    }
    counters.datagramsOut++;
    counters.bytesOut += bytes.length;
  }

  async exchange(to: Endpoint, ours: PushPull): Promise<PushPull> {
    if (this.#streams === null) throw new Error("the gossip transport is not started");
    return this.#streams.exchange(to, ours);
  }

  async streamPing(to: Endpoint, seqNo: number, node: string, timeoutMs: number): Promise<boolean> {
    return this.#streams === null ? false : this.#streams.ping(to, seqNo, node, timeoutMs);
  }

  setKeys(keys: readonly Uint8Array[] | null): void {
    this.#keys = keys === null ? null : new KeyRing(keys, newAead);
  }

  stats(): GossipStats {
    return this.#counters.snapshot();
  }

  /** Closes everything; open streams are cut. Idempotent. */
  async stop(): Promise<void> {
    const socket = this.#socket;
    const streams = this.#streams;
    this.#socket = null;
    this.#streams = null;
    socket?.close();
    await streams?.close();
  }
}

function bindError(protocol: string, at: Endpoint, error: unknown): Error {
  // The addon's message is the errno's name.
  const { code, message } = error as NodeJS.ErrnoException;
  return new Error(`cannot bind ${protocol} ${formatEndpoint(at)}: ${code ?? message}`, { cause: error });
}
