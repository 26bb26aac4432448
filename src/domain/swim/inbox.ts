/**
 * What arrives: datagrams with all their messages, and answers to what we asked. Purpose: whose sign of life is it, and
 * which part must know. Boundary: dispatch and bookkeeping; claims are judged in verdicts.ts.
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
import { asked } from "./ears.js";
import type { Exchanges } from "./exchange.js";
import { accusationOf, isLive, type Member } from "./members.js";
import { askedAfter, type Questions } from "./pending.js";
import { assertNever } from "./precedence.js";
import type { RoundRobin } from "./probe.js";
import type { QuorumDuty } from "./quorum.js";
import type { Reconnects } from "./reconnect.js";
import type { Relay } from "./relay.js";
import type { Rivals } from "./rivals.js";
import type { Verdicts } from "./verdicts.js";
import type { WatchDuty } from "./watch.js";

type Ping = Extract<Message, { kind: "ping" }>;

/** A member that talks while we hold it suspect, dead or gone is told so, this often at most. */
const TELL_EVERY_MS = 100;
/** Weight of a new sample in the smoothed round-trip time. */
const RTT_GAIN = 1 / 8;

export interface InboxParts {
  readonly questions: Questions;
  readonly rivals: Rivals;
  readonly verdicts: Verdicts;
  readonly roundRobin: RoundRobin;
  readonly relay: Relay;
  readonly exchanges: Exchanges;
  readonly reconnects: Reconnects;
  readonly quorum: QuorumDuty;
  readonly watch: WatchDuty;
}

export class Inbox {
  readonly #ctx: Context;
  readonly #parts: InboxParts;
  /** What the layer above wants said in every ack. */
  ackPayload: AckPayload | null = null;

  constructor(ctx: Context, parts: InboxParts) {
    this.#ctx = ctx;
    this.#parts = parts;
  }

  datagram(from: Endpoint, messages: readonly Message[]): void {
    const known = this.#sender(from, messages);
    // Before its accusations are taken: it could not know yet that we refute them.
    for (const message of messages) if (message.kind === "ping") this.#freshQuestion(known, message, messages);
    for (const message of messages) this.#message(from, message, known);
    // Its first datagram to us may be the one that introduces it.
    const sender = known ?? this.#sender(from, messages);
    if (sender !== null) this.#tellTheAccused(sender, from);
  }

