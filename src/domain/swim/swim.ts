/**
 * The membership core: SWIM with Lifeguard as memberlist does it, and the watch beside it. Purpose: dispatch each input to
 * the part that knows, then settle what the turn has touched. Boundary: pure. Time comes in as an argument, deeds go out
 * as values, timers are data; no clock, socket or chance of its own.
 */
import {
  type AckPayload,
  type Endpoint,
  formatEndpoint,
  type Message,
  type Meta,
  type Millis,
  type PushPull,
  sameEndpoint,
  type VipdMessage,
} from "../messages.js";
import { Context, type SwimCounters } from "./context.js";
import { Exchanges } from "./exchange.js";
import { Gossip } from "./gossip.js";
import { accusationOf, isForeign, isLive, type Member } from "./members.js";
import { Questions } from "./pending.js";
import { assertNever } from "./precedence.js";
import { RoundRobin } from "./probe.js";
import { Reconnects } from "./reconnect.js";
import { Relay } from "./relay.js";
import { Rivals } from "./rivals.js";
import type { MemberView, SwimDrop, SwimInput, SwimOptions, SwimOutput, SwimTimer } from "./types.js";
import { Verdicts } from "./verdicts.js";
import { WatchDuty } from "./watch.js";

/** A member that talks while we hold it suspect, dead or gone is told so, this often at most. */
const TELL_EVERY_MS = 100;
/** Weight of a new sample in the smoothed round-trip time. */
const RTT_GAIN = 1 / 8;

export interface SwimStats extends SwimCounters {
  readonly members: number;
  readonly live: number;
  readonly watching: number;
  readonly queued: number;
  readonly questions: number;
  readonly relays: number;
  readonly awareness: number;
  readonly dropped: Readonly<Partial<Record<SwimDrop, number>>>;
}

export class Swim {
  readonly #ctx: Context;
  readonly #questions: Questions;
  readonly #rivals: Rivals;
  readonly #verdicts: Verdicts;
  readonly #watch: WatchDuty;
  readonly #roundRobin: RoundRobin;
  readonly #relay: Relay;
  readonly #gossip: Gossip;
  readonly #exchanges: Exchanges;
  readonly #reconnects: Reconnects;
  #ackPayload: AckPayload | null = null;
  #started = false;

  constructor(options: SwimOptions, now: Millis) {
    this.#ctx = new Context(options, now);
    this.#questions = new Questions(this.#ctx);
    this.#rivals = new Rivals(this.#ctx, this.#questions);
    this.#verdicts = new Verdicts(this.#ctx, this.#rivals);
    this.#watch = new WatchDuty(this.#ctx, this.#questions, this.#verdicts);
    this.#roundRobin = new RoundRobin(this.#ctx, this.#questions, this.#verdicts, this.#watch);
    this.#relay = new Relay(this.#ctx, this.#questions);
    this.#gossip = new Gossip(this.#ctx);
    this.#exchanges = new Exchanges(this.#ctx, this.#verdicts);
    this.#reconnects = new Reconnects(this.#ctx, this.#questions, this.#exchanges, this.#rivals);
    this.#reconnects.setSeeds(options.seeds);
  }

  handle(input: SwimInput, now: Millis): SwimOutput[] {
    // The clock is BOOTTIME and does not go back; a driver that read it out of order must not make it.
    this.#ctx.now = Math.max(this.#ctx.now, now);
    this.#dispatch(input);
    this.#settle();
    return this.#ctx.takeOutputs();
  }

  members(): readonly MemberView[] {
    return this.#ctx.table.views();
  }

  member(name: string): MemberView | undefined {
    const member = this.#ctx.table.get(name);
    return member === undefined ? undefined : this.#ctx.table.view(member);
  }

  /** Our half of a push/pull; the driver adds the facts. */
  pushPull(join: boolean): Omit<PushPull, "facts"> {
    return this.#exchanges.ours(join);
  }

