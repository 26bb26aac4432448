/**
 * The simulated world: agenda, the gossip's network, the VIPs' segment, hosts, and the deeds that cross hosts (datagrams,
 * push/pulls, TCP pings). Purpose: run real groups through a seeded history. Boundary: what may go wrong is story.ts's
 * business, what must hold is checks.ts's and voices.ts's.
 */
import { Group } from "../../src/domain/group/group.js";
import type { GroupOptions, GroupOutput, GroupSettings, OwnershipEvent } from "../../src/domain/group/types.js";
import type { Endpoint, Message, PushPull } from "../../src/domain/messages.js";
import { formatEndpoint } from "../../src/domain/messages.js";
import { PROFILES, type Profile } from "../../src/domain/profile.js";
import type { SwimInput } from "../../src/domain/swim/types.js";
import { decodeFacts, encodeFacts, measure } from "../../src/wire/index.js";
import { Agenda } from "./agenda.js";
import { Foreign } from "./foreign.js";
import { Host } from "./host.js";
import { Network } from "./network.js";
import { between, type Random, seeded } from "./random.js";
import { Segment } from "./segment.js";
import { settingsOf } from "./settings.js";

export const PORT = 7979;
const PACKET_BUDGET = 1350;
const STREAM_TIMEOUT_MS = 2000;
const NOTES_MAX = 4000;
/** CRC, compound and seal around what is measured: about so much a datagram. */
const ENVELOPE_BYTES = 40;

/** Whoever takes part in the gossip: a host of ours, or a foreign member. */
export interface Peer {
  readonly name: string;
  readonly address: Endpoint;
  readonly up: boolean;
  readonly turning: boolean;
  readonly sent: { datagrams: number; bytes: number };
  clock(): number;
  pushPull(join: boolean): PushPull;
  datagram(from: Endpoint, messages: readonly Message[]): void;
  input(input: Extract<SwimInput, { kind: "exchanged" | "exchange-failed" | "stream-ping-answered" }>): void;
}

export interface Watcher {
  /** After each turn of a host. */
  turn?(host: Host): void;
  event?(host: Host, event: OwnershipEvent): void;
  /** A datagram leaves a host. */
  sent?(from: Peer, to: Endpoint, messages: readonly Message[]): void;
  /** After each thing that happened anywhere. */
  moment?(): void;
}

export interface WorldOptions {
  readonly seed: number;
  /** What hosts are configured with, unless a boot says otherwise. */
  readonly settings?: GroupSettings;
  readonly profileOf?: (name: string) => Profile;
  readonly aloneAfterMs?: number;
  /** The gossip runs over the segment of the VIPs: one plug, one cut for both. */
  readonly oneWire?: boolean;
}

export interface Boot {
  readonly name: string;
  readonly address: Endpoint;
  readonly seeds: readonly Endpoint[];
  readonly mac?: string;
  readonly settings?: GroupSettings;
  /** What an earlier run of the daemon was told. */
  readonly initial?: GroupOptions["initial"];
}

export class World {
  readonly random: Random;
  readonly agenda = new Agenda();
  readonly gossip: Network;
  readonly wire: Network;
  readonly segment: Segment;
  readonly hosts: Host[] = [];
  readonly oneWire: boolean;
  settings: GroupSettings;
  readonly #byAddress = new Map<string, Host>();
  readonly #byPort = new Map<string, Host>();
  readonly #foreign = new Map<string, Foreign>();
  readonly #options: WorldOptions;
  readonly #watchers: Watcher[] = [];
  readonly #notes: string[] = [];
  /** "instance name" -> when that host last met (or met again) the named one. */
  readonly #metAt = new Map<string, number>();
  /** When a name was last booted at another address than before. */
  readonly #namesakeAt = new Map<string, number>();
  #instances = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.random = seeded(options.seed);
    const clock = () => this.now;
    this.gossip = new Network(seeded(options.seed ^ 0x5eed), clock);
    this.wire = new Network(seeded(options.seed ^ 0x3173), clock);
    this.segment = new Segment(this);
    this.settings = options.settings ?? settingsOf();
    this.oneWire = options.oneWire ?? true;
    this.agenda.afterEach = () => {
      for (const watcher of this.#watchers) watcher.moment?.();
    };
  }

