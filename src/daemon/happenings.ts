/**
 * From the group's events to what hooks hear of: a VIP is owned, is released (neither answered nor accepted any more), is
 * used by a stranger; a member came or went. Boundary: pure but for what is owned; one happening an address.
 */
import type { OwnershipEvent } from "../domain/group/types.js";
import type { Happening } from "./hooks.js";

const MEMBER_CHANGES = new Set(["joined", "alive", "dead", "left"]);

export class Happenings {
  readonly #addressesOf: (key: string) => readonly string[];
  /** Keys that hooks heard of as owned, with their addresses then: a reload may have taken them out of the configuration. */
  readonly #owned = new Map<string, readonly string[]>();

  constructor(addressesOf: (key: string) => readonly string[]) {
    this.#addressesOf = addressesOf;
  }

  of({ event, fields }: OwnershipEvent, at: string): readonly Happening[] {
    if (event.startsWith("member.")) return this.#member(event.slice("member.".length), fields, at);
    if (!event.startsWith("vip.") || typeof fields.vip !== "string") return [];
    const key = fields.vip;
    const state = event.slice("vip.".length);
    const known = this.#owned.has(key);
    if (state === "owned") {
      this.#owned.set(key, this.#addressesOf(key));
      return known ? [] : this.#each("owned", fields, at);
    }
    const conflict = state === "conflict" ? this.#each("conflict", fields, at) : [];
    // A stranger that is met while the VIP is owned changes nothing in that; as a state it ends it.
    const gone = state === "standby" || state === "unowned" || (state === "conflict" && "from" in fields);
    if (!known || !gone) return conflict;
    const released = this.#each("released", fields, at);
    this.#owned.delete(key);
    return [...released, ...conflict];
  }

  #each(event: Happening["event"], fields: OwnershipEvent["fields"], at: string): Happening[] {
    const key = String(fields.vip);
    const rest = {
      group: text(fields.group),
      interface: text(fields.interface),
      reason: text(fields.reason ?? fields.mac),
    };
    return (this.#owned.get(key) ?? this.#addressesOf(key)).map((vip) => ({
      event,
      subject: vip,
      fields: { vip, ...rest, time: at },
    }));
  }

  #member(change: string, fields: OwnershipEvent["fields"], at: string): Happening[] {
    if (!MEMBER_CHANGES.has(change)) return [];
    const member = text(fields.member);
    const more = { address: text(fields.address), change, reason: text(fields.reason), time: at };
    return [{ event: "member", subject: `member ${member}`, fields: { member, ...more } }];
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
