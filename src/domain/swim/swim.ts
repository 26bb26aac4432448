/**
 * The membership core: SWIM with Lifeguard as memberlist does it, and the watch beside it. Purpose: dispatch each input to
 * the part that knows, then settle what the turn has touched. Boundary: pure. Time comes in as an argument, deeds go out
 * as values, timers are data; no clock, socket or chance of its own.
 */
import type { Message, Meta, Millis, PushPull, VipdMessage } from "../messages.js";
import { Context, type SwimCounters } from "./context.js";
import { Exchanges } from "./exchange.js";
import { Gossip } from "./gossip.js";
import { Inbox } from "./inbox.js";
import { isForeign } from "./members.js";
import { Questions } from "./pending.js";
import { assertNever, INCARNATION_MAX } from "./precedence.js";
import { RoundRobin } from "./probe.js";
import { QuorumDuty } from "./quorum.js";
import { Reconnects } from "./reconnect.js";
import { Relay } from "./relay.js";
import { Rivals } from "./rivals.js";
import type { MemberView, SwimDrop, SwimInput, SwimOptions, SwimOutput, SwimTimer } from "./types.js";
import { Verdicts } from "./verdicts.js";
import { WatchDuty } from "./watch.js";

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
  readonly #quorum: QuorumDuty;
  readonly #inbox: Inbox;
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
    this.#quorum = new QuorumDuty(this.#ctx, this.#questions);
    this.#inbox = new Inbox(this.#ctx, {
      questions: this.#questions,
      rivals: this.#rivals,
      verdicts: this.#verdicts,
      roundRobin: this.#roundRobin,
      relay: this.#relay,
      exchanges: this.#exchanges,
      reconnects: this.#reconnects,
      quorum: this.#quorum,
      watch: this.#watch,
    });
  }

  handle(input: SwimInput, now: Millis): SwimOutput[] {
    // The clock is BOOTTIME and does not go back; a driver that read it out of order must not make it.
    this.#ctx.now = Math.max(this.#ctx.now, now);
    this.#dispatch(input);
    this.#settle();
    return this.#ctx.takeOutputs();
  }

  /** See Group.dueAt. */
  dueAt(timer: SwimTimer, at: Millis): Millis {
    switch (timer.kind) {
      case "watch":
        return this.#watch.dueAt(timer.member, timer.round, at);
      case "probe-timeout":
      case "relay-timeout":
        return this.#questions.get(timer.seqNo) === undefined ? Number.POSITIVE_INFINITY : at;
      default:
        return at;
    }
  }

  members(): readonly MemberView[] {
    return this.#ctx.table.views();
  }

  member(name: string): MemberView | undefined {
    const member = this.#ctx.table.get(name);
    return member === undefined ? undefined : this.#ctx.table.view(member);
  }

  /** A quorum of hosts is proven to have been reached at this instant or later (law 4). Infinity: none is asked for. */
  get quorumAt(): Millis {
    return this.#quorum.at;
  }

  /** Hosts proven to have been reached since then, this one included. */
  reachedSince(since: Millis): number {
    return this.#quorum.reachedSince(since);
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
        this.#inbox.datagram(input.from, input.messages);
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
        this.#inbox.streamPingAnswered(input.seqNo, input.node);
        return;
      case "join":
        this.#reconnects.setSeeds(input.seeds);
        return;
      case "meta":
        this.#setMeta(input.meta);
        return;
      case "ack-payload":
        this.#inbox.ackPayload = input.payload;
        return;
      case "quorum":
        this.#quorum.set(input.hosts);
        return;
      case "broadcast":
        this.#broadcast(input.subject, input.body);
        return;
      case "tell":
        this.#tell(input.member, input.body);
        return;
      case "thawed":
        this.#thawed(input.queued);
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
        this.#quorum.settle();
      }
      touched.clear();
      this.#reconnects.look();
    }
    if (doubted.size > 0) {
      for (const name of doubted) if (!leaving) this.#roundRobin.doubt(name);
      doubted.clear();
    }
    if (!this.#started) return;
    this.#gossip.settle();
    this.#reconnects.settle();
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#roundRobin.start();
    this.#exchanges.start();
    this.#quorum.start();
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
      case "quorum":
        this.#quorum.fired(timer.round);
        return;
      case "reconnect":
        this.#reconnects.fired(timer.round);
        return;
      default:
        assertNever(timer);
        return;
    }
  }

  // ------------------------------------------------------------ what the layer above wants

  #setMeta(meta: Meta): void {
    const { self, table, leaving } = this.#ctx;
    self.meta = meta;
    table.changed(self);
    if (!this.#started || leaving) return;
    this.#verdicts.announceSelf(Math.min(self.incarnation + 1, INCARNATION_MAX), null);
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

  #thawed(queued: boolean): void {
    if (!this.#started || this.#ctx.leaving) return;
    this.#questions.clear();
    this.#watch.thawed();
    this.#verdicts.thawed(queued);
    this.#roundRobin.start();
    this.#exchanges.thawed();
    this.#gossip.thawed();
    this.#reconnects.thawed();
    this.#quorum.start();
  }

  #leave(): void {
    if (this.#ctx.leaving) return;
    this.#watch.stop();
    this.#gossip.leave();
  }
}
