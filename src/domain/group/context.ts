/**
 * What all parts of the group share within a turn: the instant, the outputs so far, whether anything must be concluded anew,
 * and the parts that keep state. Purpose: the one place where they are made, and where this host's own fitness is read from
 * several of them. Boundary: no decisions here; what follows from what is conclusions.ts, hearing.ts and life.ts.
 */
import { FACTS_FORMAT, OBSERVING } from "../facts.js";
import { FactsStore } from "../facts-store.js";
import type { Health } from "../health.js";
import { Lease } from "../lease.js";
import type { Millis } from "../messages.js";
import { Ownership } from "../ownership/machine.js";
import type { OwnershipEvent } from "../ownership/types.js";
import { Swim } from "../swim/index.js";
import type { SwimEvent, SwimInput } from "../swim/types.js";
import { askAfterMs, deafAfterMs } from "../timing.js";
import { Commands } from "./commands.js";
import { Disputes } from "./disputes.js";
import type { QuorumView } from "./face.js";
import { healthOfGroup, Incumbency, linkReason, linksReason, tellsHeld } from "./own-facts.js";
import { NO_QUORUM, QuorumStanding } from "./quorum.js";
import { Readiness } from "./readiness.js";
import { Roll } from "./roll.js";
import { Settling } from "./settling.js";
import { FactsSync } from "./sync.js";
import type { GroupOptions, GroupOutput, GroupSettings, GroupTimer, LinkFacts } from "./types.js";
import { GroupView } from "./view.js";

/** Up to so many addresses fit into a datagram, and what is held of them is told at once. */
const HELD_AT_ONCE = 60;
/** Of more it is told this often at most: thousands take milliseconds each time, and go by TCP once a second at most. */
const HELD_AGAIN_MS = 250;

/** Where nothing else turns, a turn comes after so long all the same. */
export const LOOK_MS_MAX = 800;

export class GroupContext {
  readonly options: GroupOptions;
  settings: GroupSettings;
  readonly store: FactsStore;
  readonly roll: Roll;
  readonly readiness: Readiness;
  readonly lease: Lease;
  readonly quorum: QuorumStanding;
  readonly settling = new Settling();
  readonly incumbency: Incumbency;
  readonly disputes = new Disputes();
  readonly commands: Commands;
  readonly links = new Map<string, LinkFacts>();
  readonly health = new Map<string, Health>();
  /** Service interfaces on which no other member answers. */
  readonly unreached = new Set<string>();
  readonly ownership: Ownership;
  readonly sync: FactsSync;
  /** The instant of the turn being worked. */
  now: Millis = 0;
  /** What this host tells, elects or may do may have changed: the turn's end concludes it anew. */
  dirty = true;
  leaving = false;
  readonly #view: GroupView;
  #swim: Swim | undefined;
  #onSwimEvent: (event: SwimEvent) => void = () => {};
  #out: GroupOutput[] = [];
  #barredSeen = "";
  #heldArmed = false;

