/**
 * Collects what one turn of the ownership machine wants done, and hands it out in few, ordered, batched outputs.
 * The order is the law's: silence before anything, then addresses, then answering, then announcements; what a later
 * decision of the same turn takes back is not done at all. Boundary: no decisions here.
 */
import type { Millis } from "../messages.js";
import type { At, KeyTimer, OwnershipEvent, OwnershipOutput, OwnIntentValue } from "./types.js";

const NOTHING: readonly OwnershipOutput[] = [];

interface Announcement {
  readonly interface: string;
  readonly roundsMs: readonly number[];
  readonly addresses: Set<string>;
}

export class Outbox {
  readonly #silence = new Map<string, At>();
  readonly #drop = new Set<string>();
  readonly #hold = new Set<string>();
  readonly #own = new Map<string, OwnIntentValue>();
  readonly #announce = new Map<string, Announcement>();
  readonly #claimed = new Map<string, { member: string; round: number; addresses: Set<string> }>();
  readonly #exchange = new Map<string, boolean>();
  #rest: OwnershipOutput[] = [];

  silence(at: readonly At[]): void {
    for (const place of at) {
      this.#silence.set(placeKey(place), place);
      this.#own.delete(placeKey(place));
      for (const announcement of this.#announce.values()) {
        if (announcement.interface === place.interface) announcement.addresses.delete(place.address);
      }
    }
  }

  hold(addresses: readonly string[]): void {
    for (const address of addresses) this.#hold.add(address);
  }

  drop(addresses: readonly string[]): void {
    for (const address of addresses) {
      this.#hold.delete(address);
      this.#drop.add(address);
    }
  }

  own(intents: readonly OwnIntentValue[]): void {
    for (const intent of intents) this.#own.set(placeKey(intent), intent);
  }

  announce(iface: string, addresses: readonly string[], roundsMs: readonly number[]): void {
    const slot = `${iface} ${roundsMs.join()}`;
    const entry = this.#announce.get(slot) ?? { interface: iface, roundsMs, addresses: new Set<string>() };
    for (const address of addresses) entry.addresses.add(address);
    this.#announce.set(slot, entry);
  }

  claimed(member: string, round: number, addresses: readonly string[]): void {
    const slot = `${member} ${round}`;
    const entry = this.#claimed.get(slot) ?? { member, round, addresses: new Set<string>() };
    for (const address of addresses) entry.addresses.add(address);
    this.#claimed.set(slot, entry);
  }

  /** Now. */
  exchangeWith(member: string): void {
    this.#exchange.set(member, false);
  }

  /** Bounded: a claim that waits for it asks again and again, and with it perhaps thousands. */
  exchangeSoonWith(member: string): void {
    if (!this.#exchange.has(member)) this.#exchange.set(member, true);
  }

  ask(id: number, interfaces: readonly string[], addresses: readonly string[], timeoutMs: number): void {
    this.#rest.push({ kind: "ask", id, interfaces, addresses, timeoutMs });
  }

  arm(timer: KeyTimer, at: Millis): void {
    this.#rest.push({ kind: "arm", timer, at });
  }

  event(event: OwnershipEvent): void {
    this.#rest.push({ kind: "event", event });
  }

  flush(): readonly OwnershipOutput[] {
    // At rest every turn ends here; to clear a map means to allocate it anew, even an empty one.
    if (this.#empty) return NOTHING;
    const out: OwnershipOutput[] = [];
    if (this.#silence.size > 0) out.push({ kind: "silence", at: [...this.#silence.values()] });
    if (this.#drop.size > 0) out.push({ kind: "drop", addresses: [...this.#drop] });
    if (this.#hold.size > 0) out.push({ kind: "hold", addresses: [...this.#hold] });
    if (this.#own.size > 0) out.push({ kind: "own", intents: [...this.#own.values()] });
    for (const { interface: iface, roundsMs, addresses } of this.#announce.values()) {
      if (addresses.size > 0) out.push({ kind: "announce", interface: iface, roundsMs, addresses: [...addresses] });
    }
    for (const { member, round, addresses } of this.#claimed.values())
      out.push({ kind: "tell-claimed", member, round, addresses: [...addresses] });
    for (const [member, soon] of this.#exchange) out.push({ kind: "exchange-with", member, soon });
    out.push(...this.#rest);
    this.#silence.clear();
    this.#drop.clear();
    this.#hold.clear();
    this.#own.clear();
    this.#announce.clear();
    this.#claimed.clear();
    this.#exchange.clear();
    this.#rest = [];
    return out;
  }

  get #empty(): boolean {
    const addresses = this.#silence.size + this.#drop.size + this.#hold.size + this.#own.size;
    return addresses + this.#announce.size + this.#claimed.size + this.#exchange.size + this.#rest.length === 0;
  }
}

function placeKey(at: At): string {
  return `${at.address} ${at.interface}`;
}
