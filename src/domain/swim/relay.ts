/**
 * Indirect pings, both sides: asking others to ask, and asking on behalf of others. Boundary: bounded relays at a
 * time; an ack counts only from the endpoint that was asked (pending.ts).
 */
import { type Endpoint, type Message, sameEndpoint } from "../messages.js";
import type { Context } from "./context.js";
import { isForeign, type Member } from "./members.js";
import type { Question, Questions } from "./pending.js";

/** Relayed pings that may wait at a time: what others can make us remember. */
const RELAYS_MAX = 512;

/** PMax from which a member understands nacks. */
const NACK_PMAX = 4;

type IndirectPing = Extract<Message, { kind: "indirect-ping" }>;

/** Asks up to `indirectChecks` living members, vipd first, to ping the member for us. Returns how many were asked. */
export function askHelpers(
  ctx: Context,
  questions: Questions,
  question: Question,
  of: { readonly member: Member; readonly nack: boolean },
): number {
  const { member } = of;
  const wanted = ctx.profile.indirectChecks;
  const able = (m: Member) =>
    !m.self && m !== member && m.state === "alive" && !sameEndpoint(m.address, member.address);
  const helpers = ctx.pick(wanted, (m) => able(m) && !isForeign(m));
  if (helpers.length < wanted) helpers.push(...ctx.pick(wanted - helpers.length, (m) => able(m) && isForeign(m)));
  const source = { address: ctx.self.address, name: ctx.self.name };
  for (const helper of helpers) {
    const nack = of.nack && helper.vsn[1] >= NACK_PMAX;
    if (nack) question.nacksExpected += 1;
    questions.helper(question, helper.address);
    ctx.counters.indirectPings += 1;
    const { seqNo, node, endpoint: target } = question;
    ctx.send(helper.address, [{ kind: "indirect-ping", seqNo, target, node, nack, source }]);
  }
  return helpers.length;
}

export class Relay {
  readonly #ctx: Context;
  readonly #questions: Questions;

  constructor(ctx: Context, questions: Questions) {
    this.#ctx = ctx;
    this.#questions = questions;
  }

  /** Somebody asks us to ping a target: ping it, and wait at most our probe timeout. */
  asked(message: IndirectPing, from: Endpoint): void {
    const { now, profile, self } = this.#ctx;
    if (this.#questions.relays >= RELAYS_MAX) {
      this.#ctx.drop("too-many-relays");
      return;
    }
    const { node, target: endpoint, nack } = message;
    const expiresAt = now + profile.probeTimeoutMs;
    const principal = { to: message.source?.address ?? from, seqNo: message.seqNo, nack };
    const { seqNo } = this.#questions.ask({ purpose: "relay", node, endpoint, expiresAt, principal });
    const source = { address: self.address, name: self.name };
    this.#ctx.counters.relayedPings += 1;
    this.#ctx.send(endpoint, [{ kind: "ping", seqNo, node, source }]);
    this.#ctx.arm({ kind: "relay-timeout", seqNo }, expiresAt);
  }

  /** The target answered us. */
  answered(question: Question): void {
    this.#questions.close(question);
    if (question.principal === null) return;
    const { to, seqNo } = question.principal;
    this.#ctx.send(to, [{ kind: "ack", seqNo, payload: null }]);
  }

  timedOut(seqNo: number): void {
    const question = this.#questions.get(seqNo);
    if (question === undefined || question.purpose !== "relay") return;
    this.#questions.close(question);
    if (question.principal?.nack)
      this.#ctx.send(question.principal.to, [{ kind: "nack", seqNo: question.principal.seqNo }]);
  }
}
