/** `vipd keygen`: a fresh key of 32 bytes, base64, and nothing else on stdout, so that it can be redirected. */
import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { say } from "./common.js";

export function addKeygen(program: Command): void {
  program
    .command("keygen")
    .summary("print a fresh gossip key")
    .description("Prints a fresh key (32 random bytes, base64) for gossip.keyFile.")
    .option("--json", '{ "key": … } as JSON')
    .addHelpText(
      "after",
      `
  (umask 027; vipd keygen > /etc/vipd/gossip.key; chgrp vipd /etc/vipd/gossip.key)

Every host of the group needs the same file. To change keys without an interruption: append the new key on every
host, reload; move it to the first line on every host, reload; remove the old one on every host, reload.`,
    )
    .action((options: { json?: boolean }) => {
      const key = randomBytes(32).toString("base64");
      say(options.json ? JSON.stringify({ key }) : key);
    });
}
