/**
 * Who answers for what, at every moment of the simulated world. Purpose: the laws of ownership as checks. Safety: no heir
 * begins while the former owner may still answer; two voices only for the crossing of a hand-over, unless the segment itself
 * is torn. Boundary: looks at the responders, not at what the groups believe; what lets two voices be is said here and
 * nowhere else.
 */
import type { Host } from "./host.js";
import { Violation } from "./violation.js";
import type { World } from "./world.js";

/** A hand-over's crossing: the announcement travels, the former owner yields. */
const CROSSING_MS = 30;
/**
 * Where others came back or started, what they tell of themselves decides elections, and reaches one by a datagram, another by its
 * next probe: two that elected differently meanwhile are rivals, of whom one gives way within law 8's second.
 */
const NEWS_MS = 1000;
/** By then an announcement has been made a third time. */
const ROUNDS_MS = 1000;
/** An announcement's way to whoever is about to answer as well: no question could have been answered in time. */
const HEARD_AFTER_MS = 5;
/** A disturbance is felt for so long: in-flight verdicts, questions already asked, announcement rounds. */
const AFTERMATH_MS = 3000;
const NEWCOMER_MS = 10_000;
/**
 * Law 8's time to find out which of two that hear each other only on the wire gives way: announcements are a second apart
 * (never a volley), the exchange that must fail and the second chance take half a second each.
 */
const RIVALRY_MS = 2000;
/** Two configurations elect two owners; which of them gives way is found out by rivalry, in rounds of a second. */
const DRIFT_MS = 4000;
/** Exchanges after an accusation take less. */
const PAUSE_MS = 100;
/** A name that came up at another address: until its former place is held dead, not everybody takes it for the same. */
const NAMESAKE_MS = 8000;

interface Pair {
  readonly since: number;
  readonly first: Host;
  readonly second: Host;
  /** When they last took different hosts for alive. */
  differedAt: number;
}

export class VoiceWatch {
  readonly #world: World;
  readonly #pairs = new Map<string, Pair>();
  #before = new Map<string, readonly Host[]>();
  readonly #voicedAt = new Map<string, { at: number; claim: number | undefined }>();
  readonly #beganAt = new Map<string, number>();
  #driftedAt = Number.NEGATIVE_INFINITY;
  /** When the segment last lost frames by itself. */
  #lossyAt = Number.NEGATIVE_INFINITY;
  /** When two hosts last used one name: more run then than a quorum's `expect` counts. */
  #namesakesAt = Number.NEGATIVE_INFINITY;

