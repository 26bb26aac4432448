/**
 * The group: membership, facts, elections, ownership and lease as one state machine. Purpose: the order in which one
 * turn is worked: lapse first, then the input, then facts, elections, deeds. Boundary: pure; driven with time and
 * input, returns outputs; the daemon and the simulator drive the same code.
 */
import type { Facts } from "../facts.js";
import { FACTS_FORMAT, OBSERVING } from "../facts.js";
import { FactsStore } from "../facts-store.js";
import type { Health } from "../health.js";
import { Lease } from "../lease.js";
import type { Endpoint, Millis, PushPull } from "../messages.js";
import type { Orders } from "../orders.js";
import { placesOf } from "../ownership/key.js";
import { Ownership } from "../ownership/machine.js";
import type { KeyView, OwnershipEvent, OwnershipOutput } from "../ownership/types.js";
import { Swim, type SwimStats } from "../swim/index.js";
import type { MemberView, SwimEvent, SwimInput, SwimOutput } from "../swim/types.js";
import { askAfterMs } from "../timing.js";
import { CatchUp } from "./catch-up.js";
import { type Claimed, ClaimNews, claimant } from "./claim-news.js";
import { Commands } from "./commands.js";
import { Disputes } from "./disputes.js";
import { alarmsOf, lackOf, memberEvent, orderText, type QuorumView, type Standing } from "./face.js";
import {
  COLD_START_MS,
  composeFacts,
  healthOfGroup,
  Incumbency,
  linkReason,
  linksReason,
  tellsHeld,
} from "./own-facts.js";
import { NO_QUORUM, QuorumStanding } from "./quorum.js";
import { Readiness } from "./readiness.js";
import { Roll, settledMember } from "./roll.js";
import { Settling } from "./settling.js";
import { FactsSync, offerAll } from "./sync.js";
import type {
  GroupInput,
  GroupOptions,
  GroupOutput,
  GroupSettings,
  GroupSpec,
  GroupTimer,
  LinkFacts,
} from "./types.js";
import { GroupView } from "./view.js";

/** How long other turns may put off the regular look at lease, disputes and lapses. */
const LOOK_MS_MAX = 800;

export class Group {
  readonly #options: GroupOptions;
  readonly #swim: Swim;
  readonly #store: FactsStore;
  readonly #sync: FactsSync;
  readonly #lease: Lease;
  readonly #settling = new Settling();
  readonly #ownership: Ownership;
  readonly #view: GroupView;
  readonly #incumbency = new Incumbency();
  readonly #catchUp: CatchUp;
  readonly #links = new Map<string, LinkFacts>();
  readonly #roll: Roll;
  readonly #readiness: Readiness;
  readonly #disputes = new Disputes();
  readonly #quorum: QuorumStanding;
  readonly #claimNews = new ClaimNews();
  readonly #met = new Set<string>();
  readonly #commands: Commands;
  readonly #health = new Map<string, Health>();
  #settings: GroupSettings;
  #out: GroupOutput[] = [];
  #leaving = false;
  #lookedAt: Millis = Number.NEGATIVE_INFINITY;
  #healthy = true;
  #leaseSent: Millis = Number.NaN;
  #dirty = true;
  #barredSeen = "";
  #refusalsTold = "";
  #ackPayload = { factsVersion: -1, viewDigest: -1 };
  #watched = "";
  #watchStale = true;

