/**
 * Push/pull: when to exchange state with whom, and merging what a peer sent (memberlist-wire.md, sections 9 to 11).
 * Boundary: the streams are the driver's; facts are handed through unread. Bounded: a few at a time, spaced per endpoint.
 */
import {
  type Endpoint,
  formatEndpoint,
  type Millis,
  type PushPull,
  type PushPullNode,
  sameEndpoint,
} from "../messages.js";
import type { Context } from "./context.js";
import { isForeign, isLive, type Member } from "./members.js";
import type { Verdicts } from "./verdicts.js";

const CONCURRENT_MAX = 8;
/** With seeds that we do not know yet: each brings the whole group, so that the next one is probably known by then. */
const INTRODUCTIONS_MAX = 2;
/** Between two exchanges with one endpoint that were asked for by signs of trouble, not by the clock. */
const SPACING_MS = 500;
/** Whoever asks and is unknown for longer is dialled: the second time that it asks, mostly. */
const STRANGER_MS = 150;
/** Whoever has been silent for longer is a new stranger. */
const STRANGER_GONE_MS = 10_000;
/** A driver that never answers does not block the slot for ever. */
const EXPIRY_MS = 10_000;
const REMEMBERED_MAX = 2048;
/** From this many members on the period grows (memberlist-wire.md, section 12). */
const SCALE_FROM = 32;

export class Exchanges {
  readonly #ctx: Context;
  readonly #verdicts: Verdicts;
  readonly #underWay = new Map<string, Millis>();
  readonly #askedAt = new Map<string, Millis>();
  /** By endpoint, who asked while it was unknown. */
  readonly #strangers = new Map<string, { readonly since: Millis; readonly lastAt: Millis }>();
  #introducedAt: { readonly key: string; readonly at: Millis }[] = [];
  #round = 0;

  constructor(ctx: Context, verdicts: Verdicts) {
    this.#ctx = ctx;
    this.#verdicts = verdicts;
  }

  start(): void {
    this.#arm(this.#ctx.random());
  }