  get now(): number {
    return this.agenda.now;
  }

  /** The last things that happened, oldest first. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  between(low: number, high: number): number {
    return between(this.random, low, high);
  }

  watch(watcher: Watcher): void {
    this.#watchers.push(watcher);
  }

  note(text: string): void {
    this.#notes.push(`${this.now.toFixed(1).padStart(10)} ${text}`);
    if (this.#notes.length > NOTES_MAX) this.#notes.splice(0, NOTES_MAX / 2);
  }

  noteEvent(host: Host, event: OwnershipEvent): void {
    // A suspicion that was refuted tells nobody that frames to that port were lost.
    const back = event.event === "member.alive" && !event.text.endsWith("after suspect");
    if (back || event.event === "member.joined") {
      this.#metAt.set(`${host.instance} ${String(event.fields.member)}`, this.now);
    }
    if (event.event !== "member.updated") this.note(`${host}: ${event.text}`);
    for (const watcher of this.#watchers) watcher.event?.(host, event);
  }

  turned(host: Host): void {
    for (const watcher of this.#watchers) watcher.turn?.(host);
  }

  run(ms: number): void {
    this.agenda.runUntil(this.now + ms);
  }

  // ------------------------------------------------------------ hosts

  /** Starts a host; an earlier one at the same address must be down. */
  boot(of: Boot): Host {
    const { name, address } = of;
    const instance = 1 + Math.floor(this.random() * (2 ** 32 - 2));
    const mac = of.mac ?? this.newMac();
    const settings = of.settings ?? this.settings;
    const clockOffsetMs = Math.floor(this.random() * 1e7);
    const host = new Host(this, { name, address, mac, instance, settings, clockOffsetMs }, (self) =>
      this.#group(self, of),
    );
    const elsewhere = this.hosts.some((other) => other.name === name && other.address.host !== address.host);
    if (elsewhere) this.#namesakeAt.set(name, this.now);
    const gone = this.hosts.findIndex((other) => !other.up && other.address.host === address.host);
    if (gone >= 0) this.hosts.splice(gone, 1);
    this.hosts.push(host);
    this.#byAddress.set(formatEndpoint(address), host);
    this.#byPort.set(address.host, host);
    this.segment.addPort(address.host);
    this.note(`${host} starts, instance ${instance}, MAC ${mac}`);
    // Whoever starts a machine plugs it in.
    for (const net of [this.gossip, this.wire]) net.plug(address.host);
    host.start();
    return host;
  }

  newMac(): string {
    const number = ++this.#instances;
    return `02:00:00:00:${(number >> 8).toString(16).padStart(2, "0")}:${(number & 255).toString(16).padStart(2, "0")}`;
  }

  profileOf(name: string): Profile {
    return this.#options.profileOf?.(name) ?? PROFILES.lan;
  }

  /** Starts a foreign member. */
  bootForeign(of: { name: string; address: Endpoint; seeds: readonly Endpoint[] }): void {
    const foreign = new Foreign(this, of);
    this.#foreign.set(formatEndpoint(of.address), foreign);
    this.note(`${of.name}, a foreign member, starts at ${formatEndpoint(of.address)}`);
    this.gossip.plug(of.address.host);
    foreign.start();
  }

  /** Foreign members that run. */
  foreigners(): Foreign[] {
    return [...this.#foreign.values()].filter((foreign) => foreign.up);
  }

  #group(host: Host, { seeds, initial }: Boot): Group {
    const options: GroupOptions = {
      name: host.name,
      address: host.address,
      instance: host.instance,
      profile: this.profileOf(host.name),
      settings: host.settings,
      seeds,
      aloneAfterMs: this.#options.aloneAfterMs ?? 10_000,
      codec: { encode: encodeFacts, decode: decodeFacts },
      random: seeded(Math.floor(this.random() * 2 ** 32)),
      measure,
      packetBudget: PACKET_BUDGET,
      renews: true,
      ...(initial === undefined ? {} : { initial }),
    };
    return new Group(options, host.clock());
  }

