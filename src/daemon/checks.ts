/**
 * When the health checks run, and what came of them. Purpose: each check on its own beat, never twice at a time; results go to
 * the group only when a group's health changes. Boundary: the helper does them (the witness is asked by the responder);
 * rise and fall are domain/health's.
 */
import type { Helper } from "../adapters/helper.js";
import type { Check, VipGroup } from "../config/types.js";
import { CheckRecord, type CheckResult, type Health, healthOf } from "../domain/health.js";
import type { Clock, Responder } from "../ports.js";

export interface ChecksParts {
  readonly helper: Pick<Helper, "run">;
  readonly responder: Pick<Responder, "ask">;
  readonly clock: Clock;
  /** Where the group's addresses are answered now. */
  readonly interfaces: (group: string) => readonly string[];
  /** Of [0, 1). */
  readonly random: () => number;
  readonly onHealth: (group: string, health: Health) => void;
  readonly onChange: (event: CheckEvent) => void;
}

export interface CheckEvent {
  readonly group: string;
  readonly check: string;
  readonly state: CheckRecord["state"];
  readonly reason: string;
}

interface Task {
  readonly group: string;
  readonly name: string;
  readonly check: Check;
  readonly signature: string;
  readonly record: CheckRecord;
  timer: NodeJS.Timeout | undefined;
  gone: boolean;
}

export class Checks {
  readonly #parts: ChecksParts;
  #tasks: Task[] = [];
  readonly #told = new Map<string, string>();
  /** Groups that ran before: what is added to them must not take them down until it has said something. */
  readonly #known = new Set<string>();

  constructor(parts: ChecksParts) {
    this.#parts = parts;
  }

  /** Checks that did not change go on with what they know. */
  configure(groups: readonly VipGroup[]): void {
    const now = this.#parts.clock.now();
    const former = new Map(this.#tasks.map((task) => [task.signature, task]));
    const wanted: Task[] = [];
    for (const group of groups) {
      group.checks.forEach((check, i) => {
        const name = nameOf(check, group.checks.length > 1 ? i : null);
        const signature = JSON.stringify([group.name, i, check]);
        const known = former.get(signature);
        const record = known?.record ?? new CheckRecord(check, now, this.#known.has(group.name));
        const task = known ?? {
          group: group.name,
          name,
          check,
          signature,
          record,
          timer: undefined,
          gone: false,
        };
        wanted.push(task);
        former.delete(signature);
      });
    }
    for (const task of former.values()) {
      task.gone = true;
      clearTimeout(task.timer);
    }
    const fresh = wanted.filter((task) => !this.#tasks.includes(task));
    this.#tasks = wanted;
    this.#known.clear();
    for (const group of groups) this.#known.add(group.name);
    for (const group of groups) {
      if (group.checks.length > 0) this.#tell(group.name);
      else this.#told.delete(group.name);
    }
    for (const task of fresh) void this.#run(task);
  }

  stop(): void {
    for (const task of this.#tasks) {
      task.gone = true;
      clearTimeout(task.timer);
    }
  }

  views(): readonly (Pick<Task, "group" | "name" | "record"> & { type: Check["type"] })[] {
    return this.#tasks.map(({ group, name, record, check }) => ({ group, name, record, type: check.type }));
  }

  async #run(task: Task): Promise<void> {
    const { clock, random } = this.#parts;
    const { check } = task;
    const began = clock.now();
    const result = await this.#perform(task);
    if (task.gone) return;
    const now = clock.now();
    if (task.record.record(result, now)) {
      const { group, name, record } = task;
      this.#parts.onChange({ group, check: name, state: record.state, reason: result.reason });
      this.#tell(group);
    }
    const moved = check.intervalMs * (1 + check.jitter * (2 * random() - 1));
    task.timer = setTimeout(() => void this.#run(task), Math.max(0, began + moved - now));
  }

  #perform(task: Task): Promise<CheckResult> {
    const { check } = task;
    return check.type === "arp" ? this.#ask(task.group, check) : this.#parts.helper.run({ kind: "check", check });
  }

  /** The witness is asked on every interface of the group: one answer will do. */
  async #ask(group: string, { address, timeoutMs }: Extract<Check, { type: "arp" }>): Promise<CheckResult> {
    const asked = this.#parts.interfaces(group).map((name) => {
      return this.#parts.responder.ask({ interface: name, addresses: [address], timeoutMs });
    });
    const all = await Promise.allSettled(asked);
    const [answer] = all.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
    if (answer !== undefined) return { ok: true, reason: `${answer.mac} answers`, tookMs: answer.afterMs };
    const failed = all.find((one) => one.status === "rejected");
    const reason = failed === undefined ? `nobody answers for ${address}` : String((failed.reason as Error).message);
    return { ok: false, reason, tookMs: timeoutMs };
  }

  #tell(group: string): void {
    const health = healthOf(this.#tasks.filter((task) => task.group === group));
    const signature = JSON.stringify(health);
    if (this.#told.get(group) === signature) return;
    this.#told.set(group, signature);
    this.#parts.onHealth(group, health);
  }
}

function nameOf(check: Check, index: number | null): string {
  const number = index === null ? "" : `#${index} `;
  switch (check.type) {
    case "tcp":
      return `${number}tcp ${check.host.includes(":") ? `[${check.host}]` : check.host}:${check.port}`;
    case "http":
      return `${number}http ${check.url}`;
    case "arp":
      return `${number}arp ${check.address}`;
    case "exec":
      return `${number}exec ${check.command[0]}`;
  }
}
