/**
 * The gossip transport over real sockets on loopback: two of ours against each other, and what strangers send.
 * Boundary: loopback only, ports given by the kernel.
 */
import { createSocket } from "node:dgram";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type GossipTransportOptions, MemberlistTransport } from "../../../src/adapters/gossip-transport.js";
import type { Endpoint, Message, PushPull } from "../../../src/domain/messages.js";
import type { GossipHandlers, Log } from "../../../src/ports.js";
import { encodeStream, packPacket } from "../../../src/wire/index.js";
import { keyRing } from "../wire/key-ring.js";
import { KEY_A, KEY_B, MESSAGES, NO_LABEL, PUSH_PULL } from "../wire/samples.js";

const running: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()));
});

interface Heard {
  readonly datagrams: { from: Endpoint; messages: readonly Message[] }[];
  readonly exchanges: PushPull[];
}

async function started(
  options: Partial<GossipTransportOptions> = {},
  answer: PushPull = { join: false, nodes: [], facts: [] },
): Promise<{ transport: MemberlistTransport; heard: Heard }> {
  const heard: Heard = { datagrams: [], exchanges: [] };
  const handlers: GossipHandlers = {
    datagram: (from, messages) => heard.datagrams.push({ from, messages }),
    exchange: (_from, theirs) => {
      heard.exchanges.push(theirs);
      return { ...answer, join: theirs.join };
    },
    together: (deliver) => deliver(),
    streamPing: (node) => node === "me",
  };
  const transport = new MemberlistTransport({ bind: { host: "127.0.0.1", port: 0 }, keys: null, ...options });
  await transport.start(handlers);
  running.push(transport);
  return { transport, heard };
}

async function until(what: string, condition: () => boolean, ms = 3000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function dialRaw(to: Endpoint, bytes: Uint8Array): Promise<{ answer: Buffer; socket: Socket }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(to.port, to.host, () => socket.write(bytes));
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", () => {});
    socket.once("close", () => resolve({ answer: Buffer.concat(chunks), socket }));
  });
}

const WORLDS: [string, Partial<GossipTransportOptions>][] = [
  ["plain", {}],
  ["sealed", { keys: [KEY_A] }],
  ["sealed and labelled", { keys: [KEY_A], label: "prod" }],
  ["plain with CRC and compression", { crcFor: () => true, compress: true }],
  ["sealed over IPv6", { bind: { host: "::1", port: 0 }, keys: [KEY_A] }],
];

describe.each(WORLDS)("two transports, %s", (_name, options) => {
  it("carry a datagram with every kind of message", async () => {
    const a = await started(options);
    const b = await started(options);
    a.transport.send(b.transport.address, MESSAGES);
    await until("the datagram", () => b.heard.datagrams.length > 0);
    expect(b.heard.datagrams[0]).toEqual({ from: a.transport.address, messages: MESSAGES });
    expect(b.transport.stats().dropped).toEqual({});
  });

  it("exchange their state, and ping by TCP", async () => {
    const a = await started(options);
    const b = await started(options, PUSH_PULL);
    expect(await a.transport.exchange(b.transport.address, PUSH_PULL)).toEqual(PUSH_PULL);
    expect(b.heard.exchanges).toEqual([PUSH_PULL]);
    expect(await a.transport.streamPing(b.transport.address, 9, "me", 1000)).toBe(true);
    expect(await a.transport.streamPing(b.transport.address, 9, "other", 1000)).toBe(false);
    expect(b.transport.stats().dropped).toEqual({ "stream-ping-for-other-name": 1 });
  });
});

describe("binding", () => {
  it("names address and errno when the port is taken", async () => {
    const { transport } = await started();
    const second = new MemberlistTransport({ bind: transport.address, keys: null });
    await expect(second.start({} as GossipHandlers)).rejects.toThrow(
      `cannot bind UDP 127.0.0.1:${transport.address.port}: EADDRINUSE`,
    );
  });

  it("names an address that the host does not have", async () => {
    const second = new MemberlistTransport({ bind: { host: "192.0.2.1", port: 7979 }, keys: null });
    await expect(second.start({} as GossipHandlers)).rejects.toThrow("cannot bind UDP 192.0.2.1:7979: EADDRNOTAVAIL");
  });

  it("a wildcard of IPv6 serves IPv4 too, under its dotted address", async () => {
    const a = await started({ bind: { host: "::", port: 0 } });
    const b = await started();
    a.transport.send(b.transport.address, MESSAGES);
    await until("v4 hears v6", () => b.heard.datagrams.length > 0);
    expect(b.heard.datagrams[0]?.from.host).toBe("127.0.0.1");
    b.transport.send({ host: "127.0.0.1", port: a.transport.address.port }, MESSAGES);
    await until("v6 hears v4", () => a.heard.datagrams.length > 0);
    expect(a.heard.datagrams[0]?.from).toEqual(b.transport.address);
  });
});