  /** Whose datagram it is: the member at that address, unless a ping in it names another. */
  #sender(from: Endpoint, messages: readonly Message[]): Member | null {
    const { table } = this.#ctx;
    const atEndpoint = table.at(from);
    for (const message of messages) {
      if (message.kind !== "ping" || message.source === null || message.source.name === "") continue;
      if (message.source.name === atEndpoint?.name) break;
      const named = table.get(message.source.name);
      return named !== undefined && !named.self && sameEndpoint(named.address, message.source.address) ? named : null;
    }
    return atEndpoint === undefined || atEndpoint.self ? null : atEndpoint;
  }

  #answered(member: Member): void {
    member.answeredAt = this.#ctx.now;
    this.#ctx.table.heard(member, this.#ctx.now);
  }

  /**
   * The format has no freshness: what somebody recorded and sends again opens like the first time. So a datagram is no sign of
   * life, but for an answer to an open question of ours, and for a question that is newer than an answer told us.
   */
  #freshQuestion(member: Member | null, { node, seqNo }: Ping, messages: readonly Message[]): void {
    if (node !== "" && node !== this.#ctx.self.name) return;
    if (member === null || member.askedNo === null || !askedAfter(seqNo, member.askedNo)) return;
    member.askedNo = seqNo;
    asked(this.#ctx, member, messages);
    // With a quorum questions come and go all the time: there is no sleep to be had from waves.
    if (!this.#parts.quorum.asks) this.#parts.watch.questioned(member);
  }

  /** It lives and may not know what it is held for: then it refutes at once. */
  #tellTheAccused(member: Member, from: Endpoint): void {
    const { now, self, leaving } = this.#ctx;
    if (member.state === "alive" || leaving || now - member.toldAt < TELL_EVERY_MS) return;
    const accusation = accusationOf(member, self.name);
    if (accusation === null) return;
    member.toldAt = now;
    this.#ctx.send(from, [accusation]);
  }

  #message(from: Endpoint, message: Message, sender: Member | null): void {
    switch (message.kind) {
      case "ping":
        this.#ping(from, message);
        return;
      case "indirect-ping":
        this.#parts.relay.asked(message, from);
        return;
      case "ack":
        this.#ack(from, message.seqNo, message.payload);
        return;
      case "nack":
        this.#parts.roundRobin.nacked(message.seqNo, formatEndpoint(from));
        return;
      case "suspect":
        this.#parts.verdicts.suspect(message, from);
        return;
      case "dead":
        this.#parts.verdicts.dead(message, from);
        return;
      case "alive":
        this.#parts.verdicts.alive(message, from);
        return;
      case "user":
        if (message.body.kind === "foreign") {
          this.#ctx.drop("foreign-user-message");
          return;
        }
        this.#ctx.event({ kind: "said", member: sender?.name ?? null, from, body: message.body });
        return;
      default:
        assertNever(message);
        return;
    }
  }

  #ping(from: Endpoint, ping: Ping): void {
    const { self } = this.#ctx;
    if (ping.node !== "" && ping.node !== self.name) {
      this.#ctx.drop("ping-for-other-name");
      return;
    }
    this.#ctx.counters.acks += 1;
    this.#ctx.send(ping.source?.address ?? from, [{ kind: "ack", seqNo: ping.seqNo, payload: this.#payload() }]);
    if (ping.source !== null) this.#pinger(ping.source.address, ping.source.name);
  }

  #payload(): AckPayload | null {
    if (this.ackPayload?.kind !== "vipd") return this.ackPayload;
    const sightings = this.#parts.quorum.sightings();
    const asked = this.#parts.questions.latest;
    return sightings === null ? { ...this.ackPayload, asked } : { ...this.ackPayload, asked, sightings };
  }

  /** Who pings us knows us; do we know it? */
  #pinger(address: Endpoint, name: string): void {
    const { self, table, leaving } = this.#ctx;
    if (leaving || name === "") return;
    if (name === self.name) {
      this.#parts.rivals.pinged(address);
      return;
    }
    const member = table.get(name);
    if (member === undefined) {
      // It knows us as a seed, or from a former life of ours.
      this.#parts.exchanges.introduceAsker(address);
    } else if (!sameEndpoint(member.address, address)) {
      this.#pingedFromElsewhere(member, address);
    }
  }

  /** The name is known at another address: a rival of a living member, or a dead one that came back elsewhere. */
  #pingedFromElsewhere(member: Member, address: Endpoint): void {
    const { now, self } = this.#ctx;
    if (isLive(member.state)) {
      const { name: node, meta, vsn } = member;
      const foreign = { kind: "foreign", bytes: new Uint8Array() } as const;
      const hint = {
        kind: "alive",
        incarnation: 0,
        node,
        address,
        meta: meta.kind === "vipd" ? foreign : meta,
        vsn,
      } as const;
      this.#parts.verdicts.conflict(member, hint);
      return;
    }
    if (now - member.toldAt < TELL_EVERY_MS) return;
    member.toldAt = now;
    const accusation = accusationOf(member, self.name);
    if (accusation !== null) this.#ctx.send(address, [accusation]);
  }

  // ------------------------------------------------------------ answers

  #ack(from: Endpoint, seqNo: number, payload: AckPayload | null): void {
    const question = this.#parts.questions.get(seqNo);
    if (question === undefined) {
      this.#ctx.drop("ack-nobody-asked");
      return;
    }
    const direct = sameEndpoint(from, question.endpoint);
    if (!direct && !question.helpers.has(formatEndpoint(from))) {
      this.#ctx.drop("ack-from-stranger");
      return;
    }
    if (question.purpose === "relay") {
      this.#parts.relay.answered(question);
      return;
    }
    if (question.purpose === "rival") {
      this.#parts.rivals.answered(question.endpoint, payload);
      return;
    }
    const member = question.node === "" ? undefined : this.#ctx.table.get(question.node);
    if (member !== undefined && sameEndpoint(member.address, question.endpoint)) {
      this.#answered(member);
      if (direct) this.#answeredDirectly(member, question.sentAt, payload);
    }
    if (question.purpose === "probe") {
      this.#parts.roundRobin.answered(question);
      return;
    }
    this.#parts.questions.close(question);
    if (question.purpose === "reconnect") this.#parts.reconnects.answered(question.endpoint, payload);
  }

  #answeredDirectly(member: Member, sentAt: Millis, payload: AckPayload | null): void {
    const { table, now } = this.#ctx;
    this.#ctx.met(member);
    // What it was asked while it stood still, or was held dead, tells nothing about how quick it is.
    if (isLive(member.state) && sentAt >= member.backAt) {
      const sampleMs = now - sentAt;
      member.rttMs = smoothed(member.rttMs, sampleMs);
      this.#ctx.rttMs = smoothed(this.#ctx.rttMs, sampleMs);
      table.changed(member);
    }
    if (payload?.kind !== "vipd") return;
    const current = member.meta.kind === "vipd" && member.meta.instance === payload.instance;
    if (
      current &&
      payload.asked !== undefined &&
      (member.askedNo === null || !askedAfter(member.askedNo, payload.asked))
    )
      member.askedNo = payload.asked;
    this.#parts.quorum.answered(member, payload.instance, sentAt, payload.sightings ?? []);
    this.#ctx.event({ kind: "ack-payload", member: member.name, payload });
    // It started anew so quickly that nobody noticed: its new self must be learnt, and must learn its old one.
    const restarted = member.meta.kind !== "vipd" || member.meta.instance !== payload.instance;
    if (restarted && isLive(member.state)) this.#parts.exchanges.request(member.address, true);
  }

  /** The TCP fallback for this question was answered. */
  streamPingAnswered(seqNo: number, node: string): void {
    const question = this.#parts.questions.get(seqNo);
    const member = this.#ctx.table.get(node);
    if (question === undefined || member === undefined || question.node !== node) return;
    this.#answered(member);
    this.#ctx.met(member);
    if (question.purpose === "probe") this.#parts.roundRobin.answered(question);
  }
}

function smoothed(averageMs: number | null, sampleMs: number): number {
  return averageMs === null ? sampleMs : averageMs + (sampleMs - averageMs) * RTT_GAIN;
}
