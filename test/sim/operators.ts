/**
 * What operators and checks do to a group, and members that are none of ours: commands (drain, freeze, move, rebalance), checks
 * that fail and pass, foreign members that come and go, and a segment that is in trouble while the gossip is not. Purpose: the
 * misfortunes of a wide story, and what a daemon's memory keeps over a restart. Boundary: a table of its own, so that the
 * seeds of other stories mean what they always meant.
 */
import type { GroupOptions } from "../../src/domain/group/types.js";
import { merge, NO_ORDERS, type Orders } from "../../src/domain/orders.js";
import type { Host } from "./host.js";
import { between, pickOne, type Random } from "./random.js";
import type { Story } from "./story.js";

type Deed = (story: Story, operators: Operators) => void;

/** The group with checks. */
export const CHECKED = "web";
const CHECK_TAKES_MS = 40;
const FOREIGN_MAX = 2;

export class Operators {
  /** Files beside each host, by its name. */
  readonly #draining = new Set<string>();
  readonly #orders = new Map<string, Orders>();
  readonly #failing = new Set<string>();
  readonly whenNoneHealthy: "keep" | "withdraw";
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
    this.whenNoneHealthy = random() < 0.5 ? "keep" : "withdraw";
  }

  /** What a daemon that starts remembers. A machine that was lost has lost the orders, too: others repeat them. */
  initial(name: string): NonNullable<GroupOptions["initial"]> {
    const kept = this.#random() < 0.7 ? this.#orders.get(name) : undefined;
    return { draining: this.#draining.has(name), ...(kept === undefined ? {} : { orders: kept }) };
  }

  /** Its checks have their first result. */
  started(host: Host): void {
    host.later(between(this.#random, 0, CHECK_TAKES_MS), () => this.#tellHealth(host));
  }

  /** What this daemon has written down so far. */
  remember(hosts: readonly Host[]): void {
    for (const host of hosts) {
      this.#orders.set(host.name, merge(this.#orders.get(host.name) ?? NO_ORDERS, host.group.orders()));
    }
  }

  drain(host: Host, on: boolean): void {
    if (on) this.#draining.add(host.name);
    else this.#draining.delete(host.name);
    host.input({ kind: "drain", on });
  }

  isDraining(host: Host): boolean {
    return this.#draining.has(host.name);
  }

  check(host: Host, passes: boolean): void {
    if (passes) this.#failing.delete(host.name);
    else this.#failing.add(host.name);
    this.#tellHealth(host);
  }

  fails(host: Host): boolean {
    return this.#failing.has(host.name);
  }

  #tellHealth(host: Host): void {
    const health = this.fails(host)
      ? ({ state: "failing", reason: "check port fails: refused" } as const)
      : ({ state: "passing", reason: "" } as const);
    host.input({ kind: "health", group: CHECKED, health });
  }
}

/** Whom an operator can talk to: a daemon that stands still answers no command. */
function anyone(story: Story): Host | undefined {
  const able = story.running().filter((host) => host.turning);
  return able.length === 0 ? undefined : pickOne(story.random, able);
}

function someKey(story: Story, host: Host): string {
  return pickOne(
    story.random,
    host.group.keys().map((key) => key.spec.key),
  );
}

export const OPERATIONS: Readonly<Record<string, Deed>> = {
  drain: (story, operators) => {
    const host = anyone(story);
    if (host !== undefined) operators.drain(host, true);
  },
  resume: (story, operators) => {
    const drained = story.running().filter((host) => host.turning && operators.isDraining(host));
    if (drained.length > 0) operators.drain(pickOne(story.random, drained), false);
  },
  freeze: (story) => anyone(story)?.input({ kind: "order", order: { kind: "freeze", on: true } }),
  thaw: (story) => anyone(story)?.input({ kind: "order", order: { kind: "freeze", on: false } }),
  "move a key": (story) => {
    const host = anyone(story);
    if (host === undefined) return;
    const to = pickOne(story.random, story.running()).name;
    host.input({ kind: "order", order: { kind: "move", key: someKey(story, host), host: to } });
  },
  "undo a move": (story) => {
    const host = anyone(story);
    const moves = host?.group.orders().moves ?? [];
    if (host === undefined || moves.length === 0) return;
    host.input({ kind: "order", order: { kind: "move", key: pickOne(story.random, moves).key, host: null } });
  },
  rebalance: (story) => {
    const host = anyone(story);
    host?.input({ kind: "order", order: { kind: "rebalance", instances: host.group.instances() } });
  },
  "a check fails": (story, operators) => {
    operators.check(pickOne(story.random, story.running()), false);
  },
  "a check passes": (story, operators) => {
    const failing = story.running().filter((host) => operators.fails(host));
    if (failing.length > 0) operators.check(pickOne(story.random, failing), true);
  },
  "all checks fail": (story, operators) => {
    for (const host of story.running()) operators.check(host, false);
  },
  "all checks pass": (story, operators) => {
    for (const host of story.running()) operators.check(host, true);
  },
  "a foreign member joins": (story) => {
    if (story.world.foreigners().length < FOREIGN_MAX) story.bootForeign();
  },
  "a foreign member dies": (story) => {
    const all = story.world.foreigners();
    if (all.length > 0) pickOne(story.random, all).crash();
  },
  "a foreign member leaves": (story) => {
    const all = story.world.foreigners();
    if (all.length > 0) pickOne(story.random, all).leave();
  },
  "weather on the segment": (story) => {
    const { wire } = story.world;
    wire.weather = { ...wire.weather, loss: 0.2 + 0.5 * story.random() };
  },
  "the segment stalls": (story) => {
    story.world.wire.stall(story.world.now + between(story.random, 20, 3000));
  },
};
