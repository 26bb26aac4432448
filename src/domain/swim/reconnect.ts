/**
 * Whom we lost or never met: dead members and seeds, asked again by UDP for ever, and by TCP only once they answer.
 * Purpose: joins that work whatever the order of starting, partitions that heal by themselves. Bounded: a few a tick, the
 * long lost less often. Armed only while somebody is missing.
 */
import {
  type AckPayload,
  type Endpoint,
  formatEndpoint,
  type Message,
  type Millis,
  sameEndpoint,
} from "../messages.js";
import type { Context } from "./context.js";
import type { Exchanges } from "./exchange.js";
import { accusationOf, isLive, type Member } from "./members.js";
import { QUESTION_EXPIRY_MS, type Questions } from "./pending.js";
import type { Rivals } from "./rivals.js";

const PINGS_A_TICK_MAX = 8;
/** Tries at the full rate; then the interval grows to the slow one. */
const EAGER_TRIES = 240;
const SLOW_MS = 1000;
/** Alone, we also dial: a seed may answer TCP though its UDP is lost. */
const DIAL_EVERY_MS = 1000;
/** Whoever answers by UDP is met by then: forty hosts that start at once need not all dial each other. */
const DIAL_SEED_AFTER_MS = 150;
/** A seed that was met under an address that no member advertises is asked this seldom. */
const MET_SEED_MS = 30_000;

interface Attempt {
  tries: number;
  nextAt: Millis;
  dialAt: Millis;
}

interface Target {
  readonly endpoint: Endpoint;
  readonly member: Member | null;
}

export class Reconnects {
  readonly #ctx: Context;
  readonly #questions: Questions;
  readonly #exchanges: Exchanges;
  readonly #rivals: Rivals;
  #seeds: readonly Endpoint[] = [];
  /** Seeds known to lead to a member that advertises another address, or to ourselves: endpoint -> name. */
  readonly #aliases = new Map<string, string>();
  readonly #attempts = new Map<string, Attempt>();
  #armed = false;
  /** Members or seeds changed: somebody may be missing now. */
  #stale = true;
  #round = 0;

  constructor(ctx: Context, questions: Questions, exchanges: Exchanges, rivals: Rivals) {
    this.#ctx = ctx;
    this.#questions = questions;
    this.#exchanges = exchanges;
    this.#rivals = rivals;
  }

  setSeeds(seeds: readonly Endpoint[]): void {
    this.#seeds = seeds;
    this.#aliases.clear();
    this.#stale = true;
  }

  /** Members changed. */
  look(): void {
    this.#stale = true;
  }