describe("keys", () => {
  it("change without a gap: a ring of two opens both, then seals with the new one", async () => {
    const a = await started({ keys: [KEY_A] });
    const b = await started({ keys: [KEY_A] });
    b.transport.setKeys([KEY_A, KEY_B]);
    a.transport.setKeys([KEY_B, KEY_A]);
    a.transport.send(b.transport.address, MESSAGES);
    await until("the new key is understood", () => b.heard.datagrams.length === 1);
    b.transport.send(a.transport.address, MESSAGES);
    await until("the old key is understood", () => a.heard.datagrams.length === 1);
  });
});

const ping: Message = { kind: "ping", seqNo: 1, node: "me", source: null };

describe("strangers", () => {
  const sealed = (key: Uint8Array, label = NO_LABEL) => packPacket([ping], { keys: keyRing([key]), label });
  const cases: [string, Uint8Array, string][] = [
    ["an empty datagram", new Uint8Array(0), "empty"],
    ["a plain ping", packPacket([ping], { keys: null, label: NO_LABEL }), "plaintext"],
    ["a plain alive", packPacket(MESSAGES.slice(11, 12), { keys: null, label: NO_LABEL }), "plaintext"],
    ["a seal with another key", sealed(KEY_B), "wrong-key"],
    ["a seal cut short", sealed(KEY_A).subarray(0, 20), "truncated"],
    ["a seal with a label", sealed(KEY_A, new TextEncoder().encode("x")), "bad-label"],
    ["letters", new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"), "unknown-type"],
  ];
  it.each(cases)("%s is counted and goes nowhere", async (_name, bytes, reason) => {
    const { transport, heard } = await started({ keys: [KEY_A] });
    const socket = createSocket("udp4");
    socket.send(bytes, transport.address.port, transport.address.host);
    await until("it is counted", () => transport.stats().datagramsIn === 1);
    socket.close();
    expect(transport.stats().dropped).toEqual({ [reason]: 1 });
    expect(heard.datagrams).toEqual([]);
  });

  const streams: [string, Uint8Array, string][] = [
    [
      "a plain push/pull",
      encodeStream({ kind: "push-pull", state: PUSH_PULL }, { keys: null, label: NO_LABEL, dialling: true }),
      "stream-plaintext",
    ],
    [
      "a push/pull sealed with another key",
      encodeStream({ kind: "ping", seqNo: 1, node: "me" }, { keys: keyRing([KEY_B]), label: NO_LABEL, dialling: true }),
      "stream-wrong-key",
    ],
    ["a frame of 4 GiB", Uint8Array.of(10, 255, 255, 255, 255), "stream-too-large"],
  ];
  it.each(streams)("%s by TCP is counted and closed", async (_name, bytes, reason) => {
    const { transport, heard } = await started({ keys: [KEY_A] });
    const { answer } = await dialRaw(transport.address, bytes);
    expect(transport.stats().dropped).toEqual({ [reason]: 1 });
    expect(heard.exchanges).toEqual([]);
    if (reason !== "stream-too-large") expect(answer[0]).toBe(10);
  });

  it("a sealed stream to a host without a key is answered with err in plain", async () => {
    const { transport } = await started();
    const bytes = encodeStream(
      { kind: "ping", seqNo: 1, node: "me" },
      { keys: keyRing([KEY_B]), label: NO_LABEL, dialling: true },
    );
    const { answer } = await dialRaw(transport.address, bytes);
    expect(answer[0]).toBe(13);
    expect(answer.toString("latin1")).toContain("encrypted");
  });

  it("a stream that says nothing is cut after the idle limit", async () => {
    const { transport } = await started({ limits: { idleMs: 50 } });
    await dialRaw(transport.address, Uint8Array.of(6));
    expect(transport.stats().dropped).toEqual({ "stream-too-slow": 1 });
  });

  it("a stream that drips is cut at the deadline", async () => {
    const { transport } = await started({ limits: { deadlineMs: 200, idleMs: 100 } });
    const from = performance.now();
    const socket = connect(transport.address.port, transport.address.host);
    socket.on("error", () => {});
    const drip = setInterval(() => socket.write(Uint8Array.of(0)), 10);
    // A user message that promises 65 535 bytes.
    socket.write(
      Buffer.concat([Uint8Array.of(8, 0x81, 0xaa), Buffer.from("UserMsgLen"), Uint8Array.of(0xcd, 255, 255)]),
    );
    await new Promise((resolve) => socket.once("close", resolve));
    clearInterval(drip);
    expect(performance.now() - from).toBeGreaterThan(190);
    expect(performance.now() - from).toBeLessThan(1500);
    expect(transport.stats().dropped).toEqual({ "stream-too-slow": 1 });
  });

  it("one host gets no more than its share of streams", async () => {
    const { transport } = await started({ limits: { streamsMaxPerHost: 3 } });
    const all = [1, 2, 3, 4, 5].map(() => connect(transport.address.port, transport.address.host));
    for (const socket of all) socket.on("error", () => {});
    await until("two are refused", () => transport.stats().dropped["stream-too-many"] === 2);
    for (const socket of all) socket.destroy();
  });

  it("streams that hold their places without a word make room for who says its say", async () => {
    const { transport, heard } = await started({ limits: { streamsMax: 3 } });
    const all = [1, 2, 3, 4, 5].map(() => connect(transport.address.port, transport.address.host));
    for (const socket of all) socket.on("error", () => {});
    await until("two are cut", () => transport.stats().dropped["stream-evicted"] === 2);
    const member = await started({ bind: { host: "127.0.0.2", port: 0 } });
    await member.transport.exchange(transport.address, PUSH_PULL);
    expect(heard.exchanges).toHaveLength(1);
    expect(transport.stats().dropped["stream-evicted"]).toBe(3);
    for (const socket of all) socket.destroy();
  });

  it("unfinished requests that hold too much together are cut, the largest first", async () => {
    const { transport } = await started({ limits: { heldBytesMax: 300_000 } });
    const header = Buffer.concat([Uint8Array.of(8, 0x81, 0xaa), Buffer.from("UserMsgLen")]);
    const large = connect(transport.address.port, transport.address.host);
    const closed = new Promise((resolve) => large.once("close", resolve));
    large.on("error", () => {});
    large.write(Buffer.concat([header, Uint8Array.of(0xce, 0, 15, 0, 0), Buffer.alloc(200_000)]));
    await until("the large one is in", () => transport.stats().bytesIn > 200_000);
    const small = connect(transport.address.port, transport.address.host);
    small.on("error", () => {});
    small.write(Buffer.concat([header, Uint8Array.of(0xce, 0, 15, 0, 0), Buffer.alloc(100_000)]));
    await closed;
    expect(transport.stats().dropped).toEqual({ "stream-memory": 1 });
    expect(small.destroyed).toBe(false);
    small.destroy();
  });

  it("a flood sealed with another key is counted unopened, and a member is heard through it", async () => {
    const { a, b, socket } = await floodedPair();
    const garbage = () => packPacket([ping], { keys: keyRing([KEY_B]), label: NO_LABEL });
    for (let i = 0; i < 500; i++) socket.send(garbage(), b.transport.address.port, b.transport.address.host);
    await until("the flood is in", () => b.transport.stats().datagramsIn > 400);
    a.transport.send(b.transport.address, [ping]);
    await until("the member is heard", () => b.heard.datagrams.length === 2);
    // Some in a hundred look like ours at a glance, and are opened.
    expect(b.transport.stats().dropped["wrong-key"]).toBeGreaterThan(400);
  });

  it("a stranger's packets that seem ours, but are not, are opened to its budget only", async () => {
    const { a, b, socket } = await floodedPair();
    for (let i = 0; i < 500; i++) {
      const changed = Buffer.from(packPacket([ping], { keys: keyRing([KEY_A]), label: NO_LABEL }));
      changed[changed.length - 1]! ^= 1;
      socket.send(changed, b.transport.address.port, b.transport.address.host);
    }
    await until("the flood is in", () => b.transport.stats().datagramsIn > 400);
    a.transport.send(b.transport.address, [ping]);
    await until("the member is heard", () => b.heard.datagrams.length === 2);
    const { dropped } = b.transport.stats();
    expect(dropped["wrong-key"]).toBeLessThan(80);
    expect(dropped.flood).toBeGreaterThan(300);
  });

  it("a recorded datagram is taken once, and its copies are not opened, changed or not", async () => {
    const { b, socket } = await floodedPair();
    const { port, host } = b.transport.address;
    const recorded = packPacket([ping], { keys: keyRing([KEY_A]), label: NO_LABEL });
    const changed = Buffer.from(recorded);
    changed[changed.length - 1]! ^= 1;
    for (const copy of [recorded, recorded, changed, recorded]) {
      await new Promise((resolve) => socket.send(copy, port, host, resolve));
    }
    await until("all are in", () => b.transport.stats().datagramsIn === 5);
    expect(b.heard.datagrams).toHaveLength(2);
    expect(b.transport.stats().dropped).toEqual({ replayed: 3 });
  });
});

/** Two members that know each other, and a stranger's socket. */
async function floodedPair() {
  const a = await started({ keys: [KEY_A], bind: { host: "127.0.0.2", port: 0 } });
  const b = await started({ keys: [KEY_A] });
  a.transport.send(b.transport.address, [ping]);
  await until("the member is known", () => b.heard.datagrams.length === 1);
  const socket = createSocket("udp4");
  running.push({ stop: async () => void socket.close() });
  return { a, b, socket };
}

describe("what is too large to be sent", () => {
  const facts = (name: string, bytes: number) => ({ name, instance: 1, version: 1, body: new Uint8Array(bytes) });

  it("a host's facts of 1 MiB travel, and larger ones are left out, counted on the side that sends, and said", async () => {
    const said: string[] = [];
    const log: Log = {
      write: (level, event, fields, text) => void said.push(`${level} ${event} ${fields.reason}: ${text}`),
      setLevel: () => {},
      dropped: () => 0,
      flush: async () => {},
    };
    const state = { join: false, nodes: [], facts: [facts("fits", 1024 * 1024), facts("large", 1024 * 1024 + 1)] };
    const a = await started({ keys: [KEY_A], log }, state);
    const b = await started({ keys: [KEY_A], bind: { host: "127.0.0.2", port: 0 } });
    const theirs = await b.transport.exchange(a.transport.address, PUSH_PULL);
    expect(theirs.facts.map((one) => [one.name, one.body.length])).toEqual([["fits", 1024 * 1024]]);
    await a.transport.exchange(b.transport.address, state);
    expect(b.heard.exchanges.map((one) => one.facts.length)).toEqual([1]);
    expect(a.transport.stats().dropped).toEqual({ "facts-too-large": 2 });
    expect(said).toEqual([expect.stringContaining("warn gossip.too-large facts-too-large: facts of a host")]);
  });

  it("a state that no peer would take is not sent, whoever opened the stream", async () => {
    const many = Array.from({ length: 5 }, (_, i) => facts(`host-${i}`, 1024 * 1024));
    const state = { join: false, nodes: [], facts: many };
    const a = await started({ keys: [KEY_A] }, state);
    const b = await started({ keys: [KEY_A], bind: { host: "127.0.0.2", port: 0 } });
    await expect(a.transport.exchange(b.transport.address, state)).rejects.toThrow(/our state of \d+ bytes is larger/);
    await expect(b.transport.exchange(a.transport.address, PUSH_PULL)).rejects.toThrow("closed before it answered");
    expect(a.transport.stats().dropped).toEqual({ "state-too-large": 2 });
  });
});

describe("dialling", () => {
  it("says in a line why an exchange failed", async () => {
    const a = await started();
    const gone = await started();
    const to = gone.transport.address;
    await gone.transport.stop();
    await expect(a.transport.exchange(to, PUSH_PULL)).rejects.toThrow(`127.0.0.1:${to.port}: ECONNREFUSED`);
  });

  it("hears a peer with another key refuse", async () => {
    const a = await started({ keys: [KEY_A] });
    const b = await started({ keys: [KEY_B] });
    await expect(a.transport.exchange(b.transport.address, PUSH_PULL)).rejects.toThrow(
      "its answer was dropped: wrong-key",
    );
    expect(b.transport.stats().dropped).toEqual({ "stream-wrong-key": 1 });
  });

  it("stops while streams are open, and twice", async () => {
    const a = await started();
    const socket = connect(a.transport.address.port, a.transport.address.host);
    socket.on("error", () => {});
    await until("it is open", () => a.transport.stats().streamsIn === 1);
    await a.transport.stop();
    await a.transport.stop();
  });
});
