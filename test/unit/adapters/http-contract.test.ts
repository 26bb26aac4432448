/** The OpenAPI document against the answers of a real server: every path, every answer that can be had here. */
import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, type RequestOptions, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createHttp, type Http } from "../../../src/adapters/http.js";
import { createEventFeed } from "../../../src/adapters/http-events.js";
import { OPENAPI } from "../../../src/adapters/http-openapi.js";
import type { StatusSnapshot, VipExplanation } from "../../../src/ports.js";
import { snapshot, vips } from "./http-rig.js";

const at = "2026-01-01T00:00:00.000Z";
/** Every field that there is, and every one of them with a value: `Required` fails to compile when one is missing. */
const full: Required<StatusSnapshot> = {
  ...snapshot(),
  quorum: { hosts: 2, expect: 3, reached: 3, held: true, losses: 0 },
  moves: [{ vip: "10.0.0.1", host: "host-b" }],
  members: [
    {
      name: "host-a",
      address: "10.0.0.1:7979",
      state: "alive",
      self: true,
      foreign: false,
      incarnation: 1,
      weight: 1.5,
      draining: false,
      barred: "",
      settled: true,
      rttMs: 0.2,
      macs: [{ interface: "eth0", mac: "02:00:00:00:00:01" }],
      since: at,
    },
  ],
  vips: [...vips(2), { ...vips(1)[0]!, owner: null, state: "conflict", conflict: { mac: "02:00", since: at, at } }],
  interfaces: [{ name: "eth0", mac: "02:00:00:00:00:01", up: true, carrier: true }],
  checks: [
    {
      group: "web",
      check: "tcp 127.0.0.1:80",
      type: "tcp",
      state: "passing",
      since: at,
      lastAt: at,
      lastOk: true,
      lastMs: 1.5,
      reason: "",
      runs: 1,
      failures: 0,
    },
  ],
};

const explained: VipExplanation = {
  vip: "10.0.0.1",
  group: "web",
  addresses: ["10.0.0.1"],
  interface: "eth0",
  owner: "host-a",
  heir: null,
  state: "owned",
  since: at,
  reason: "elected",
  spread: "hash",
  failbackAfterMs: 300_000,
  frozen: false,
  moved: null,
  fixed: null,
  hosts: [true, false].map((self) => ({
    name: self ? "host-a" : "host-b",
    self,
    state: self ? "alive" : "dead",
    rank: self ? 1 : null,
    why: self ? "" : "is held dead",
    score: self ? 1.5 : null,
    weight: 1,
    preferred: 0,
    settling: false,
    without: self ? { owner: null, heir: null } : null,
  })),
};

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(OPENAPI, "vipd");