  constructor(options: GroupOptions, now: Millis) {
    const { leaseMs, leaseExtensionMs, catchUpMs, suspectAfterMs, askTimeoutMs } = options.profile;
    this.options = options;
    this.now = now;
    this.incumbency = new Incumbency(now);
    this.settings = options.settings;
    this.commands = new Commands(options.initial);
    this.store = new FactsStore({ self: options.name, instance: options.instance, codec: options.codec });
    this.roll = new Roll(this.store, () => this.#swim?.members() ?? []);
    this.readiness = new Readiness(options.profile.watchIntervalMs);
    this.lease = new Lease({ leaseMs, extensionMs: leaseExtensionMs, catchUpMs });
    this.quorum = new QuorumStanding({ leaseMs, graceMs: options.profile.deadAfterMs - leaseMs });
    this.quorum.configure(options.settings.quorum ?? null);
    this.#view = this.#makeView(leaseMs + leaseExtensionMs);
    this.ownership = new Ownership({
      view: this.#view,
      suspectAfterMs,
      deafAfterMs: deafAfterMs(options.profile),
      askAfterMs: askAfterMs(options.profile),
      askTimeoutMs,
    });
    this.sync = new FactsSync(this.store, {
      swim: (input) => this.feedSwim(input),
      exchange: (to) => this.output({ kind: "exchange", with: to, join: false }),
      fetchLater: (member, tries, at) => this.arm({ kind: "fetch", member, tries }, at),
    });
  }

  /** The membership core is made last: its Meta tells of facts that the other parts compose. */
  startSwim(now: Millis, onEvent: (event: SwimEvent) => void): void {
    const { name, address, profile, random, measure, packetBudget, seeds } = this.options;
    const meta = this.store.meta(FACTS_FORMAT);
    this.#onSwimEvent = onEvent;
    const leaseOf = (member: string) => this.store.facts(member)?.leaseMs;
    this.#swim = new Swim({ name, address, profile, leaseOf, meta, random, measure, packetBudget, seeds }, now);
    this.#swim.handle({ kind: "quorum", hosts: this.quorum.terms?.hosts ?? null }, now);
  }

  get swim(): Swim {
    if (this.#swim === undefined) throw new Error("the membership core is made at the end of the group's constructor");
    return this.#swim;
  }

  // ------------------------------------------------------------ outputs

  output(output: GroupOutput): void {
    this.#out.push(output);
  }

  /** After what falls silent in this turn, before what is announced in it. */
  outputAfterSilence(output: GroupOutput): void {
    const after = this.#out.findLastIndex((one) => one.kind === "silence") + 1;
    this.#out.splice(after, 0, output);
  }

  takeOutputs(): GroupOutput[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  arm(timer: GroupTimer, at: Millis): void {
    this.#out.push({ kind: "arm", timer, at });
  }

  event(level: OwnershipEvent["level"], event: string, fields: Record<string, unknown>, text: string): void {
    this.#out.push({ kind: "event", event: { level, event, fields, text } });
  }

  feedSwim(input: SwimInput): void {
    for (const output of this.swim.handle(input, this.now)) {
      if (output.kind === "arm") this.arm({ kind: "swim", timer: output.timer }, output.at);
      else if (output.kind === "event") this.#onSwimEvent(output.event);
      else this.output(output);
    }
  }

  // ------------------------------------------------------------ what is stale

  /** Members or facts changed: what is derived from them is stale. */
  changed(): void {
    this.dirty = true;
    this.readiness.viewChanged(this.now);
    this.roll.changed();
    this.#view.forget();
  }

  /** What bars this host is part of its facts. */
  lookAtBarred(): void {
    if (this.barred() !== this.#barredSeen) this.dirty = true;
  }

  barredIsTold(): void {
    this.#barredSeen = this.barred();
  }

  // ------------------------------------------------------------ this host's fitness

  /** The lease may be extended without a turn. One that hangs on answers may not. */
  renews(): boolean {
    return this.options.renews === true && this.quorum.terms === null;
  }

  barred(): string {
    return this.forbidden() || this.lease.unsteady(this.now);
  }

  /** Unsteadiness forbids nothing: the election knows of it, and takes an unsteady host only if there is no other. */
  forbidden(): string {
    if (this.options.observe) return OBSERVING;
    if (this.#disputed()) return "name-conflict";
    return this.readiness.ready && this.quorum.lacking(this.now) ? NO_QUORUM : "";
  }

  /** Neither the host itself nor its way to the segment is wrong; a partition (law 9) does not unsettle it. */
  eligible(group: string): boolean {
    const spec = this.settings.groups.find((one) => one.name === group);
    if (spec === undefined || !this.readiness.ready || linksReason(spec, this.links) !== "") return false;
    return healthOfGroup(this, spec).state === "passing" && !this.#unfit();
  }

  #unfit(): boolean {
    return this.options.observe || this.#disputed() || this.lease.unsteady(this.now) !== "";
  }

  #disputed(): boolean {
    return this.disputes.has(this.options.name, this.now);
  }

  pathChanged(iface: string, reached: boolean): void {
    if (reached) this.unreached.delete(iface);
    else this.unreached.add(iface);
    const text = reached
      ? `other hosts answer on ${iface} again`
      : `no other host answers on ${iface}: its VIPs go elsewhere`;
    this.event(reached ? "info" : "warn", reached ? "path.found" : "path.lost", { interface: iface }, text);
  }

  /** What this host holds changed: part of its facts where elections depend on it. */
  heldChanged(): void {
    if (this.#heldArmed) return;
    const addresses = this.#addressesTold();
    if (addresses > HELD_AT_ONCE) {
      this.#heldArmed = true;
      this.arm({ kind: "held" }, this.now + HELD_AGAIN_MS);
    } else if (addresses > 0) this.dirty = true;
  }

  /** It is time to tell it. */
  heldDue(): void {
    this.#heldArmed = false;
    this.dirty ||= this.#addressesTold() > 0;
  }

  /** Of how many addresses it is told who holds them. */
  #addressesTold(): number {
    const told = this.settings.groups.filter((group) => tellsHeld(group, this.commands.frozen));
    return told.reduce((sum, group) => sum + group.addresses.length, 0);
  }

  quorumView(): QuorumView | null {
    const { terms, held, losses } = this.quorum;
    if (terms === null) return null;
    const reached = this.swim.reachedSince(this.now - this.options.profile.leaseMs);
    const known = this.swim.members().filter((member) => !member.foreign && member.state !== "left").length;
    return { ...terms, held, losses, reached, known };
  }

  #makeView(defaultLeaseMs: Millis): GroupView {
    return new GroupView({
      self: this.options.name,
      defaultLeaseMs,
      member: (name) => this.swim.member(name),
      facts: (name) => this.store.facts(name),
      names: () => this.store.envelopes().map((envelope) => envelope.name),
      drifted: (group, member) => {
        const differing = this.roll.differing(group);
        return member === undefined ? differing.length > 0 : differing.includes(member);
      },
      linkUp: (group) => this.#linkUp(group),
      canCarry: (name) => linkReason(this.links.get(name), name) === "",
      withdrawn: (group) => this.#withdrawn(group),
    });
  }

  #linkUp(group: string): boolean {
    const spec = this.settings.groups.find((one) => one.name === group);
    return spec !== undefined && linksReason(spec, this.links) === "";
  }

  #withdrawn(name: string): boolean {
    const group = this.settings.groups.find((one) => one.name === name);
    if (group?.whenNoneHealthy !== "withdraw") return false;
    return healthOfGroup(this, group).state === "failing";
  }
}
