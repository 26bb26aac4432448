/**
 * `vipd events [--follow]`: the latest thousand events of this host's daemon, with their reasons, oldest first. Boundary: reads the
 * daemon's stream; a daemon that is away while it is followed is waited for.
 */
import { setTimeout as wait } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import {
  addConfigOption,
  addOverrides,
  type CommonOptions,
  complain,
  EXIT,
  localTime,
  overridesOf,
  paint,
  printable,
  say,
} from "./common.js";
import { askDaemon, followEvents } from "./daemon-client.js";

interface EventsOptions extends CommonOptions {
  readonly follow?: boolean;
  readonly lines?: number;
}

interface Told {
  readonly event: string;
  readonly at: string;
  readonly level?: "info" | "warn" | "error";
  readonly text?: string;
  readonly [more: string]: unknown;
}

const AGAIN_MS = 1000;

export function addEvents(program: Command): void {
  const command = program
    .command("events")
    .summary("what happened on this host, and why")
    .description(
      "Shows the latest events of this host's daemon, a thousand at most since its start, oldest first: VIPs that moved and why, members, links, checks, conflicts. `journalctl -u vipd` has those from before.",
    )
    .option("-f, --follow", "go on with what happens from now on, until Ctrl-C")
    .option("-n, --lines <n>", "only the latest n", lines)
    .option("--json", "one JSON object a line")
    .addHelpText("after", "\nExit codes: 0 shown, 3 the daemon cannot be reached.")
    .action(events);
  addOverrides(addConfigOption(command));
}

function lines(text: string): number {
  if (/^\d{1,4}$/.test(text) && Number(text) <= 1000) return Number(text);
  throw new InvalidArgumentError("--lines is a whole number from 0 to 1000.");
}

async function events(options: EventsOptions): Promise<void> {
  const { findSocket } = await import("../config/load.js");
  const socket = findSocket({ file: options.config, overrides: overridesOf(options) });
  const asked = await askDaemon(socket, "/events?since=&once=1");
  if (!asked.reached || asked.status !== 200) {
    complain(
      `vipd events: ${asked.reached ? `the daemon answered ${asked.status}: ${asked.body.trim()}` : asked.reason}`,
    );
    process.exitCode = EXIT.unreachable;
    return;
  }
  const kept = asked.body.split("\n\n").flatMap((block) => parse(block) ?? []);
  const shown = options.lines === undefined ? kept : kept.slice(kept.length - Math.min(options.lines, kept.length));
  for (const { data } of shown) show(data, options);
  if (options.follow) await follow(socket, kept.at(-1)?.id ?? "", options);
}

/** Asked again after each end: a restart of the daemon is what people follow. */
async function follow(socket: string, since: string, options: EventsOptions): Promise<void> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.on("SIGINT", end).on("SIGTERM", end);
  let last = since;
  let told = "";
  while (!stop.signal.aborted) {
    const reason = await followEvents(socket, last, stop.signal, (block) => {
      const one = parse(block);
      if (one === null) return;
      last = one.id;
      told = "";
      show(one.data, options);
    });
    if (stop.signal.aborted) return;
    if (reason !== told) complain(`vipd events: ${reason}; asking again until Ctrl-C`);
    told = reason;
    await wait(AGAIN_MS, undefined, { signal: stop.signal }).catch(() => {});
  }
}

/** One block of a server-sent stream; null for a comment or a retry. */
function parse(block: string): { id: string; data: Told } | null {
  const id = /^id: (.*)$/m.exec(block)?.[1];
  const data = /^data: (.*)$/m.exec(block)?.[1];
  return id === undefined || data === undefined ? null : { id, data: JSON.parse(data) as Told };
}

function show(told: Told, options: EventsOptions): void {
  say(options.json ? JSON.stringify(told) : eventLine(told));
}

/** Of the names that are common: what is said lies in one column. */
const EVENT_WIDTH = 14;
const COLOURS = { info: "grey", warn: "yellow", error: "red" } as const;

/** The name of the event is there since the log and `/events` have it. */
export function eventLine({ at, event, level = "info", text }: Told): string {
  const name = paint(COLOURS[level], event.padEnd(EVENT_WIDTH));
  const mark = level === "info" ? "" : `${level.toUpperCase()}: `;
  return `${paint("grey", localTime(new Date(at)))}  ${name}  ${mark}${printable(text ?? "")}`.trimEnd();
}