let root: string;
let http: Http;
let now = 1000;
let current: StatusSnapshot = full;
let broken = false;
const clock = { now: () => now, wall: (time: number) => new Date(time).toISOString() };
const feed = createEventFeed({ clock, instance: "i1" });

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "vipd-http-"));
  http = createHttp({
    listen: { host: "127.0.0.1", port: 0 },
    socket: join(root, "vipd.sock"),
    clock,
    source: () => {
      if (broken) throw new Error("not yet");
      return current;
    },
    metrics: () => "vipd_ready 1\n",
    explain: (vip) => (vip === explained.vip ? explained : null),
    events: feed,
    control: { "/drain": async () => ({ status: 200, body: { ok: true, text: "done", pending: [] } }) },
  });
  await http.start();
});
afterAll(async () => {
  await http.stop();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => {
  now += 1000;
  broken = false;
  current = { ...full, lease: { untilMs: now + 400, lapses: 0 } };
});

function ask(path: string, options: RequestOptions = {}, body?: string): Promise<IncomingMessage & { text: string }> {
  return new Promise((resolve, reject) => {
    const where = options.socketPath ? {} : { host: "127.0.0.1", port: http.port() };
    const outgoing = request({ ...where, path, agent: false, ...options }, (response) => {
      let text = "";
      const done = () => resolve(Object.assign(response, { text }));
      response.on("data", (d) => {
        text += d;
        // A stream does not end: its first event will do.
        if (/^data: /m.test(text)) {
          done();
          outgoing.destroy();
        }
      });
      response.on("error", () => {});
      response.on("end", done);
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

type Documented = { readonly content?: Readonly<Record<string, unknown>> };

/** Fails unless the answer is one that the document has for this path and method. */
function expectDocumented(path: string, method: "get" | "post", response: IncomingMessage & { text: string }): void {
  const operation = (OPENAPI.paths as Record<string, Record<string, { responses: Record<string, Documented> }>>)[
    path
  ]?.[method];
  const status = String(response.statusCode);
  const documented = operation?.responses[status];
  expect(documented, `${method} ${path} answers ${status}`).toBeDefined();
  if (documented!.content === undefined) {
    expect(response.text).toBe("");
    return;
  }
  const type = response.headers["content-type"]!.split(";")[0]!;
  expect(Object.keys(documented!.content)).toContain(type);
  const pointer = [path, method, "responses", status, "content", type, "schema"].map((part) =>
    part.replaceAll("~", "~0").replaceAll("/", "~1"),
  );
  const validate = ajv.getSchema(`vipd#/paths/${pointer.map(encodeURIComponent).join("/")}`)!;
  const value =
    type === "application/json"
      ? JSON.parse(response.text)
      : type === "text/event-stream"
        ? JSON.parse(/^data: (.*)$/m.exec(response.text)![1]!)
        : response.text;
  expect(validate(value), ajv.errorsText(validate.errors)).toBe(true);
}

const READ = Object.entries(OPENAPI.paths).flatMap(([path, operations]) => ("get" in operations ? [path] : []));

describe("every documented path", () => {
  test.each(READ)("GET %s answers as documented", async (path) => {
    feed.publish("vip.owned", { level: "info", text: "a VIP", vip: "10.0.0.1" });
    const headers = path === "/events" ? { "Last-Event-ID": "none" } : {};
    const response = await ask(path === "/explain" ? "/explain?vip=10.0.0.1" : path, { headers });
    expect(response.statusCode).toBe(200);
    expectDocumented(path, "get", response);
  });

  test.each(READ)("GET %s refuses a foreign Host and another method as documented", async (path) => {
    expectDocumented(path, "get", await ask(path, { headers: { host: "evil.example" } }));
    expectDocumented(path, "get", await ask(path, { method: "PUT" }));
  });

  test.each(["/", "/openapi.json"])("GET %s is not sent again to whoever has it", async (path) => {
    const { etag, "cache-control": cache } = (await ask(path)).headers;
    expect(cache).toBe("no-cache");
    const again = await ask(path, { headers: { "If-None-Match": `"x", W/${etag}` } });
    expect(again.statusCode).toBe(304);
    expectDocumented(path, "get", again);
    expect((await ask(path, { headers: { "If-None-Match": '"x"' } })).statusCode).toBe(200);
  });

  test("/status without a quorum, with a field too many, and with one too few", async () => {
    const { quorum: _, ...rest } = current as Required<StatusSnapshot>;
    current = rest;
    expectDocumented("/status", "get", await ask("/status"));
    now += 100;
    current = { ...rest, surprise: 1 } as StatusSnapshot;
    const surprising = await ask("/status");
    expect(() => expectDocumented("/status", "get", surprising)).toThrow(/must NOT have additional properties/);
    now += 100;
    const { alarms: __, ...fewer } = rest;
    current = fewer as StatusSnapshot;
    const lacking = await ask("/status");
    expect(() => expectDocumented("/status", "get", lacking)).toThrow(/must have required property 'alarms'/);
  });

  test("/explain without a VIP, and of none of ours", async () => {
    for (const [query, status] of [
      ["", 400],
      ["?vip=10.9.9.9", 404],
    ] as const) {
      const response = await ask(`/explain${query}`);
      expect(response.statusCode).toBe(status);
      expectDocumented("/explain", "get", response);
    }
  });

  test("/events with once=1 ends with what is kept", async () => {
    feed.publish("vip.owned", { level: "info", text: "a VIP", vip: "10.0.0.9" });
    const response = await ask("/events?since=&once=1");
    expect([response.statusCode, response.text.includes("10.0.0.9")]).toEqual([200, true]);
    expectDocumented("/events", "get", response);
  });

  test("503 and 500", async () => {
    current = { ...full, ready: false, lease: { untilMs: 0, lapses: 1 } };
    for (const path of ["/healthz", "/readyz"]) {
      const response = await ask(path);
      expect(response.statusCode).toBe(503);
      expectDocumented(path, "get", response);
    }
    now += 1000;
    broken = true;
    const response = await ask("/status");
    expect(response.statusCode).toBe(500);
    expectDocumented("/status", "get", response);
  });

  test("a command on the socket, with a body that is none, and over TCP", async () => {
    const post = { method: "POST", socketPath: join(root, "vipd.sock") };
    expectDocumented("/drain", "post", await ask("/drain", post));
    expectDocumented("/drain", "post", await ask("/drain", { method: "POST" }));
  });

  test("the document says what is served: an unknown path is in neither", async () => {
    const { error } = JSON.parse((await ask("/nothing")).text) as { error: string };
    expect(error).toBe(`no such path; there are ${READ.join(", ")}`);
  });
});
