/**
 * A small world for whole groups: simulated time, a network that can be cut, and one segment that carries announcements
 * and questions. Purpose: drive the real `Group` of several hosts through the laws, in microseconds of real time.
 * Boundary: deterministic; responder and addresses are modelled as the native side's contract says.
 */
import { Group } from "../../../src/domain/group/group.js";
import type {
  GroupInput,
  GroupOptions,
  GroupOutput,
  GroupSettings,
  GroupSpec,
} from "../../../src/domain/group/types.js";
import type { Endpoint, PushPull } from "../../../src/domain/messages.js";
import { PROFILES } from "../../../src/domain/profile.js";
import { decodeFacts, encodeFacts, measure } from "../../../src/wire/index.js";

const LATENCY_MS = 0.2;

interface Due {
  readonly at: number;
  readonly order: number;
  readonly deed: () => void;
}

export interface HostOptions {
  readonly name: string;
  readonly groups: readonly GroupSpec[];
  readonly seeds: readonly string[];
  readonly aloneAfterMs?: number;
  /** What an earlier run was told; for the next boot. */
  initial?: GroupOptions["initial"];
  readonly quorum?: GroupSettings["quorum"];
}

export class Host {
  readonly endpoint: Endpoint;
  readonly mac: string;
  group!: Group;
  readonly answering = new Map<string, { heirMac: string | null }>();
  readonly held = new Set<string>();
  readonly events: string[] = [];
  leaseUntil = Number.NEGATIVE_INFINITY;
  alive = true;
  frozen = false;
  link = true;
  left = false;
  readonly backlog: (() => void)[] = [];

  constructor(
    readonly world: World,
    readonly options: HostOptions,
    readonly number: number,
  ) {
    this.endpoint = { host: `10.0.0.${number}`, port: 7979 };
    this.mac = `02:00:00:00:00:${number.toString(16).padStart(2, "0")}`;
    this.boot();
  }

  boot(): void {
    const { world, options } = this;
    this.alive = true;
    this.frozen = false;
    this.left = false;
    this.answering.clear();
    this.held.clear();
    this.leaseUntil = Number.NEGATIVE_INFINITY;
    this.group = new Group(
      {
        name: options.name,
        address: this.endpoint,
        instance: Math.floor(world.random() * 2 ** 32),
        profile: PROFILES.lan,
        settings: { weight: 1, labels: {}, groups: options.groups, quorum: options.quorum ?? null },
        seeds: options.seeds.map((n) => world.endpointOf(n)),
        aloneAfterMs: options.aloneAfterMs ?? 10_000,
        codec: { encode: encodeFacts, decode: decodeFacts },
        random: world.random,
        measure,
        packetBudget: 1350,
        ...(options.initial === undefined ? {} : { initial: options.initial }),
      },
      world.now,
    );
    this.turn({ kind: "link", link: { name: "eth0", mac: this.mac, up: true, carrier: this.link } });
    this.turn({ kind: "start" });
  }

  /** Input now, or when it thaws; lost when it is dead. */
  turn(input: GroupInput): void {
    if (!this.alive) return;
    if (this.frozen) {
      this.backlog.push(() => this.turn(input));
      return;
    }
    for (const output of this.group.handle(input, this.world.now)) this.#perform(output);
  }

  voices(address: string): boolean {
    return this.alive && !this.frozen && this.link && this.answering.has(address) && this.world.now < this.leaseUntil;
  }

  state(address: string): string {
    return this.group.keys().find((key) => key.spec.addresses.includes(address))?.state ?? "none";
  }

  #perform(output: GroupOutput): void {
    const { world } = this;
    switch (output.kind) {
      case "send": {
        const to = world.hostAt(output.to);
        if (to !== undefined && world.reaches(this, to)) {
          world.after(LATENCY_MS, () => to.turn({ kind: "datagram", from: this.endpoint, messages: output.messages }));
        }
        return;
      }
      case "arm": {
        const { group } = this;
        world.after(output.at - world.now, () => {
          if (this.group === group) this.turn({ kind: "timer", timer: output.timer });
        });
        return;
      }
      case "exchange":
        this.#exchange(output.with, output.join);
        return;
      case "stream-ping": {
        const to = world.hostAt(output.to);
        if (to?.alive && !to.frozen && world.reaches(this, to) && world.reaches(to, this)) {
          const input = { kind: "stream-ping-answered", seqNo: output.seqNo, node: output.node } as const;
          world.after(3 * LATENCY_MS, () => this.turn(input));
        }
        return;
      }
      case "lease":
        this.leaseUntil = output.until;
        return;
      case "own":
        for (const { address, heirMac } of output.intents) this.answering.set(address, { heirMac });
        return;
      case "silence":
        for (const { address } of output.at) this.answering.delete(address);
        return;
      case "announce":
        for (const delay of output.roundsMs) {
          world.after(delay, () => {
            for (const address of output.addresses) if (this.voices(address)) world.announce(this, address);
          });
        }
        return;
      case "ask": {
        const answers: { address: string; mac: string }[] = [];
        for (const delay of [0, output.timeoutMs / 3]) {
          world.after(delay, () => {
            for (const address of output.addresses) {
              for (const other of world.hosts) {
                if (other !== this && other.voices(address) && world.wire(this, other))
                  answers.push({ address, mac: other.mac });
              }
              for (const mac of world.strangers.get(address) ?? []) answers.push({ address, mac });
            }
          });
        }
        world.after(output.timeoutMs, () => this.turn({ kind: "asked", id: output.id, answers }));
        return;
      }
      case "hold":
        world.after(2, () => {
          for (const address of output.addresses) this.held.add(address);
          this.turn({ kind: "held", addresses: output.addresses });
        });
        return;
      case "drop":
        world.after(2, () => {
          for (const address of output.addresses) this.held.delete(address);
        });
        return;
      case "watch":
      case "unwatch":
        return;
      case "drain-queue":
        world.after(0, () => this.turn({ kind: "queue-drained" }));
        return;
      case "event":
        this.events.push(`${world.now.toFixed(1)} ${output.event.event}: ${output.event.text}`);
        return;
      case "left":
        this.left = true;
        return;
    }
  }

  #exchange(peer: Endpoint, join: boolean): void {
    const { world } = this;
    const to = world.hostAt(peer);
    const fail = (reason: string) => this.turn({ kind: "exchange-failed", with: peer, reason });
    if (!to?.alive || !world.reaches(this, to) || !world.reaches(to, this)) {
      world.after(to?.alive === false ? 500 : 100, () => fail("ECONNREFUSED"));
      return;
    }
    if (to.frozen) {
      world.after(1000, () => fail("timeout"));
      return;
    }
    const ours: PushPull = this.group.pushPull(join);
    world.after(2 * LATENCY_MS, () => {
      if (!to.alive || to.frozen) return fail("ECONNRESET");
      const theirs = to.group.pushPull(join);
      to.turn({ kind: "exchanged", with: this.endpoint, state: ours, initiator: false });
      world.after(LATENCY_MS, () => this.turn({ kind: "exchanged", with: peer, state: theirs, initiator: true }));
    });
  }
}