  /** Asks for one if none with this endpoint is under way or was asked for a moment ago. */
  request(endpoint: Endpoint, join: boolean): boolean {
    const { now } = this.#ctx;
    const key = formatEndpoint(endpoint);
    for (const [other, since] of this.#underWay) if (now - since > EXPIRY_MS) this.#underWay.delete(other);
    if (this.#underWay.has(key) || this.#underWay.size >= CONCURRENT_MAX) return false;
    if (now - (this.#askedAt.get(key) ?? Number.NEGATIVE_INFINITY) < SPACING_MS) return false;
    remember(this.#askedAt, key, now);
    this.#underWay.set(key, now);
    this.#ctx.counters.exchanges += 1;
    this.#ctx.output({ kind: "exchange", with: endpoint, join });
    return true;
  }

  /** With somebody unknown who answered us. Whoever is left out does so again soon, and exchanges that take long leave their places. */
  introduce(endpoint: Endpoint): void {
    const { now } = this.#ctx;
    this.#introducedAt = this.#introducedAt.filter(({ key, at }) => this.#underWay.has(key) && now - at < SPACING_MS);
    if (this.#introducedAt.length >= INTRODUCTIONS_MAX || !this.request(endpoint, true)) return;
    this.#introducedAt.push({ key: formatEndpoint(endpoint), at: now });
  }

  /**
   * Somebody unknown asks us: it dials us, too, or becomes known through others. Only where neither happens, or we are alone, we do:
   * forty hosts that start at once need not all dial each other, from both ends.
   */
  introduceAsker(endpoint: Endpoint): void {
    const { now, table } = this.#ctx;
    if (table.live > 1 && now - this.#strangerSince(endpoint) < STRANGER_MS) return;
    this.introduce(endpoint);
  }

  /** Since when it has been asking; forgotten where it paused, so that it is a new one then. */
  #strangerSince(endpoint: Endpoint): Millis {
    const { now } = this.#ctx;
    const key = formatEndpoint(endpoint);
    const known = this.#strangers.get(key);
    const since = known === undefined || now - known.lastAt > STRANGER_GONE_MS ? now : known.since;
    remember(this.#strangers, key, { since, lastAt: now });
    return since;
  }

  fired(round: number): void {
    if (round !== this.#round) return;
    const [peer] = this.#ctx.pick(1, (member) => !member.self && member.state === "alive");
    if (peer !== undefined) this.request(peer.address, false);
    this.#arm(1);
  }

  ours(join: boolean): Omit<PushPull, "facts"> {
    return { join, nodes: this.#ctx.table.rows() };
  }

  failed(endpoint: Endpoint, reason: string): void {
    this.#underWay.delete(formatEndpoint(endpoint));
    this.#ctx.event({ kind: "exchange-failed", with: endpoint, reason });
  }

  /** False: the whole merge was refused. */
  merge(endpoint: Endpoint, state: PushPull, initiator: boolean): boolean {
    if (initiator) this.#underWay.delete(formatEndpoint(endpoint));
    const refusal = this.#incompatibility(state.nodes);
    if (refusal !== null) {
      this.#ctx.drop("merge-refused");
      this.#ctx.event({ kind: "exchange-failed", with: endpoint, reason: refusal });
      return false;
    }
    // The living first: whoever comes back is known before anybody is accused.
    for (const row of state.nodes) if (row.state === "alive") this.#mergeAlive(row);
    for (const row of state.nodes) if (row.state !== "alive") this.#mergeAccused(row);
    // No sign of life: a recorded stream can be played again, too.
    const peer = this.#peer(endpoint, state, initiator);
    if (peer !== null) this.#ctx.met(peer);
    this.#ctx.event({ kind: "exchanged", with: endpoint, member: peer?.name ?? null, facts: state.facts });
    return true;
  }

  #mergeAlive(row: PushPullNode): void {
    const { name: node, address, meta, vsn, incarnation } = row;
    this.#verdicts.alive({ kind: "alive", incarnation, node, address, meta, vsn }, null);
  }

  #mergeAccused(row: PushPullNode): void {
    const { name: node, incarnation } = row;
    const { self, table, profile, now } = this.#ctx;
    if (row.state === "left") {
      this.#verdicts.dead({ kind: "dead", incarnation, node, from: node }, null);
      return;
    }
    // Hearsay: a dead one is only suspected, so that it can refute (memberlist).
    const claim = { kind: "suspect", incarnation, node, from: self.name } as const;
    const member = table.get(node);
    const heard = member !== undefined && now - member.lastHeardAt < profile.suspectAfterMs;
    if (member === undefined || member.self || !heard || isForeign(member) || member.incarnation > incarnation) {
      if (member !== undefined || node === self.name) this.#verdicts.suspect(claim, null);
      return;
    }
    // We hear it well: it need not be suspected here, but it must refute where it is held dead.
    this.#ctx.send(member.address, [{ ...claim, kind: "suspect" }]);
  }

  /** Who it was: the endpoint that we dialled, or the one living row at the address that dialled us. */
  #peer(endpoint: Endpoint, state: PushPull, initiator: boolean): Member | null {
    const { table } = this.#ctx;
    const exact = table.at(endpoint);
    if (exact !== undefined && !exact.self && isLive(exact.state)) return exact;
    if (initiator) return null;
    const rows = state.nodes.filter((row) => row.state === "alive" && row.address.host === endpoint.host);
    const [only] = rows;
    if (only === undefined || rows.length > 1) return null;
    const member = table.get(only.name);
    if (member === undefined || member.self || !isLive(member.state)) return null;
    return sameEndpoint(member.address, only.address) ? member : null;
  }

  /** memberlist-wire.md, section 10: every living member's current version inside everybody's range. */
  #incompatibility(nodes: readonly PushPullNode[]): string | null {
    const rows: { name: string; vsn: PushPullNode["vsn"] }[] = [];
    for (const row of nodes) if (row.state === "alive" && row.vsn.some((number) => number !== 0)) rows.push(row);
    const theirs = rows.length;
    for (const member of this.#ctx.table.all()) if (member.state === "alive") rows.push(member);
    if (theirs === 0) return null;
    const max = (i: number) => rows.reduce((least, row) => Math.max(least, row.vsn[i]!), 0);
    const min = (i: number) => rows.reduce((most, row) => Math.min(most, row.vsn[i]!), 255);
    const [pLow, pHigh, dLow, dHigh] = [max(0), min(1), max(3), min(4)];
    for (const { name, vsn } of rows) {
      if (vsn[2] < pLow || vsn[2] > pHigh) return `${name} speaks protocol ${vsn[2]}, the group ${pLow} to ${pHigh}`;
      if (vsn[5] < dLow || vsn[5] > dHigh)
        return `${name} speaks delegate version ${vsn[5]}, the group ${dLow} to ${dHigh}`;
    }
    return null;
  }

  #arm(share: number): void {
    const { profile, table, now } = this.#ctx;
    const scale = table.live <= SCALE_FROM ? 1 : Math.ceil(Math.log2(table.live) - Math.log2(SCALE_FROM)) + 1;
    this.#round += 1;
    const at = now + share * scale * profile.pushPullIntervalMs;
    this.#ctx.arm({ kind: "push-pull", round: this.#round }, at);
  }

  thawed(): void {
    this.#underWay.clear();
    this.#arm(this.#ctx.random());
  }
}

/** The latest last; the one that was remembered longest ago makes room. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > REMEMBERED_MAX) map.delete(map.keys().next().value!);
}
