/** What clients may hold on to, over real sockets: by being many, slow, or by asking without end. */
import { mkdtempSync, rmSync } from "node:fs";
import { get, request } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createHttp, type Http } from "../../../src/adapters/http.js";
import { createEventFeed } from "../../../src/adapters/http-events.js";
import { snapshot } from "./http-rig.js";

const clock = { now: () => 1000, wall: (at: number) => new Date(at).toISOString() };
let root: string;
let http: Http;
const sockets: Socket[] = [];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "vipd-http-"));
  http = createHttp({
    listen: { host: "127.0.0.1", port: 0 },
    socket: join(root, "vipd.sock"),
    clock,
    source: snapshot,
    // More than the kernel holds for a reader who does not read.
    metrics: () => "x".repeat(32 * 1024 * 1024),
    events: createEventFeed({ clock, instance: "i1" }),
    control: {},
    answerMs: 300,
  });
  await http.start();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await http.stop();
  rmSync(root, { recursive: true, force: true });
});

function open(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(http.port(), "127.0.0.1", () => resolve(socket));
    socket.on("error", () => {});
    sockets.push(socket);
  });
}

function statusOf(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ port: http.port(), host: "127.0.0.1", path, agent: false }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode!));
    }).on("error", reject);
  });
}

const refused = (reason: string) => http.counters().find((one) => one.labels.reason === reason)?.value ?? 0;

test("a probe is answered while 1000 connections lie idle, and a stream that was open before stays", async () => {
  let streamed = "";
  const stream = await open();
  stream.on("data", (d) => {
    streamed += d;
  });
  stream.write("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await expect.poll(() => streamed).toContain("retry: 2000");
  for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 100 }, open));
  expect(await statusOf("/healthz")).toBe(200);
  expect(refused("too-many-connections")).toBeGreaterThan(800);
  expect(stream.closed).toBe(false);
});

test("half a header each does not keep a probe out", async () => {
  for (let i = 0; i < 300; i++) (await open()).write("GET /status HTTP/1.1\r\nHost: local");
  expect(await statusOf("/healthz")).toBe(200);
});

test("whoever is refused and goes on sending is cut off", async () => {
  const socket = await open();
  socket.resume();
  socket.write("hello\r\n\r\n");
  const sending = setInterval(() => socket.write("a"), 20);
  await expect.poll(() => socket.closed, { timeout: 10_000 }).toBe(true);
  clearInterval(sending);
});

test("whoever does not read its answer is cut off and counted", async () => {
  const socket = await open();
  socket.write("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  socket.pause();
  await expect.poll(() => refused("slow-reader"), { timeout: 5000 }).toBe(1);
  expect(await statusOf("/healthz")).toBe(200);
});

test("a body that never ends is not read on over TCP", async () => {
  const sent = await new Promise<number>((resolve) => {
    const outgoing = request({ port: http.port(), host: "127.0.0.1", path: "/drain", method: "POST", agent: false });
    let bytes = 0;
    const more = setInterval(() => {
      bytes += 65_536;
      outgoing.write(Buffer.alloc(65_536));
    }, 1);
    outgoing.on("response", (response) => response.resume());
    outgoing.on("error", () => {});
    outgoing.on("close", () => {
      clearInterval(more);
      resolve(bytes);
    });
  });
  expect(sent).toBeLessThan(20_000_000);
});
