/** The membership core's face: everything that others import from here. */
export { watchersOf } from "./rank.js";
export { Swim, type SwimStats } from "./swim.js";
export type * from "./types.js";
