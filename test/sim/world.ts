/**
 * The simulated world: agenda, network, hosts, and the deeds that cross hosts (datagrams, push/pulls, TCP pings). Purpose:
 * run real cores through a seeded history. Boundary: what may go wrong is story.ts's business, what must hold is checks.ts's.
 */
import type { Endpoint, Message } from "../../src/domain/messages.js";
import { formatEndpoint } from "../../src/domain/messages.js";
import { PROFILES } from "../../src/domain/profile.js";
import type { SwimEvent, SwimOptions, SwimOutput } from "../../src/domain/swim/index.js";
import { Agenda } from "./agenda.js";
import { bareCore, type MakeDriven } from "./driven.js";
import { Host } from "./host.js";
import { Network } from "./network.js";
import { type Random, seeded } from "./random.js";

export const PORT = 7979;
const PACKET_BUDGET = 1350;
const STREAM_TIMEOUT_MS = 2000;
const NOTES_MAX = 4000;

export interface Watcher {
  event?(host: Host, event: SwimEvent): void;
  turn?(host: Host): void;
}

export class World {
  readonly random: Random;
  readonly agenda = new Agenda();
  readonly network: Network;
  readonly hosts: Host[] = [];
  readonly #byAddress = new Map<string, Host>();
  readonly #make: MakeDriven;
  readonly #watchers: Watcher[] = [];
  readonly #notes: string[] = [];
  #instances = 0;

  constructor(seed: number, make: MakeDriven = bareCore) {
    this.random = seeded(seed);
    this.network = new Network(seeded(seed ^ 0x5eed));
    this.#make = make;
  }

  get now(): number {
    return this.agenda.now;
  }

  /** The last things that happened, oldest first. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  watch(watcher: Watcher): void {
    this.#watchers.push(watcher);
  }

  note(text: string): void {
    this.#notes.push(`${this.now.toFixed(1).padStart(10)} ${text}`);
    if (this.#notes.length > NOTES_MAX) this.#notes.splice(0, NOTES_MAX / 2);
  }

  check(host: Host): void {
    for (const watcher of this.#watchers) watcher.turn?.(host);
  }

  onEvent(host: Host, event: SwimEvent): void {
    for (const watcher of this.#watchers) watcher.event?.(host, event);
  }

  run(ms: number): void {
    this.agenda.runUntil(this.now + ms);
  }

  /** Starts a host; an earlier one at the same address must be down. */
  boot(name: string, address: Endpoint, seeds: readonly Endpoint[]): Host {
    const instance = ++this.#instances;
    const options: SwimOptions = {
      name,
      address,
      profile: PROFILES.lan,
      meta: { kind: "vipd", format: 1, instance, factsVersion: 1, factsDigest: 0 },
      random: seeded(Math.floor(this.random() * 2 ** 32)),
      measure,
      packetBudget: PACKET_BUDGET,
      seeds,
    };
    const host = new Host(this, this.#make(options, this.now), { name, address, instance, seeds });
    this.hosts.push(host);
    this.#byAddress.set(formatEndpoint(address), host);
    this.note(`${name}@${formatEndpoint(address)} starts, instance ${instance}`);
    // As the daemon does: acks name the instance, so that a restart which nobody noticed is found out.
    host.input({ kind: "ack-payload", payload: { kind: "vipd", instance, factsVersion: 1, viewDigest: 0 } });
    host.start();
    return host;
  }

  at(address: Endpoint): Host | undefined {
    return this.#byAddress.get(formatEndpoint(address));
  }

  /** Hosts that run, frozen ones included. */
  running(): Host[] {
    return this.hosts.filter((host) => host.up && !host.left);
  }

  datagram(from: Host, to: Endpoint, messages: readonly Message[]): void {
    const bytes = messages.reduce((sum, message) => sum + measure(message) + 2, 2);
    if (bytes > PACKET_BUDGET && messages.length > 1) throw new Error(`a datagram of ${bytes} bytes`);
    for (const delay of this.network.fate(from.address.host, to.host, this.now)) {
      this.agenda.after(delay, () => this.at(to)?.datagram(from.address, messages));
    }
  }

  exchange(from: Host, to: Endpoint, join: boolean): void {
    const there = this.network.stream(from.address.host, to.host, this.now);
    const fail = (reason: string, afterMs: number) => {
      this.agenda.after(afterMs, () => from.input({ kind: "exchange-failed", with: to, reason }));
    };
    if (there === null) {
      fail("timed out", STREAM_TIMEOUT_MS);
      return;
    }
    this.agenda.after(there, () => {
      const peer = this.at(to);
      if (peer === undefined || !peer.up) return fail("refused", 0.1);
      if (peer.frozen || !this.network.passes(from.address.host, to.host, this.now))
        return fail("timed out", STREAM_TIMEOUT_MS);
      const ours = from.pushPull(join);
      const theirs = peer.pushPull(join);
      // The dialler's port is ephemeral, as with real TCP.
      const ephemeral = { host: from.address.host, port: 40_000 + Math.floor(this.random() * 20_000) };
      peer.input({ kind: "exchanged", with: ephemeral, state: ours, initiator: false });
      const back = this.network.stream(to.host, from.address.host, this.now);
      if (back === null) return fail("timed out", STREAM_TIMEOUT_MS);
      this.agenda.after(back, () => from.input({ kind: "exchanged", with: to, state: theirs, initiator: true }));
    });
  }

  streamPing(from: Host, ping: Extract<SwimOutput, { kind: "stream-ping" }>): void {
    const there = this.network.stream(from.address.host, ping.to.host, this.now);
    if (there === null) return;
    this.agenda.after(there, () => {
      const peer = this.at(ping.to);
      if (peer === undefined || !peer.up || peer.frozen || peer.name !== ping.node) return;
      const back = this.network.stream(ping.to.host, from.address.host, this.now);
      if (back === null || this.now + back > ping.deadline) return;
      const answer = { kind: "stream-ping-answered", seqNo: ping.seqNo, node: ping.node } as const;
      this.agenda.after(back, () => from.input(answer));
    });
  }
}

/** About what msgpack makes of it. */
function measure(message: Message): number {
  switch (message.kind) {
    case "ping":
      return 40 + message.node.length + (message.source === null ? 0 : 30 + message.source.name.length);
    case "indirect-ping":
      return 80 + message.node.length;
    case "ack":
      return message.payload === null ? 18 : 40;
    case "nack":
      return 8;
    case "suspect":
    case "dead":
      return 26 + message.node.length + message.from.length;
    case "alive":
      return 80 + message.node.length + (message.meta.kind === "vipd" ? 24 : message.meta.bytes.length);
    case "user":
      return message.body.kind === "facts" ? 40 + message.body.facts.body.length : 100;
  }
}
