/**
 * The quorum's evidence (law 4): who is proven to have answered, each dated at the sending of the question that it answered.
 * Purpose: ask few members often enough, and take from their acks whom they have had answers of, with ages: an answer
 * that was had in a chain is dated no later than the first question of that chain. Boundary: pure; what follows from having
 * or lacking a quorum is the group's business. Never counts what was merely heard: nobody here knows when that was sent.
 */
import type { Message, Millis, Sighting } from "../messages.js";
import { SIGHTING_AGE_MS_MAX, SIGHTINGS_MAX } from "../messages.js";
import { QUORUM_ASKS_DIRECT_MAX, quorumAskEveryMs } from "../timing.js";
import type { Context } from "./context.js";
import { accusationOf, isForeign, isLive, type Member } from "./members.js";
import { QUESTION_EXPIRY_MS, type Questions } from "./pending.js";

interface Proof {
  provenAt: Millis;
  askedAt: Millis;
}

export class QuorumDuty {
  readonly #ctx: Context;
  readonly #questions: Questions;
  /** By member name; only of members in the table. */
  readonly #proofs = new Map<string, Proof>();
  /** Sightings name instances: a host that restarted must not count twice. */
  readonly #byInstance = new Map<number, string>();
  /** Hosts that must have answered, this one included; null: no quorum is asked for. */
  #hosts: number | null = null;
  #at: Millis | null = null;
  #askedAt: Millis = Number.NEGATIVE_INFINITY;
  #round = 0;

  constructor(ctx: Context, questions: Questions) {
    this.#ctx = ctx;
    this.#questions = questions;
  }

