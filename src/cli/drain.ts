/** `vipd drain` and `vipd resume`: this host gives its VIPs away, make before break, and takes part again. */
import { type Command, InvalidArgumentError } from "commander";
import type { CommonOptions } from "./common.js";
import { complain } from "./common.js";
import type { CommandAnswer } from "./daemon-client.js";
import { addTeller, tell } from "./tell.js";

export function addDrain(program: Command): void {
  addTeller(program, {
    name: "drain",
    summary: "give this host's VIPs away, before work on it",
    description:
      "Gives this host's VIPs to the others, without a packet lost, and takes none until `vipd resume`. Survives a restart of the daemon, not of the host unless --persist. What nobody else can take stays and is served.",
    exitCodes:
      "Exit codes: 0 done; 1 refused, or with --wait something is still here; 3 the daemon cannot be reached; 64 wrong usage.",
  })
    .option("--wait", "until this host has nothing left to give away (then it may be switched off)")
    .option("--timeout <seconds>", "with --wait: wait so long at most", seconds, 60)
    .option("--persist", "survives a reboot, too (kept in /var/lib/vipd)")
    .action(async (options: CommonOptions & { wait?: boolean; persist?: boolean; timeout: number }) => {
      const waitMs = options.wait ? options.timeout * 1000 : 0;
      const body = {
        persist: options.persist === true,
        ...(options.wait ? { wait: true, timeoutMs: waitMs } : {}),
      };
      await tell("drain", options, {
        body,
        waitMs,
        isDone: (answer) => {
          if (!options.wait || answer.complete === true) return true;
          if (!options.json) complainOfRest(answer);
          return false;
        },
      });
    });
}

export function addResume(program: Command): void {
  addTeller(program, {
    name: "resume",
    summary: "end a drain: this host takes its VIPs back",
    description: "Ends a drain. The VIPs that are this host's by election come back at once, without a packet lost.",
  }).action((options: CommonOptions) => tell("resume", options));
}

function complainOfRest(answer: CommandAnswer): void {
  const pending = Array.isArray(answer.pending) ? (answer.pending as { vip: string; reason: string }[]) : [];
  for (const { vip, reason } of pending.slice(0, 20)) complain(`${vip}: ${reason}`);
  if (pending.length > 20) complain(`and ${pending.length - 20} more`);
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 3600)) throw new InvalidArgumentError("must be seconds, more than 0, at most 3600");
  return value;
}