  constructor(world: World) {
    this.#world = world;
    // After each turn, since a slow loop works several at one moment: what it learns later was not known at the beginning.
    world.watch({ turn: () => this.#compareChanged(), moment: () => this.#look() });
  }

  /** All addresses that any running host is configured with. */
  addresses(): string[] {
    const all = new Set<string>();
    for (const host of this.#world.hosts) {
      for (const group of host.settings.groups) for (const address of group.addresses) all.add(address);
    }
    return [...all];
  }

  voices(address: string): Host[] {
    return this.#world.hosts.filter((host) => host.native.voices(address));
  }

  #look(): void {
    if (this.#pairs.size > 0 && this.#drifts()) this.#driftedAt = this.#world.now;
    if (this.#world.wire.weather.loss > 0) this.#lossyAt = this.#world.now;
    if (this.#pairs.size > 0 && this.#namesakes()) this.#namesakesAt = this.#world.now;
    this.#compareChanged();
    for (const [key, pair] of this.#pairs) this.#endure(key, pair);
    for (const host of this.#world.hosts) {
      if (!host.native.speaks()) continue;
      if (host.clock() >= host.leaseUntil) throw new Violation(this.#world, `${host} answers after its lease`);
      this.#mustHaveCaughtUp(host);
    }
  }

  /** Law 2: after a gap longer than the lease silence, until state was exchanged, or every peer failed to answer in time. */
  #mustHaveCaughtUp(host: Host): void {
    const { now } = this.#world;
    // A clock that stood still tells of no gap, and counts the time in which nobody answered before it.
    if (host.punctualMs < AFTERMATH_MS) return;
    const { catchUpMs } = this.#world.profileOf(host.name);
    // Another stall while it asks begins it anew, with the time that is left, and a quarter at least.
    const askedMs = now - host.gapEndedAt + Math.min(host.catchUpSpentMs, 0.75 * catchUpMs);
    if (host.exchangedAt >= host.gapEndedAt || askedMs >= catchUpMs) return;
    const peers = host.group.members().filter((member) => !member.self && !member.foreign && member.state !== "left");
    if (peers.length === 0) return;
    throw new Violation(this.#world, `${host} answers after a gap without having exchanged state with anybody`);
  }

  #compareChanged(): void {
    if (this.#world.segment.takeChanged()) this.#compare();
  }

  #compare(): void {
    const after = new Map<string, readonly Host[]>();
    for (const address of this.addresses()) {
      const voices = this.voices(address);
      after.set(address, voices);
      const before = this.#before.get(address) ?? [];
      for (const host of voices) {
        // An accusation silences for the moment of an exchange: going on is not beginning.
        const key = `${host.instance} ${address}`;
        const voiced = this.#voicedAt.get(key);
        const claim = host.native.claim(address);
        const paused = this.#world.now - (voiced?.at ?? Number.NEGATIVE_INFINITY) < PAUSE_MS;
        // Nor is waking from a freeze within its lease: it claims nothing, and could not hear who did meanwhile.
        const awoke = host.goesOnAt === this.#world.now && voiced !== undefined && voiced.claim === claim;
        if (!before.includes(host) && !paused && !awoke) {
          this.#beganAt.set(key, this.#world.now);
          this.#begins(host, address, voices);
        }
        this.#voicedAt.set(key, { at: this.#world.now, claim });
      }
    }
    this.#before = after;
  }

  #begins(host: Host, address: string, voices: readonly Host[]): void {
    for (const other of voices) {
      if (other === host) continue;
      this.#mayBegin(host, other, address);
      const key = [address, ...[host, other].map(String).sort()].join(" ");
      if (!this.#pairs.has(key))
        this.#pairs.set(key, {
          since: this.#world.now,
          first: other,
          second: host,
          differedAt: Number.NEGATIVE_INFINITY,
        });
    }
  }

  /** Law 2 and law 5: an unplanned claim while the one held dead may still answer. */
  #mayBegin(heir: Host, former: Host, address: string): void {
    const state = heir.group.members().find((member) => member.name === former.name)?.state;
    if (state !== "dead" || heir.name === former.name) return;
    const [a, b] = [heir.address.host, former.address.host];
    if (Math.min(former.punctualMs, heir.punctualMs) < AFTERMATH_MS || this.#ambiguous(heir, former)) return;
    // Two heirs on two sides of a torn gossip, both with the wire's silence: neither can have heard the other yet.
    const beganAt = this.#beganAt.get(`${former.instance} ${address}`) ?? Number.NEGATIVE_INFINITY;
    if (this.#world.now - beganAt < HEARD_AFTER_MS) return;
    // It stood still while the wire was asked, and woke within its lease.
    if (this.#world.now - former.stoodUntil < this.#world.profileOf(heir.name).askTimeoutMs) return;
    // Of whom nothing could be heard, nothing can be known: both sides serve (law 4 is what forbids it).
    const unheard = this.#world.gossip.soundMs(a, b) < AFTERMATH_MS;
    const unasked = this.#world.wire.soundMs(a, b) < AFTERMATH_MS;
    if (unheard && unasked) return;
    const lease = (former.leaseUntil - former.clock()).toFixed(1);
    const why = unheard ? "its answers could be heard" : `its lease runs for another ${lease} ms`;
    throw new Violation(this.#world, `${heir} takes ${address} over, but ${former} answers for it: ${why}`);
  }

  /** Not all that run read the same file. */
  #drifts(): boolean {
    const files = this.#world.running().map((host) => host.settings.groups.map((group) => group.digest).join());
    return new Set(files).size > 1;
  }

  #newcomers(): boolean {
    const { now } = this.#world;
    return this.#world.running().some((host) => now - host.startedAt < AFTERMATH_MS);
  }

  #namesakes(): boolean {
    const running = this.#world.running();
    return new Set(running.map(({ name }) => name)).size < running.length;
  }

  /** By then one of them has heard of the other, or fallen silent by itself. */
  #leaseMs(...hosts: readonly Host[]): number {
    const profiles = hosts.map((host) => this.#world.profileOf(host.name));
    return Math.max(...profiles.map(({ leaseMs, leaseExtensionMs }) => leaseMs + leaseExtensionMs));
  }

  /** By then both know who is dead. */
  #verdictMs(...hosts: readonly Host[]): number {
    return Math.max(...hosts.map((host) => this.#world.profileOf(host.name).deadAfterMs));
  }

  /** Ms for which all have been able to gossip with all. */
  #gossipSoundMs(): number {
    const ports = this.#world.running().map((host) => host.address.host);
    let least = Number.POSITIVE_INFINITY;
    for (const a of ports) for (const b of ports) if (a < b) least = Math.min(least, this.#world.gossip.soundMs(a, b));
    return least;
  }

  #ambiguous(...hosts: readonly Host[]): boolean {
    return hosts.some((host) => this.#world.uniqueMs(host.name) < NAMESAKE_MS);
  }

  /** Law 4: with a quorum two voices end with a lease, whatever is cut from whom. */
  #endureQuorum(address: string, { first, second, since }: Pair): void {
    const { now } = this.#world;
    if (!first.settings.quorum || !second.settings.quorum) return;
    // A clock that stood still dates nothing; where two use one name, more hosts run than are counted; two files elect two.
    if (first.punctualMs < AFTERMATH_MS || second.punctualMs < AFTERMATH_MS) return;
    if (this.#ambiguous(...this.#world.hosts) || now - this.#namesakesAt < AFTERMATH_MS) return;
    // What is lost on the segment, or comes to neither but through others, is said again within a second. (Whether somebody
    // answers without a majority is judged elsewhere.)
    const gossipMs = this.#world.gossip.soundMs(first.address.host, second.address.host);
    const again = now - this.#lossyAt < AFTERMATH_MS || gossipMs < AFTERMATH_MS ? ROUNDS_MS : 0;
    if (now - this.#driftedAt < DRIFT_MS) return;
    if (now - since <= Math.max(this.#leaseMs(first, second), again) + CROSSING_MS) return;
    throw new Violation(
      this.#world,
      `two voices for ${address} in spite of the quorum since ${since.toFixed(1)}: ${first} and ${second}`,
    );
  }

  #endure(key: string, pair: Pair): void {
    const { first, second, since } = pair;
    const address = key.slice(0, key.indexOf(" "));
    if (!first.native.voices(address) || !second.native.voices(address)) {
      this.#pairs.delete(key);
      return;
    }
    const { now, wire } = this.#world;
    this.#endureQuorum(address, pair);
    const [a, b] = [first.address.host, second.address.host];
    if (first.punctualMs < AFTERMATH_MS || second.punctualMs < AFTERMATH_MS) return;
    if (this.#ambiguous(first, second)) return;
    const gossipMs = this.#world.gossip.soundMs(a, b);
    // A newcomer in a gossip that is torn takes over from whom it can see, if nobody has told it that somebody is missing. Of these two
    // one may be about to leave, and answers still.
    const torn = Math.min(this.#gossipSoundMs(), gossipMs) < AFTERMATH_MS;
    const newest = first.startedAt > second.startedAt ? first : second;
    const unknown = newest.group.facts((newest === first ? second : first).name) === undefined;
    if (torn && unknown && now - newest.startedAt < NEWCOMER_MS) return;
    const wireMs = wire.soundMs(a, b);
    if (wireMs < AFTERMATH_MS) return;
    const lasted = now - since;
    // Law 1 speaks of one view. Two that cannot tell each other what they know may elect differently, until both have given their
    // verdicts; from there on they are rivals like others.
    if (gossipMs < AFTERMATH_MS && lasted <= this.#verdictMs(first, second) && liveIn(first) !== liveIn(second))
      pair.differedAt = now;
    if (now - pair.differedAt <= RIVALRY_MS + CROSSING_MS) return;
    const calmMs = Math.min(wireMs, gossipMs, first.steadyMs, second.steadyMs) - AFTERMATH_MS;
    const bound =
      now - this.#driftedAt < DRIFT_MS
        ? DRIFT_MS
        : calmMs > 0
          ? CROSSING_MS + (torn || this.#newcomers() ? NEWS_MS : 0)
          : Math.max(this.#leaseMs(first, second), torn ? RIVALRY_MS : 0) + CROSSING_MS;
    if (Math.min(lasted, wireMs - AFTERMATH_MS) > bound) {
      throw new Violation(
        this.#world,
        `two voices for ${address} since ${since.toFixed(1)}: ${first} and ${second} (${calmMs > 0 ? "calm" : "troubled"})`,
      );
    }
  }
}

/** Whom the host takes for alive. */
function liveIn(host: Host): string {
  const live = host.group.members().filter(({ state }) => state === "alive" || state === "suspect");
  return live
    .map(({ name }) => name)
    .sort()
    .join();
}