  set(hosts: number | null): void {
    if (hosts === this.#hosts) return;
    this.#hosts = hosts;
    this.#at = null;
    this.#proofs.clear();
    this.#index();
    this.start();
  }

  /** Others are asked for evidence, in a rhythm of their own. */
  get asks(): boolean {
    return this.#hosts !== null;
  }

  start(): void {
    this.#round += 1;
    if (this.#hosts !== null) this.#arm(this.#ctx.now);
  }

  /** Members changed: whoever is new is asked soon, whoever is forgotten does not count. */
  settle(): void {
    if (this.#hosts === null) return;
    this.#index();
    if (!this.#fresh()) this.start();
  }

  /** Enough hosts are proven to have been reached at this instant or later. Without a quorum: always. */
  get at(): Millis {
    if (this.#hosts === null || this.#hosts <= 1) return Number.POSITIVE_INFINITY;
    if (this.#at === null) {
      const dates = Array.from(this.#proofs.values(), (proof) => proof.provenAt).sort((a, b) => b - a);
      this.#at = dates[this.#hosts - 2] ?? Number.NEGATIVE_INFINITY;
    }
    return this.#at;
  }

  /** Hosts that are proven to have been reached since then, this one included. */
  reachedSince(since: Millis): number {
    let count = 1;
    for (const { provenAt } of this.#proofs.values()) if (provenAt >= since) count += 1;
    return count;
  }

  // ------------------------------------------------------------ evidence

  /** A member answered, itself and directly, a question that we sent then. Its sightings are as old as they were at least. */
  answered(member: Member, instance: number, sentAt: Millis, sightings: readonly Sighting[]): void {
    if (this.#hosts === null || isForeign(member)) return;
    if (member.meta.kind === "vipd" && member.meta.instance === instance) this.#prove(member, sentAt);
    for (const sighting of sightings.slice(0, SIGHTINGS_MAX)) {
      const seen = this.#ctx.table.get(this.#byInstance.get(sighting.instance) ?? "");
      if (seen === undefined || seen.self || seen.meta.kind !== "vipd") continue;
      if (seen.meta.instance !== sighting.instance) continue;
      if (sighting.answeredAgoMs !== null) {
        const at = sentAt - sighting.answeredAgoMs;
        if (provesSince(member, at)) this.#prove(seen, at);
        else this.#witness(seen, at);
      }
      if (sighting.heardAgoMs !== null) this.#witness(seen, sentAt - sighting.heardAgoMs);
    }
  }

  /** What we say in an ack of ours: the freshest, as many as a quorum needs. Null: no quorum is asked for. */
  sightings(): Sighting[] | null {
    if (this.#hosts === null) return null;
    const { now, profile, table } = this.#ctx;
    const found: { sighting: Sighting; at: Millis }[] = [];
    const ago = (at: Millis) =>
      now - at <= Math.min(profile.leaseMs, SIGHTING_AGE_MS_MAX) ? Math.ceil(now - at) : null;
    for (const member of table.all()) {
      if (member.self || member.meta.kind !== "vipd") continue;
      const provenAt = this.#proofs.get(member.name)?.provenAt ?? Number.NEGATIVE_INFINITY;
      const [answeredAgoMs, heardAgoMs] = [ago(provenAt), ago(member.lastHeardAt)];
      if (answeredAgoMs === null && heardAgoMs === null) continue;
      found.push({ sighting: { instance: member.meta.instance, answeredAgoMs, heardAgoMs }, at: provenAt });
    }
    if (found.length > SIGHTINGS_MAX) found.sort((a, b) => b.at - a.at).splice(SIGHTINGS_MAX);
    return found.map(({ sighting }) => sighting);
  }

  #prove(member: Member, at: Millis): void {
    const proof = this.#proof(member.name);
    if (at <= proof.provenAt) return;
    proof.provenAt = at;
    this.#at = null;
    this.#witness(member, at);
  }

  /** Somebody who answered us had heard it then: good against a verdict, and its lease may last from there. */
  #witness(member: Member, at: Millis): void {
    if (at <= member.witnessedAt) return;
    member.witnessedAt = at;
    this.#ctx.table.changed(member);
  }

  #proof(name: string): Proof {
    const known = this.#proofs.get(name);
    if (known !== undefined) return known;
    const proof: Proof = { provenAt: Number.NEGATIVE_INFINITY, askedAt: Number.NEGATIVE_INFINITY };
    this.#proofs.set(name, proof);
    return proof;
  }

  #index(): void {
    this.#byInstance.clear();
    const { table } = this.#ctx;
    for (const { name, self, meta } of table.all()) {
      if (!self && meta.kind === "vipd") this.#byInstance.set(meta.instance, name);
    }
    for (const name of this.#proofs.keys()) {
      const member = table.get(name);
      if (member !== undefined && !isForeign(member)) continue;
      this.#proofs.delete(name);
      this.#at = null;
    }
  }

  // ------------------------------------------------------------ asking

  fired(round: number): void {
    if (round !== this.#round || this.#hosts === null || this.#ctx.leaving) return;
    const { now, profile } = this.#ctx;
    const dueAt = this.#dueAt();
    if (now < dueAt) {
      this.#arm(dueAt);
      return;
    }
    this.#ask(this.#hosts - 1);
    this.#askedAt = now;
    // Answers that are missing are noticed like a watcher's; where there is no quorum to be had, there is no hurry.
    const againMs = this.#fresh() ? profile.watchTimeoutMs : profile.reconnectIntervalMs;
    this.#arm(now + (this.#wide ? this.#everyMs : againMs));
  }

  /** So many hosts are needed that they are not all asked by ourselves. */
  get #wide(): boolean {
    return this.#hosts !== null && this.#hosts - 1 > QUORUM_ASKS_DIRECT_MAX;
  }

  get #everyMs(): Millis {
    return quorumAskEveryMs(this.#ctx.profile);
  }

  #dueAt(): Millis {
    const soonest = this.#askedAt + (this.#wide ? this.#everyMs : this.#ctx.profile.watchTimeoutMs);
    return this.#wide ? soonest : Math.max(soonest, this.at + this.#everyMs);
  }

  #fresh(): boolean {
    return this.#ctx.now < this.at + this.#ctx.profile.leaseMs;
  }

  /** The longest not asked first, so that evidence of all goes round; those who answered the watch just now are spared. */
  #ask(needed: number): void {
    const { now, table } = this.#ctx;
    const recent = now - this.#everyMs / 2;
    const candidates: { member: Member; order: number }[] = [];
    let proven = 0;
    for (const member of table.all()) {
      if (member.self || isForeign(member) || !isLive(member.state)) continue;
      const { provenAt, askedAt } = this.#proof(member.name);
      if (!this.#wide && provenAt >= recent) proven += 1;
      else candidates.push({ member, order: askedAt + this.#ctx.random() });
    }
    const count = this.#wide ? QUORUM_ASKS_DIRECT_MAX : needed - proven;
    if (count <= 0) return;
    candidates.sort((a, b) => a.order - b.order);
    for (const { member } of candidates.slice(0, count)) this.#ping(member);
  }

  #ping(member: Member): void {
    const { now, self } = this.#ctx;
    this.#proof(member.name).askedAt = now;
    const { name: node, address: endpoint } = member;
    const expiresAt = now + QUESTION_EXPIRY_MS;
    const { seqNo } = this.#questions.ask({ purpose: "quorum", node, endpoint, expiresAt });
    const messages: Message[] = [{ kind: "ping", seqNo, node, source: { address: self.address, name: self.name } }];
    const accusation = accusationOf(member, self.name);
    if (accusation !== null) messages.push(accusation);
    this.#ctx.counters.pings += 1;
    this.#ctx.send(endpoint, messages);
  }

  #arm(at: Millis): void {
    this.#round += 1;
    this.#ctx.arm({ kind: "quorum", round: this.#round }, at);
  }
}

/**
 * A machine that its hypervisor paused does not know it: what it heard before is told as younger than it is, by as much. A silence is
 * all that others see of it, and of what it heard before it came back from one nothing counts as proof.
 */
function provesSince({ state, returnedAt }: Member, at: Millis): boolean {
  return state === "alive" && at > returnedAt;
}
