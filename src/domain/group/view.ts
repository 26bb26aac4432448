/**
 * What the ownership machine sees of the group: membership and facts behind one narrow interface. Boundary: reading
 * only; what is derived from facts is kept until they change.
 */
import type { Facts } from "../facts.js";
import type { MemberState, Millis } from "../messages.js";
import type { View } from "../ownership/types.js";
import type { MemberView } from "../swim/types.js";

export interface ViewSource {
  readonly self: string;
  readonly defaultLeaseMs: Millis;
  member(name: string): MemberView | undefined;
  facts(name: string): Facts | undefined;
  /** Everybody whose facts are known, dead ones included. */
  names(): readonly string[];
  drifted(group: string, member?: string): boolean;
  linkUp(group: string): boolean;
  canCarry(iface: string): boolean;
  withdrawn?(group: string): boolean;
}

export class GroupView implements View {
  readonly #source: ViewSource;
  #macs: Map<string, string> | null = null;
  #shortestLeaseMs: Millis | null = null;
  #missing: boolean | null = null;

  constructor(source: ViewSource) {
    this.#source = source;
  }

  get self(): string {
    return this.#source.self;
  }

  state(member: string): MemberState | undefined {
    return this.#source.member(member)?.state;
  }

  lastHeardAt(member: string): Millis {
    const view = this.#source.member(member);
    // A quorum's witnesses count, too: what they heard of it later than we did may have extended its lease.
    return view === undefined ? Number.NEGATIVE_INFINITY : Math.max(view.lastHeardAt, view.witnessedAt);
  }

  deaf(member: string): boolean {
    return this.#source.member(member)?.deaf ?? false;
  }

  leaseOf(member: string): Millis {
    const facts = this.#source.facts(member);
    return facts === undefined ? this.#source.defaultLeaseMs : facts.leaseMs + facts.leaseExtensionMs;
  }

  unmet(member: string): boolean {
    return this.#source.member(member)?.unmet ?? false;
  }

  /**
   * Where all have one lease, our own last sign of it will do: the verdict's patience is longer than its lease. A judge of
   * a faster profile than the judged leaves us only the instant of the verdict.
   */
  silentSince(member: string): Millis {
    const heardAt = this.lastHeardAt(member);
    this.#shortestLeaseMs ??= Math.min(...this.#source.names().map((name) => this.leaseOf(name)));
    if (this.leaseOf(member) <= this.#shortestLeaseMs) return heardAt;
    return Math.max(heardAt, this.#source.member(member)?.since ?? heardAt);
  }

  refuses(member: string, group: string, key: string): boolean {
    const facts = this.#source.facts(member)?.groups.find((g) => g.name === group);
    return facts?.refused?.includes(key) ?? false;
  }

  draining(member: string): boolean {
    return this.#source.facts(member)?.draining ?? false;
  }

  memberByMac(mac: string): string | undefined {
    this.#macs ??= this.#collectMacs();
    return this.#macs.get(mac);
  }

  macOf(member: string, group: string, at?: string): string | null {
    const facts = this.#source.facts(member);
    const names = facts?.groups.find((g) => g.name === group)?.interface.split(" ") ?? [];
    const known = names.flatMap((name) => facts?.interfaces.filter((i) => i.name === name && i.mac !== "") ?? []);
    // Hosts are built alike: the interface of the same name is on the same segment, else the first that can speak is.
    const best = known.find((i) => i.name === at) ?? known.find((i) => i.up && i.carrier) ?? known[0];
    return best?.mac ?? null;
  }

  missing(): boolean {
    // Whom only others have met yet (a newcomer knows it by its facts) is missing here, too.
    this.#missing ??= this.#source.names().some((name) => {
      const state = this.state(name);
      return state === "dead" || (state === undefined && name !== this.self) || this.unmet(name);
    });
    return this.#missing;
  }

  drifted(group: string, member?: string): boolean {
    return this.#source.drifted(group, member);
  }

  carries(member: string, group: string): boolean {
    return this.#source.facts(member)?.groups.some((one) => one.name === group) ?? true;
  }

  withdrawn(group: string): boolean {
    return this.#source.withdrawn?.(group) ?? false;
  }

  linkUp(group: string): boolean {
    return this.#source.linkUp(group);
  }

  canCarry(iface: string): boolean {
    return this.#source.canCarry(iface);
  }

  /** Facts changed: what was derived from them is stale. */
  forget(): void {
    this.#macs = null;
    this.#shortestLeaseMs = null;
    this.#missing = null;
  }

  #collectMacs(): Map<string, string> {
    const macs = new Map<string, string>();
    for (const name of this.#source.names()) {
      for (const { mac } of this.#source.facts(name)?.interfaces ?? []) if (mac !== "") macs.set(mac, name);
    }
    for (const { mac } of this.#source.facts(this.self)?.interfaces ?? []) if (mac !== "") macs.set(mac, this.self);
    return macs;
  }
}
