/**
 * What a restart must not forget: that this host drains, and what operators told the group. Purpose: a drain survives a
 * restart of the daemon (beside the socket), and with `--persist` one of the host (in the state directory).
 * Boundary: files of this host only; a file of another node's name is not ours.
 */
import { join } from "node:path";
import type { RunDir } from "../adapters/run-dir.js";
import { bootId, StateFile } from "../adapters/state-file.js";
import type { GroupOptions } from "../domain/group/types.js";
import { merge, NO_ORDERS, type Orders } from "../domain/orders.js";
import type { Log } from "../ports.js";
import { reasonOf } from "./engine.js";

const DRAINING = "draining.json";
const ORDERS = "orders.json";
const STATE_DIRECTORY = "/var/lib/vipd";

interface Mark {
  readonly node: string;
  readonly boot: string;
}

export class Memory {
  readonly #node: string;
  readonly #log: Log;
  readonly #draining: StateFile;
  readonly #drainingForGood: StateFile;
  readonly #orders: StateFile;
  #ordersWritten: Orders = NO_ORDERS;
  /** The drain outlives a restart of the host. */
  #persistent = false;

  constructor(options: { node: string; runDir: Pick<RunDir, "file">; log: Log; env?: NodeJS.ProcessEnv }) {
    const state = (options.env ?? process.env).STATE_DIRECTORY?.split(":")[0] || STATE_DIRECTORY;
    this.#node = options.node;
    this.#log = options.log;
    this.#draining = new StateFile(options.runDir.file(DRAINING));
    this.#drainingForGood = new StateFile(join(state, DRAINING));
    this.#orders = new StateFile(options.runDir.file(ORDERS));
  }

  get persistent(): boolean {
    return this.#persistent;
  }

  /** What an earlier run was told; read once, before anything is started. */
  recall(): NonNullable<GroupOptions["initial"]> {
    this.#persistent = this.#isOurs(this.#drainingForGood.read(), { sameBoot: false });
    const draining = this.#persistent || this.#isOurs(this.#draining.read(), { sameBoot: true });
    const kept = this.#orders.read();
    if (this.#isOurs(kept, { sameBoot: true })) this.#ordersWritten = sane((kept as { orders?: unknown }).orders);
    return { draining, orders: this.#ordersWritten };
  }

  /** Rejects with one line where it cannot be kept: then the operator must know. */
  async drain(persist: boolean): Promise<void> {
    if (persist) await this.#drainingForGood.write(this.#mark());
    this.#persistent ||= persist;
    await this.#draining.write(this.#mark());
  }

  async resume(): Promise<void> {
    await this.#draining.remove();
    if (this.#persistent) await this.#drainingForGood.remove();
    this.#persistent = false;
  }

  /** Called often; writes only what changed. The other hosts know them, too: a failure is worth a line, no more. */
  keep(orders: Orders): void {
    if (orders === this.#ordersWritten) return;
    this.#ordersWritten = orders;
    this.#orders.write({ ...this.#mark(), orders }).catch((error: unknown) => {
      this.#log.write("warn", "orders.not-kept", {}, `orders would not survive a restart: ${reasonOf(error)}`);
    });
  }

  #mark(): Mark {
    return { node: this.#node, boot: bootId() };
  }

  #isOurs(value: unknown, { sameBoot }: { sameBoot: boolean }): boolean {
    if (typeof value !== "object" || value === null) return false;
    const mark = value as Partial<Mark>;
    return mark.node === this.#node && (!sameBoot || mark.boot === bootId());
  }
}

/** A file of ours, but files can be damaged: what is not orders counts as none. */
function sane(value: unknown): Orders {
  const orders = value as Orders | undefined;
  const moves = orders?.moves;
  const whole =
    typeof orders?.freeze?.on === "boolean" &&
    Number.isSafeInteger(orders.freeze.epoch) &&
    Number.isSafeInteger(orders.rebalance?.epoch) &&
    Array.isArray(orders.rebalance.instances) &&
    orders.rebalance.instances.every((one) => Number.isSafeInteger(one)) &&
    Array.isArray(moves) &&
    moves.every((m) => typeof m?.key === "string" && typeof m.host === "string" && Number.isSafeInteger(m.epoch));
  return whole ? merge(NO_ORDERS, orders) : NO_ORDERS;
}
