/**
 * The table of members: who is known, where, in which state, and when it was last heard. Purpose: one owner of the
 * records and of the two indexes over them (name, endpoint). Boundary: it stores; what may be stored is precedence.ts's
 * business. Never forgets our own record.
 */
import {
  type Endpoint,
  formatEndpoint,
  type MemberState,
  type Message,
  type Meta,
  type Millis,
  type PushPullNode,
  sameEndpoint,
  type Vsn,
} from "../messages.js";
import type { Suspicion } from "./suspicion.js";
import type { MemberView } from "./types.js";

/** The record behind a MemberView. Mutable, and never handed out. */
export interface Member {
  readonly name: string;
  readonly self: boolean;
  address: Endpoint;
  meta: Meta;
  vsn: Vsn;
  incarnation: number;
  state: MemberState;
  since: Millis;
  lastHeardAt: Millis;
  /** When a newer alive was last accepted: second hand, so good against a verdict, but no sign of life for the lease. */
  assuredAt: Millis;
  /** When it last answered a question of ours. */
  answeredAt: Millis;
  /** When it was last taken back as alive after a suspicion or a death. */
  returnedAt: Millis;
  /** When it was last taken back as alive after a death. */
  backAt: Millis;
  /** It came back from the dead, and nothing since shows that it hears us: it may hold us dead still. */
  unmet: boolean;
  /** Since when, and when last, its questions showed that it had not heard what we said (ears.ts). */
  ignoresUsSince: Millis | null;
  ignoredUsAt: Millis;
  /** It does not hear us, though others do. */
  deaf: boolean;
  /** With a quorum: when somebody who answered us had last heard it, at the latest. */
  witnessedAt: Millis;
  /** The latest question of its that is known to be fresh; null: none yet in this life of it. */
  askedNo: number | null;
  /** When it last asked us in the rhythm of the watch (watch.ts). */
  askedUsAt: Millis;
  rttMs: number | null;
  suspicion: Suspicion | null;
  /** When it was last told what it is accused of, so that one talkative suspect gets no volley. */
  toldAt: Millis;
  /** When an outdated accuser of it was last put right. */
  correctedAt: Millis;
  /** When another claimant of its name was last reported. */
  conflictAt: Millis;
  /** When the round-robin last probed it. */
  probedAt: Millis;
  view: MemberView | null;
}

export interface NewMember {
  readonly name: string;
  readonly self: boolean;
  readonly address: Endpoint;
  readonly meta: Meta;
  readonly vsn: Vsn;
  readonly incarnation: number;
  readonly now: Millis;
}

export type AliveMessage = Extract<Message, { kind: "alive" }>;

export class MemberTable {
  readonly self: Member;
  readonly #byName = new Map<string, Member>();
  /** The latest claimant of each endpoint: a host renamed at its old address must not keep its old name alive. */
  readonly #byEndpoint = new Map<string, Member>();
  #live = 1;
  #views: readonly MemberView[] | null = null;

  constructor(self: Omit<NewMember, "self">) {
    this.self = this.insert({ ...self, self: true });
    this.#live = 1;
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Alive and suspect members, ourselves included: the n of memberlist's formulas. */
  get live(): number {
    return this.#live;
  }

  get(name: string): Member | undefined {
    return this.#byName.get(name);
  }

  at(endpoint: Endpoint): Member | undefined {
    return this.#byEndpoint.get(formatEndpoint(endpoint));
  }

  all(): IterableIterator<Member> {
    return this.#byName.values();
  }

  insert(of: NewMember): Member {
    const member: Member = {
      name: of.name,
      self: of.self,
      address: of.address,
      meta: of.meta,
      vsn: of.vsn,
      incarnation: of.incarnation,
      state: "alive",
      since: of.now,
      lastHeardAt: Number.NEGATIVE_INFINITY,
      assuredAt: of.now,
      answeredAt: Number.NEGATIVE_INFINITY,
      returnedAt: Number.NEGATIVE_INFINITY,
      backAt: Number.NEGATIVE_INFINITY,
      unmet: false,
      ignoresUsSince: null,
      ignoredUsAt: Number.NEGATIVE_INFINITY,
      deaf: false,
      witnessedAt: Number.NEGATIVE_INFINITY,
      askedNo: null,
      askedUsAt: Number.NEGATIVE_INFINITY,
      rttMs: null,
      suspicion: null,
      toldAt: Number.NEGATIVE_INFINITY,
      correctedAt: Number.NEGATIVE_INFINITY,
      conflictAt: Number.NEGATIVE_INFINITY,
      probedAt: Number.NEGATIVE_INFINITY,
      view: null,
    };
    this.#byName.set(of.name, member);
    this.#byEndpoint.set(formatEndpoint(of.address), member);
    this.#live += 1;
    this.#views = null;
    return member;
  }

  /** Takes what a newer alive says; the state is set apart from it. */
  update(member: Member, alive: Pick<AliveMessage, "address" | "meta" | "vsn" | "incarnation">): void {
    if (!sameEndpoint(member.address, alive.address)) {
      this.#unindex(member);
      member.address = alive.address;
      member.rttMs = null;
    }
    this.#byEndpoint.set(formatEndpoint(member.address), member);
    if (!sameInstance(member.meta, alive.meta)) {
      member.askedNo = null;
      this.#hears(member);
    }
    member.meta = alive.meta;
    member.vsn = alive.vsn;
    member.incarnation = alive.incarnation;
    this.changed(member);
  }

  setState(member: Member, state: MemberState, now: Millis): void {
    if (member.state !== state) {
      this.#live += Number(isLive(state)) - Number(isLive(member.state));
      if (state === "alive" && member.state === "dead") member.backAt = now;
      if (state !== "suspect")
        member.unmet = state === "alive" && !isForeign(member) && (member.unmet || member.state === "dead");
      member.state = state;
      member.since = now;
      // It has heard an accusation, ours or another's: whether it hears us is judged anew.
      if (state === "alive") {
        member.returnedAt = now;
        this.#hears(member);
      }
    }
    this.changed(member);
  }

  heard(member: Member, now: Millis): void {
    member.lastHeardAt = now;
    this.#hears(member);
    this.changed(member);
  }

  #hears(member: Member): void {
    member.ignoresUsSince = null;
    member.ignoredUsAt = Number.NEGATIVE_INFINITY;
    member.deaf = false;
  }