  /** At the end of each turn: tick while somebody is missing. */
  settle(): void {
    if (this.#armed || this.#ctx.leaving || !(this.#stale || this.#rivals.waiting)) return;
    this.#stale = false;
    if (this.#rivals.waiting || this.#targets().length > 0) this.#arm(0);
  }

  fired(round: number): void {
    if (round !== this.#round || !this.#armed) return;
    this.#armed = false;
    this.#rivals.tick();
    const targets = this.#targets();
    this.#prune(targets);
    const due = targets
      .map((target) => ({ target, attempt: this.#attempt(target) }))
      .filter(({ attempt }) => attempt.nextAt <= this.#ctx.now)
      .sort((a, b) => a.attempt.nextAt - b.attempt.nextAt)
      .slice(0, PINGS_A_TICK_MAX);
    for (const { target, attempt } of due) this.#try(target, attempt);
    // Disarmed: whoever is lost from here on is noticed by `look`.
    this.#stale = false;
    if (targets.length > 0 || this.#rivals.waiting) this.#arm(this.#ctx.period(this.#ctx.profile.reconnectIntervalMs));
  }

  /** A dead member or a seed answered our question. */
  answered(endpoint: Endpoint, payload: AckPayload | null): void {
    if (payload?.kind === "vipd") {
      const owner = this.#byInstance(payload.instance);
      if (owner !== null && !sameEndpoint(owner.address, endpoint) && this.#isSeed(endpoint)) {
        this.#aliases.set(formatEndpoint(endpoint), owner.name);
      }
      if (owner?.self) return;
    }
    const member = this.#ctx.table.at(endpoint);
    if (member === undefined) this.#exchanges.introduce(endpoint);
    // Another exchange may have told us of it since it was asked.
    else if (!isLive(member.state)) this.#exchanges.request(endpoint, true);
  }

  /** An exchange with this endpoint worked: a foreign seed under another address than it advertises is met, too. */
  met(endpoint: Endpoint): void {
    const attempt = this.#attempts.get(formatEndpoint(endpoint));
    if (attempt === undefined || this.#ctx.table.at(endpoint) !== undefined) return;
    attempt.nextAt = this.#ctx.now + MET_SEED_MS;
  }

  /** Somebody lost something: a member died just now, so that its attempts begin anew. */
  lost(endpoint: Endpoint): void {
    this.#attempts.delete(formatEndpoint(endpoint));
  }

  thawed(): void {
    this.#attempts.clear();
    if (this.#armed) this.#arm(0);
  }

  #targets(): Target[] {
    const { table } = this.#ctx;
    const targets: Target[] = [];
    for (const member of table.all()) {
      if (member.state === "dead") targets.push({ endpoint: member.address, member });
    }
    for (const endpoint of this.#seeds) {
      if (sameEndpoint(endpoint, table.self.address)) continue;
      const member = table.at(endpoint) ?? this.#aliasOf(endpoint);
      if (member === null || member.state === "left") targets.push({ endpoint, member: null });
    }
    return targets;
  }

  #try(target: Target, attempt: Attempt): void {
    const { now, profile, self, table } = this.#ctx;
    const { endpoint, member } = target;
    attempt.tries += 1;
    const everyMs =
      attempt.tries < EAGER_TRIES ? profile.reconnectIntervalMs : Math.max(SLOW_MS, profile.reconnectIntervalMs);
    attempt.nextAt = now + everyMs * (0.8 + 0.2 * this.#ctx.random());
    const node = member?.name ?? "";
    const expiresAt = now + QUESTION_EXPIRY_MS;
    const { seqNo } = this.#questions.ask({ purpose: "reconnect", node, endpoint, expiresAt });
    const source = { address: self.address, name: self.name };
    const messages: Message[] = [{ kind: "ping", seqNo, node, source }];
    // It hears at once what it is held for, so that it refutes in its answer.
    const accusation = member === null ? null : accusationOf(member, self.name);
    if (accusation !== null) messages.push(accusation);
    this.#ctx.counters.pings += 1;
    this.#ctx.send(endpoint, messages);
    if (table.live > 1 || now < attempt.dialAt) return;
    attempt.dialAt = now + DIAL_EVERY_MS * (1 + 0.5 * this.#ctx.random());
    this.#exchanges.request(endpoint, true);
  }

  #attempt(target: Target): Attempt {
    const key = formatEndpoint(target.endpoint);
    const known = this.#attempts.get(key);
    if (known !== undefined) return known;
    // The lost are dialled when they answer.
    const dialAt = this.#ctx.now + (target.member === null ? DIAL_SEED_AFTER_MS : DIAL_EVERY_MS);
    const attempt: Attempt = { tries: 0, nextAt: this.#ctx.now, dialAt };
    this.#attempts.set(key, attempt);
    return attempt;
  }

  #prune(targets: readonly Target[]): void {
    if (this.#attempts.size === 0) return;
    const wanted = new Set(targets.map(({ endpoint }) => formatEndpoint(endpoint)));
    for (const key of this.#attempts.keys()) if (!wanted.has(key)) this.#attempts.delete(key);
  }

  #isSeed(endpoint: Endpoint): boolean {
    return this.#seeds.some((seed) => sameEndpoint(seed, endpoint));
  }

  #aliasOf(endpoint: Endpoint): Member | null {
    const name = this.#aliases.get(formatEndpoint(endpoint));
    const member = name === undefined ? undefined : this.#ctx.table.get(name);
    return member === undefined || !(member.self || isLive(member.state)) ? null : member;
  }

  #byInstance(instance: number): Member | null {
    for (const member of this.#ctx.table.all()) {
      if (member.meta.kind === "vipd" && member.meta.instance === instance) return member;
    }
    return null;
  }

  #arm(afterMs: number): void {
    this.#armed = true;
    this.#round += 1;
    this.#ctx.arm({ kind: "reconnect", round: this.#round }, this.#ctx.now + afterMs);
  }
}
