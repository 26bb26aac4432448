/**
 * The engine: drives the pure group with the real world's input and does the deeds that it returns. Purpose: the one
 * place where decisions become effects. Boundary: decides nothing; one turn at a time, on the event loop.
 */
import { refusal } from "../config/host.js";
import { Group } from "../domain/group/group.js";
import type { GroupInput, GroupOptions, GroupOutput, GroupTimer, OwnershipEvent } from "../domain/group/types.js";
import type { Endpoint, Millis } from "../domain/messages.js";
import type {
  AddressHolder,
  Alarm,
  Clock,
  GossipTransport,
  LinkState,
  Log,
  Responder,
  ResponderEvent,
} from "../ports.js";
import { Outgoing } from "./outgoing.js";
import { Timers } from "./timers.js";

/** After a gap, the queue counts as drained when a round of the loop brought no datagram; bounded. */
const DRAIN_ROUNDS_MAX = 64;

export interface EngineParts {
  readonly clock: Clock;
  readonly createAlarm: (onDue: () => void) => Alarm;
  readonly transport: GossipTransport;
  readonly responder: Responder;
  readonly holder: AddressHolder;
  readonly log: Log;
  /** Every event, for counters and for those who follow them over HTTP. */
  readonly onEvent: (event: OwnershipEvent) => void;
  /** Interfaces, or addresses of theirs, came, went or changed. */
  readonly onHostChanged: () => void;
  /** The loop woke up so many ms late. */
  readonly onLate: (ms: number) => void;
}

export class Engine {
  readonly group: Group;
  readonly #parts: EngineParts;
  readonly #timers: Timers<GroupTimer>;
  readonly #alarm: Alarm;
  readonly #outgoing: Outgoing;
  #working = false;
  #datagrams = 0;
  /** By name, what was reported last. */
  readonly #links = new Map<string, string>();
  #stopped = false;
  #onLeft: (() => void) | null = null;
  #lastTurnAt = 0;

