/**
 * The gossip tick: while something is to be spread, and somebody is there to hear it, a few members by lot get a datagram of it.
 * Armed only then, so that a group at rest sends no gossip. Also the graceful leave, which is gossip with an end.
 */
import type { Context } from "./context.js";
import { isLive, type Member } from "./members.js";
import type { DeadMessage } from "./verdicts.js";

/** How often the leave is said straight to all. */
const LEAVE_ROUNDS = 3;

export class Gossip {
  readonly #ctx: Context;
  #armed = false;
  #round = 0;
  #farewells = 0;

  constructor(ctx: Context) {
    this.#ctx = ctx;
  }

  /** At the end of each turn. */
  settle(): void {
    const { queue, gossipAtOnce, now, profile } = this.#ctx;
    if (this.#farewells > 0 || queue.size === 0) return;
    if (gossipAtOnce) {
      this.#ctx.gossipAtOnce = false;
      this.#tick();
      this.#arm(now + this.#ctx.period(profile.gossipIntervalMs));
    } else if (!this.#armed && this.#isHeard()) {
      this.#arm(now + this.#ctx.random() * profile.gossipIntervalMs);
    }
  }

  fired(round: number): void {
    if (round !== this.#round || !this.#armed) return;
    this.#armed = false;
    if (this.#farewells > 0) {
      this.#farewell();
      return;
    }
    this.#tick();
    if (this.#ctx.queue.size > 0 && this.#isHeard())
      this.#arm(this.#ctx.now + this.#ctx.period(this.#ctx.profile.gossipIntervalMs));
  }

  leave(): void {
    const { self, table, queue, now } = this.#ctx;
    this.#ctx.leaving = true;
    queue.clear();
    table.setState(self, "left", now);
    this.#farewells = LEAVE_ROUNDS + 1;
    this.#farewell();
  }

  thawed(): void {
    if (this.#armed) this.#arm(this.#ctx.now + this.#ctx.random() * this.#ctx.profile.gossipIntervalMs);
  }

  #tick(): void {
    for (const member of this.#ctx.pick(this.#ctx.profile.gossipNodes, (m) => this.#hears(m))) {
      if (!this.#ctx.gossip(member.address)) return;
    }
  }

  /** Whoever is alone keeps what it has to say, without a tick for nobody. */
  #isHeard(): boolean {
    const { table } = this.#ctx;
    if (table.live > 1) return true;
    for (const member of table.all()) if (this.#hears(member)) return true;
    return false;
  }

  /** The dead are told for a while, so that one that lives can refute. */
  #hears(member: Member): boolean {
    if (member.self || member.state === "left") return false;
    const { now, profile } = this.#ctx;
    return isLive(member.state) || now - member.since < profile.gossipToTheDeadMs;
  }

  #farewell(): void {
    this.#farewells -= 1;
    const { self, now, profile, table } = this.#ctx;
    const others = table.live > 0;
    if (this.#farewells === 0 || !others) {
      this.#farewells = 0;
      this.#ctx.event({ kind: "left" });
      return;
    }
    const goodbye: DeadMessage = { kind: "dead", incarnation: self.incarnation, node: self.name, from: self.name };
    // Foreign members, too: all that live, bounded by the table.
    for (const member of table.all())
      if (!member.self && isLive(member.state)) this.#ctx.send(member.address, [goodbye]);
    this.#arm(now + profile.gossipIntervalMs);
  }

  #arm(at: number): void {
    this.#armed = true;
    this.#round += 1;
    this.#ctx.arm({ kind: "gossip", round: this.#round }, at);
  }
}
