/**
 * The configuration that is in force, and what it means on this host now. Purpose: reading it anew (`vipd reload`), and placing
 * it anew when interfaces or addresses come and go. Boundary: tells the parts what is different; they were made elsewhere, and
 * a file that is refused changes nothing.
 */
import { resolveBind } from "../adapters/interfaces.js";
import { hostInterfaces } from "../adapters/native.js";
import { formatProblem, loadKeys } from "../config/load.js";
import type { Config } from "../config/types.js";
import type { GroupSettings } from "../domain/group/types.js";
import type { Endpoint } from "../domain/messages.js";
import type { GossipTransport, Log, Responder, ServiceManager } from "../ports.js";
import type { ReloadOutcome } from "./control.js";
import { type Engine, reasonOf } from "./engine.js";
import { watching } from "./observer.js";
import type { Paths } from "./paths.js";
import type { Programs } from "./programs.js";
import type { RunOptions } from "./run.js";
import type { Seeds } from "./seeds.js";
import { hasAuto, interfacesOf, needsRestart, servicePaths, settingsOf } from "./settings.js";
import type { StrictArpGuard } from "./strict-arp-guard.js";

/** Interfaces and their addresses change in bursts. */
const HOST_CHANGED_AFTER_MS = 100;

/** Whom a change concerns. */
export interface Configured {
  readonly engine: Engine;
  readonly transport: Pick<GossipTransport, "setKeys">;
  readonly responder: Pick<Responder, "setInterfaces" | "setAnnounce">;
  readonly programs: Programs;
  readonly seeds: Seeds;
  readonly strictArp: StrictArpGuard;
  readonly paths: Pick<Paths, "start">;
}

export class Configuration {
  /** The gossip's address; another one needs a restart. */
  readonly bind: Endpoint;
  readonly #options: RunOptions;
  readonly #log: Log;
  readonly #service: ServiceManager;
  readonly #parts: () => Configured;
  #config: Config;
  #settings: GroupSettings;
  #places: ReadonlyMap<string, string>;
  #reloading: Promise<unknown> = Promise.resolve();
  #hostTimer: NodeJS.Timeout | undefined;
  #ended = false;

  /** Throws one line where there is no address to bind. `parts` is asked when something changes. */
  constructor(options: RunOptions, log: Log, service: ServiceManager, parts: () => Configured) {
    this.#options = options;
    this.#log = log;
    this.#service = service;
    this.#parts = parts;
    this.#config = options.observe ? watching(options.config) : options.config;
    const host = hostInterfaces();
    this.#settings = settingsOf(this.#config, host);
    const vips = this.#config.vips.flatMap((vip) => vip.addresses);
    this.bind = resolveBind(this.#config.gossip.bind, { interfaces: interfacesOf(this.#settings), vips });
    this.#places = servicePaths(this.#settings, this.bind.host, host);
  }

  get config(): Config {
    return this.#config;
  }

  get settings(): GroupSettings {
    return this.#settings;
  }

  /** Each service interface that does not carry the gossip, with this host's own address there. */
  get places(): ReadonlyMap<string, string> {
    return this.#places;
  }

  /** SIGHUP or `vipd reload`, one after the other: a file that is refused changes nothing, and every problem is said. */
  reload(): Promise<ReloadOutcome> {
    const done = this.#reloading.then(() => this.#reload());
    this.#reloading = done.catch(() => {});
    return done;
  }

  async #reload(): Promise<ReloadOutcome> {
    this.#service.reloading();
    const read = this.#options.reload();
    if (!read.ok) return this.#refuse(read.problems.map(formatProblem));
    const config = this.#options.observe ? watching(read.config) : read.config;
    let keys: readonly Uint8Array[] | null;
    try {
      keys = loadKeys(config);
    } catch (error) {
      return this.#refuse([reasonOf(error)]);
    }
    const { transport, responder, programs, seeds } = this.#parts();
    const stays = needsRestart(this.#config, config);
    this.#config = config;
    this.#log.setLevel(config.log.level);
    if (!stays.includes("gossip.insecure")) transport.setKeys(keys);
    responder.setAnnounce(config.announce);
    programs.configure(config);
    this.#place(settingsOf(config, hostInterfaces()));
    await seeds.follow(config.gossip.join);
    const text = `configuration reloaded${stays.length === 0 ? "" : `, but ${stays.join(", ")} needs a restart`}`;
    this.#log.write(stays.length === 0 ? "info" : "warn", "daemon.reloaded", { needsRestart: stays }, text);
    this.#service.ready(text);
    return { ok: true, problems: [], needsRestart: stays };
  }

  #refuse(problems: string[]): ReloadOutcome {
    for (const problem of problems) this.#log.write("error", "config.refused", { problem }, problem);
    const text = `reload refused, the old configuration stays: ${problems[0] ?? ""}`;
    this.#log.write("error", "daemon.reload-refused", { problems: problems.length }, text);
    this.#service.ready(text);
    return { ok: false, problems, needsRestart: [] };
  }

  /** An interface or an address came or went: a new one must be silent, too, and "auto" may mean another one now. */
  hostChanged(): void {
    if (this.#ended) return;
    this.#hostTimer ??= setTimeout(() => {
      this.#hostTimer = undefined;
      void this.#parts().strictArp.check();
      this.#placeAgain();
    }, HOST_CHANGED_AFTER_MS);
  }

  /** The host's changes concern nobody any more. */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#hostTimer);
  }

  #placeAgain(): void {
    const settings = settingsOf(this.#config, hostInterfaces());
    const text = describePlaces(settings);
    const moved = hasAuto(this.#config) && text !== describePlaces(this.#settings);
    if (!moved && JSON.stringify(settings.addressOf) === JSON.stringify(this.#settings.addressOf)) return;
    if (moved) {
      this.#log.write("info", "interface.auto", { places: text }, `"auto" means another interface now: ${text}`);
    }
    this.#place(settings);
  }

  #place(settings: GroupSettings): void {
    const { responder, engine, paths } = this.#parts();
    this.#settings = settings;
    this.#places = servicePaths(settings, this.bind.host, hostInterfaces());
    // Whoever only watches sends no frame, so it asks nobody.
    if (!this.#options.observe) paths.start();
    responder.setInterfaces(interfacesOf(settings));
    engine.turn({ kind: "reconfigure", settings });
  }
}

function describePlaces(settings: GroupSettings): string {
  return settings.groups
    .map(({ name, interfaces, waiting }) => `${name}: ${waiting ?? interfaces.join(", ")}`)
    .join("; ");
}