  at(address: Endpoint): Host | undefined {
    return this.#byAddress.get(formatEndpoint(address));
  }

  #peer(address: Endpoint): Peer | undefined {
    return this.at(address) ?? this.#foreign.get(formatEndpoint(address));
  }

  /** The host at this port of the switch that runs. */
  atPort(port: string): Host | undefined {
    const host = this.#byPort.get(port);
    return host?.up ? host : undefined;
  }

  /** When the host last met, or met again, the named one. */
  metAt(host: Host, name: string): number | undefined {
    return this.#metAt.get(`${host.instance} ${name}`);
  }

  /** Ms since this name began to be used at two addresses: until the older one is known to be dead, views differ. */
  uniqueMs(name: string): number {
    return this.now - (this.#namesakeAt.get(name) ?? Number.NEGATIVE_INFINITY);
  }

  /** Hosts that run, frozen ones included. */
  running(): Host[] {
    return this.hosts.filter((host) => host.up && !host.leaving);
  }

  // ------------------------------------------------------------ networks

  /** Both directions, on the gossip's network, the wire, or both. */
  separate(a: string, b: string, nets: readonly Network[]): void {
    for (const net of nets) {
      net.cut(a, b);
      net.cut(b, a);
    }
  }

  plug(host: Host, plugged: boolean): void {
    const { host: port } = host.address;
    for (const net of this.oneWire ? [this.wire, this.gossip] : [this.wire]) {
      if (plugged) net.plug(port);
      else net.unplug(port);
    }
    host.setLink(plugged);
  }

  datagram(from: Peer, to: Endpoint, messages: readonly Message[]): void {
    const bytes = messages.reduce((sum, message) => sum + measure(message) + 2, 2);
    if (bytes > PACKET_BUDGET && messages.length > 1) throw new Error(`a datagram of ${bytes} bytes`);
    for (const watcher of this.#watchers) watcher.sent?.(from, to, messages);
    from.sent.datagrams += 1;
    from.sent.bytes += bytes + ENVELOPE_BYTES;
    for (const delay of this.gossip.fate(from.address.host, to.host)) {
      this.agenda.after(delay, () => this.#peer(to)?.datagram(from.address, messages));
    }
  }

  exchange(from: Peer, to: Endpoint, join: boolean): void {
    const { gossip, agenda } = this;
    const there = gossip.stream(from.address.host, to.host);
    const ours = from.pushPull(join);
    const fail = (reason: string, afterMs: number) => {
      agenda.after(afterMs, () => from.input({ kind: "exchange-failed", with: to, reason }));
    };
    if (there === null) {
      fail("timed out", STREAM_TIMEOUT_MS);
      return;
    }
    agenda.after(there, () => {
      const peer = this.#peer(to);
      if (peer === undefined || !peer.up) return fail("refused", 0.1);
      if (!peer.turning || !gossip.passes(from.address.host, to.host)) return fail("timed out", STREAM_TIMEOUT_MS);
      const theirs = peer.pushPull(join);
      // The dialler's port is ephemeral, as with real TCP.
      const ephemeral = { host: from.address.host, port: 40_000 + Math.floor(this.random() * 20_000) };
      peer.input({ kind: "exchanged", with: ephemeral, state: ours, initiator: false });
      const back = gossip.stream(to.host, from.address.host);
      if (back === null) return fail("timed out", STREAM_TIMEOUT_MS);
      agenda.after(back, () => from.input({ kind: "exchanged", with: to, state: theirs, initiator: true }));
    });
  }

  streamPing(from: Peer, ping: Extract<GroupOutput, { kind: "stream-ping" }>): void {
    const { gossip, agenda } = this;
    const there = gossip.stream(from.address.host, ping.to.host);
    if (there === null) return;
    agenda.after(there, () => {
      const peer = this.#peer(ping.to);
      if (peer === undefined || !peer.up || !peer.turning || peer.name !== ping.node) return;
      const back = gossip.stream(ping.to.host, from.address.host);
      if (back === null || from.clock() + back > ping.deadline) return;
      const answer = { kind: "stream-ping-answered", seqNo: ping.seqNo, node: ping.node } as const;
      agenda.after(back, () => from.input(answer));
    });
  }
}
