/** `vipd reload`: the daemon takes its configuration file again; waits until it has, or says why not. */
import type { Command } from "commander";
import type { CommonOptions } from "./common.js";
import { addTeller, tell } from "./tell.js";

export function addReload(program: Command): void {
  addTeller(program, {
    name: "reload",
    summary: "let the daemon take its configuration file again",
    description:
      "Lets the daemon read its configuration file again and waits until it is taken. A refused file changes nothing. Groups that did not change do not move. `vipd check` judges the file without the daemon.",
  }).action((options: CommonOptions) => tell("reload", options));
}
