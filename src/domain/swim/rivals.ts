/**
 * Another host with our own name. Purpose: tell our own past (an old address that no longer answers) from a living
 * rival, by asking it: whoever answers to our name elsewhere, with another instance, is one. Boundary: it reports,
 * again and again while it lasts; what a host in conflict may own is decided above.
 */
import { type AckPayload, type Endpoint, formatEndpoint, type Millis, sameEndpoint } from "../messages.js";
import type { Context } from "./context.js";
import { QUESTION_EXPIRY_MS, type Questions } from "./pending.js";

interface Rival {
  readonly endpoint: Endpoint;
  until: Millis;
  askedAt: Millis;
  reportedAt: Millis;
  proved: boolean;
}

const RIVALS_MAX = 8;
/** A rival that does not answer for so long is gone. */
const RIVAL_PATIENCE_MS = 10_000;
const ASK_EVERY_MS = 200;
const REPORT_EVERY_MS = 500;

export class Rivals {
  readonly #ctx: Context;
  readonly #questions: Questions;
  readonly #rivals = new Map<string, Rival>();

  constructor(ctx: Context, questions: Questions) {
    this.#ctx = ctx;
    this.#questions = questions;
  }

  /** A rival has answered lately. */
  get active(): boolean {
    for (const rival of this.#rivals.values()) if (rival.proved && rival.until > this.#ctx.now) return true;
    return false;
  }

  get waiting(): boolean {
    return this.#rivals.size > 0;
  }

  /** Somebody says that our name lives there: ask. */
  suspected(endpoint: Endpoint): void {
    this.#ask(this.#at(endpoint));
  }

  /** A ping in our name from another address: no echo of ours has that source. */
  pinged(source: Endpoint): void {
    if (sameEndpoint(source, this.#ctx.self.address)) return;
    this.#ask(this.#at(source));
  }

  answered(endpoint: Endpoint, payload: AckPayload | null): void {
    const rival = this.#rivals.get(formatEndpoint(endpoint));
    if (rival === undefined) return;
    const { self, now } = this.#ctx;
    if (payload?.kind === "vipd" && self.meta.kind === "vipd" && payload.instance === self.meta.instance) {
      // Ourselves, by another of our addresses.
      this.#rivals.delete(formatEndpoint(endpoint));
      return;
    }
    rival.proved = true;
    rival.until = now + RIVAL_PATIENCE_MS;
    if (now - rival.reportedAt < REPORT_EVERY_MS) return;
    rival.reportedAt = now;
    this.#ctx.event({ kind: "name-conflict", name: self.name, endpoint: rival.endpoint, self: true });
  }

  /** With each tick of the reconnects. */
  tick(): void {
    for (const [key, rival] of this.#rivals) {
      if (rival.until <= this.#ctx.now) this.#rivals.delete(key);
      else this.#ask(rival);
    }
  }

  #at(endpoint: Endpoint): Rival {
    const key = formatEndpoint(endpoint);
    const known = this.#rivals.get(key);
    if (known !== undefined) return known;
    if (this.#rivals.size >= RIVALS_MAX) this.#rivals.delete(this.#rivals.keys().next().value!);
    const never = Number.NEGATIVE_INFINITY;
    const until = this.#ctx.now + RIVAL_PATIENCE_MS;
    const rival: Rival = { endpoint, until, askedAt: never, reportedAt: never, proved: false };
    this.#rivals.set(key, rival);
    return rival;
  }

  #ask(rival: Rival): void {
    const { now, self } = this.#ctx;
    if (now - rival.askedAt < ASK_EVERY_MS) return;
    rival.askedAt = now;
    const { endpoint } = rival;
    const expiresAt = now + QUESTION_EXPIRY_MS;
    const { seqNo } = this.#questions.ask({ purpose: "rival", node: self.name, endpoint, expiresAt });
    const source = { address: self.address, name: self.name };
    this.#ctx.send(endpoint, [{ kind: "ping", seqNo, node: self.name, source }]);
  }
}