  stats(): SwimStats {
    return {
      ...this.#ctx.counters,
      members: this.#ctx.table.size,
      live: this.#ctx.table.live,
      watching: this.#watch.size,
      queued: this.#ctx.queue.size,
      questions: this.#questions.size,
      relays: this.#questions.relays,
      awareness: this.#ctx.awareness.score,
      dropped: Object.fromEntries(this.#ctx.dropped),
    };
  }

  #dispatch(input: SwimInput): void {
    switch (input.kind) {
      case "start":
        this.#start();
        return;
      case "datagram":
        this.#datagram(input.from, input.messages);
        return;
      case "timer":
        this.#timer(input.timer);
        return;
      case "exchanged":
        if (this.#exchanges.merge(input.with, input.state, input.initiator)) this.#reconnects.met(input.with);
        return;
      case "exchange-failed":
        this.#exchanges.failed(input.with, input.reason);
        return;
      case "stream-ping-answered":
        this.#streamPingAnswered(input.seqNo, input.node);
        return;
      case "join":
        this.#reconnects.setSeeds(input.seeds);
        return;
      case "meta":
        this.#setMeta(input.meta);
        return;
      case "ack-payload":
        this.#ackPayload = input.payload;
        return;
      case "broadcast":
        this.#broadcast(input.subject, input.body);
        return;
      case "tell":
        this.#tell(input.member, input.body);
        return;
      case "thawed":
        this.#thawed();
        return;
      case "leave":
        this.#leave();
        return;
      default:
        assertNever(input);
        return;
    }
  }

  /** What the turn touched: whom to watch, whom to look for, whether to gossip. */
  #settle(): void {
    const { touched, doubted, table, leaving } = this.#ctx;
    if (touched.size > 0) {
      for (const name of touched) {
        const member = table.get(name);
        if (member !== undefined && member.state === "dead") this.#reconnects.lost(member.address);
      }
      if (!leaving) {
        this.#watch.settle(touched);
        this.#roundRobin.settle(touched);
      }
      touched.clear();
    }
    for (const name of doubted) if (!leaving) this.#roundRobin.doubt(name);
    doubted.clear();
    if (!this.#started) return;
    this.#gossip.settle();
    this.#reconnects.settle();
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#roundRobin.start();
    this.#exchanges.start();
  }

  #timer(timer: SwimTimer): void {
    const { leaving } = this.#ctx;
    if (leaving && timer.kind !== "gossip" && timer.kind !== "relay-timeout") return;
    switch (timer.kind) {
      case "watch":
        this.#watch.fired(timer.member, timer.round);
        return;
      case "probe":
        this.#roundRobin.fired(timer.round);
        return;
      case "probe-timeout":
        this.#roundRobin.timedOut(timer.seqNo);
        return;
      case "relay-timeout":
        this.#relay.timedOut(timer.seqNo);
        return;
      case "suspicion":
        this.#verdicts.suspicionFired(timer.member, timer.incarnation, timer.round);
        return;
      case "gossip":
        this.#gossip.fired(timer.round);
        return;
      case "push-pull":
        this.#exchanges.fired(timer.round);
        return;
      case "reconnect":
        this.#reconnects.fired(timer.round);
        return;
      default:
        assertNever(timer);
        return;
    }
  }

  // ------------------------------------------------------------ datagrams

  #datagram(from: Endpoint, messages: readonly Message[]): void {
    const sender = this.#sender(from, messages);
    if (sender !== null) this.#heard(sender);
    for (const message of messages) this.#message(from, message, sender);
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

  #heard(member: Member): void {
    this.#ctx.table.heard(member, this.#ctx.now);
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
        this.#relay.asked(message, from);
        return;
      case "ack":
        this.#ack(from, message.seqNo, message.payload);
        return;
      case "nack":
        this.#roundRobin.nacked(message.seqNo, formatEndpoint(from));
        return;
      case "suspect":
        this.#verdicts.suspect(message, from);
        return;
      case "dead":
        this.#verdicts.dead(message, from);
        return;
      case "alive":
        this.#verdicts.alive(message, from);
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

