/**
 * The group: membership, facts, elections, ownership and lease as one state machine. Purpose: the order in which one
 * turn is worked: lapse first, then the input, then facts, elections, deeds. Boundary: pure; driven with time and
 * input, returns outputs; the daemon and the simulator drive the same code.
 */
import type { Facts } from "../facts.js";
import type { Millis, PushPull } from "../messages.js";
import type { Orders } from "../orders.js";
import type { KeyView } from "../ownership/types.js";
import type { SwimStats } from "../swim/index.js";
import type { MemberView } from "../swim/types.js";
import { ClaimSpread } from "./claim-news.js";
import { Conclusions } from "./conclusions.js";
import { GroupContext, LOOK_MS_MAX } from "./context.js";
import { Deeds } from "./deeds.js";
import { type Explanation, explain } from "./explain.js";
import { alarmsOf, lackOf, orderText, type Standing } from "./face.js";
import { Hearing } from "./hearing.js";
import { Life } from "./life.js";
import { Meetings } from "./meetings.js";
import { healthOfGroup, linksReason } from "./own-facts.js";
import { ALONE } from "./readiness.js";
import type { GroupInput, GroupOptions, GroupOutput, GroupTimer } from "./types.js";

/** The regular look at disputes and lapses is part of another turn after so long. */
const LOOK_MS = 500;

export class Group {
  readonly #ctx: GroupContext;
  readonly #conclusions: Conclusions;
  readonly #life: Life;
  readonly #hearing: Hearing;
  #lookedAt: Millis = Number.NEGATIVE_INFINITY;
  /** Of the regular look: a timer of another round no longer counts. */
  #round = 0;
  #turnsOften = true;