  /** The snapshot that was handed out no longer tells the truth. */
  changed(member: Member): void {
    member.view = null;
    this.#views = null;
  }

  forget(member: Member): void {
    this.#byName.delete(member.name);
    this.#unindex(member);
    if (isLive(member.state)) this.#live -= 1;
    this.#views = null;
  }

  view(member: Member): MemberView {
    member.view ??= {
      name: member.name,
      address: member.address,
      state: member.state,
      self: member.self,
      foreign: isForeign(member),
      incarnation: member.incarnation,
      meta: member.meta,
      vsn: member.vsn,
      since: member.since,
      lastHeardAt: member.lastHeardAt,
      deaf: member.deaf,
      unmet: member.unmet,
      witnessedAt: member.witnessedAt,
      rttMs: member.rttMs,
    };
    return member.view;
  }

  views(): readonly MemberView[] {
    this.#views ??= Array.from(this.#byName.values(), (member) => this.view(member));
    return this.#views;
  }

  rows(): PushPullNode[] {
    return Array.from(this.#byName.values(), ({ name, address, meta, incarnation, state, vsn }) => ({
      name,
      address,
      meta,
      incarnation,
      state,
      vsn,
    }));
  }

  #unindex(member: Member): void {
    const key = formatEndpoint(member.address);
    if (this.#byEndpoint.get(key) === member) this.#byEndpoint.delete(key);
  }
}

export function isLive(state: MemberState): boolean {
  return state === "alive" || state === "suspect";
}

export function isForeign(member: Pick<Member, "meta">): boolean {
  return member.meta.kind === "foreign";
}

/** The alive message that says what the record says. */
export function aliveOf(member: Member): AliveMessage {
  const { incarnation, name, address, meta, vsn } = member;
  return { kind: "alive", incarnation, node: name, address, meta, vsn };
}

/** What a member is accused of, as we hold it; null where it is not. */
export function accusationOf(member: Member, from: string): Message | null {
  const { name: node, incarnation } = member;
  switch (member.state) {
    case "alive":
      return null;
    case "suspect":
      return { kind: "suspect", incarnation, node, from };
    case "dead":
      return { kind: "dead", incarnation, node, from };
    case "left":
      return { kind: "dead", incarnation, node, from: node };
  }
}

/** The same words in Meta: what memberlist compares byte by byte. */
export function sameMeta(a: Meta, b: Meta): boolean {
  if (a.kind === "vipd" && b.kind === "vipd") {
    return (
      a.format === b.format &&
      a.instance === b.instance &&
      a.factsVersion === b.factsVersion &&
      a.factsDigest === b.factsDigest
    );
  }
  if (a.kind !== "foreign" || b.kind !== "foreign") return false;
  return a.bytes.length === b.bytes.length && a.bytes.every((byte, i) => byte === b.bytes[i]);
}

export function sameVsn(a: Vsn, b: Vsn): boolean {
  return a.every((number, i) => number === b[i]);
}

export function sameInstance(a: Meta, b: Meta): boolean {
  return a.kind === "vipd" && b.kind === "vipd" && a.instance === b.instance;
}
