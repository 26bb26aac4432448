/**
 * This host's life in the group: it becomes ready, loses and regains its quorum, falls silent after a gap and catches up (laws 2, 4
 * and 9). Purpose: the transitions between those, in one place. Boundary: pure; the records are lease.ts, quorum.ts and
 * readiness.ts; what may be owned follows in conclusions.ts.
 */
import type { Endpoint } from "../messages.js";
import { CatchUp } from "./catch-up.js";
import type { GroupContext } from "./context.js";
import { lackOf } from "./face.js";
import type { Meetings } from "./meetings.js";

export class Life {
  readonly #ctx: GroupContext;
  readonly #meetings: Meetings;
  readonly #catchUp: CatchUp;

  constructor(ctx: GroupContext, meetings: Meetings) {
    this.#ctx = ctx;
    this.#meetings = meetings;
    this.#catchUp = new CatchUp(ctx.options.random);
  }

  becomeReady(reason: string): void {
    const { readiness, lease, now } = this.#ctx;
    readiness.become(reason, now);
    lease.caughtUp(now, { alone: false });
    this.#regainQuorum();
    this.#ctx.dirty = true;
    this.#ctx.event("info", "group.ready", { reason }, reason);
    this.#meetings.greetAll();
    this.awaitRest();
  }

  awaitRest(): void {
    const { readiness, roll, now } = this.#ctx;
    const lookAt = readiness.awaitRest(roll.hosts().length <= 1, now);
    if (lookAt === null) this.#ctx.dirty = true;
    else this.#ctx.arm({ kind: "rest" }, lookAt);
  }

  // ------------------------------------------------------------ gaps

  /** The process was stalled or frozen: silent by now; queued input first, then state, then everything anew (law 2). */
  thaw(): void {
    const { lease, ownership, now } = this.#ctx;
    this.#ctx.event(
      "warn",
      "lease.lapsed",
      { lapses: lease.lapses },
      "the lease lapsed: this host was stalled; silent until it has caught up",
    );
    ownership.lapse(now);
    ownership.setActive(false, now);
    this.#ctx.feedSwim({ kind: "thawed", queued: true });
    this.#ctx.output({ kind: "drain-queue" });
  }

  /** What was queued during the gap has been handled. */
  queueDrained(): void {
    if (this.#ctx.lease.phase !== "thawing") return;
    // What was queued may have armed timers of the past: once more, everything starts anew.
    this.#ctx.feedSwim({ kind: "thawed", queued: false });
    this.#beginCatchUp();
  }

  accused(from: string): void {
    const { readiness, leaving, lease, ownership, now } = this.#ctx;
    if (!readiness.ready || leaving || !lease.accused(now)) return;
    const text = `${from} holds this host dead: silent until state is exchanged`;
    this.#ctx.event("warn", "lease.accused", { by: from }, text);
    ownership.lapse(now);
    this.#beginCatchUp();
  }

  exchanged(peer: Endpoint): void {
    if (this.#catchUp.succeeded(peer)) this.#caughtUp({ alone: false });
  }

  exchangeFailed(peer: Endpoint): void {
    if (this.#catchUp.failed(peer)) this.#caughtUp({ alone: true });
  }

  /** Nobody has answered within the bound. */
  lookAtCatchUp(): void {
    const { readiness, lease, now } = this.#ctx;
    if (readiness.ready && lease.catchUpOverdue(now)) this.#caughtUp({ alone: true });
  }

  #beginCatchUp(): void {
    const { lease, ownership, swim, now } = this.#ctx;
    lease.catchUp(now);
    ownership.setActive(false, now);
    const peers = this.#catchUp.begin(swim.members());
    for (const peer of peers) this.#ctx.output({ kind: "exchange", with: peer, join: true });
    if (peers.length === 0) this.#caughtUp({ alone: true });
  }

  #caughtUp(options: { alone: boolean }): void {
    const { lease, readiness, quorum, now } = this.#ctx;
    if (lease.phase !== "catching-up" || !readiness.ready) return;
    this.#catchUp.end();
    if (options.alone && quorum.needsOthers) {
      // Whoever has a quorum is not alone: without a peer's state it would own by an old view. Tried again, in silence.
      if (lease.catchUpOverdue(now)) this.#beginCatchUp();
      return;
    }
    lease.caughtUp(now, options);
    this.#regainQuorum();
    const text = options.alone ? "no peer answered: going on alone" : "caught up with the group";
    this.#ctx.event("info", "lease.caught-up", { alone: options.alone }, text);
    this.#ctx.dirty = true;
  }

  // ------------------------------------------------------------ quorum

  /** Law 4: whoever lacks a quorum owns nothing; whoever has one again asks first what happened meanwhile. */
  judgeQuorum(): void {
    const { swim, quorum, ownership, readiness, lease, now } = this.#ctx;
    const provenAt = swim.quorumAt;
    if (quorum.lost(provenAt, now)) {
      ownership.lapse(now);
      this.#ctx.dirty = true;
      const view = this.#ctx.quorumView();
      this.#ctx.event("warn", "quorum.lost", { ...view }, lackOf(view));
    } else if (readiness.ready && lease.phase === "held" && quorum.returns(provenAt, now)) {
      this.#beginCatchUp();
    }
    this.#ctx.lookAtBarred();
  }

  #regainQuorum(): void {
    const { quorum, swim, readiness, now } = this.#ctx;
    const lacked = quorum.lacking(now);
    if (!quorum.regain(swim.quorumAt, now)) return;
    this.#ctx.event("info", "quorum.reached", { ...this.#ctx.quorumView() }, "a quorum of hosts answers");
    if (!lacked) return;
    readiness.unrest(now);
    this.awaitRest();
  }
}
