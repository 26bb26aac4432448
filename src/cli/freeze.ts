/** `vipd freeze` and `vipd thaw`: no planned moves in the whole group while somebody works on the network. */
import type { Command } from "commander";
import type { CommonOptions } from "./common.js";
import { addTeller, tell } from "./tell.js";

export function addFreeze(program: Command): void {
  addTeller(program, {
    name: "freeze",
    summary: "no planned moves in the whole group",
    description:
      "No planned moves in the whole group, while a switch is worked on for instance: VIPs stay where they are, or where a takeover brings them. Dead hosts' VIPs are still taken over, and a stop still hands over. Until `vipd thaw`.",
  }).action((options: CommonOptions) => tell("freeze", options));
}

export function addThaw(program: Command): void {
  addTeller(program, {
    name: "thaw",
    summary: "end a freeze",
    description: "Ends a freeze: VIPs go where the election puts them, without a packet lost.",
  }).action((options: CommonOptions) => tell("thaw", options));
}
