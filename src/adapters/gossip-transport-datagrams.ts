/**
 * The UDP half of the gossip transport. Purpose: packs, seals and sends; judges what comes in from the cheapest test to the dearest,
 * so that a flood of junk does not take the loop from members: first byte, known nonce, one AES block, source, seal, parse.
 * Boundary: carries and counts, decides nothing about members.
 */
import { canonicalAddress } from "../domain/address.js";
import { type Endpoint, formatEndpoint, type Message } from "../domain/messages.js";
import type { GossipHandlers } from "../ports.js";
import {
  type KeyRing,
  nonceOf,
  type PacketOptions,
  packPacket,
  quickReason,
  seemsOurs,
  unpackPacket,
} from "../wire/index.js";
import type { TransportCounters } from "./gossip-transport-counters.js";
import { type GateOptions, StrangerGate } from "./gossip-transport-gate.js";
import { SeenNonces } from "./gossip-transport-seen.js";
import { bootTimeMs, DATAGRAM_SLOT_BYTES, DATAGRAM_SLOTS, newDatagrams, type RawDatagrams } from "./native.js";

/** Beyond it no IPv4 datagram exists. */
const UDP_BYTES_MAX = 65_507;
const SOURCES_MAX = 4096;
/** So many full batches are taken in before what is due gets its turn: a flood must not keep it from that. */
const BATCHES_MAX = 16;

export interface GossipDatagramsOptions {
  readonly label: Uint8Array;
  /** Those of now. */
  readonly keys: () => KeyRing | null;
  readonly counters: TransportCounters;
  readonly crcFor?: ((to: Endpoint) => boolean) | undefined;
  readonly compress?: boolean | undefined;
  readonly gate?: GateOptions | undefined;
}

export class GossipDatagrams {
  readonly #options: GossipDatagramsOptions;
  readonly #gate: StrangerGate;
  readonly #seen = new SeenNonces();
  /** Source as the kernel prints it -> canonical. */
  readonly #sources = new Map<string, string | null>();
  #socket: RawDatagrams | null = null;
  #port = 0;
  #listening = false;

  constructor(options: GossipDatagramsOptions) {
    this.#options = options;
    this.#gate = new StrangerGate(bootTimeMs(), options.gate);
  }

  /** Returns the port; throws the errno's name. What comes before `listen` is nobody's. */
  bind(at: Endpoint, handlers: GossipHandlers): number {
    const { counters } = this.#options;
    const socket = newDatagrams((count, errors) => {
      // Errors of a bound socket (ENOMEM, ICMP's echoes) concern one datagram; the next may do well.
      for (let i = 0; i < errors; i++) counters.drop("receive-failed", "udp");
      handlers.together(() => {
        for (let i = 0; i < count && this.#listening && this.#socket === socket; i++) {
          const bytes = memory.subarray(i * DATAGRAM_SLOT_BYTES, i * DATAGRAM_SLOT_BYTES + lengths[2 * i]!);
          this.#receive(bytes, socket.sender(i), lengths[2 * i + 1]!, handlers);
        }
      });
    });
    const memory = Buffer.from(socket.memory());
    const lengths = new Uint32Array(socket.lengths());
    this.#port = socket.bind(at.host, at.port);
    this.#socket = socket;
    return this.#port;
  }

  /** False: it was closed since it was bound. */
  listen(): boolean {
    this.#listening = this.#socket !== null;
    return this.#listening;
  }

  /** Hands over what has arrived by now, a bounded number. */
  receive(): void {
    for (let batches = 0; batches < BATCHES_MAX; batches++) {
      if ((this.#socket?.receive() ?? 0) < DATAGRAM_SLOTS) return;
    }
  }

  /** `bytes` are overwritten after the turn. */
  #receive(bytes: Buffer, sender: string, port: number, handlers: GossipHandlers): void {
    const { counters, label } = this.#options;
    counters.datagramsIn++;
    counters.bytesIn += bytes.length;
    const options = { keys: this.#options.keys(), label, defaultPort: this.#port };
    const glance = quickReason(bytes, options) ?? (options.keys === null ? null : this.#glance(bytes, options));
    if (glance !== null) {
      counters.drop(glance, sender);
      return;
    }
    const host = sender.includes(":") ? this.canonical(sender) : sender;
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

  /** Null: none that we can write. */
  canonical(address: string): string | null {
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
    const { counters, label, crcFor, compress = false } = this.#options;
    if (socket === null || !this.#listening || messages.length === 0) return;
    const keys = this.#options.keys();
    const bytes = packPacket(messages, { keys, label, crc: crcFor?.(to) === true, compress });
    // What is beyond the budget of 1400 is the core's error, yet rather fragmented by the kernel than lost.
    if (bytes.length > UDP_BYTES_MAX) {
      counters.drop("send-too-large", formatEndpoint(to));
      return;
    }
    if (keys !== null) this.#gate.know(to, bootTimeMs());
    if (socket.send(bytes, to.host, to.port) !== undefined) {
      counters.drop("send-failed", formatEndpoint(to));
      return;
    }
    counters.datagramsOut++;
    counters.bytesOut += bytes.length;
  }

  /** Idempotent; may be bound again. */
  close(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#listening = false;
    socket?.close();
  }
}
