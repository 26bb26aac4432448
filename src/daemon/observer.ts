/**
 * `vipd run --observe`: the responder and the addresses of a daemon that only watches. Purpose: no frame leaves and no address
 * is touched, whatever the group wants; it wants nothing, since its facts bar it, and this holds all the same.
 * Boundary: listens (links, for the status); everything that speaks is taken away.
 */
import type { Config } from "../config/types.js";
import type { AddressHolder, Neighbours, Responder } from "../ports.js";

export function silenced(responder: Responder): Responder {
  return {
    start: (onEvents) => responder.start(onEvents),
    setInterfaces: (names) => responder.setInterfaces(names),
    links: () => responder.links(),
    own: () => {},
    release: () => {},
    unwatch: () => {},
    watch: () => {},
    announce: () => {},
    setAnnounce: () => {},
    lease: () => {},
    leaseUntil: () => Number.NEGATIVE_INFINITY,
    ask: () => Promise.resolve([]),
    stats: () => responder.stats(),
    stop: () => responder.stop(),
  };
}

/** Neither checks nor hooks: whoever only watches asks nobody and tells nobody. */
export function watching(config: Config): Config {
  const vips = config.vips.map((vip) => ({ ...vip, checks: [] }));
  return { ...config, vips, hooks: { ...config.hooks, owned: [], released: [], conflict: [], member: [] } };
}

export const NO_NEIGHBOURS: Neighbours = { keep: () => "", release: () => "" };

export const NO_ADDRESSES: AddressHolder = {
  hold: () => Promise.reject(new Error("this daemon only watches")),
  drop: () => Promise.resolve(),
  sweep: () => Promise.resolve([]),
  held: () => [],
};
