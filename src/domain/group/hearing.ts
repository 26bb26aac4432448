/**
 * What the membership tells: members that come, go and change, facts, claims, names in conflict. Purpose: each becomes what the
 * other parts of the group need to know. Boundary: pure; who is alive is decided below, in swim/, who owns what above, in
 * conclusions.ts and ownership/.
 */
import type { Endpoint, FactsEnvelope } from "../messages.js";
import type { SwimEvent } from "../swim/types.js";
import type { ClaimSpread } from "./claim-news.js";
import type { Conclusions } from "./conclusions.js";
import type { GroupContext } from "./context.js";
import { memberEvent } from "./face.js";
import type { Life } from "./life.js";
import type { Meetings } from "./meetings.js";
import { offerAll } from "./sync.js";

export interface HearingParts {
  readonly conclusions: Conclusions;
  readonly meetings: Meetings;
  readonly life: Life;
  readonly claims: ClaimSpread;
}

export class Hearing {
  readonly #ctx: GroupContext;
  readonly #parts: HearingParts;

  constructor(ctx: GroupContext, parts: HearingParts) {
    this.#ctx = ctx;
    this.#parts = parts;
  }

  take(event: SwimEvent): void {
    switch (event.kind) {
      case "member":
        this.#member(event);
        return;
      case "met":
        this.#ctx.changed();
        this.#ctx.ownership.met(event.member, this.#ctx.now);
        return;
      case "self-accused":
        if (event.state === "dead") this.#parts.life.accused(event.from);
        return;
      case "name-conflict":
        this.#dispute(event.name, event.endpoint, event.self);
        return;
      case "exchanged":
        this.#exchanged(event);
        return;
      case "ack-payload":
        this.#acked(event);
        return;
      case "said":
        this.#said(event);
        return;
      case "left":
        this.#ctx.output({ kind: "left" });
        return;
      case "exchange-failed":
      case "dropped":
        return;
    }
  }

  expireDisputes(): void {
    for (const name of this.#ctx.disputes.expire(this.#ctx.now)) {
      this.#ctx.event("info", "name.conflict-over", { name }, `the name ${name} is no longer in conflict`);
      this.#ctx.changed();
    }
  }

  #member(event: Extract<SwimEvent, { kind: "member" }>): void {
    const { member, change } = event;
    const { options, store, sync, ownership, now } = this.#ctx;
    this.#ctx.changed();
    if (member.self) return;
    this.#ctx.output({ kind: "event", event: memberEvent(event) });
    if (change === "forgotten") {
      store.forget(member.name);
      sync.forget(member.name);
    } else sync.metaChanged(member, now);
    if (change === "joined") sync.introduce(options.name, member);
    if (change === "dead" || change === "left" || change === "forgotten")
      this.#parts.meetings.parted(member.name, change);
    // Elections first: what is ours now decides what is asked and announced.
    this.#parts.conclusions.reelect();
    // Told again of one that does not hear us: suspected it was before.
    if (change === "suspect") ownership.memberChanged(member.name, "suspect", member.since);
    else if (change === "alive") ownership.memberChanged(member.name, "cleared", now);
    this.#parts.meetings.greet(member.name);
  }

  #exchanged({ member, facts }: Extract<SwimEvent, { kind: "exchanged" }>): void {
    const { ownership, readiness, swim, now } = this.#ctx;
    this.#takeFacts(facts);
    if (member === null) return;
    ownership.exchangedWith(member, now);
    if (swim.member(member)?.foreign !== false) return;
    if (readiness.ready) readiness.met(member);
    else this.#parts.life.becomeReady(`exchanged state with ${member}`);
  }

  #acked(event: Extract<SwimEvent, { kind: "ack-payload" }>): void {
    const { swim, sync, roll, readiness, now } = this.#ctx;
    const member = swim.member(event.member);
    if (member === undefined) return;
    sync.acked(member, event.payload, roll.viewDigest(), now);
    if (!readiness.ready) sync.meet(member, now);
  }

  #said(event: Extract<SwimEvent, { kind: "said" }>): void {
    const { body } = event;
    const { swim, sync, quorum, ownership, now } = this.#ctx;
    if (body.kind === "facts") this.#takeFacts([body.facts]);
    else if (body.kind === "claimed" && quorum.needsOthers) this.#parts.claims.spread(body, event.member);
    else if (event.member === null) return;
    else if (body.kind === "facts-request") sync.requested(swim.member(event.member), body.names, now);
    else ownership.claimNoticed({ member: event.member, round: body.round, addresses: body.addresses }, now);
  }

  #takeFacts(envelopes: readonly FactsEnvelope[]): void {
    const { options, store, swim, disputes, now } = this.#ctx;
    const { name, instance } = options;
    const heard = offerAll(store, envelopes, { self: name, instance, member: (n) => swim.member(n) });
    if (heard.ownVersionHeard >= 0 && !disputes.has(name, now) && store.jumpAbove(heard.ownVersionHeard)) {
      this.#parts.conclusions.spreadOwn();
    }
    if (heard.fresh.length === 0) return;
    this.#ctx.changed();
    for (const fresh of heard.fresh) this.#parts.meetings.greet(fresh);
  }

  #dispute(name: string, rival: Endpoint, self: boolean): void {
    if (!this.#ctx.disputes.raise(name, this.#ctx.now)) return;
    this.#ctx.changed();
    const whose = self ? "this host's name" : `the name ${name}`;
    this.#ctx.event(
      "error",
      "name.conflict",
      { name, rival },
      `${whose} is used by another host at ${rival.host}: neither owns anything`,
    );
  }
}
