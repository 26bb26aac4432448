/**
 * Collects what one turn of the ownership machine wants done, and hands it out in few, ordered, batched outputs.
 * The order is the law's: silence before anything, then addresses, then answering, then announcements.
 * Boundary: no decisions here.
 */
import type { Millis } from "../messages.js";
import type { At, KeyTimer, OwnershipEvent, OwnershipOutput, OwnIntentValue } from "./types.js";

export class Outbox {
  #silence: At[] = [];
  #hold: string[] = [];
  #drop: string[] = [];
  #own: OwnIntentValue[] = [];
  #announce = new Map<string, { interface: string; roundsMs: readonly number[]; addresses: string[] }>();
  #claimed = new Map<string, { member: string; round: number; addresses: string[] }>();
  #exchange = new Set<string>();
  #rest: OwnershipOutput[] = [];

  silence(at: readonly At[]): void {
    this.#silence.push(...at);
  }

  hold(addresses: readonly string[]): void {
    this.#hold.push(...addresses);
  }

  drop(addresses: readonly string[]): void {
    this.#drop.push(...addresses);
  }

  own(intents: readonly OwnIntentValue[]): void {
    this.#own.push(...intents);
  }

  announce(iface: string, addresses: readonly string[], roundsMs: readonly number[]): void {
    const slot = `${iface} ${roundsMs.join()}`;
    const entry = this.#announce.get(slot) ?? { interface: iface, roundsMs, addresses: [] };
    entry.addresses.push(...addresses);
    this.#announce.set(slot, entry);
  }

  claimed(member: string, round: number, addresses: readonly string[]): void {
    const slot = `${member} ${round}`;
    const entry = this.#claimed.get(slot) ?? { member, round, addresses: [] };
    entry.addresses.push(...addresses);
    this.#claimed.set(slot, entry);
  }

  exchangeWith(member: string): void {
    this.#exchange.add(member);
  }

  ask(id: number, iface: string, addresses: readonly string[], timeoutMs: number): void {
    this.#rest.push({ kind: "ask", id, interface: iface, addresses, timeoutMs });
  }

  arm(timer: KeyTimer, at: Millis): void {
    this.#rest.push({ kind: "arm", timer, at });
  }

  event(event: OwnershipEvent): void {
    this.#rest.push({ kind: "event", event });
  }

  flush(): OwnershipOutput[] {
    const out: OwnershipOutput[] = [];
    if (this.#silence.length > 0) out.push({ kind: "silence", at: this.#silence });
    if (this.#drop.length > 0) out.push({ kind: "drop", addresses: this.#drop });
    if (this.#hold.length > 0) out.push({ kind: "hold", addresses: this.#hold });
    if (this.#own.length > 0) out.push({ kind: "own", intents: this.#own });
    for (const entry of this.#announce.values()) out.push({ kind: "announce", ...entry });
    for (const entry of this.#claimed.values()) out.push({ kind: "tell-claimed", ...entry });
    for (const member of this.#exchange) out.push({ kind: "exchange-with", member });
    out.push(...this.#rest);
    this.#silence = [];
    this.#hold = [];
    this.#drop = [];
    this.#own = [];
    this.#announce = new Map();
    this.#claimed = new Map();
    this.#exchange = new Set();
    this.#rest = [];
    return out;
  }
}
