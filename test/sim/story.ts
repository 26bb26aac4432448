/**
 * A seeded history: hosts start, then chapters of misfortune, each followed by healing and a check. Purpose: everything
 * that can go wrong, in any order. Boundary: it only does harm; checks.ts judges.
 */
import type { Endpoint } from "../../src/domain/messages.js";
import { holdLiveness, holdSafety, Violation } from "./checks.js";
import type { MakeDriven } from "./driven.js";
import type { Host } from "./host.js";
import { FAIR } from "./network.js";
import { between, pickOne, type Random, seeded } from "./random.js";
import { PORT, World } from "./world.js";

export interface StoryOptions {
  readonly seed: number;
  readonly hosts: number;
  readonly minutes: number;
  readonly make?: MakeDriven;
}

export interface StoryResult {
  readonly chapters: number;
  /** Milliseconds from each healing to agreement. */
  readonly healedMs: readonly number[];
}

/** Everybody must agree so soon after the last misfortune. */
export const HEALED_WITHIN_MS = 5000;
const SEEDS = 3;

type Misfortune = (story: Story) => void;

export class Story {
  readonly world: World;
  readonly random: Random;
  readonly #hosts: number;
  #moved = 0;

  constructor(options: StoryOptions) {
    this.world = options.make === undefined ? new World(options.seed) : new World(options.seed, options.make);
    this.random = seeded(options.seed ^ 0x570f);
    this.#hosts = options.hosts;
    holdSafety(this.world);
  }

  boot(index: number, address = this.home(index)): Host {
    return this.world.boot(
      `h${index}`,
      address,
      Array.from({ length: SEEDS }, (_, i) => this.home(i + 1)),
    );
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

  /** The weather clears, rivals go, the frozen wake, and whatever runs must agree. */
  heal(): number {
    const { world } = this;
    world.network.heal();
    world.network.weather = { ...FAIR };
    const names = new Set<string>();
    for (const host of this.running()) {
      if (names.has(host.name)) host.crash();
      names.add(host.name);
      host.slowMs = 0;
    }
    if (this.running().length === 0 || !names.has("h1")) {
      for (const index of this.downIndexes()) if (index === 1 || this.running().length === 0) this.boot(index);
    }
    const wake = Math.max(0, ...this.running().map((host) => host.frozenUntil - world.now));
    world.run(wake + 1);
    world.note("--- healed");
    return holdLiveness(world, HEALED_WITHIN_MS);
  }
}

export function play(options: StoryOptions): StoryResult {
  const story = new Story(options);
  const { world, random } = story;
  const healedMs: number[] = [];
  for (let index = 1; index <= options.hosts; index++) {
    world.run(random() < 0.5 ? 0 : random() * 300);
    story.boot(index);
  }
  healedMs.push(story.heal());
  while (world.now < options.minutes * 60_000) {
    const misfortunes = 1 + Math.floor(random() * 6);
    for (let i = 0; i < misfortunes; i++) {
      const name = pickOne(random, Object.keys(MISFORTUNES));
      world.note(`--- ${name}`);
      MISFORTUNES[name]!(story);
      world.run(random() < 0.3 ? random() * 50 : random() * 3000);
    }
    healedMs.push(story.heal());
    holdPeace(story);
    for (const index of story.downIndexes()) if (random() < 0.7) story.boot(index);
    world.run(random() * 2000);
  }
  return { chapters: healedMs.length - 1, healedMs };
}

/** Two calm seconds: nobody dies and nobody is suspected without a cause. */
function holdPeace(story: Story): void {
  const { world } = story;
  let calm = true;
  world.watch({
    event: (host, event) => {
      if (!calm || event.kind !== "member" || event.change !== "dead") return;
      if (story.running().some((other) => other.name === event.member.name)) {
        throw new Violation(world, `${host.name} holds ${event.member.name} dead in fair weather`);
      }
    },
  });
  world.run(2000);
  calm = false;
}

function cutBoth(story: Story, a: Host, b: Host): void {
  story.world.network.cut(a.address.host, b.address.host);
  story.world.network.cut(b.address.host, a.address.host);
}

const MISFORTUNES: Readonly<Record<string, Misfortune>> = {
  crash: (story) => {
    if (story.running().length > 1) pickOne(story.random, story.running()).crash();
  },
  restart: (story) => {
    const down = story.downIndexes();
    if (down.length > 0) story.boot(pickOne(story.random, down));
  },
  "restart at once": (story) => {
    const host = pickOne(story.random, story.running());
    host.crash();
    story.world.run(story.random() * 200);
    story.boot(story.index(host), host.address);
  },
  freeze: (story) => {
    pickOne(story.random, story.running()).freeze(between(story.random, 50, 6000));
  },
  slow: (story) => {
    pickOne(story.random, story.running()).slowMs = between(story.random, 1, 150);
  },
  leave: (story) => {
    if (story.running().length > 1) pickOne(story.random, story.running()).leave();
  },
  move: (story) => {
    const movable = story.running().filter((host) => story.index(host) > SEEDS);
    if (movable.length === 0) return;
    const host = pickOne(story.random, movable);
    host.crash();
    story.boot(story.index(host), story.elsewhere());
  },
  rival: (story) => {
    const host = pickOne(story.random, story.running());
    story.boot(story.index(host), story.elsewhere());
  },
  partition: (story) => {
    const side = new Set(story.running().filter(() => story.random() < 0.5));
    for (const a of story.running())
      for (const b of story.running()) if (side.has(a) && !side.has(b)) cutBoth(story, a, b);
  },
  "one way": (story) => {
    const [a, b] = [pickOne(story.random, story.running()), pickOne(story.random, story.running())];
    if (a !== b) story.world.network.cut(a.address.host, b.address.host);
  },
  isolate: (story) => {
    const lonely = pickOne(story.random, story.running());
    for (const other of story.running()) if (other !== lonely) cutBoth(story, lonely, other);
  },
  deafen: (story) => {
    const deaf = pickOne(story.random, story.running());
    for (const other of story.running())
      if (other !== deaf) story.world.network.cut(other.address.host, deaf.address.host);
  },
  stall: (story) => {
    story.world.network.stall(story.world.now + between(story.random, 20, 3000));
  },
  weather: (story) => {
    story.world.network.weather = {
      loss: story.random() * 0.4,
      duplicate: story.random() * 0.2,
      delayMs: story.random() * 5,
      jitterMs: story.random() * 30,
      stray: story.random() * 0.1,
    };
  },
  "mend the wires": (story) => {
    story.world.network.heal();
  },
};
