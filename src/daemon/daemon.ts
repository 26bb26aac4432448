/**
 * The assembly: makes the adapters, wires them to the engine, starts and stops them in order. Purpose: who exists, and in
 * which order. Boundary: no decisions of the protocol; those are the group's.
 */

import { randomBytes, randomInt } from "node:crypto";
import { createAddressHolder } from "../adapters/address-holder.js";
import { createAlarm, createClock } from "../adapters/clock.js";
import { MemberlistTransport, transportPacketBudget } from "../adapters/gossip-transport.js";
import { createHttp, type Http } from "../adapters/http.js";
import type { EventFeed } from "../adapters/http-events.js";
import { createLog } from "../adapters/log.js";
import { createLoopLag, createMetrics } from "../adapters/metrics.js";
import { createNeighbours } from "../adapters/neighbours.js";
import { createResolver } from "../adapters/resolver.js";
import { createPacedResponder } from "../adapters/responder.js";
import { createRunDir, type RunDir } from "../adapters/run-dir.js";
import { createServiceManager } from "../adapters/service-manager.js";
import { createStrictArp } from "../adapters/strict-arp.js";
import { loadKeys } from "../config/load.js";
import type { OwnershipEvent } from "../domain/group/types.js";
import { formatEndpoint } from "../domain/messages.js";
import type {
  AddressHolder,
  Clock,
  GossipTransport,
  Log,
  Responder,
  ServiceManager,
  StatusSnapshot,
} from "../ports.js";
import { decodeFacts, encodeFacts, measure } from "../wire/index.js";
import { Configuration } from "./configuration.js";
import { controlHandlers, type ReloadOutcome } from "./control.js";
import { dropWithin } from "./drop.js";
import { Engine, reasonOf } from "./engine.js";
import { createFeed } from "./feed.js";
import { KeptNeighbours } from "./kept-neighbours.js";
import { Memory } from "./memory.js";
import { NO_ADDRESSES, NO_NEIGHBOURS, silenced } from "./observer.js";
import { Paths } from "./paths.js";
import { Programs } from "./programs.js";
import type { RunOptions } from "./run.js";
import { Seeds } from "./seeds.js";
import { interfacesOf } from "./settings.js";
import { explainVip, instanceText, takeSnapshot, VipRows } from "./snapshot.js";
import { StrictArpGuard } from "./strict-arp-guard.js";
import { membershipCounters, Tally } from "./tally.js";

/** A stop hands over within this; then it goes, whoever has not taken over. */
const HAND_OVER_MAX_MS = 5000;
const GOODBYE_MAX_MS = 500;
/** The kernel takes 13 s and more to remove ten thousand IPv6 addresses; the unit's TimeoutStopSec leaves room for all three. */
const DROP_MAX_MS = 30_000;
const STRICT_ARP_CHECK_MS = 10_000;

export class Daemon {
  readonly #options: RunOptions;
  readonly #configuration: Configuration;
  readonly #instance = randomInt(1, 0xffff_ffff);
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #service: ServiceManager;
  readonly #runDir: RunDir;
  readonly #strictArp: StrictArpGuard;
  readonly #responder: Responder;
  readonly #holder: AddressHolder;
  readonly #transport: GossipTransport;
  readonly #engine: Engine;
  readonly #http: Http;
  readonly #rows = new VipRows();
  readonly #feed: EventFeed;
  readonly #seeds: Seeds;
  readonly #neighbours: KeptNeighbours;
  readonly #paths: Paths;
  readonly #memory: Memory;
  readonly #programs: Programs;
  /** Undone in reverse order at the end, or when the start fails half-way. */
  readonly #undo: (() => Promise<void>)[] = [];
  #leftOnLo = false;
  #timers: NodeJS.Timeout[] = [];
  readonly #loopLag = createLoopLag();
  readonly #tally: Tally;

