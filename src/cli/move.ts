/** `vipd move` and `vipd rebalance`: where VIPs shall be, told to the whole group through this host's daemon. */
import type { Command } from "commander";
import type { CommonOptions } from "./common.js";
import { complain, EXIT } from "./common.js";
import { addTeller, tell } from "./tell.js";

export function addMove(program: Command): void {
  addTeller(program, {
    name: "move",
    summary: "move a VIP to a host, until undone",
    description:
      "Moves a VIP (or a group that goes together, by its name) to a host, without a packet lost. It stays there while that host can own it, and returns to it, until `vipd move VIP --undo`. Any host of the group may be asked.",
  })
    .argument("<vip>", "address, or name of a group that goes together")
    .argument("[host]", "name of the member")
    .option("--undo", "the election decides again")
    .action(async (vip: string, host: string | undefined, options: CommonOptions & { undo?: boolean }) => {
      if ((host === undefined) !== (options.undo === true)) {
        complain("vipd move: name a host, or --undo (vipd move --help)");
        process.exitCode = EXIT.usage;
        return;
      }
      await tell("move", options, { body: host === undefined ? { vip, undo: true } : { vip, host } });
    });
}

export function addRebalance(program: Command): void {
  addTeller(program, {
    name: "rebalance",
    summary: "let VIPs go where the election puts them, now",
    description:
      'Lets every host that is alive now count as settled: VIPs go back before `failback.afterMs` is over, and once with failback "never". Without a packet lost. Moves of `vipd move` stay.',
  }).action((options: CommonOptions) => tell("rebalance", options));
}
