/**
 * The end of a turn: what ownership decided becomes outputs, and the driver and the membership are told what changed since the last
 * turn (the lease's deadline, what acks carry, whose claims to watch for). Boundary: decides nothing; remembers what it told.
 */
import type { Millis } from "../messages.js";
import { isYielded, type Key, placesOf } from "../ownership/key.js";
import type { At, KeySpec, OwnershipOutput } from "../ownership/types.js";
import type { ClaimSpread } from "./claim-news.js";
import { type GroupContext, LOOK_MS_MAX } from "./context.js";

/** Without a turn the driver extends the lease for so long: a control plane that turns no more is not healthy (law 2). */
const RENEWED_MS_MAX = 1.25 * LOOK_MS_MAX;
/** So many addresses fit into one datagram. */
const CLAIMED_MAX = 60;

export class Deeds {
  readonly #ctx: GroupContext;
  readonly #claims: ClaimSpread;
  #leaseSent: Millis = Number.NaN;
  #renewsSent = false;
  #ackPayload = { factsVersion: -1, viewDigest: -1 };
  /** As it was configured when the responder was told to watch it. */
  readonly #watched = new Map<Key, KeySpec>();

  constructor(ctx: GroupContext, claims: ClaimSpread) {
    this.#ctx = ctx;
    this.#claims = claims;
  }

  flush(): void {
    for (const output of this.#ctx.ownership.flush()) this.#take(output);
    this.#sendLease();
    this.#sendAckPayload();
    this.#sendWatch();
  }

  #take(output: OwnershipOutput): void {
    const ctx = this.#ctx;
    if (output.kind === "arm") ctx.arm({ kind: "key", timer: output.timer }, output.at);
    else if (output.kind === "exchange-with") {
      const member = ctx.swim.member(output.member);
      if (member === undefined) return;
      if (output.soon) ctx.sync.meet(member, ctx.now);
      else ctx.output({ kind: "exchange", with: member.address, join: false });
    } else if (output.kind === "tell-claimed") this.#tellClaimed(output);
    else {
      if (output.kind === "own" || output.kind === "silence") ctx.heldChanged();
      ctx.output(output);
    }
  }

  #tellClaimed({ member, round, addresses }: Extract<OwnershipOutput, { kind: "tell-claimed" }>): void {
    const { name, instance } = this.#ctx.options;
    for (let i = 0; i < addresses.length; i += CLAIMED_MAX) {
      const part = addresses.slice(i, i + CLAIMED_MAX);
      const body = { kind: "claimed", name, instance, round, addresses: part } as const;
      this.#ctx.feedSwim({ kind: "tell", member, body });
      if (this.#ctx.quorum.needsOthers) this.#claims.spread(body, body.name);
    }
  }

  #sendLease(): void {
    const { quorum, readiness, lease, swim } = this.#ctx;
    const quorumUntil = quorum.held ? quorum.until(swim.quorumAt) : Number.NEGATIVE_INFINITY;
    const until = readiness.ready ? Math.min(lease.until, quorumUntil) : Number.NEGATIVE_INFINITY;
    const { now } = this.#ctx;
    const renews = this.#ctx.renews() && until > now;
    if (until === this.#leaseSent && renews === this.#renewsSent) return;
    this.#leaseSent = until;
    this.#renewsSent = renews;
    const renewal = renews ? { ...lease.renewal, endsAt: now + RENEWED_MS_MAX } : null;
    this.#ctx.outputAfterSilence({ kind: "lease", until, renewal });
  }

  #sendAckPayload(): void {
    const { options, store, roll } = this.#ctx;
    const factsVersion = store.envelope(options.name)?.version ?? 0;
    const viewDigest = roll.viewDigest();
    if (this.#ackPayload.factsVersion === factsVersion && this.#ackPayload.viewDigest === viewDigest) return;
    this.#ackPayload = { factsVersion, viewDigest };
    const payload = { kind: "vipd", instance: options.instance, factsVersion, viewDigest } as const;
    this.#ctx.feedSwim({ kind: "ack-payload", payload });
  }

  /** Only of what changed: of ten thousand keys each moves in a turn of its own. */
  #sendWatch(): void {
    const [watch, unwatch]: [At[], At[]] = [[], []];
    for (const key of this.#ctx.ownership.takeChanged()) {
      const heir = key.state === "standby" && key.elected.heir === this.#ctx.options.name;
      // Whoever claims must hear of it when somebody else does at the same moment, and whoever fell silent for one, when a third one does.
      const spec = heir || key.state === "claiming" || isYielded(key) ? key.spec : undefined;
      const told = this.#watched.get(key);
      if (spec === told) continue;
      if (told !== undefined) unwatch.push(...placesOf({ spec: told }));
      if (spec !== undefined) watch.push(...placesOf({ spec }));
      if (spec === undefined) this.#watched.delete(key);
      else this.#watched.set(key, spec);
    }
    // In this order: a key that was configured anew is another key with the same addresses.
    if (unwatch.length > 0) this.#ctx.output({ kind: "unwatch", at: unwatch });
    if (watch.length > 0) this.#ctx.output({ kind: "watch", at: watch });
  }
}
