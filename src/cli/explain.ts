/**
 * `vipd explain VIP`: who could own it, with what score, who could not and why, and who would own it without each host.
 * Boundary: the daemon reckons (GET /explain), with the arithmetic of its elections; this prints.
 */
import type { Command } from "commander";
import { canonicalAddress } from "../domain/address.js";
import type { VipExplanation } from "../ports.js";
import {
  addConfigOption,
  addOverrides,
  type CommonOptions,
  complain,
  EXIT,
  localTime,
  overridesOf,
  printable,
  say,
} from "./common.js";
import { askDaemon } from "./daemon-client.js";
import { table } from "./status-text.js";

export function addExplain(program: Command): void {
  const command = program
    .command("explain")
    .argument("<vip>", "an address, or the name of a group that goes together")
    .summary("why a VIP is where it is, and what if")
    .description(
      "Tells who could own a VIP, in the order of the election, with everybody's score; who is not eligible, and why; and who would own it if each host died. As the daemon of this host sees it.",
    )
    .option("--json", "as JSON")
    .addHelpText("after", "\nExit codes: 0 told, 1 no such VIP, 3 the daemon cannot be reached.")
    .action(explain);
  addOverrides(addConfigOption(command));
}

async function explain(vip: string, options: CommonOptions): Promise<void> {
  const { findSocket } = await import("../config/load.js");
  const socket = findSocket({ file: options.config, overrides: overridesOf(options) });
  const asked = await askDaemon(socket, `/explain?vip=${encodeURIComponent(canonicalAddress(vip) ?? vip)}`);
  if (!asked.reached) {
    complain(`vipd explain: ${asked.reason}`);
    process.exitCode = EXIT.unreachable;
    return;
  }
  if (asked.status !== 200) {
    const { error } = JSON.parse(asked.body) as { error?: string };
    complain(`vipd explain: ${printable(error ?? `the daemon answered ${asked.status}`)}; \`vipd vips\` lists them`);
    process.exitCode = EXIT.wrong;
    return;
  }
  say(options.json ? asked.body.trimEnd() : explanationText(JSON.parse(asked.body) as VipExplanation));
}

export function explanationText(told: VipExplanation): string {
  const { vip, group, owner, heir, state, reason } = told;
  const addresses = told.addresses.length > 1 || told.addresses[0] !== vip ? ` (${told.addresses.join(", ")})` : "";
  const lines = [
    `${vip}${addresses} of group ${group} on ${told.interface || "no interface yet"}`,
    `owner ${owner ?? "nobody"}, heir ${heir ?? "nobody"}`,
    `this host: ${state} since ${localTime(new Date(told.since))}: ${reason}`,
    ...terms(told),
    "",
    ...table(
      ["RANK", "HOST", "SCORE", "STATE", "IF IT DIED", "NOTES"],
      told.hosts.map((one) => row(one, told)),
      "STATE",
    ),
    "",
    ...told.hosts.filter((one) => one.why !== "").map((one) => `${one.name} is not eligible: ${one.why}`),
  ];
  return lines
    .map((line) => line.trimEnd())
    .join("\n")
    .trimEnd();
}

/** What weighs more than the scores. */
function terms(told: VipExplanation): string[] {
  const lines: string[] = [];
  const after = told.failbackAfterMs;
  if (told.frozen) lines.push("frozen: whoever holds it keeps it until `vipd thaw`");
  if (told.moved !== null) lines.push(`moved to ${told.moved} by an operator (vipd move ${told.vip} --undo)`);
  if (told.fixed !== null && told.fixed !== told.moved) lines.push(`kept by ${told.fixed}, whatever the scores say`);
  if (told.spread === "even") lines.push("spread evenly: the scores decide among the hosts that have room");
  lines.push(
    after === null ? "failback never: whoever has it keeps it" : `a host that comes back waits ${after / 1000} s`,
  );
  return lines;
}

function row(host: VipExplanation["hosts"][number], told: VipExplanation): string[] {
  const { name, rank, score, state, without, self, settling, weight, preferred } = host;
  const notes = [
    name === told.owner ? "owner" : name === told.heir ? "heir" : "",
    self ? "this host" : "",
    settling ? "settling: behind the others" : "",
    weight !== 1 && rank !== null ? `weight ${weight}` : "",
    preferred > 0 ? `${preferred} preferred ${preferred === 1 ? "label" : "labels"}` : "",
    rank === null ? "not eligible" : "",
  ];
  const died = rank === null ? "no change" : without === null ? "?" : diedText(without.owner, told.owner);
  return [
    rank === null ? "-" : String(rank),
    name,
    score === null ? "-" : score.toPrecision(4),
    state,
    died,
    notes.filter((note) => note !== "").join(", "),
  ];
}

function diedText(next: string | null, owner: string | null): string {
  if (next === null) return "nobody";
  return next === owner ? "no change" : next;
}
