/**
 * Hooks: from what happens to the programs that the operator wants run. Purpose: in order per VIP, a few at a time, never in the
 * protocol's way: a full queue drops and counts. Boundary: the helper runs them; nothing waits for them but a stop, a moment.
 */
import type { Helper } from "../adapters/helper.js";
import { type HookOutside, whyNotSafe } from "../config/hooks.js";
import type { HookEvent, Hooks as HooksConfig } from "../config/types.js";
import type { Log } from "../ports.js";

export interface HooksParts {
  readonly helper: Pick<Helper, "run">;
  readonly log: Log;
  readonly files: HookOutside;
  readonly node: string;
}

export interface Happening {
  readonly event: HookEvent;
  /** Happenings of one subject follow each other: a VIP, or a member. */
  readonly subject: string;
  /** Names in lower camel case; each becomes a variable (`VIPD_STATE`), all of them the line on stdin. */
  readonly fields: Readonly<Record<string, string>>;
}

const QUEUE_MAX = 1024;
const RUNNING_MAX = 8;

interface Waiting {
  readonly happening: Happening;
  readonly command: readonly string[];
}

export class Hooks {
  readonly #parts: HooksParts;
  #config: HooksConfig;
  readonly #waiting: Waiting[] = [];
  readonly #busy = new Set<string>();
  readonly #runs = new Map<string, number>();
  #dropped = 0;

  constructor(parts: HooksParts, config: HooksConfig) {
    this.#parts = parts;
    this.#config = config;
  }

  configure(config: HooksConfig): void {
    this.#config = config;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** `event result` -> count. */
  get runs(): ReadonlyMap<string, number> {
    return this.#runs;
  }

  happened(happening: Happening): void {
    for (const command of this.#config[happening.event]) {
      if (this.#waiting.length >= QUEUE_MAX) {
        this.#dropped += 1;
        const text = `${QUEUE_MAX} hooks wait already: ${command[0]} does not hear of ${happening.subject}`;
        if (this.#dropped === 1) this.#parts.log.write("error", "hook.dropped", { ...happening }, text);
      } else this.#waiting.push({ happening, command });
    }
    this.#next();
  }

  /** Until nothing waits or runs, at most so long. */
  async idle(boundMs: number): Promise<void> {
    const end = performance.now() + boundMs;
    while (this.#waiting.length + this.#busy.size > 0 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  #next(): void {
    while (this.#busy.size < RUNNING_MAX) {
      const i = this.#waiting.findIndex((one) => !this.#busy.has(one.happening.subject));
      if (i < 0) return;
      const [next] = this.#waiting.splice(i, 1);
      void this.#run(next!);
    }
  }

  async #run({ happening, command }: Waiting): Promise<void> {
    const { event, subject, fields } = happening;
    this.#busy.add(subject);
    const result = await this.#perform(happening, command);
    this.#busy.delete(subject);
    const slot = `${event} ${result.ok ? "ok" : "failed"}`;
    this.#runs.set(slot, (this.#runs.get(slot) ?? 0) + 1);
    if (!result.ok) {
      const text = `hook ${event} for ${subject}: ${command[0]}: ${result.reason}`;
      this.#parts.log.write("warn", "hook.failed", { hook: event, command, ...fields }, text);
    }
    this.#next();
  }

  #perform(happening: Happening, command: readonly string[]): Promise<{ ok: boolean; reason: string }> {
    const { event, fields } = happening;
    // Looked at each time: what was safe at the start may not be now.
    const reason = whyNotSafe(command[0]!, this.#parts.files);
    if (reason !== null) return Promise.resolve({ ok: false, reason });
    const all = { event, node: this.#parts.node, ...fields };
    const env = Object.fromEntries(Object.entries(all).map(([name, value]) => [variableOf(name), clean(value)]));
    const input = `${JSON.stringify(all)}\n`;
    return this.#parts.helper.run({ kind: "hook", command, env, input, timeoutMs: this.#config.timeoutMs });
  }
}

/** `lastOwner` -> `VIPD_LAST_OWNER`. */
function variableOf(name: string): string {
  return `VIPD_${name.replace(/([a-z])([A-Z])/g, "$1_$2").toUpperCase()}`;
}

/** Reasons hold names from the network; a NUL cannot stand in a variable. */
function clean(value: string): string {
  return value.replace(/\p{Cc}/gu, " ").slice(0, 4096);
}
