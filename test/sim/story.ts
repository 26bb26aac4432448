/**
 * A seeded history: hosts start, then chapters of misfortune, each followed by healing and checks. Purpose: everything that
 * can go wrong, in any order. Boundary: misfortunes.ts does the harm, checks.ts and voices.ts judge.
 */
import type { GroupSettings, GroupSpec } from "../../src/domain/group/types.js";
import type { Endpoint } from "../../src/domain/messages.js";
import { PROFILES, type Profile } from "../../src/domain/profile.js";
import {
  candidates,
  differingFacts,
  differingOrders,
  disagreement,
  holdLiveness,
  holdSafety,
  unevenSpread,
  wrongOwner,
  wrongQuorum,
} from "./checks.js";
import type { Host } from "./host.js";
import { MISFORTUNES } from "./misfortunes.js";
import { FAIR, type Network } from "./network.js";
import { OPERATIONS, Operators } from "./operators.js";
import { QuorumWatch } from "./quorum.js";
import { between, pickOne, type Random, seeded } from "./random.js";
import { settingsOf } from "./settings.js";
import { Violation } from "./violation.js";
import { VoiceWatch } from "./voices.js";
import { PORT, World } from "./world.js";

export interface StoryOptions {
  readonly seed: number;
  readonly hosts: number;
  readonly minutes: number;
  /** Only these misfortunes. */
  readonly only?: readonly string[];
  /** Hosts own only what a majority lets them (law 4). */
  readonly quorum?: boolean;
  /** Commands, checks, an even spread and foreign members as well. */
  readonly wide?: boolean;
}

export interface StoryResult {
  readonly chapters: number;
  /** Milliseconds from each healing to agreement. */
  readonly healedMs: readonly number[];
}

/** All views agree so soon after the last misfortune, in multiples of the slowest verdict. */
const AGREED_WITHIN_VERDICTS = 6.5;
/** And so long after that everything else does: pauses of refused claims, a name's conflict that must be over. */
const SERVED_WITHIN_MS = 5000;
const CONFLICT_OVER_MS = 11_000;
const PEACE_MS = 2000;
const SEEDS = 3;
const SLOWEST_MS = 300;
/** Two announcements that cross silence both for the moment of an exchange (law 8). */
const SILENCE_MS = 10;
/** What is served is looked at no more often than this. */
const LOOK_EVERY_MS = 1;

export class Story {
  readonly world: World;
  readonly random: Random;
  readonly voices: VoiceWatch;
  readonly #hosts: number;
  readonly #expect: number | undefined;
  readonly #profiles: readonly Profile[];
  readonly #macs = new Map<number, string>();
  readonly #silentSince = new Map<string, number>();
  readonly #servedInPeace = new Set<string>();
  readonly #failback: GroupSpec["failback"];
  readonly #operators: Operators | null;
  readonly #deeds: Readonly<Record<string, (story: Story) => void>>;
  #foreigners = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #weights = new Map<string, number>();
  #addresses = 3;
  #moved = 0;
  /** Two hosts used one name in this chapter. */
  #rivalled = false;
  /** A name came up at another place, while not all knew that the former one was empty. */
  #relocated = false;

