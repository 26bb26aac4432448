/** What may go wrong, each by its name. Boundary: it only does harm, and leaves the healing to the story. */
import type { Host } from "./host.js";
import { between, pickOne } from "./random.js";
import type { Story } from "./story.js";

type Misfortune = (story: Story) => void;

/** The hosts with these numbers are the seeds: their addresses stay. */
const SEEDS = 3;

function anyone(story: Story): Host {
  return pickOne(story.random, story.running());
}

function separate(story: Story, left: readonly Host[], right: readonly Host[]): void {
  const nets = story.nets();
  for (const a of left) for (const b of right) story.world.separate(a.address.host, b.address.host, nets);
}

function lossy(story: Story, worst: number) {
  return {
    loss: story.random() * worst,
    duplicate: story.random() * 0.2,
    delayMs: story.random() * 5,
    jitterMs: story.random() * 30,
    stray: story.random() * 0.1,
  };
}

export const MISFORTUNES: Readonly<Record<string, Misfortune>> = {
  crash: (story) => {
    if (story.running().length > 1) anyone(story).crash();
  },
  restart: (story) => {
    const down = story.downIndexes();
    if (down.length > 0) story.boot(pickOne(story.random, down));
  },
  "restart at once": (story) => {
    const host = anyone(story);
    host.crash();
    story.world.run(story.random() * 200);
    story.boot(story.index(host), host.address);
  },
  "other hardware": (story) => {
    const host = anyone(story);
    host.crash();
    story.newMac(story.index(host));
    story.world.run(story.random() * 2000);
    story.boot(story.index(host), host.address);
  },
  stall: (story) => {
    anyone(story).stall(between(story.random, 50, 6000));
  },
  freeze: (story) => {
    anyone(story).stop(between(story.random, 50, 6000));
  },
  pause: (story) => {
    anyone(story).pause(between(story.random, 50, 6000));
  },
  slow: (story) => {
    anyone(story).setSlow(between(story.random, 1, 300));
  },
  leave: (story) => {
    if (story.running().length > 1) anyone(story).leave();
  },
  move: (story) => {
    const movable = story.running().filter((host) => story.index(host) > SEEDS);
    if (movable.length === 0) return;
    const host = pickOne(story.random, movable);
    host.crash();
    story.boot(story.index(host), story.elsewhere());
  },
  rival: (story) => {
    story.rival(anyone(story));
  },
  unplug: (story) => {
    story.world.plug(anyone(story), false);
  },
  plug: (story) => {
    for (const host of story.running()) if (!host.link) story.world.plug(host, true);
  },
  weigh: (story) => {
    story.weigh(anyone(story), pickOne(story.random, [0.5, 1, 2, 5]));
  },
  reload: (story) => {
    story.resize(2 + Math.floor(story.random() * 3));
  },
  partition: (story) => {
    const side = new Set(story.running().filter(() => story.random() < 0.5));
    const other = story.running().filter((host) => !side.has(host));
    separate(story, [...side], other);
  },
  "one way": (story) => {
    const [a, b] = [anyone(story), anyone(story)];
    if (a !== b) for (const net of story.nets()) net.cut(a.address.host, b.address.host);
  },
  isolate: (story) => {
    const lonely = anyone(story);
    separate(
      story,
      [lonely],
      story.running().filter((other) => other !== lonely),
    );
  },
  deafen: (story) => {
    const deaf = anyone(story);
    const nets = story.nets();
    for (const other of story.running()) {
      if (other !== deaf) for (const net of nets) net.cut(other.address.host, deaf.address.host);
    }
  },
  "network stall": (story) => {
    const until = story.world.now + between(story.random, 20, 3000);
    for (const net of story.nets()) net.stall(until);
  },
  weather: (story) => {
    story.world.gossip.weather = lossy(story, 0.4);
    if (story.world.oneWire || story.random() < 0.5) story.world.wire.weather = lossy(story, 0.2);
  },
  "mend the wires": (story) => {
    for (const net of story.nets()) net.heal();
  },
};
