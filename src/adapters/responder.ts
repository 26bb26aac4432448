/**
 * The Responder port on the native engine: intents in, events out. Purpose: translate, nothing else; ARP and NDP are
 * known in C++ only. Boundary: no decision about ownership here. It never answers by itself: without a lease that lives
 * the native thread is silent.
 */
import type { Renewal } from "../domain/group/types.js";
import type {
  AnnouncePace,
  AnnounceRequest,
  AskAnswer,
  AskRequest,
  LinkState,
  OwnIntent,
  Responder,
  ResponderEvent,
  ResponderStats,
} from "../ports.js";
import { type NativeEngine, sharedEngine } from "./native.js";

/** The daemon's responder; `createAddressHolder` shares its engine, and so its lease. */
export function createResponder(engine: NativeEngine = sharedEngine()): NativeResponder {
  return new NativeResponder(engine);
}

/** As above, with the pace from the start on. */
export function createPacedResponder(pace: AnnouncePace): NativeResponder {
  const { perSecond, refreshMacMs, refreshVipMs } = pace;
  return new NativeResponder(sharedEngine({ announcePerSecond: perSecond, refreshMacMs, refreshVipMs }));
}

export class NativeResponder implements Responder {
  readonly #engine: NativeEngine;
  #names: readonly string[] = [];

  constructor(engine: NativeEngine) {
    this.#engine = engine;
  }

  async start(onEvents: (events: readonly ResponderEvent[]) => void): Promise<void> {
    this.#engine.onEvents(onEvents);
    this.#engine.keepAlive(true);
    await this.#engine.request((raw) => raw.start());
  }

  setInterfaces(names: readonly string[]): void {
    this.#names = [...names];
    this.#engine.raw.setInterfaces(names);
  }

  links(): readonly LinkState[] {
    return this.#engine.raw.links(this.#names);
  }

  own(intents: readonly OwnIntent[]): void {
    this.#engine.raw.own(intents);
  }

  release(places: readonly { readonly address: string; readonly interface: string }[]): void {
    this.#engine.raw.release(places);
  }

  watch(places: readonly { readonly address: string; readonly interface: string }[]): void {
    this.#engine.raw.watch(places);
  }

  unwatch(places: readonly { readonly address: string; readonly interface: string }[]): void {
    this.#engine.raw.unwatch(places);
  }

  /** Rounds are reported as `announced` with `round` counted from 1. Only owned addresses are announced. */
  announce(request: AnnounceRequest): void {
    this.#engine.raw.announce(request.interface, request.addresses, request.roundsMs);
  }

  setAnnounce(pace: AnnouncePace): void {
    this.#engine.raw.setAnnounceRate(pace.perSecond);
    this.#engine.raw.setRefresh(pace.refreshMacMs, pace.refreshVipMs);
  }

  lease(until: number, renewal: Renewal | null = null): void {
    if (renewal === null) this.#engine.raw.lease(until);
    else this.#engine.raw.lease(until, renewal.byMs, renewal.everyMs, renewal.endsAt);
  }

  leaseUntil(): number {
    return this.#engine.raw.leaseUntil();
  }

  /** Resolves after `timeoutMs`, or later where the pacing of many addresses wants it. Rejects `ENODEV: …` for a missing interface. */
  async ask(request: AskRequest): Promise<readonly AskAnswer[]> {
    const { addresses, timeoutMs, once, source } = request;
    const done = await this.#engine.request((raw) => raw.ask(request.interface, addresses, timeoutMs, once, source));
    return done.answers;
  }

  stats(): ResponderStats {
    return this.#engine.raw.stats();
  }

  /** Stops the whole engine, the address holder's thread too: drop what is held before. */
  async stop(): Promise<void> {
    this.#engine.stop();
  }
}
