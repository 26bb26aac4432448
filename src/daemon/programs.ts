/**
 * Checks, hooks and the helper process that does both: who exists when. Purpose: one part for the daemon to start, to
 * configure and to stop. Boundary: assembly; the helper runs only where something wants it.
 */
import { Helper } from "../adapters/helper.js";
import { HOOK_FILES } from "../config/load.js";
import { type Config, HOOK_EVENTS } from "../config/types.js";
import type { OwnershipEvent } from "../domain/group/types.js";
import type { CheckStatus, Clock, Log, Responder } from "../ports.js";
import { Checks } from "./checks.js";
import type { Engine } from "./engine.js";
import { Happenings } from "./happenings.js";
import { Hooks } from "./hooks.js";
import type { Counter } from "./tally.js";

/** At a stop, hooks of what was released have so long. */
const HOOKS_END_MS = 2000;

export interface ProgramsParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly responder: Responder;
  readonly random: () => number;
  readonly interfaces: (group: string) => readonly string[];
  /** Known once it is made. */
  readonly engine: () => Engine;
  /** A check's state changed; it is in the log already. */
  readonly onEvent: (event: OwnershipEvent) => void;
}

export class Programs {
  readonly #parts: ProgramsParts;
  readonly #helper: Helper;
  readonly #checks: Checks;
  readonly #hooks: Hooks;
  readonly #happenings: Happenings;
  #config: Config;

  constructor(parts: ProgramsParts, config: Config) {
    this.#parts = parts;
    this.#config = config;
    const { log, clock, responder, random, interfaces } = parts;
    this.#helper = new Helper({ log });
    this.#hooks = new Hooks({ helper: this.#helper, log, files: HOOK_FILES, node: config.node.name }, config.hooks);
    this.#happenings = new Happenings((key) => this.#addressesOf(key));
    this.#checks = new Checks({
      helper: this.#helper,
      responder,
      clock,
      random,
      interfaces,
      onHealth: (group, health) => parts.engine().turn({ kind: "health", group, health }),
      onChange: ({ group, check, state, reason }) => {
        const text = `group ${group}: check ${check} is ${state}: ${reason}`;
        const level = state === "failing" ? "warn" : "info";
        const fields = { group, check, reason };
        log.write(level, `check.${state}`, fields, text);
        parts.onEvent({ level, event: `check.${state}`, fields, text });
      },
    });
  }

  /** The helper, before anything must be in time. */
  startHelper(): void {
    if (wantsHelper(this.#config)) this.#helper.start();
  }

  /** Checks begin; called again with a new configuration, before the group hears of it. */
  configure(config: Config): void {
    this.#config = config;
    this.startHelper();
    this.#hooks.configure(config.hooks);
    this.#checks.configure(config.vips);
  }

  heard(event: OwnershipEvent): void {
    if (!HOOK_EVENTS.some((name) => this.#config.hooks[name].length > 0)) return;
    const at = this.#parts.clock.wall(this.#parts.clock.now());
    for (const happening of this.#happenings.of(event, at)) this.#hooks.happened(happening);
  }

  async stop(): Promise<void> {
    this.#checks.stop();
    await this.#hooks.idle(HOOKS_END_MS);
    await this.#helper.stop();
  }

  status(): readonly CheckStatus[] {
    const { clock } = this.#parts;
    return this.#checks.views().map(({ group, name, type, record }) => ({
      group,
      check: name,
      type,
      state: record.state,
      since: clock.wall(record.since),
      lastAt: record.last === null ? null : clock.wall(record.last.at),
      lastOk: record.last?.ok ?? null,
      lastMs: record.last?.tookMs ?? null,
      reason: record.last?.reason ?? "has not finished yet",
      runs: record.runs,
      failures: record.failures,
    }));
  }

  counters(): Counter[] {
    const runs = [...this.#hooks.runs].map(([slot, value]) => {
      const [hook, result] = slot.split(" ") as [string, string];
      return { name: "vipd_hook_runs_total", labels: { hook, result }, value };
    });
    if (!wantsHelper(this.#config)) return runs;
    return [
      ...runs,
      { name: "vipd_hooks_dropped_total", labels: {}, value: this.#hooks.dropped },
      { name: "vipd_helper_restarts_total", labels: {}, value: this.#helper.restarts },
    ];
  }

  #addressesOf(key: string): readonly string[] {
    const group = this.#config.vips.find((vip) => vip.together && vip.name === key);
    return group?.addresses ?? [key];
  }
}

function wantsHelper(config: Config): boolean {
  const checks = config.vips.some((vip) => vip.checks.some((check) => check.type !== "arp"));
  return checks || HOOK_EVENTS.some((name) => config.hooks[name].length > 0);
}