  constructor(options: StoryOptions) {
    this.random = seeded(options.seed ^ 0x570f);
    this.#hosts = options.hosts;
    this.#expect = options.quorum === true ? options.hosts : undefined;
    const { random } = this;
    this.#failback = pickOne(random, [{ afterMs: 0 }, { afterMs: 0 }, { afterMs: 3000 }, { afterMs: 20_000 }, "never"]);
    const kind = random();
    const operators = options.wide === true ? new Operators(seeded(options.seed ^ 0x0b5)) : null;
    this.#operators = operators;
    this.#deeds = operators === null ? MISFORTUNES : { ...MISFORTUNES, ...operated(operators) };
    const { lan, relaxed, fast } = PROFILES;
    this.#profiles = kind < 0.6 ? [lan] : kind < 0.7 ? [fast] : [lan, relaxed, lan, fast];
    this.world = new World({
      seed: options.seed,
      settings: this.settings("h0"),
      profileOf: (name) => this.#profiles[Number(name.slice(1)) % this.#profiles.length]!,
      aloneAfterMs: 3000,
      oneWire: random() < 0.7,
    });
    holdSafety(this.world);
    this.voices = new VoiceWatch(this.world);
    if (this.#expect !== undefined) new QuorumWatch(this.world);
  }

  // ------------------------------------------------------------ hosts and their configuration

  boot(index: number, address = this.home(index), mac = this.mac(index)): Host {
    const name = `h${index}`;
    this.#relocated ||= this.world.hosts.some((host) => host.name === name && host.address.host !== address.host);
    const seeds = Array.from({ length: SEEDS }, (_, i) => this.home(i + 1));
    const initial = this.#operators?.initial(name);
    const settings = this.settings(name);
    const host = this.world.boot({
      name,
      address,
      mac,
      seeds,
      settings,
      ...(initial === undefined ? {} : { initial }),
    });
    this.#operators?.started(host);
    return host;
  }

  bootForeign(): void {
    this.#foreigners += 1;
    const address = { host: `10.8.0.${this.#foreigners}`, port: PORT };
    const seeds = Array.from({ length: SEEDS }, (_, i) => this.home(i + 1));
    this.world.bootForeign({ name: `f${this.#foreigners}`, address, seeds });
  }

  rival(of: Host): void {
    this.#rivalled = true;
    this.boot(this.index(of), this.elsewhere(), this.world.newMac());
  }

  mac(index: number): string {
    const known = this.#macs.get(index) ?? this.world.newMac();
    this.#macs.set(index, known);
    return known;
  }

  newMac(index: number): void {
    this.#macs.delete(index);
  }

  settings(name: string): GroupSettings {
    const weight = this.#weights.get(name) ?? 1;
    const [failback, addresses, expect] = [this.#failback, this.#addresses, this.#expect];
    return settingsOf({ failback, addresses, weight, expect, wide: this.#operators ?? undefined });
  }

  weigh(host: Host, weight: number): void {
    this.#weights.set(host.name, weight);
    host.reconfigure(this.settings(host.name));
  }

  /** The file of all hosts changes; who reads it now, and who at the healing? */
  resize(addresses: number): void {
    this.#addresses = addresses;
    for (const host of this.running()) if (this.random() < 0.6) host.reconfigure(this.settings(host.name));
  }

  home(index: number): Endpoint {
    return { host: `10.0.${index >> 8}.${index & 255}`, port: PORT };
  }

  elsewhere(): Endpoint {
    this.#moved += 1;
    return { host: `10.9.${this.#moved >> 8}.${this.#moved & 255}`, port: PORT };
  }

  running(): Host[] {
    return this.world.running();
  }

  downIndexes(): number[] {
    const up = new Set(this.world.hosts.filter((host) => host.up).map((host) => host.name));
    return Array.from({ length: this.#hosts }, (_, i) => i + 1).filter((index) => !up.has(`h${index}`));
  }

  index(host: Host): number {
    return Number(host.name.slice(1));
  }

  /** The networks that a cut hits: mostly both, since mostly they are one. */
  nets(): readonly Network[] {
    const { gossip, wire, oneWire } = this.world;
    if (oneWire || this.random() < 0.3) return [gossip, wire];
    return [gossip];
  }

  // ------------------------------------------------------------ chapters

  begin(): void {
    for (let index = 1; index <= this.#hosts; index++) {
      this.world.run(this.random() < 0.5 ? 0 : this.random() * 300);
      this.boot(index);
    }
  }

  harm(only: readonly string[] | undefined): void {
    const { world, random } = this;
    const misfortunes = 1 + Math.floor(random() * 6);
    for (let i = 0; i < misfortunes; i++) {
      const name = pickOne(random, only ?? Object.keys(this.#deeds));
      world.note(`--- ${name}`);
      this.#operators?.remember(this.running());
      this.#deeds[name]!(this);
      world.run(random() < 0.3 ? random() * 50 : random() * 3000);
    }
  }

  /** The weather clears, rivals go, the frozen wake, all read the same file, and whatever runs must agree. */
  heal(): number {
    const { world } = this;
    for (const net of [world.gossip, world.wire]) {
      net.heal();
      net.weather = { ...FAIR };
    }
    const names = new Set<string>();
    for (const host of this.running()) {
      if (names.has(host.name)) host.crash();
      names.add(host.name);
      if (host.slowMs > 0) host.setSlow(0);
    }
    // What a slow loop has put off comes now.
    world.run(SLOWEST_MS);
    if (this.running().length === 0 || !names.has("h1")) {
      for (const index of this.downIndexes()) if (index === 1 || this.running().length === 0) this.boot(index);
    }
    world.run(Math.max(0, ...world.hosts.map((host) => host.wakesAt - world.now)) + 1);
    const unplugged = this.running().some((host) => !host.link);
    for (const host of this.running()) {
      if (!host.link) world.plug(host, true);
      host.reconfigure(this.settings(host.name));
    }
    // A link tells of its carrier a little later: until then nobody may be there who might own something.
    if (unplugged) world.run(1);
    while (world.hosts.some((host) => host.up && host.leaving)) world.run(50);
    // News of a rival that is gone by now may still be on their way.
    if (this.#rivalled) world.run(500);
    world.note("--- healed");
    const slowest = Math.max(...this.#profiles.map((profile) => profile.deadAfterMs));
    // Whoever does not watch a name finds its former place empty in SWIM's own round of probes, which no profile shortens.
    const roundMs = this.#relocated ? (this.#hosts + 1) * this.#profiles[0]!.probeIntervalMs : 0;
    const patience = slowest * AGREED_WITHIN_VERDICTS + roundMs;
    const agreed = holdLiveness(world, patience, () => disagreement(world));
    const rest = SERVED_WITHIN_MS + slowest + (this.#rivalled ? CONFLICT_OVER_MS : 0);
    this.#rivalled = false;
    this.#relocated = false;
    return agreed + holdLiveness(world, rest, () => this.#wrong());
  }

  #wrong(): string | null {
    const { world, voices } = this;
    return (
      disagreement(world) ??
      differingFacts(world) ??
      differingOrders(world) ??
      wrongQuorum(world) ??
      wrongOwner(world, voices) ??
      unevenSpread(world, voices)
    );
  }

  /** Calm: nobody dies without a cause, and what is served stays served, also while it is handed over. */
  peace(): void {
    const { world } = this;
    // A quorum's evidence may be of before the trouble, and its questions on their way.
    if (this.#expect !== undefined) world.run(Math.max(...this.#profiles.map((profile) => profile.leaseMs)));
    let calm = true;
    this.#silentSince.clear();
    this.#servedInPeace.clear();
    world.note("--- peace");
    world.watch({
      event: (host, event) => {
        if (calm && event.event === "quorum.lost")
          throw new Violation(world, `${host} lost its quorum in fair weather`);
        if (!calm || event.event !== "member.dead") return;
        if (this.running().some((other) => other.name === event.fields.member)) {
          throw new Violation(world, `${host} holds ${String(event.fields.member)} dead in fair weather`);
        }
      },
      moment: () => {
        if (calm) this.#holdServed();
      },
    });
    world.run(PEACE_MS);
    const wrong = disagreement(world);
    if (wrong !== null) throw new Violation(world, `in peace, ${wrong}`);
    calm = false;
  }

  #holdServed(): void {
    const { now } = this.world;
    if (now - this.#lookedAt < LOOK_EVERY_MS) return;
    this.#lookedAt = now;
    for (const group of this.settings("h1").groups) {
      const able = candidates(this.world, group);
      for (const address of group.addresses) {
        const served = this.voices.voices(address).length > 0;
        if (served) this.#servedInPeace.add(address);
        if (served || able.length === 0) {
          this.#silentSince.delete(address);
          continue;
        }
        const since = this.#silentSince.get(address) ?? now;
        this.#silentSince.set(address, since);
        // Whoever is the first that may own it must ask the wire.
        if (now - since <= (this.#servedInPeace.has(address) ? SILENCE_MS : SERVED_WITHIN_MS)) continue;
        throw new Violation(this.world, `in peace, nobody answers for ${address} since ${since.toFixed(1)}`);
      }
    }
  }
}

function operated(operators: Operators): Record<string, (story: Story) => void> {
  return Object.fromEntries(
    Object.entries(OPERATIONS).map(([name, deed]) => [name, (story: Story) => deed(story, operators)]),
  );
}

export function play(options: StoryOptions): StoryResult {
  const story = new Story(options);
  const { world, random } = story;
  story.begin();
  const healedMs = [story.heal()];
  while (world.now < options.minutes * 60_000) {
    story.harm(options.only);
    healedMs.push(story.heal());
    story.peace();
    for (const index of story.downIndexes()) if (random() < 0.7) story.boot(index);
    world.run(between(random, 0, 2000));
  }
  return { chapters: healedMs.length - 1, healedMs };
}
