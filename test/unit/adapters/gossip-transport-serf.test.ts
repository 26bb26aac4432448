/**
 * The gossip transport against a member that we did not write: Debian's `serf agent` (memberlist 0.2.2) on loopback.
 * Boundary: loopback only; ends the agents that it started. Without serf it says so and is skipped.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { MemberlistTransport } from "../../../src/adapters/gossip-transport.js";
import { type Endpoint, type Message, type PushPull, VIPD_VSN } from "../../../src/domain/messages.js";
import { KEY_A } from "../wire/samples.js";

const hasSerf = spawnSync("serf", ["version"]).status === 0;
if (!hasSerf) console.warn("skipped: serf is not installed (apt-get install serf), so no real memberlist was met");

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const one of cleanups.splice(0).reverse()) await one();
});

function freePort(host: string): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, host, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function bound(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

interface Agent {
  readonly at: Endpoint;
  readonly process: ChildProcess;
  members(): string;
}

async function startSerf(host: string, key: Uint8Array | null): Promise<Agent> {
  const port = await freePort(host);
  const rpc = bound("127.0.0.1", await freePort("127.0.0.1"));
  const dir = mkdtempSync(join(tmpdir(), "vipd-serf-"));
  const encrypt = key === null ? [] : [`-encrypt=${Buffer.from(key).toString("base64")}`];
  const child = spawn(
    "serf",
    ["agent", "-node=serf-1", `-bind=${bound(host, port)}`, `-rpc-addr=${rpc}`, "-tag", "role=test", ...encrypt],
    { stdio: "ignore", cwd: dir },
  );
  const ended = new Promise((resolve) => child.once("exit", resolve));
  cleanups.push(async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(dir, { recursive: true });
  });
  const members = () => spawnSync("serf", ["members", `-rpc-addr=${rpc}`], { encoding: "utf8" }).stdout;
  await until("serf answers", () => members().includes("serf-1"), 10_000);
  return { at: { host, port }, process: child, members };
}

async function until(what: string, condition: () => boolean, ms = 5000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The least that a member does: it gives its state, and answers pings. */
async function startMember(host: string, keys: readonly Uint8Array[] | null) {
  const heard: Message[] = [];
  const opened: PushPull[] = [];
  const transport = new MemberlistTransport({ bind: { host, port: 0 }, keys });
  const ours = (): PushPull => ({
    join: true,
    facts: [{ name: "vipd-1", instance: 1, version: 1, body: Uint8Array.of(0x80) }],
    nodes: [
      {
        name: "vipd-1",
        address: transport.address,
        meta: { kind: "vipd", format: 1, instance: 1, factsVersion: 1, factsDigest: 2 },
        incarnation: 1,
        state: "alive",
        vsn: VIPD_VSN,
      },
    ],
  });
  await transport.start({
    datagram: (from, messages) => {
      heard.push(...messages);
      for (const message of messages) {
        if (message.kind !== "ping") continue;
        transport.send(message.source?.address ?? from, [{ kind: "ack", seqNo: message.seqNo, payload: null }]);
      }
    },
    exchange: (_from, theirs) => {
      opened.push(theirs);
      return ours();
    },
    together: (deliver) => deliver(),
    streamPing: (node) => node === "vipd-1",
  });
  cleanups.push(() => transport.stop());
  return { transport, heard, opened, ours };
}

const WORLDS: [string, string, string, Uint8Array | null][] = [
  ["plain, IPv4", "127.0.0.21", "127.0.0.22", null],
  ["sealed, IPv4", "127.0.0.23", "127.0.0.24", KEY_A],
  ["sealed, IPv6", "::1", "::1", KEY_A],
];

describe.skipIf(!hasSerf).each(WORLDS)("serf and our transport, %s", (_name, serfHost, ourHost, key) => {
  it("exchange state, answer each other's pings by UDP and TCP, and gossip", async () => {
    const agent = await startSerf(serfHost, key);
    const me = await startMember(ourHost, key === null ? null : [key]);

    const theirs = await me.transport.exchange(agent.at, me.ours());
    expect(theirs.nodes).toMatchObject([{ name: "serf-1", address: agent.at, state: "alive", vsn: VIPD_VSN }]);
    expect(theirs.nodes[0]?.meta.kind).toBe("foreign");
    expect(theirs.facts).toEqual([]);
    await until("serf lists us", () => /vipd-1\s+\S+\s+alive/.test(agent.members()));

    const source = { address: me.transport.address, name: "vipd-1" };
    me.transport.send(agent.at, [{ kind: "ping", seqNo: 4711, node: "serf-1", source }]);
    await until("serf acks", () => me.heard.some((m) => m.kind === "ack" && m.seqNo === 4711));
    expect(await me.transport.streamPing(agent.at, 4712, "serf-1", 1000)).toBe(true);
    await until("serf pings us", () => me.heard.some((m) => m.kind === "ping" && m.node === "vipd-1"));
    await until("serf gossips of us", () => me.heard.some((m) => m.kind === "alive" || m.kind === "user"));

    // A death that we gossip, in a compound and with CRC: read from serf's own list.
    me.transport.send(agent.at, [
      { kind: "dead", incarnation: 1, node: "vipd-1", from: "vipd-1" },
      { kind: "ping", seqNo: 4713, node: "serf-1", source },
    ]);
    await until("serf sees us gone", () => /vipd-1\s+\S+\s+(failed|left)/.test(agent.members()));
    expect(me.transport.stats().dropped).toEqual({});
  }, 30_000);
});

describe.skipIf(!hasSerf)("serf joins us", () => {
  it("by a push/pull that it opens, compressed as Go sends it", async () => {
    const agent = await startSerf("127.0.0.25", KEY_A);
    const me = await startMember("127.0.0.26", [KEY_A]);
    const rpc = agent.process.spawnargs.find((arg) => arg.startsWith("-rpc-addr="))!;
    const joined = spawn("serf", ["join", rpc, bound("127.0.0.26", me.transport.address.port)], { stdio: "ignore" });
    expect(await new Promise((resolve) => joined.once("exit", resolve))).toBe(0);
    expect(me.opened).toMatchObject([{ join: true, nodes: [{ name: "serf-1" }], facts: [] }]);
    await until("serf lists us", () => /vipd-1\s+\S+\s+alive/.test(agent.members()));
    expect(me.transport.stats().dropped).toEqual({});
  }, 30_000);
});
