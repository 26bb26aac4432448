/**
 * What follows from what is known: whether this host counts, what it tells of itself, who is elected, whether it may own anything.
 * Purpose: concluded at the end of each turn in which something changed, until nothing more changes. Boundary: pure; hears
 * nothing and sends nothing itself, deeds.ts does.
 */
import { FACTS_FORMAT, type Facts } from "../facts.js";
import type { GroupContext } from "./context.js";
import type { Deeds } from "./deeds.js";
import { composeFacts } from "./own-facts.js";

const ROUNDS_MAX = 4;

export class Conclusions {
  readonly #ctx: GroupContext;
  readonly #deeds: Deeds;
  #refusalsTold = "";

  constructor(ctx: GroupContext, deeds: Deeds) {
    this.#ctx = ctx;
    this.#deeds = deeds;
  }

  /** The groups as they are configured now. */
  configure(): void {
    const { settings, settling, ownership, roll, now } = this.#ctx;
    const groups = settings.groups;
    settling.configure(groups.map((g) => ({ name: g.name, afterMs: g.failback === "never" ? 0 : g.failback.afterMs })));
    ownership.configure(roll.configure(groups), now);
  }

  /** Ends a turn: own facts, elections, ownership's deeds and the lease, until nothing more changes. */
  settle(): void {
    const ctx = this.#ctx;
    this.#lookAtRefusals();
    for (let round = 0; round < ROUNDS_MAX && ctx.dirty; round++) {
      ctx.dirty = false;
      ctx.barredIsTold();
      this.#adoptOrders();
      this.#judgeSelf();
      if (this.publish()) {
        ctx.changed();
        this.spreadOwn();
      }
      this.reelect();
      ctx.ownership.setBarred(ctx.forbidden(), ctx.now);
      const active = ctx.readiness.rested && ctx.lease.phase === "held" && ctx.quorum.held;
      ctx.ownership.setActive(active, ctx.now);
    }
    this.#deeds.flush();
  }

  /** True if this host's own facts changed. */
  publish(): boolean {
    return this.#ctx.store.publish(this.#compose());
  }

  spreadOwn(): void {
    const { options, roll, store, sync, swim } = this.#ctx;
    roll.changed();
    this.#ctx.feedSwim({ kind: "meta", meta: store.meta(FACTS_FORMAT) });
    sync.publish(options.name, swim.members());
  }

  reelect(): void {
    const { roll, commands, ownership, now } = this.#ctx;
    const { elected, agreed } = roll.elect({ frozen: commands.frozen, moves: commands.moves() });
    for (const group of agreed) ownership.driftOver(group, now);
    if (elected.length === 0) return;
    ownership.elect(elected, now);
  }

  drain(on: boolean): void {
    const { commands, incumbency, settling, ownership, now } = this.#ctx;
    if (on === commands.draining) return;
    commands.draining = on;
    if (on) incumbency.give(ownership.keys());
    else {
      // Failback does not apply to a resume: the operator says that this host is well.
      settling.settleAtOnce();
      incumbency.claimBack(now);
      this.armHeld();
    }
    this.#ctx.dirty = true;
    const text = on ? "draining: this host gives its VIPs away" : "resumed: this host takes part again";
    this.#ctx.event("info", on ? "host.draining" : "host.resumed", {}, text);
  }

  /** What this host holds is told anew at the instants at which it changes without any deed. */
  armHeld(): void {
    const { incumbency, now } = this.#ctx;
    for (const at of incumbency.changesAt()) if (at > now) this.#ctx.arm({ kind: "held" }, at);
  }

  /** Others' orders become ours to repeat; a rebalance that means this instance takes effect once. */
  #adoptOrders(): void {
    const { commands, roll, options, settling, incumbency, now } = this.#ctx;
    const { frozen } = commands;
    commands.adopt(roll.hosts());
    if (commands.frozen !== frozen) {
      const text = frozen ? "thawed: planned moves are made again" : "frozen: no planned moves";
      this.#ctx.event("info", frozen ? "group.thawed" : "group.frozen", {}, text);
    }
    if (!commands.rebalanceDue(options.instance)) return;
    settling.settleAtOnce();
    incumbency.waive(now);
    this.armHeld();
    this.#ctx.event("info", "group.rebalanced", {}, "rebalance: this host counts as settled");
  }

  /** Eligibility interrupts settling; settling decides who ranks behind whom. */
  #judgeSelf(): void {
    const { roll, options, settings, settling, now } = this.#ctx;
    for (const { name } of settings.groups) {
      const at = settling.eligible(name, this.#ctx.eligible(name), roll.others(options.name), now);
      if (at === null) continue;
      this.#ctx.arm({ kind: "settle" }, at);
      const flapping = settling.flapping(name);
      if (flapping === null) continue;
      const text = `lost its eligibility for ${name} ${flapping.falls} times of late: ranks behind the others for ${flapping.waitMs} ms`;
      this.#ctx.event("warn", "group.flapping", { group: name, ...flapping }, text);
    }
  }

  /** A key was yielded to a stranger, or its time is over: elections must hear of it. */
  #lookAtRefusals(): void {
    const refusing = this.#ctx.ownership.refusing(this.#ctx.now);
    const text = refusing.size === 0 ? "" : JSON.stringify([...refusing]);
    if (text === this.#refusalsTold) return;
    this.#refusalsTold = text;
    this.#ctx.dirty = true;
  }

  #compose(): Facts {
    const { settings, links, settling, ownership, options, readiness, commands, health, unreached, now } = this.#ctx;
    const state = {
      settings,
      links,
      settling,
      ownership,
      profile: options.profile,
      ready: readiness.ready,
      draining: commands.draining,
      frozen: commands.frozen,
      health,
      unreached,
      orders: commands.told(),
      barred: this.#ctx.barred(),
      refused: ownership.refusing(now),
    };
    const { incumbency, roll } = this.#ctx;
    return composeFacts(state, (group) => incumbency.held(group, state, () => roll.epochs(group), now));
  }
}
