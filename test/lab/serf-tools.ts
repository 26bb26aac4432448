/**
 * Debian's `serf agent` (memberlist 0.2.2) as a member of the lab: started in a client's namespace, asked for its members,
 * ended in every way. Boundary: it sees the agent from outside only (its RPC, its log).
 */
import * as fs from "node:fs";
import * as path from "node:path";
import type { Client } from "./lib/client.js";
import type { Lab } from "./lib/lab.js";
import type { LabProcess } from "./lib/processes.js";
import { run, until } from "./lib/shell.js";

export const GOSSIP_PORT = 7979;

export interface World {
  readonly name: string;
  readonly family: 4 | 6;
  readonly encrypted: boolean;
  /** On serf's side; its default is to compress. */
  readonly compressed: boolean;
}

export function endpoint(end: { readonly v4: string; readonly v6: string }, world: World): string {
  return world.family === 4 ? `${end.v4}:${GOSSIP_PORT}` : `[${end.v6}]:${GOSSIP_PORT}`;
}

interface SerfMember {
  readonly name: string;
  readonly addr: string;
  readonly status: string;
}

export class Serf {
  #process: LabProcess | null = null;
  readonly name: string;
  readonly logFile: string;

  constructor(
    readonly lab: Lab,
    readonly client: Client,
    readonly world: World,
    index: number,
  ) {
    this.name = `serf-${index + 1}`;
    this.logFile = path.join(lab.dir, `${this.name}.log`);
  }

  /** Starts the agent and waits until it answers. */
  async start(join: readonly string[] = []): Promise<void> {
    const { world, client, lab } = this;
    const key = fs.readFileSync(lab.keyFile, "utf8").trim();
    const options = [
      `-node=${this.name}`,
      `-bind=${endpoint(client, world)}`,
      ...(world.encrypted ? [`-encrypt=${key}`] : []),
      ...(world.compressed ? [] : ["-disable-compression"]),
      ...join.map((to) => `-retry-join=${to}`),
      "-retry-interval=1s",
      "-tag=role=lab",
    ];
    const argv = ["serf", "agent", ...options];
    this.#process = lab.processes.spawn({ namespace: client.namespace, argv, logFile: this.logFile });
    await until(`${this.name} answers`, 10_000, async () => (await this.members()).has(this.name));
  }

  /** Name -> status: alive, leaving, left, failed. */
  async members(): Promise<ReadonlyMap<string, string>> {
    const ran = await this.#serf("members", "-format=json");
    const { members } = JSON.parse(ran) as { members: readonly SerfMember[] };
    return new Map(members.map((member) => [member.name, member.status]));
  }

  /** Waits until it sees this member so. Returns after how many ms. */
  async sees(name: string, statuses: readonly string[], timeoutMs: number): Promise<number> {
    const begin = performance.now();
    let last = "";
    await until(
      `${this.name} sees ${name} ${statuses.join(" or ")}`,
      timeoutMs,
      async () => {
        last = (await this.members()).get(name) ?? "absent";
        return statuses.includes(last);
      },
      { everyMs: 100, describe: () => `it sees it ${last}` },
    );
    return performance.now() - begin;
  }

  /** Says goodbye to the group; the agent ends. */
  async leave(): Promise<void> {
    await this.#serf("leave");
    await this.#process?.exited;
    this.#process = null;
  }

  async kill(): Promise<void> {
    await this.#process?.end("SIGKILL");
    this.#process = null;
  }

  /** What its log says of members, one line each: `EventMemberJoin: host-a 10.77.0.11`. */
  events(): readonly string[] {
    return (fs.readFileSync(this.logFile, "utf8").match(/EventMember\w+: \S+/g) ?? []).map(String);
  }

  /** Complaints of its memberlist about what we sent. */
  complaints(): readonly string[] {
    const lines = fs.readFileSync(this.logFile, "utf8").split("\n");
    return lines.filter((line) => /\[(ERR|WARN)\].*memberlist/.test(line));
  }

  async #serf(...words: readonly string[]): Promise<string> {
    const ran = await run(["ip", "netns", "exec", this.client.namespace, "serf", ...words], { timeoutMs: 10_000 });
    if (ran.code !== 0) throw new Error(`serf ${words.join(" ")}: ${ran.stderr.trim() || ran.stdout.trim()}`);
    return ran.stdout;
  }
}