  #ping(from: Endpoint, ping: Extract<Message, { kind: "ping" }>): void {
    const { self } = this.#ctx;
    if (ping.node !== "" && ping.node !== self.name) {
      this.#ctx.drop("ping-for-other-name");
      return;
    }
    this.#ctx.counters.acks += 1;
    this.#ctx.send(ping.source?.address ?? from, [{ kind: "ack", seqNo: ping.seqNo, payload: this.#ackPayload }]);
    if (ping.source !== null) this.#pinger(ping.source.address, ping.source.name);
  }

  /** Who pings us knows us; do we know it? */
  #pinger(address: Endpoint, name: string): void {
    const { self, table, leaving } = this.#ctx;
    if (leaving || name === "") return;
    if (name === self.name) {
      this.#rivals.pinged(address);
      return;
    }
    const member = table.get(name);
    if (member === undefined) {
      // It knows us from a former life of ours.
      this.#exchanges.request(address, true);
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
      this.#verdicts.conflict(member, hint);
      return;
    }
    if (now - member.toldAt < TELL_EVERY_MS) return;
    member.toldAt = now;
    const accusation = accusationOf(member, self.name);
    if (accusation !== null) this.#ctx.send(address, [accusation]);
  }

  // ------------------------------------------------------------ answers

  #ack(from: Endpoint, seqNo: number, payload: AckPayload | null): void {
    const question = this.#questions.get(seqNo);
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
      this.#relay.answered(question);
      return;
    }
    if (question.purpose === "rival") {
      this.#rivals.answered(question.endpoint, payload);
      return;
    }
    const member = question.node === "" ? undefined : this.#ctx.table.get(question.node);
    if (member !== undefined && sameEndpoint(member.address, question.endpoint)) {
      this.#heard(member);
      if (direct) this.#answeredDirectly(member, question.sentAt, payload);
    }
    if (question.purpose === "probe") {
      this.#roundRobin.answered(question);
      return;
    }
    this.#questions.close(question);
    if (question.purpose === "reconnect") this.#reconnects.answered(question.endpoint, payload);
  }

  #answeredDirectly(member: Member, sentAt: Millis, payload: AckPayload | null): void {
    const { table, now } = this.#ctx;
    const sampleMs = now - sentAt;
    member.rttMs = member.rttMs === null ? sampleMs : member.rttMs + (sampleMs - member.rttMs) * RTT_GAIN;
    table.changed(member);
    if (payload?.kind !== "vipd") return;
    this.#ctx.event({ kind: "ack-payload", member: member.name, payload });
    // It started anew so quickly that nobody noticed: its new self must be learnt, and must learn its old one.
    const restarted = member.meta.kind !== "vipd" || member.meta.instance !== payload.instance;
    if (restarted && isLive(member.state)) this.#exchanges.request(member.address, true);
  }

  #streamPingAnswered(seqNo: number, node: string): void {
    const question = this.#questions.get(seqNo);
    const member = this.#ctx.table.get(node);
    if (question === undefined || member === undefined || question.node !== node) return;
    this.#heard(member);
    if (question.purpose === "probe") this.#roundRobin.answered(question);
  }

  // ------------------------------------------------------------ what the layer above wants

  #setMeta(meta: Meta): void {
    const { self, table, leaving } = this.#ctx;
    self.meta = meta;
    table.changed(self);
    if (!this.#started || leaving) return;
    this.#verdicts.announceSelf(Math.min(self.incarnation + 1, 0xffff_ff00), null);
  }

  #broadcast(subject: string, body: VipdMessage): void {
    if (this.#ctx.leaving) {
      this.#ctx.drop("leaving");
      return;
    }
    this.#ctx.spread(`user ${subject}`, { kind: "user", body });
    this.#ctx.gossipAtOnce = true;
  }

  #tell(name: string, body: VipdMessage): void {
    const member = this.#ctx.table.get(name);
    if (member === undefined || member.self || isForeign(member)) {
      this.#ctx.drop("unknown-member");
      return;
    }
    const message: Message = { kind: "user", body };
    // What no datagram holds travels by push/pull, which carries all facts.
    if (this.#ctx.fits(message)) this.#ctx.send(member.address, [message]);
    else this.#exchanges.request(member.address, false);
  }

  #thawed(): void {
    if (!this.#started || this.#ctx.leaving) return;
    this.#questions.clear();
    this.#watch.thawed();
    this.#verdicts.thawed();
    this.#roundRobin.start();
    this.#exchanges.thawed();
    this.#gossip.thawed();
    this.#reconnects.thawed();
  }

  #leave(): void {
    if (this.#ctx.leaving) return;
    this.#watch.stop();
    this.#gossip.leave();
  }
}