  constructor(options: GroupOptions, now: Millis) {
    this.#options = options;
    this.#settings = options.settings;
    this.#commands = new Commands(options.initial);
    this.#store = new FactsStore({ self: options.name, instance: options.instance, codec: options.codec });
    this.#roll = new Roll(this.#store, () => this.#swim?.members() ?? []);
    this.#readiness = new Readiness(options.profile.watchIntervalMs);
    const { leaseMs, leaseExtensionMs, catchUpMs, suspectAfterMs, askTimeoutMs } = options.profile;
    this.#lease = new Lease({ leaseMs, extensionMs: leaseExtensionMs, catchUpMs });
    this.#quorum = new QuorumStanding({ leaseMs, graceMs: options.profile.deadAfterMs - leaseMs });
    this.#quorum.configure(options.settings.quorum ?? null);
    this.#view = new GroupView({
      self: options.name,
      defaultLeaseMs: leaseMs + leaseExtensionMs,
      member: (name) => this.#swim.member(name),
      facts: (name) => this.#store.facts(name),
      names: () => this.#store.envelopes().map((envelope) => envelope.name),
      drifted: (group) => this.#roll.differing(group).length > 0,
      linkUp: (group) => this.#linkUp(group),
      canCarry: (name) => linkReason(this.#links.get(name), name) === "",
      withdrawn: (group) => this.#withdrawn(group),
    });
    this.#ownership = new Ownership({
      view: this.#view,
      suspectAfterMs,
      askAfterMs: askAfterMs(options.profile),
      askTimeoutMs,
    });
    this.#catchUp = new CatchUp(options.random);
    this.#configure(now);
    this.#store.publish(this.#compose(now));
    this.#swim = new Swim(
      {
        name: options.name,
        address: options.address,
        profile: options.profile,
        meta: this.#store.meta(FACTS_FORMAT),
        random: options.random,
        measure: options.measure,
        packetBudget: options.packetBudget,
        seeds: options.seeds,
      },
      now,
    );
    this.#swim.handle({ kind: "quorum", hosts: this.#quorum.terms?.hosts ?? null }, now);
    this.#sync = new FactsSync(this.#store, {
      swim: (input) => this.#feedSwim(input, this.#now),
      exchange: (to) => this.#out.push({ kind: "exchange", with: to, join: false }),
      fetchLater: (member, tries, at) => this.#arm({ kind: "fetch", member, tries }, at),
    });
  }

  /** The instant of the turn being worked. */
  #now: Millis = 0;

  handle(input: GroupInput, now: Millis): GroupOutput[] {
    this.#now = now;
    if (this.#lease.lapsed(now)) this.#thaw(now);
    this.#dispatch(input, now);
    // Every turn is a sign of the control plane's health: the timer is for hosts that hear nothing.
    if (this.#healthy) this.#lease.extend(now);
    this.#judgeQuorum(now);
    this.#settle(now);
    const out = this.#out;
    this.#out = [];
    return out;
  }

  /**
   * When a timer that was armed for `at` is of use by now; Infinity: never. Asked by the driver before it sleeps, so that it does
   * not wake for what was put off meanwhile. A driver that fires it nonetheless does no harm.
   */
  dueAt(timer: GroupTimer, at: Millis): Millis {
    if (timer.kind === "swim") return this.#swim.dueAt(timer.timer, at);
    // Extended by other turns; what else hangs on this timer may wait a little.
    if (timer.kind === "lease") return Math.max(at, Math.min(this.#lease.dueAt, this.#lookedAt + LOOK_MS_MAX));
    return at;
  }

  // ------------------------------------------------------------ reading

  get name(): string {
    return this.#options.name;
  }

  members(): readonly MemberView[] {
    return this.#swim.members();
  }

  facts(name: string): Facts | undefined {
    return this.#store.facts(name);
  }

  keys(): KeyView[] {
    return this.#ownership.views();
  }

  /** Keys that a stop still waits for. */
  pending(): number {
    return this.#ownership.pending();
  }

  standing(): Standing {
    const quorum = this.#quorumView();
    const lacking = this.#readiness.ready && quorum !== null && !quorum.held;
    return {
      ready: this.#readiness.ready && !lacking,
      readyReason: lacking ? lackOf(quorum) : this.#readiness.reason,
      quorum,
      draining: this.#commands.draining,
      lease: this.#lease,
      barred: this.#barred(this.#now),
    };
  }

  /** What operators told the group, as far as this host knows. */
  orders(): Orders {
    return this.#commands.orders;
  }

  /** The election key that this text means: a VIP, or a group that goes together; undefined: none of ours. */
  keyOf(text: string): string | undefined {
    const keys = [...this.#ownership.keys()].map((key) => key.spec);
    return keys.find((spec) => spec.key === text || spec.addresses.includes(text))?.key;
  }

  /** Why a member could not own this key now, or null. */
  whyNot(member: string, key: string): string | null {
    const spec = [...this.#ownership.keys()].find((one) => one.spec.key === key)?.spec;
    const group = this.#settings.groups.find((one) => one.name === spec?.group);
    return group === undefined ? "is not configured here" : this.#roll.whyNot(member, group);
  }

  /** Instances of everybody alive: whom a rebalance means. */
  instances(): number[] {
    return this.#roll.hosts().map((host) => host.instance);
  }

  alarms(): string[] {
    return alarmsOf({
      self: this.#options.name,
      disputed: this.#disputes.names(this.#now),
      barred: this.#barred(this.#now),
      quorum: this.#quorumView(),
      drift: this.#settings.groups.map((group) => ({ group: group.name, hosts: this.#roll.differing(group.name) })),
      keys: [...this.#ownership.keys()],
      links: (this.#options.observe ? [] : this.#settings.groups).map((g) => ({
        group: g.name,
        reason: this.#linkReason(g) || healthOfGroup({ health: this.#health }, g).reason,
      })),
      now: this.#now,
    });
  }

  swimStats(): SwimStats {
    return this.#swim.stats();
  }

  /** Our half of an exchange. */
  pushPull(join: boolean): PushPull {
    return { ...this.#swim.pushPull(join), facts: this.#store.envelopes() };
  }

  // ------------------------------------------------------------ input

  #dispatch(input: GroupInput, now: Millis): void {
    switch (input.kind) {
      case "start":
        this.#feedSwim({ kind: "start" }, now);
        this.#arm({ kind: "lease" }, now + this.#options.profile.leaseExtensionMs);
        this.#arm({ kind: "alone" }, now + this.#options.aloneAfterMs);
        return;
      case "datagram":
      case "stream-ping-answered":
      case "join":
        this.#feedSwim(input, now);
        return;
      case "exchanged":
        this.#feedSwim(input, now);
        if (input.initiator && this.#catchUp.succeeded(input.with)) this.#caughtUp(now, { alone: false });
        return;
      case "exchange-failed":
        this.#feedSwim(input, now);
        if (this.#catchUp.failed(input.with)) this.#caughtUp(now, { alone: true });
        return;
      case "timer":
        this.#timer(input.timer, now);
        return;
      case "queue-drained":
        if (this.#lease.phase !== "thawing") return;
        // What was queued may have armed timers of the past: once more, everything starts anew.
        this.#feedSwim({ kind: "thawed" }, now);
        this.#beginCatchUp(now);
        return;
      case "link":
        this.#links.set(input.link.name, input.link);
        this.#dirty = true;
        return;
      case "claim-heard":
        this.#ownership.claimHeard(input, now);
        return;
      case "asked":
        this.#ownership.asked(input.id, input.answers, now);
        return;
      case "held":
        this.#ownership.held(input.addresses, now);
        return;
      case "hold-failed":
        this.#ownership.holdFailed(input.addresses, input.error, now);
        return;
      case "reconfigure":
        this.#settings = input.settings;
        this.#quorum.configure(input.settings.quorum ?? null);
        this.#feedSwim({ kind: "quorum", hosts: this.#quorum.terms?.hosts ?? null }, now);
        this.#configure(now);
        this.#changed();
        return;
      case "gossip-health":
        this.#healthy = input.healthy;
        return;
      case "drain":
        this.#drain(input.on, now);
        return;
      case "health":
        this.#health.set(input.group, input.health);
        this.#dirty = true;
        return;
      case "order":
        this.#commands.give(input.order);
        this.#event("info", `group.${input.order.kind}`, { ...input.order }, orderText(input.order));
        this.#dirty = true;
        return;
      case "stop":
        this.#commands.draining = true;
        this.#dirty = true;
        this.#settle(now);
        this.#ownership.stop(now);
        return;
      case "leave":
        this.#leaving = true;
        this.#feedSwim({ kind: "leave" }, now);
        return;
    }
  }

  #drain(on: boolean, now: Millis): void {
    if (on === this.#commands.draining) return;
    this.#commands.draining = on;
    if (on) this.#incumbency.give(this.#ownership.keys());
    else {
      // Failback does not apply to a resume: the operator says that this host is well.
      this.#settling.settleAtOnce();
      this.#incumbency.claimBack(now);
    }
    this.#dirty = true;
    const text = on ? "draining: this host gives its VIPs away" : "resumed: this host takes part again";
    this.#event("info", on ? "host.draining" : "host.resumed", {}, text);
  }

  /** Others' orders become ours to repeat; a rebalance that means this instance takes effect once. */
  #adoptOrders(now: Millis): void {
    const { frozen } = this.#commands;
    this.#commands.adopt(this.#roll.hosts());
    if (this.#commands.frozen !== frozen) {
      const text = frozen ? "thawed: planned moves are made again" : "frozen: no planned moves";
      this.#event("info", frozen ? "group.thawed" : "group.frozen", {}, text);
    }
    if (!this.#commands.rebalanceDue(this.#options.instance)) return;
    this.#settling.settleAtOnce();
    this.#incumbency.waive(now);
    this.#event("info", "group.rebalanced", {}, "rebalance: this host counts as settled");
  }

  #timer(timer: Extract<GroupInput, { kind: "timer" }>["timer"], now: Millis): void {
    switch (timer.kind) {
      case "swim":
        this.#feedSwim({ kind: "timer", timer: timer.timer }, now);
        return;
      case "key":
        this.#ownership.timer(timer.timer, now);
        return;
      case "lease":
        this.#lookedAt = now;
        this.#arm({ kind: "lease" }, this.#lease.nextLookAt(now));
        if (this.#readiness.ready && this.#lease.catchUpOverdue(now)) this.#caughtUp(now, { alone: true });
        this.#expireDisputes(now);
        if (this.#barred(now) !== this.#barredSeen) this.#dirty = true;
        if (now < Math.max(this.#readiness.at + COLD_START_MS, this.#incumbency.staleAt()) + 1000) {
          this.#dirty ||= this.#hasIncumbents();
        }
        return;
      case "alone":
        if (!this.#readiness.ready) this.#becomeReady("alone: no peer answered", now);
        return;
      case "rest":
        this.#awaitRest(now);
        return;
      case "settle":
        this.#settling.settle(now);
        this.#dirty = true;
        return;
      case "fetch":
        this.#sync.fetch(this.#swim.member(timer.member), timer.tries, now);
        return;
    }
  }

  #feedSwim(input: SwimInput, now: Millis): void {
    for (const output of this.#swim.handle(input, now)) this.#takeSwim(output, now);
  }

  #takeSwim(output: SwimOutput, now: Millis): void {
    if (output.kind === "arm") this.#arm({ kind: "swim", timer: output.timer }, output.at);
    else if (output.kind === "event") this.#swimEvent(output.event, now);
    else this.#out.push(output);
  }

  #swimEvent(event: SwimEvent, now: Millis): void {
    switch (event.kind) {
      case "member":
        this.#memberEvent(event, now);
        return;
      case "self-accused":
        if (event.state === "dead" && this.#readiness.ready && !this.#leaving && this.#lease.accused(now)) {
          this.#event(
            "warn",
            "lease.accused",
            { by: event.from },
            `${event.from} holds this host dead: silent until state is exchanged`,
          );
          this.#ownership.lapse(now);
          this.#beginCatchUp(now);
        }
        return;
      case "name-conflict":
        this.#dispute(event.name, event.endpoint, event.self, now);
        return;
      case "exchanged":
        this.#takeFacts(event.facts, now);
        if (event.member !== null) this.#ownership.exchangedWith(event.member, now);
        if (!this.#readiness.ready && event.member !== null && this.#swim.member(event.member)?.foreign === false) {
          this.#becomeReady(`exchanged state with ${event.member}`, now);
        }
        return;
      case "exchange-failed":
        return;
      case "ack-payload": {
        const member = this.#swim.member(event.member);
        if (member === undefined) return;
        this.#sync.acked(member, event.payload, this.#roll.viewDigest(), now);
        if (!this.#readiness.ready) this.#sync.meet(member, now);
        return;
      }
      case "said":
        this.#said(event, now);
        return;
      case "left":
        this.#out.push({ kind: "left" });
        return;
      case "dropped":
        return;
    }
  }

  #said(event: Extract<SwimEvent, { kind: "said" }>, now: Millis): void {
    const { body } = event;
    if (body.kind === "facts") this.#takeFacts([body.facts], now);
    else if (body.kind === "claimed" && this.#quorum.needsOthers) this.#claimSpread(body, now);
    else if (event.member === null) return;
    else if (body.kind === "facts-request") this.#sync.requested(this.#swim.member(event.member), body.names, now);
    else this.#ownership.claimNoticed({ member: event.member, round: body.round, addresses: body.addresses }, now);
  }

  /** With a quorum claims travel on: whoever cannot hear the claimer itself hears of it through others. */
  #claimSpread(claim: Claimed, now: Millis): void {
    if (!this.#claimNews.spreads(claim, now)) return;
    this.#feedSwim({ kind: "broadcast", subject: this.#claimNews.subject(claim), body: claim }, now);
    const member = claimant(claim, this.#swim.member(claim.name));
    if (member === null) return;
    const { round, addresses } = claim;
    this.#ownership.claimNoticed({ member, round, addresses }, now);
  }

  #memberEvent(event: Extract<SwimEvent, { kind: "member" }>, now: Millis): void {
    const { member, change } = event;
    this.#changed();
    if (member.self) return;
    this.#out.push({ kind: "event", event: memberEvent(event) });
    if (change === "forgotten") {
      this.#store.forget(member.name);
      this.#sync.forget(member.name);
    } else this.#sync.metaChanged(member, now);
    if (change === "dead" || change === "left" || change === "forgotten") this.#met.delete(member.name);
    // Elections first: what is ours now decides what is asked and announced.
    this.#reelect(now);
    if (change === "suspect") this.#ownership.memberChanged(member.name, "suspect", now);
    else if (change === "alive") this.#ownership.memberChanged(member.name, "cleared", now);
    this.#greet(member.name, now);
  }

  /** Two sides meet: once the facts of a member that may own something are known, the winner announces again (law 8). */
  #greet(name: string, now: Millis): void {
    const facts = this.#store.facts(name);
    const member = this.#swim.member(name);
    if (facts === undefined || member === undefined || this.#met.has(name) || !this.#readiness.ready) return;
    if (member.state !== "alive" || member.foreign) return;
    this.#met.add(name);
    const envelope = this.#store.envelope(name);
    if (envelope !== undefined) this.#settling.meet(settledMember({ name, instance: envelope.instance, facts }));
    this.#reelect(now);
    if (facts.ready) this.#ownership.memberChanged(name, "back", now);
  }

  #takeFacts(envelopes: Parameters<typeof offerAll>[1], now: Millis): void {
    const { name, instance } = this.#options;
    const heard = offerAll(this.#store, envelopes, { self: name, instance, member: (n) => this.#swim.member(n) });
    if (heard.ownVersionHeard >= 0 && !this.#disputes.has(name, now) && this.#store.jumpAbove(heard.ownVersionHeard)) {
      this.#spreadOwn(now);
    }
    if (heard.fresh.length === 0) return;
    this.#changed();
    for (const fresh of heard.fresh) this.#greet(fresh, now);
  }

  #dispute(name: string, rival: Endpoint, self: boolean, now: Millis): void {
    if (!this.#disputes.raise(name, now)) return;
    this.#changed();
    const whose = self ? "this host's name" : `the name ${name}`;
    this.#event(
      "error",
      "name.conflict",
      { name, rival },
      `${whose} is used by another host at ${rival.host}: neither owns anything`,
    );
  }

  #expireDisputes(now: Millis): void {
    for (const name of this.#disputes.expire(now)) {
      this.#event("info", "name.conflict-over", { name }, `the name ${name} is no longer in conflict`);
      this.#changed();
    }
  }

  // ------------------------------------------------------------ lease, readiness

  /** The process was stalled or frozen: silent by now; queued input first, then state, then everything anew (law 2). */
  #thaw(now: Millis): void {
    this.#event(
      "warn",
      "lease.lapsed",
      { lapses: this.#lease.lapses },
      "the lease lapsed: this host was stalled; silent until it has caught up",
    );
    this.#ownership.lapse(now);
    this.#ownership.setActive(false, now);
    this.#feedSwim({ kind: "thawed" }, now);
    this.#out.push({ kind: "drain-queue" });
  }

  #beginCatchUp(now: Millis): void {
    this.#lease.catchUp(now);
    this.#ownership.setActive(false, now);
    const peers = this.#catchUp.begin(this.#swim.members());
    for (const peer of peers) this.#out.push({ kind: "exchange", with: peer, join: true });
    if (peers.length === 0) this.#caughtUp(now, { alone: true });
  }

  #caughtUp(now: Millis, options: { alone: boolean }): void {
    if (this.#lease.phase !== "catching-up" || !this.#readiness.ready) return;
    this.#catchUp.end();
    if (options.alone && this.#quorum.needsOthers) {
      // Whoever has a quorum is not alone: without a peer's state it would own by an old view. Tried again, in silence.
      if (this.#lease.catchUpOverdue(now)) this.#beginCatchUp(now);
      return;
    }
    this.#lease.caughtUp(now, options);
    this.#regainQuorum(now);
    const text = options.alone ? "no peer answered: going on alone" : "caught up with the group";
    this.#event("info", "lease.caught-up", { alone: options.alone }, text);
    this.#dirty = true;
  }

  #becomeReady(reason: string, now: Millis): void {
    this.#readiness.become(reason, now);
    this.#lease.caughtUp(now, { alone: false });
    this.#regainQuorum(now);
    this.#dirty = true;
    this.#event("info", "group.ready", { reason }, reason);
    for (const member of this.#swim.members()) if (!member.self) this.#greet(member.name, now);
    this.#awaitRest(now);
  }

  /** Law 4: whoever lacks a quorum owns nothing; whoever has one again asks first what happened meanwhile. */
  #judgeQuorum(now: Millis): void {
    const provenAt = this.#swim.quorumAt;
    if (this.#quorum.lost(provenAt, now)) {
      this.#ownership.lapse(now);
      this.#dirty = true;
      this.#event("warn", "quorum.lost", { ...this.#quorumView() }, lackOf(this.#quorumView()));
    } else if (this.#readiness.ready && this.#lease.phase === "held" && this.#quorum.returns(provenAt, now)) {
      this.#beginCatchUp(now);
    }
    if (this.#barred(now) !== this.#barredSeen) this.#dirty = true;
  }

  #regainQuorum(now: Millis): void {
    const lacked = this.#quorum.lacking(now);
    if (!this.#quorum.regain(this.#swim.quorumAt, now)) return;
    this.#event("info", "quorum.reached", { ...this.#quorumView() }, "a quorum of hosts answers");
    if (!lacked) return;
    this.#readiness.unrest(now);
    this.#awaitRest(now);
  }

  #quorumView(): QuorumView | null {
    const { terms, held, losses } = this.#quorum;
    if (terms === null) return null;
    const reached = this.#swim.reachedSince(this.#now - this.#options.profile.leaseMs);
    const known = this.#swim.members().filter((member) => !member.foreign && member.state !== "left").length;
    return { ...terms, held, losses, reached, known };
  }

  #awaitRest(now: Millis): void {
    const lookAt = this.#readiness.awaitRest(this.#roll.hosts().length <= 1, now);
    if (lookAt === null) this.#dirty = true;
    else this.#arm({ kind: "rest" }, lookAt);
  }

  #barred(now: Millis): string {
    return this.#forbidden(now) || this.#lease.unsteady(now);
  }

  /** Unsteadiness forbids nothing: the election knows of it, and takes an unsteady host only if there is no other. */
  #forbidden(now: Millis): string {
    if (this.#options.observe) return OBSERVING;
    if (this.#disputed(now)) return "name-conflict";
    return this.#readiness.ready && this.#quorum.lacking(now) ? NO_QUORUM : "";
  }

  /** What is wrong with this host itself: unlike a partition (law 9), that unsettles it. */
  #unfit(now: Millis): boolean {
    return this.#options.observe || this.#disputed(now) || this.#lease.unsteady(now) !== "";
  }

  #disputed(now: Millis): boolean {
    return this.#disputes.has(this.#options.name, now);
  }

  // ------------------------------------------------------------ facts, elections, deeds

  #configure(now: Millis): void {
    const groups = this.#settings.groups;
    this.#settling.configure(
      groups.map((g) => ({ name: g.name, afterMs: g.failback === "never" ? 0 : g.failback.afterMs })),
    );
    this.#ownership.configure(this.#roll.configure(groups), now);
  }

  /** Ends a turn: own facts, elections, ownership's deeds and the lease, until nothing more changes. */
  #settle(now: Millis): void {
    this.#lookAtRefusals(now);
    for (let round = 0; round < 4 && this.#dirty; round++) {
      this.#dirty = false;
      this.#barredSeen = this.#barred(now);
      this.#adoptOrders(now);
      this.#judgeSelf(now);
      if (this.#store.publish(this.#compose(now))) {
        this.#changed();
        this.#spreadOwn(now);
      }
      this.#reelect(now);
      this.#ownership.setBarred(this.#forbidden(now), now);
      const active = this.#readiness.rested && this.#lease.phase === "held" && this.#quorum.held;
      this.#ownership.setActive(active, now);
    }
    const deeds = this.#ownership.flush();
    for (const output of deeds) this.#takeOwnership(output);
    this.#sendLease();
    this.#sendAckPayload(now);
    if (deeds.length > 0 || this.#watchStale) this.#sendWatch();
  }

  /** Members or facts changed: what is derived from them is stale. */
  #changed(): void {
    this.#dirty = true;
    this.#readiness.viewChanged(this.#now);
    this.#roll.changed();
    this.#view.forget();
  }

  /** Eligibility interrupts settling; settling decides who ranks behind whom. */
  #judgeSelf(now: Millis): void {
    const others = this.#roll.others(this.#options.name);
    for (const group of this.#settings.groups) {
      const healthy = healthOfGroup({ health: this.#health }, group).state === "passing";
      const eligible = this.#readiness.ready && healthy && this.#linkUp(group.name) && !this.#unfit(now);
      const at = this.#settling.eligible(group.name, eligible, others, now);
      if (at !== null) this.#arm({ kind: "settle" }, at);
    }
  }

  /** A key was yielded to a stranger, or its time is over: elections must hear of it. */
  #lookAtRefusals(now: Millis): void {
    const refusing = this.#ownership.refusing(now);
    const text = refusing.size === 0 ? "" : JSON.stringify([...refusing]);
    if (text === this.#refusalsTold) return;
    this.#refusalsTold = text;
    this.#dirty = true;
  }

  #compose(now: Millis): Facts {
    const state = {
      settings: this.#settings,
      links: this.#links,
      settling: this.#settling,
      ownership: this.#ownership,
      profile: this.#options.profile,
      ready: this.#readiness.ready,
      readyAt: this.#readiness.at,
      draining: this.#commands.draining,
      frozen: this.#commands.frozen,
      health: this.#health,
      orders: this.#commands.told(),
      barred: this.#barred(now),
      refused: this.#ownership.refusing(now),
    };
    return composeFacts(state, (group) => this.#incumbency.held(group, state, this.#roll.epochs(group), now));
  }

  #spreadOwn(now: Millis): void {
    this.#roll.changed();
    this.#feedSwim({ kind: "meta", meta: this.#store.meta(FACTS_FORMAT) }, now);
    this.#sync.publish(this.#options.name, this.#swim.members());
  }

  #reelect(now: Millis): void {
    const { elected, agreed } = this.#roll.elect({ frozen: this.#commands.frozen, moves: this.#commands.moves() });
    for (const group of agreed) this.#ownership.driftOver(group, now);
    if (elected.length === 0) return;
    this.#watchStale = true;
    this.#ownership.elect(elected, now);
  }

  #linkUp(group: string): boolean {
    const spec = this.#settings.groups.find((g) => g.name === group);
    return spec !== undefined && this.#linkReason(spec) === "";
  }

  #withdrawn(name: string): boolean {
    const group = this.#settings.groups.find((g) => g.name === name);
    if (group?.whenNoneHealthy !== "withdraw") return false;
    return healthOfGroup({ health: this.#health }, group).state === "failing";
  }

  #linkReason(group: GroupSpec): string {
    return linksReason(group, this.#links);
  }

  #takeOwnership(output: OwnershipOutput): void {
    if (output.kind === "arm") this.#arm({ kind: "key", timer: output.timer }, output.at);
    else if (output.kind === "exchange-with") {
      const member = this.#swim.member(output.member);
      if (member !== undefined) this.#out.push({ kind: "exchange", with: member.address, join: false });
    } else if (output.kind === "tell-claimed") {
      const { name, instance } = this.#options;
      for (let i = 0; i < output.addresses.length; i += 60) {
        const addresses = output.addresses.slice(i, i + 60);
        const body = { kind: "claimed", name, instance, round: output.round, addresses } as const;
        this.#feedSwim({ kind: "tell", member: output.member, body }, this.#now);
        if (this.#quorum.needsOthers) this.#claimSpread(body, this.#now);
      }
    } else {
      if (output.kind === "own" || output.kind === "silence") this.#dirty ||= this.#hasIncumbents();
      this.#out.push(output);
    }
  }

  #hasIncumbents(): boolean {
    return this.#settings.groups.some((group) => tellsHeld(group, this.#commands.frozen));
  }

  #sendLease(): void {
    const quorumUntil = this.#quorum.held ? this.#quorum.until(this.#swim.quorumAt) : Number.NEGATIVE_INFINITY;
    const until = this.#readiness.ready ? Math.min(this.#lease.until, quorumUntil) : Number.NEGATIVE_INFINITY;
    if (until === this.#leaseSent) return;
    this.#leaseSent = until;
    // After what falls silent in this turn, before what is announced in it.
    const afterSilence = this.#out.findLastIndex((output) => output.kind === "silence") + 1;
    this.#out.splice(afterSilence, 0, { kind: "lease", until });
  }

  #sendAckPayload(now: Millis): void {
    const { instance } = this.#options;
    const factsVersion = this.#store.envelope(this.#options.name)?.version ?? 0;
    const viewDigest = this.#roll.viewDigest();
    if (this.#ackPayload.factsVersion === factsVersion && this.#ackPayload.viewDigest === viewDigest) return;
    this.#ackPayload = { factsVersion, viewDigest };
    this.#feedSwim({ kind: "ack-payload", payload: { kind: "vipd", instance, factsVersion, viewDigest } }, now);
  }

  #sendWatch(): void {
    this.#watchStale = false;
    const at = [];
    for (const key of this.#ownership.keys()) {
      const heir = key.state === "standby" && key.elected.heir === this.#options.name;
      // Whoever claims must hear of it when somebody else does at the same moment.
      if (!heir && key.state !== "claiming") continue;
      at.push(...placesOf(key));
    }
    const signature = JSON.stringify(at);
    if (signature === this.#watched) return;
    this.#watched = signature;
    this.#out.push({ kind: "watch", at });
  }

  #arm(timer: Extract<GroupOutput, { kind: "arm" }>["timer"], at: Millis): void {
    this.#out.push({ kind: "arm", timer, at });
  }

  #event(level: OwnershipEvent["level"], event: string, fields: Record<string, unknown>, text: string): void {
    this.#out.push({ kind: "event", event: { level, event, fields, text } });
  }
}