  constructor(options: GroupOptions, now: Millis) {
    this.#ctx = new GroupContext(options, now);
    const claims = new ClaimSpread(this.#ctx);
    const conclusions = new Conclusions(this.#ctx, new Deeds(this.#ctx, claims));
    const meetings = new Meetings(this.#ctx, conclusions);
    this.#conclusions = conclusions;
    this.#life = new Life(this.#ctx, meetings);
    this.#hearing = new Hearing(this.#ctx, { conclusions, meetings, life: this.#life, claims });
    conclusions.configure();
    conclusions.publish();
    this.#ctx.startSwim(now, (event) => this.#hearing.take(event));
  }

  handle(input: GroupInput, now: Millis): GroupOutput[] {
    const { lease } = this.#ctx;
    this.#ctx.now = now;
    if (lease.lapsed(now)) this.#life.thaw();
    this.#dispatch(input, now);
    if (now >= this.#lookedAt + LOOK_MS) this.#look(now);
    // Every turn is a sign of the control plane's health: the timer is for hosts that hear nothing.
    lease.extend(now);
    this.#life.judgeQuorum();
    const turnsOften = !this.#isRenewed();
    if (turnsOften && !this.#turnsOften) this.#armLook(now);
    this.#turnsOften = turnsOften;
    this.#conclusions.settle();
    return this.#ctx.takeOutputs();
  }

  /**
   * When a timer that was armed for `at` is of use by now; Infinity: never. Asked by the driver before it sleeps, so that it does
   * not wake for what was put off meanwhile. A driver that fires it nonetheless does no harm.
   */
  dueAt(timer: GroupTimer, at: Millis): Millis {
    if (timer.kind === "swim") return this.#ctx.swim.dueAt(timer.timer, at);
    // Extended by other turns, or by the driver; what else hangs on this timer may wait a little.
    if (timer.kind === "lease") {
      if (timer.round !== this.#round) return Number.POSITIVE_INFINITY;
      const dueAt = this.#isRenewed() ? Number.POSITIVE_INFINITY : this.#ctx.lease.dueAt;
      return Math.max(at, Math.min(dueAt, this.#lookedAt + LOOK_MS_MAX));
    }
    return at;
  }

  /** Else turns must come often: to extend the lease, or for the catching-up, which depends on the time. */
  #isRenewed(): boolean {
    return this.#ctx.renews() && this.#ctx.lease.phase === "held";
  }

  /** The driver has extended the lease since the last turn, until then. To be told before the next one. */
  renewed(until: Millis): void {
    this.#ctx.lease.renewed(until);
  }

  // ------------------------------------------------------------ reading

  get name(): string {
    return this.#ctx.options.name;
  }

  members(): readonly MemberView[] {
    return this.#ctx.swim.members();
  }

  facts(name: string): Facts | undefined {
    return this.#ctx.store.facts(name);
  }

  keys(): KeyView[] {
    return this.#ctx.ownership.views();
  }

  /** Keys that a stop still waits for. */
  pending(): number {
    return this.#ctx.ownership.pending();
  }

  standing(): Standing {
    const { readiness, commands, lease } = this.#ctx;
    const quorum = this.#ctx.quorumView();
    const lacking = readiness.ready && quorum !== null && !quorum.held;
    return {
      ready: readiness.ready && !lacking,
      readyReason: lacking ? lackOf(quorum) : readiness.reason,
      quorum,
      draining: commands.draining,
      lease,
      barred: this.#ctx.barred(),
    };
  }

  /** What operators told the group, as far as this host knows. */
  orders(): Orders {
    return this.#ctx.commands.orders;
  }

  /** The election key that this text means: a VIP, or a group that goes together; undefined: none of ours. */
  keyOf(text: string): string | undefined {
    const keys = [...this.#ctx.ownership.keys()].map((key) => key.spec);
    return keys.find((spec) => spec.key === text || spec.addresses.includes(text))?.key;
  }

  /** Why the VIP is where it is, and what would be without each host; null: none of ours. */
  explain(text: string): Explanation | null {
    return explain(this.#ctx, text);
  }

  /** Why a member could not own this key now, or null. */
  whyNot(member: string, key: string): string | null {
    const { ownership, settings, roll } = this.#ctx;
    const spec = [...ownership.keys()].find((one) => one.spec.key === key)?.spec;
    const group = settings.groups.find((one) => one.name === spec?.group);
    return group === undefined ? "is not configured here" : roll.whyNot(member, group);
  }

  /** Instances of everybody alive: whom a rebalance means. */
  instances(): number[] {
    return this.#ctx.roll.hosts().map((host) => host.instance);
  }

  alarms(): string[] {
    const { options, disputes, settings, roll, ownership, links, now } = this.#ctx;
    const misnaming = ownership.misnaming();
    return alarmsOf({
      self: options.name,
      disputed: disputes.names(now),
      barred: this.#ctx.barred(),
      quorum: this.#ctx.quorumView(),
      drift: settings.groups.map(({ name }) => ({
        group: name,
        hosts: [...new Set([...roll.differing(name), ...(misnaming.get(name) ?? [])])],
      })),
      keys: [...ownership.keys()],
      links: (options.observe ? [] : settings.groups).map((group) => ({
        group: group.name,
        reason: linksReason(group, links) || healthOfGroup(this.#ctx, group).reason,
      })),
      now,
    });
  }

  swimStats(): SwimStats {
    return this.#ctx.swim.stats();
  }

  /** Our half of an exchange. Of a life that is over by its own word nobody is told: it would be missing to a newcomer. */
  pushPull(join: boolean): PushPull {
    const { store, swim } = this.#ctx;
    const facts = store.envelopes().filter(({ name, instance }) => {
      const member = swim.member(name);
      if (member === undefined) return false;
      return member.state !== "left" || member.meta.kind !== "vipd" || member.meta.instance !== instance;
    });
    return { ...swim.pushPull(join), facts };
  }

  // ------------------------------------------------------------ input

  #dispatch(input: GroupInput, now: Millis): void {
    const { options, ownership } = this.#ctx;
    switch (input.kind) {
      case "wake":
        return;
      case "start":
        this.#ctx.feedSwim({ kind: "start" });
        this.#armLook(now);
        this.#ctx.arm({ kind: "alone" }, now + options.aloneAfterMs);
        this.#conclusions.armHeld();
        return;
      case "datagram":
      case "stream-ping-answered":
      case "join":
        this.#ctx.feedSwim(input);
        return;
      case "exchanged":
        this.#ctx.feedSwim(input);
        if (input.initiator) this.#life.exchanged(input.with);
        return;
      case "exchange-failed":
        this.#ctx.feedSwim(input);
        this.#life.exchangeFailed(input.with);
        return;
      case "timer":
        this.#timer(input.timer, now);
        return;
      case "queue-drained":
        this.#life.queueDrained();
        return;
      case "claim-heard":
        ownership.claimHeard(input, now);
        return;
      case "asked":
        ownership.asked(input.id, input.answers, now);
        return;
      case "held":
        ownership.held(input.addresses, now);
        return;
      case "hold-failed":
        ownership.holdFailed(input.addresses, input.error, now);
        return;
      case "link":
      case "health":
      case "path":
      case "reconfigure":
        this.#hostChanged(input);
        return;
      case "drain":
      case "order":
      case "stop":
      case "leave":
        this.#told(input, now);
        return;
    }
  }

  #hostChanged(input: Extract<GroupInput, { kind: "link" | "health" | "path" | "reconfigure" }>): void {
    const { links, health, quorum } = this.#ctx;
    this.#ctx.dirty = true;
    if (input.kind === "link") links.set(input.link.name, input.link);
    else if (input.kind === "health") health.set(input.group, input.health);
    else if (input.kind === "path") this.#ctx.pathChanged(input.interface, input.reached);
    else {
      this.#ctx.settings = input.settings;
      quorum.configure(input.settings.quorum ?? null);
      this.#ctx.feedSwim({ kind: "quorum", hosts: quorum.terms?.hosts ?? null });
      this.#conclusions.configure();
      this.#ctx.changed();
    }
  }

  /** By whoever runs this host. */
  #told(input: Extract<GroupInput, { kind: "drain" | "order" | "stop" | "leave" }>, now: Millis): void {
    const { commands, ownership } = this.#ctx;
    switch (input.kind) {
      case "drain":
        this.#conclusions.drain(input.on);
        return;
      case "order":
        commands.give(input.order);
        this.#ctx.event("info", `group.${input.order.kind}`, { ...input.order }, orderText(input.order));
        this.#ctx.dirty = true;
        return;
      case "stop":
        commands.draining = true;
        this.#ctx.dirty = true;
        this.#conclusions.settle();
        ownership.stop(now);
        return;
      case "leave":
        this.#ctx.leaving = true;
        this.#ctx.feedSwim({ kind: "leave" });
        return;
    }
  }

  #timer(timer: GroupTimer, now: Millis): void {
    const { ownership, readiness, settling, swim, sync } = this.#ctx;
    switch (timer.kind) {
      case "swim":
        this.#ctx.feedSwim({ kind: "timer", timer: timer.timer });
        return;
      case "key":
        ownership.timer(timer.timer, now);
        return;
      case "lease":
        if (timer.round !== this.#round) return;
        this.#look(now);
        this.#armLook(now);
        return;
      case "alone":
        if (!readiness.ready) this.#life.becomeReady(ALONE);
        return;
      case "rest":
        this.#life.awaitRest();
        return;
      case "settle":
        settling.settle(now);
        this.#ctx.dirty = true;
        return;
      case "held":
        this.#ctx.heldDue();
        return;
      case "fetch":
        sync.fetch(swim.member(timer.member), timer.tries, now);
        return;
    }
  }

  #armLook(now: Millis): void {
    this.#round += 1;
    this.#ctx.arm({ kind: "lease", round: this.#round }, this.#ctx.lease.nextLookAt(now));
  }

  /** What depends on the time alone. */
  #look(now: Millis): void {
    this.#lookedAt = now;
    this.#life.lookAtCatchUp();
    this.#hearing.expireDisputes();
    this.#ctx.lookAtBarred();
  }
}