  /** Makes everything, starts nothing. Throws one line: no address to bind, a key file that went bad. */
  constructor(options: RunOptions) {
    this.#options = options;
    const { observe } = options;
    this.#log = createLog({ level: options.config.log.level });
    this.#clock = createClock();
    this.#service = createServiceManager();
    this.#configuration = new Configuration(options, this.#log, this.#service, () => ({
      engine: this.#engine,
      transport: this.#transport,
      responder: this.#responder,
      programs: this.#programs,
      seeds: this.#seeds,
      strictArp: this.#strictArp,
      paths: this.#paths,
    }));
    const { config, bind } = this.#configuration;
    this.#runDir = createRunDir({ socket: config.status.socket });
    this.#memory = new Memory({ node: config.node.name, runDir: this.#runDir, log: this.#log });
    const mode = observe ? "ignore" : config.strictArp;
    const strictArp = createStrictArp({ mode, stateFile: this.#runDir.file("strict-arp.json") });
    this.#strictArp = new StrictArpGuard(strictArp, this.#log);
    const responder = createPacedResponder(config.announce);
    this.#responder = observe ? silenced(responder) : responder;
    this.#tally = new Tally({ responder: this.#responder, log: this.#log, strictArp: this.#strictArp });
    this.#holder = observe ? NO_ADDRESSES : createAddressHolder();
    const keys = loadKeys(config);
    const { label } = config.gossip;
    this.#transport = new MemberlistTransport({ bind, keys, label, log: this.#log });
    this.#feed = createFeed({ clock: this.#clock, instance: instanceText(this.#instance) });
    this.#seeds = new Seeds({
      resolver: createResolver({ clock: this.#clock }),
      log: this.#log,
      onSeeds: (seeds) => {
        this.#neighbours.settle();
        this.#engine.turn({ kind: "join", seeds });
      },
    });
    this.#neighbours = new KeptNeighbours({
      neighbours: observe ? NO_NEIGHBOURS : createNeighbours(),
      log: this.#log,
      hosts: () => this.#gossipHosts(),
    });
    this.#programs = new Programs(
      {
        log: this.#log,
        clock: this.#clock,
        responder: this.#responder,
        random: randomUniform,
        interfaces: (group) => this.#configuration.settings.groups.find((one) => one.name === group)?.interfaces ?? [],
        engine: () => this.#engine,
        onEvent: (event) => this.#onEvent(event),
      },
      config,
    );
    this.#engine = this.#makeEngine(keys);
    this.#paths = new Paths({
      name: config.node.name,
      responder: this.#responder,
      clock: this.#clock,
      random: randomUniform,
      members: () => this.#engine.group.members(),
      facts: (member) => this.#engine.group.facts(member),
      places: () => this.#configuration.places,
      onPath: (name, reached) => this.#engine.turn({ kind: "path", interface: name, reached }),
    });
    this.#http = this.#makeHttp();
  }

  #makeEngine(keys: readonly Uint8Array[] | null): Engine {
    const { config, bind, settings } = this.#configuration;
    return new Engine(
      {
        clock: this.#clock,
        createAlarm,
        transport: this.#transport,
        responder: this.#responder,
        holder: this.#holder,
        log: this.#log,
        onEvent: (event) => this.#onEvent(event),
        onHostChanged: () => {
          this.#configuration.hostChanged();
          this.#neighbours.linksChanged();
        },
        onLate: (ms) => this.#loopLag.record(ms),
      },
      {
        name: config.node.name,
        address: config.gossip.advertise ?? bind,
        instance: this.#instance,
        profile: config.gossip.timing,
        settings,
        seeds: [],
        aloneAfterMs: config.gossip.aloneAfterMs,
        codec: { encode: encodeFacts, decode: decodeFacts },
        random: randomUniform,
        measure,
        packetBudget: transportPacketBudget({ keys, label: config.gossip.label }),
        initial: this.#memory.recall(),
        observe: this.#options.observe,
        renews: !this.#options.observe,
      },
    );
  }

  #makeHttp(): Http {
    const { status } = this.#configuration.config;
    return createHttp({
      listen: status.listen,
      socket: status.socket,
      clock: this.#clock,
      source: () => this.#snapshot(),
      metrics: createMetrics(
        {
          counters: () => [
            ...membershipCounters(this.#engine.group.swimStats()),
            ...this.#tally.counters(),
            ...this.#programs.counters(),
            ...this.#http.counters(),
          ],
        },
        { loopLag: this.#loopLag },
      ),
      explain: (vip) => explainVip(this.#engine.group, this.#clock, vip),
      events: this.#feed,
      control: controlHandlers({
        engine: this.#engine,
        clock: this.#clock,
        log: this.#log,
        memory: this.#memory,
        reload: () => this.reload(),
      }),
    });
  }

  /** Everything is live when it resolves. Throws one line that says what to do. */
  async start(): Promise<void> {
    const { config, bind } = this.#configuration;
    for (const warning of this.#options.warnings) {
      this.#log.write("warn", "config.warning", { path: warning.path }, `${warning.path}: ${warning.message}`);
    }
    this.#programs.startHelper();
    this.#undo.push(() => this.#programs.stop());
    await this.#runDir.acquire();
    this.#undo.push(() => this.#runDir.release());
    await this.#strictArp.start();
    // Never while a VIP stands on lo: the kernel would answer for it.
    this.#undo.push(async () => (this.#leftOnLo ? undefined : this.#strictArp.restore()));
    await this.#responder.start((events) => this.#engine.responderEvents(events));
    this.#undo.push(() => this.#responder.stop());
    const swept = await this.#holder.sweep();
    if (swept.length > 0) {
      const text = `${swept.length} addresses that a crashed run left were taken off lo`;
      this.#log.write("warn", "vip.swept", { addresses: swept }, text);
    }
    this.#undo.push(() => this.#dropHeld());
    this.#responder.setInterfaces(interfacesOf(this.#configuration.settings));
    for (const link of this.#responder.links()) this.#engine.responderEvents([{ kind: "link", link }]);
    await this.#transport.start(this.#engine.gossipHandlers());
    this.#undo.push(() => this.#transport.stop());
    await this.#http.start();
    this.#undo.push(() => this.#http.stop());
    this.#undo.push(async () => this.#neighbours.stop());
    this.#neighbours.start();
    this.#engine.turn({ kind: "start" });
    this.#programs.configure(config);
    this.#undo.push(async () => this.#engine.stop());
    await this.#seeds.follow(config.gossip.join);
    // Whoever only watches sends no frame, so it asks nobody.
    if (!this.#options.observe) this.#paths.start();
    this.#undo.push(async () => this.#paths.stop());
    this.#every(STRICT_ARP_CHECK_MS, () => void this.#strictArp.check());
    if (this.#service.watchdogMs !== null) this.#every(this.#service.watchdogMs, () => this.#feedWatchdog());
    const vips = config.vips.reduce((sum, vip) => sum + vip.addresses.length, 0);
    const how = this.#options.observe ? "only watches, " : "";
    const text = `${config.node.name} ${how}is up on ${formatEndpoint(bind)}: ${counted(vips, "VIP")} in ${counted(config.vips.length, "group")}`;
    const { version } = this.#options;
    this.#log.write("info", "daemon.up", { version, bind: formatEndpoint(bind), vips }, text);
    this.#service.ready(text);
  }

  /** Hands over, says goodbye, takes back what it did to the host. */
  async stop(signal: string): Promise<void> {
    const within = `within ${HAND_OVER_MAX_MS / 1000} s`;
    this.#log.write(
      "info",
      "daemon.stopping",
      { signal, timeoutMs: HAND_OVER_MAX_MS },
      `${signal}: handing over ${within}`,
    );
    this.#service.stopping(`stopping: handing over ${within}`);
    this.#engine.turn({ kind: "stop" });
    await this.#handedOver();
    this.#memory.keep(this.#engine.group.orders());
    await this.#engine.leave(GOODBYE_MAX_MS);
    await this.#undoAll();
    this.#log.write("info", "daemon.stopped", {}, "stopped");
    await this.#log.flush();
  }

  /** The start failed: says why, and leaves nothing behind. */
  async fail(reason: string): Promise<void> {
    this.#log.write("error", "daemon.failed", { reason }, `cannot start: ${reason}`);
    this.#service.status(`cannot start: ${reason}`);
    await this.#undoAll();
    // Its alarm would keep the process alive, and systemd waiting.
    this.#engine.stop();
    await this.#log.flush();
  }

  /** SIGHUP or `vipd reload`. */
  reload(): Promise<ReloadOutcome> {
    return this.#configuration.reload();
  }

  async #handedOver(): Promise<void> {
    const deadline = this.#clock.now() + HAND_OVER_MAX_MS;
    for (;;) {
      const pending = this.#engine.group.pending();
      if (pending === 0) return;
      if (this.#clock.now() >= deadline) {
        this.#log.write("warn", "daemon.hand-over-cut", { pending }, `${pending} VIPs were not taken over in time`);
        return;
      }
      const leftS = Math.ceil((deadline - this.#clock.now()) / 1000);
      this.#service.status(`stopping: handing over ${pending} VIPs, for ${leftS} s more at most`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #undoAll(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#seeds.stop();
    this.#configuration.end();
    for (const undo of this.#undo.splice(0).reverse()) {
      await undo().catch((error: unknown) => {
        this.#log.write("error", "daemon.cleanup-failed", {}, reasonOf(error));
      });
    }
  }

  /** Silent first, then off lo, for a bounded time: what is left then runs out with its lifetime, or is swept by the unit. */
  async #dropHeld(): Promise<void> {
    this.#responder.lease(Number.NEGATIVE_INFINITY);
    // Ends after the removals that were asked for before, too; the responder's stop cancels what is left.
    const reason = await dropWithin(this.#holder.drop(this.#holder.held()), DROP_MAX_MS);
    if (reason === null) return;
    // The kernel would answer for what is left, were strict ARP undone.
    this.#leftOnLo = true;
    const text = "some VIPs are left on lo: they run out within a minute; strict ARP stays until `vipd sweep`";
    this.#log.write("warn", "vip.drop-cut", { reason }, text);
  }

  /** Fed while the control plane turns; a loop that is stuck, or a group that is not driven, starves it. */
  #feedWatchdog(): void {
    if (this.#clock.now() - this.#engine.lastTurnAt < 5000) this.#service.watchdog();
  }

  #snapshot(): StatusSnapshot {
    this.#engine.lookAtLease();
    const { config, settings, bind } = this.#configuration;
    const alarms = this.#engine.group.alarms();
    if (this.#strictArp.alarm !== null) alarms.push(this.#strictArp.alarm);
    return takeSnapshot({
      group: this.#engine.group,
      rows: this.#rows,
      clock: this.#clock,
      version: this.#options.version,
      instance: this.#instance,
      bind: formatEndpoint(bind),
      encrypted: !config.gossip.insecure,
      gossip: this.#transport.stats(),
      responder: this.#responder.stats(),
      links: this.#responder.links(),
      interfaces: interfacesOf(settings),
      strictArp: {
        mode: config.strictArp,
        changed: this.#strictArp.changed(),
        repairs: this.#strictArp.repairs,
      },
      alarms,
      checks: this.#programs.status(),
    });
  }

  #onEvent(happened: OwnershipEvent): void {
    const { level, event, fields, text } = happened;
    this.#programs.heard(happened);
    this.#memory.keep(this.#engine.group.orders());
    if (level !== "debug") this.#feed.publish(event, { level, text, ...fields });
    this.#tally.heard(happened);
    if (event.startsWith("member.")) this.#neighbours.settle();
  }

  #gossipHosts(): string[] {
    const others = this.#engine.group.members().filter((member) => !member.self);
    return [...others.map((member) => member.address), ...this.#seeds.addresses].map((endpoint) => endpoint.host);
  }

  #every(ms: number, deed: () => void): void {
    this.#timers.push(setInterval(deed, ms));
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function randomUniform(): number {
  return randomBytes(4).readUInt32LE() / 2 ** 32;
}
