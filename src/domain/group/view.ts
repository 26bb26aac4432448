/**
 * What the ownership machine sees of the group: membership and facts behind one narrow interface. Boundary: reading
 * only; the map from MAC to member is kept until facts change.
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
  drifted(group: string): boolean;
  linkUp(group: string): boolean;
}

export class GroupView implements View {
  readonly #source: ViewSource;
  #macs: Map<string, string> | null = null;

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
    return this.#source.member(member)?.lastHeardAt ?? Number.NEGATIVE_INFINITY;
  }

  leaseOf(member: string): Millis {
    const facts = this.#source.facts(member);
    return facts === undefined ? this.#source.defaultLeaseMs : facts.leaseMs + facts.leaseExtensionMs;
  }

  draining(member: string): boolean {
    return this.#source.facts(member)?.draining ?? false;
  }

  memberByMac(mac: string): string | undefined {
    this.#macs ??= this.#collectMacs();
    return this.#macs.get(mac);
  }

  macOf(member: string, group: string): string | null {
    const facts = this.#source.facts(member);
    const iface = facts?.groups.find((g) => g.name === group)?.interface;
    const mac = facts?.interfaces.find((i) => i.name === iface)?.mac;
    return mac === undefined || mac === "" ? null : mac;
  }

  drifted(group: string): boolean {
    return this.#source.drifted(group);
  }

  linkUp(group: string): boolean {
    return this.#source.linkUp(group);
  }

  forgetMacs(): void {
    this.#macs = null;
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
