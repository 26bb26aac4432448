/** `vipd schema`: the JSON Schema of the configuration, as editors and people read it. */
import type { Command } from "commander";
import { SCHEMA } from "../config/schema.js";
import { say } from "./common.js";

export function addSchema(program: Command): void {
  program
    .command("schema")
    .summary("print the JSON Schema of the configuration")
    .description(
      'Prints the JSON Schema (draft 2020-12) of the configuration: every key with meaning and default. Name it in the file as "$schema", and an editor completes and checks while you type.',
    )
    .option("--json", "as JSON (it always is)")
    .action(() => say(JSON.stringify(SCHEMA, null, 2)));
}
