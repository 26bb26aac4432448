/**
 * What the simulator can run: anything that takes the membership's inputs and returns its outputs, be it the core alone
 * or the whole group around it. Boundary: types, and the adapter for the bare core.
 */
import type { Millis, PushPull } from "../../src/domain/messages.js";
import {
  type MemberView,
  Swim,
  type SwimInput,
  type SwimOptions,
  type SwimOutput,
} from "../../src/domain/swim/index.js";

export interface Driven {
  handle(input: SwimInput, now: Millis): readonly SwimOutput[];
  /** Our half of a push/pull, facts included. */
  pushPull(join: boolean): PushPull;
  members(): readonly MemberView[];
  /** Sizes that must stay within bounds: name -> [size, bound]. */
  bounds(): Readonly<Record<string, readonly [number, number]>>;
}

export type MakeDriven = (options: SwimOptions, now: Millis) => Driven;

/** The membership core alone, with empty facts. */
export function bareCore(options: SwimOptions, now: Millis): Driven {
  const swim = new Swim(options, now);
  return {
    handle: (input, at) => swim.handle(input, at),
    pushPull: (join) => ({ ...swim.pushPull(join), facts: [] }),
    members: () => swim.members(),
    bounds: () => {
      const { members, queued, questions, relays } = swim.stats();
      return { members: [members, 1024], queued: [queued, 2048], questions: [questions, 4096], relays: [relays, 512] };
    },
  };
}