  constructor(parts: EngineParts, options: GroupOptions) {
    this.#parts = parts;
    this.group = new Group(options, parts.clock.now());
    const { measure, packetBudget } = options;
    this.#outgoing = new Outgoing({
      send: (to, messages) => parts.transport.send(to, messages),
      measure,
      packetBudget,
    });
    this.#alarm = parts.createAlarm(() => this.#wokenUp());
    this.#timers = new Timers<GroupTimer>(
      {
        now: () => parts.clock.now(),
        late: (ms) => parts.onLate(ms),
        wake: (at) => this.#alarm.set(at),
        dueAt: (timer, at) => this.group.dueAt(timer, at),
      },
      (timer, at) => this.turn({ kind: "timer", timer }, at),
    );
  }

  /** What has arrived is handled before what is due: an answer that waits in the socket is no silence. */
  #wokenUp(): void {
    if (this.#stopped) return;
    this.#together(() => {
      this.#parts.transport.receive();
      this.#timers.due();
    });
  }

  /** Turns within this say to each host in one datagram what they say to it, and set the alarm once. */
  #together(work: () => void): void {
    if (this.#working) {
      work();
      return;
    }
    this.#working = true;
    work();
    this.#working = false;
    this.#timers.settle();
    this.#outgoing.flush();
  }

  /** When the group was last turned: the watchdog's sign of health. */
  get lastTurnAt(): number {
    return this.#lastTurnAt;
  }

  /** It is extended between turns. To be called before the group is asked how it stands. */
  lookAtLease(): void {
    this.group.renewed(this.#parts.responder.leaseUntil());
  }

  /** `notBefore`: a timer that fires a fraction of a millisecond early is handled as due, not armed once more. */
  turn(input: GroupInput, notBefore: Millis = 0): void {
    if (this.#stopped) return;
    const now = Math.max(this.#parts.clock.now(), notBefore);
    this.#lastTurnAt = now;
    this.#together(() => {
      this.lookAtLease();
      for (const output of this.group.handle(input, now)) this.#perform(output);
    });
  }

  /** Datagrams, exchanges and stream pings come in here. */
  gossipHandlers(): Parameters<GossipTransport["start"]>[0] {
    return {
      together: (deliver) => this.#together(deliver),
      datagram: (from, messages) => {
        this.#datagrams += 1;
        this.turn({ kind: "datagram", from, messages });
      },
      exchange: (from, theirs) => {
        const ours = this.group.pushPull(theirs.join);
        // Ours is answered before theirs is merged (memberlist-wire.md, section 9).
        setImmediate(() => this.turn({ kind: "exchanged", with: from, state: theirs, initiator: false }));
        return ours;
      },
      streamPing: (node) => node === "" || node === this.group.name,
    };
  }

  responderEvents(events: readonly ResponderEvent[]): void {
    for (const event of events) this.#responderEvent(event);
  }

  /** Says goodbye; resolves when it is out, or after the bound. */
  async leave(boundMs: number): Promise<void> {
    const left = new Promise<void>((resolve) => {
      this.#onLeft = resolve;
    });
    this.turn({ kind: "leave" });
    await Promise.race([left, new Promise<void>((resolve) => setTimeout(resolve, boundMs))]);
  }

  /** Idempotent. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#timers.stop();
    this.#alarm.close();
    // Nobody turns any more, so nobody may extend it.
    this.#parts.responder.lease(Number.NEGATIVE_INFINITY);
  }

  #perform(output: GroupOutput): void {
    const { responder, holder } = this.#parts;
    switch (output.kind) {
      case "send":
        this.#outgoing.add(output.to, output.messages);
        return;
      case "arm":
        this.#timers.arm(output.timer, output.at);
        return;
      case "exchange":
        this.#exchange(output.with, output.join);
        return;
      case "stream-ping":
        this.#streamPing(output);
        return;
      case "lease":
        responder.lease(output.until, output.renewal);
        return;
      case "own":
        responder.own(output.intents.map((intent) => ({ ...intent, mac: null })));
        return;
      case "silence":
        responder.release(output.at);
        return;
      case "watch":
        responder.watch(output.at);
        return;
      case "unwatch":
        responder.unwatch(output.at);
        return;
      case "announce":
        responder.announce(output);
        return;
      case "ask":
        this.#ask(output);
        return;
      case "hold":
        this.#hold(output.addresses);
        return;
      case "drop":
        holder.drop(output.addresses).catch((error: unknown) => {
          this.#event("error", "vip.drop-failed", { addresses: output.addresses }, reasonOf(error));
        });
        return;
      case "event":
        this.#event(output.event.level, output.event.event, output.event.fields, output.event.text);
        return;
      case "drain-queue":
        this.#drainQueue(0, this.#datagrams);
        return;
      case "left":
        this.#onLeft?.();
        return;
    }
  }

  /** One address that the kernel refuses must not cost the others: then each is tried by itself. */
  #hold(addresses: readonly string[]): void {
    this.#parts.holder.hold(addresses).then(
      () => this.turn({ kind: "held", addresses }),
      (error: unknown) => {
        if (addresses.length === 1) this.turn({ kind: "hold-failed", addresses, error: reasonOf(error) });
        else for (const address of addresses) this.#hold([address]);
      },
    );
  }

  #exchange(peer: Endpoint, join: boolean): void {
    this.#parts.transport.exchange(peer, this.group.pushPull(join)).then(
      (state) => this.turn({ kind: "exchanged", with: peer, state, initiator: true }),
      (error: unknown) => this.turn({ kind: "exchange-failed", with: peer, reason: reasonOf(error) }),
    );
  }

  #streamPing(ping: Extract<GroupOutput, { kind: "stream-ping" }>): void {
    const timeoutMs = Math.max(1, ping.deadline - this.#parts.clock.now());
    this.#parts.transport.streamPing(ping.to, ping.seqNo, ping.node, timeoutMs).then((answered) => {
      if (answered) this.turn({ kind: "stream-ping-answered", seqNo: ping.seqNo, node: ping.node });
    });
  }

  #ask(question: Extract<GroupOutput, { kind: "ask" }>): void {
    const { addresses, timeoutMs } = question;
    const asked = question.interfaces.map((name) =>
      this.#parts.responder.ask({ interface: name, addresses, timeoutMs }).catch((error: unknown) => {
        // Nobody can be asked on an interface that is gone; the link's own event takes its eligibility away.
        this.#event("warn", "wire.ask-failed", { interface: name }, reasonOf(error));
        return [];
      }),
    );
    void Promise.all(asked).then((answers) => this.turn({ kind: "asked", id: question.id, answers: answers.flat() }));
  }

  /** Law 2: what queued up during a gap is handled before anything that is overdue. */
  #drainQueue(round: number, before: number): void {
    setImmediate(() => {
      const idle = this.#datagrams === before;
      if (round >= 1 && (idle || round >= DRAIN_ROUNDS_MAX)) this.turn({ kind: "queue-drained" });
      else this.#drainQueue(round + 1, this.#datagrams);
    });
  }

  #responderEvent(event: ResponderEvent): void {
    switch (event.kind) {
      case "link":
        this.#linkEvent(event.link);
        return;
      case "addresses":
        this.#parts.onHostChanged();
        return;
      case "claim":
        this.turn({ kind: "claim-heard", address: event.address, mac: event.mac, yielded: event.yielded });
        return;
      case "announced":
        this.#event("debug", "vip.announced", { ...event }, `round ${event.round} on ${event.interface} is out`);
        return;
      case "address-removed":
        this.#event(
          "warn",
          "vip.address-removed",
          { address: event.address, restored: event.restored },
          `${event.address} was taken off lo by somebody else${event.restored ? ": put back" : ""}`,
        );
        return;
      case "stalled":
        this.turn({ kind: "wake" });
        return;
      case "lease-lapsed":
        this.#event("warn", "responder.silent", {}, "the responder went silent: the lease ran out");
        return;
      case "trouble":
        this.#event("error", "responder.trouble", { ...event }, event.message);
        return;
      case "overflow":
        this.#event(
          "warn",
          "responder.overflow",
          { lost: event.lost },
          `${event.lost} events were lost: reading the links again`,
        );
        for (const link of this.#parts.responder.links()) this.#responderEvent({ kind: "link", link });
        this.turn({ kind: "wake" });
        return;
    }
  }

  /** The responder reports links also when it is told to: what is known already is no news. */
  #linkEvent(link: LinkState): void {
    const { name, index, mac, up, carrier, mtu } = link;
    const signature = JSON.stringify(link);
    if (this.#links.get(name) === signature) return;
    this.#links.set(name, signature);
    const refused = refusal({ masterName: link.masterName ?? "", masterKind: link.masterKind ?? "" });
    const state =
      index === 0 ? "is gone" : refused !== "" ? refused : carrier && up ? "is up" : up ? "has no carrier" : "is down";
    const level = index !== 0 && refused !== "" ? "error" : "info";
    this.#event(level, "link.changed", { interface: name, index, mac, up, carrier, mtu }, `interface ${name} ${state}`);
    this.turn({ kind: "link", link: { name, mac: index === 0 ? "" : mac, up, carrier, refused } });
    this.#parts.onHostChanged();
  }

  #event(level: OwnershipEvent["level"], event: string, fields: Readonly<Record<string, unknown>>, text: string): void {
    this.#parts.log.write(level, event, fields, text);
    this.#parts.onEvent({ level, event, fields, text });
  }
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