export class World {
  now = 1000;
  readonly hosts: Host[] = [];
  /** Pairs of host names whose gossip is cut, and whose wire is cut, each way. */
  readonly gossipCut = new Set<string>();
  readonly wireCut = new Set<string>();
  readonly strangers = new Map<string, string[]>();
  /** Clients' neighbour cache: address -> host that announced last. */
  readonly cache = new Map<string, string>();
  announcements = 0;
  #queue: Due[] = [];
  #order = 0;
  #seed: number;

  constructor(seed = 1) {
    this.#seed = seed;
  }

  /** xorshift32: the same world for the same seed. */
  readonly random = (): number => {
    this.#seed ^= this.#seed << 13;
    this.#seed ^= this.#seed >>> 17;
    this.#seed ^= this.#seed << 5;
    return (this.#seed >>> 0) / 2 ** 32;
  };

  add(options: HostOptions): Host {
    const host = new Host(this, options, this.hosts.length + 1);
    this.hosts.push(host);
    return host;
  }

  endpointOf(name: string): Endpoint {
    return { host: `10.0.0.${name.charCodeAt(0) - 96}`, port: 7979 };
  }

  hostAt(endpoint: Endpoint): Host | undefined {
    return this.hosts.find((host) => host.endpoint.host === endpoint.host);
  }

  reaches(from: Host, to: Host): boolean {
    return (
      from.link && to.link && !this.gossipCut.has(`${from.options.name}>${to.options.name}`) && this.wire(from, to)
    );
  }

  wire(from: Host, to: Host): boolean {
    return from.link && to.link && !this.wireCut.has(`${from.options.name}>${to.options.name}`);
  }

  /** Cuts one side off from the other, both ways. */
  partition(left: readonly Host[], right: readonly Host[], cut: Set<string> = this.wireCut): void {
    for (const a of left) {
      for (const b of right) {
        cut.add(`${a.options.name}>${b.options.name}`);
        cut.add(`${b.options.name}>${a.options.name}`);
      }
    }
  }

  announce(by: Host, address: string): void {
    this.announcements += 1;
    this.cache.set(address, by.options.name);
    for (const host of this.hosts) {
      if (host === by || !host.alive || !this.wire(by, host)) continue;
      const intent = host.answering.get(address);
      const yielded = intent !== undefined && intent.heirMac === by.mac && !host.frozen;
      if (yielded) host.answering.delete(address);
      this.after(LATENCY_MS, () => host.turn({ kind: "claim-heard", address, mac: by.mac, yielded }));
    }
  }

  after(ms: number, deed: () => void): void {
    this.#queue.push({ at: this.now + Math.max(0, ms), order: this.#order++, deed });
  }

  /** Runs for so long; `check` is called after every millisecond of it. */
  run(ms: number, check?: () => void): void {
    const end = this.now + ms;
    for (;;) {
      let next: Due | undefined;
      for (const due of this.#queue) {
        if (next === undefined || due.at < next.at || (due.at === next.at && due.order < next.order)) next = due;
      }
      if (next === undefined || next.at > end) break;
      this.#queue.splice(this.#queue.indexOf(next), 1);
      this.now = Math.max(this.now, next.at);
      next.deed();
      check?.();
    }
    this.now = end;
  }

  freeze(host: Host): void {
    host.frozen = true;
  }

  thaw(host: Host): void {
    host.frozen = false;
    for (const deed of host.backlog.splice(0)) deed();
  }

  voices(address: string): string[] {
    return this.hosts.filter((host) => host.voices(address)).map((host) => host.options.name);
  }
}
