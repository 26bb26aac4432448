import { mkdtempSync, rmSync, statSync } from "node:fs";
import { type IncomingMessage, type RequestOptions, request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ControlHandler, createHttp, type Http, type HttpOptions } from "../../../src/adapters/http.js";
import { createEventFeed, type EventFeed } from "../../../src/adapters/http-events.js";
import { isHostAllowed } from "../../../src/adapters/http-guard.js";
import { PAGE, pageCsp } from "../../../src/adapters/http-page.js";
import { renderStatus } from "../../../src/adapters/http-view.js";
import type { Clock, StatusSnapshot } from "../../../src/ports.js";
import { snapshot, vips } from "./http-rig.js";

let now = 1000;
const clock: Clock = { now: () => now, wall: (at) => new Date(at).toISOString() };

let root: string;
let http: Http;
let feed: EventFeed;
let current: StatusSnapshot;
let taken: number;

beforeEach(() => {
  now = 1000;
  taken = 0;
  current = snapshot();
  root = mkdtempSync(join(tmpdir(), "vipd-http-"));
  feed = createEventFeed({ clock, instance: "i1", historyMax: 3 });
});
afterEach(async () => {
  await http.stop();
  rmSync(root, { recursive: true, force: true });
});

const socket = () => join(root, "vipd.sock");

async function start(control: Record<string, ControlHandler> = {}, change: Partial<HttpOptions> = {}): Promise<void> {
  const source = () => {
    taken++;
    return current;
  };
  http = createHttp({
    listen: { host: "127.0.0.1", port: 0 },
    socket: socket(),
    clock,
    source,
    metrics: () => "vipd_ready 1\n",
    events: feed,
    control,
    ...change,
  });
  await http.start();
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

function ask(path: string, options: RequestOptions & { over?: "tcp" | "unix"; body?: string } = {}): Promise<Answer> {
  const { over = "tcp", body, ...rest } = options;
  const where = over === "tcp" ? { host: "127.0.0.1", port: http.port() } : { socketPath: socket() };
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...where, path, agent: false, ...rest }, (response) => {
      let text = "";
      response.on("data", (d) => {
        text += d;
      });
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, text }));
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** Everything that the server says to raw bytes, until it closes. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const client = connect(http.port(), "127.0.0.1", () => client.write(bytes));
    let text = "";
    client.on("data", (d) => {
      text += d;
    });
    client.on("close", () => resolve(text));
    client.on("error", () => {});
  });
}

describe.each(["tcp", "unix"] as const)("reading over %s", (over) => {
  beforeEach(() => start());

  test.each([
    ["/status", 200, "application/json; charset=utf-8"],
    ["/healthz", 200, "application/json; charset=utf-8"],
    ["/readyz", 200, "text/plain; charset=utf-8"],
    ["/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"],
    ["/status?x=1", 200, "application/json; charset=utf-8"],
    ["/nothing", 404, "application/json; charset=utf-8"],
    ["/__proto__", 404, "application/json; charset=utf-8"],
    ["/constructor", 404, "application/json; charset=utf-8"],
    ["/../../etc/passwd", 404, "application/json; charset=utf-8"],
    ["/%2e%2e/status", 404, "application/json; charset=utf-8"],
    ["/%73tatus", 404, "application/json; charset=utf-8"],
    ["//status", 404, "application/json; charset=utf-8"],
    ["/status/", 404, "application/json; charset=utf-8"],
    ["/status%00", 404, "application/json; charset=utf-8"],
    ["/STATUS", 404, "application/json; charset=utf-8"],
    ["/status;a=b", 404, "application/json; charset=utf-8"],
    ["/\\status", 404, "application/json; charset=utf-8"],
  ])("%s is %i", async (path, status, type) => {
    const answer = await ask(path, { over });
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject({
      "content-type": type,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    });
    const head = await ask(path, { over, method: "HEAD" });
    expect([head.status, head.text, head.headers["content-length"]]).toEqual([
      status,
      "",
      answer.headers["content-length"],
    ]);
  });

  test("a method that changes something is 405 and says what is allowed", async () => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const answer = await ask("/status", { over, method });
      expect([answer.status, answer.headers.allow]).toEqual([405, "GET, HEAD"]);
    }
  });
});

describe("what is shown", () => {
  test("/status is the snapshot", async () => {
    await start();
    expect(JSON.parse((await ask("/status")).text)).toEqual(current);
  });

  test("/healthz is 503 once the lease has lapsed", async () => {
    await start();
    expect(JSON.parse((await ask("/healthz")).text)).toMatchObject({
      healthy: true,
      lease: { leftMs: 400, lapses: 0 },
    });
    now = 1400;
    expect((await ask("/healthz")).status).toBe(503);
  });

  test("/readyz is 503 with the reason", async () => {
    current = snapshot({ ready: false, readyReason: "has heard of no peer yet" });
    await start();
    const answer = await ask("/readyz");
    expect([answer.status, answer.text]).toEqual([503, "not ready: has heard of no peer yet\n"]);
  });

  test("scrapers within 50 ms share one snapshot", async () => {
    await start();
    await Promise.all(Array.from({ length: 20 }, (_, i) => ask(i % 2 ? "/status" : "/readyz")));
    expect(taken).toBe(1);
    now += 50;
    await ask("/status");
    expect(taken).toBe(2);
  });

  test("a source that throws is a 500, and the next answer is right again", async () => {
    let broken = true;
    await start(
      {},
      {
        source: () => {
          if (broken) throw new Error("no view yet");
          return current;
        },
      },
    );
    const answer = await ask("/status");
    expect([answer.status, JSON.parse(answer.text)]).toEqual([500, { error: "no view yet" }]);
    broken = false;
    expect((await ask("/status")).status).toBe(200);
  });

  test.each([0, 1, 499, 500, 501, 1000, 1234])("a body of %i VIPs is the same in slices", async (count) => {
    await start();
    const whole = snapshot({ vips: vips(count) });
    expect(Buffer.concat(await renderStatus(whole)).toString()).toBe(`${JSON.stringify(whole)}\n`);
  });

  test("10 000 VIPs leave the event loop a turn between each five hundred", async () => {
    let turns = 0;
    let rendered = false;
    const turn = () => {
      turns++;
      if (!rendered) setImmediate(turn);
    };
    setImmediate(turn);
    await renderStatus(snapshot({ vips: vips(10_000) }));
    rendered = true;
    expect(turns).toBeGreaterThanOrEqual(19);
  });
});

describe("the Host header", () => {
  test.each<[string | undefined, boolean]>([
    ["127.0.0.1:7980", true],
    ["10.1.2.3", true],
    ["[::1]:7980", true],
    ["[fd00::1]", true],
    ["localhost:7980", true],
    ["LocalHost.", true],
    ["status.example", true],
    ["Host-A.example:7980", true],
    ["host-a", true],
    [undefined, true],
    ["evil.example:7980", false],
    ["localhost.evil.example", false],
    ["127.0.0.1.evil.example", false],
    ["", false],
    ["[evil]", false],
    ["127.0.0.1:7980@evil.example", false],
    ["host-a.evil.example", false],
    ["host-a.example.evil", false],
    ["1.2.3", false],
    ["127.0.0.1:7980:1", false],
  ])("%s is allowed: %s", (header, allowed) => {
    expect(isHostAllowed(header, ["status.example", "host-a.example"])).toBe(allowed);
  });

  test("of a rebound name is refused over TCP and counted, and unread on the Unix socket", async () => {
    await start();
    expect((await ask("/status", { headers: { host: "evil.example" } })).status).toBe(421);
    expect((await ask("/status", { over: "unix", headers: { host: "evil.example" } })).status).toBe(200);
    expect(http.counters()).toContainEqual({ name: "vipd_http_refused_total", labels: { reason: "host" }, value: 1 });
  });
});

describe("what changes something", () => {
  const seen: unknown[] = [];
  const control: Record<string, ControlHandler> = {
    "/reload": async (body) => {
      seen.push(body);
      return { status: 200, body: { reloaded: true } };
    },
    "/fails": () => Promise.reject(new Error("not now")),
  };
  beforeEach(() => start(control));

  test.each([
    ["", {}],
    ['{"a":1}', { a: 1 }],
  ])("gets the body %j", async (body, parsed) => {
    seen.length = 0;
    const answer = await ask("/reload", { over: "unix", method: "POST", body });
    expect([answer.status, JSON.parse(answer.text), seen]).toEqual([200, { reloaded: true }, [parsed]]);
  });

  test.each<[string, RequestOptions & { body?: string }, number]>([
    ["a GET", {}, 405],
    ["a body that is not JSON", { method: "POST", body: "{" }, 400],
    ["a body of 64 KiB and more", { method: "POST", body: "x".repeat(66_000) }, 413],
  ])("refuses %s", async (_, options, status) => {
    expect((await ask("/reload", { over: "unix", ...options })).status).toBe(status);
  });

  test("says why it failed", async () => {
    const answer = await ask("/fails", { over: "unix", method: "POST" });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([500, { error: "not now" }]);
  });

  test("is not there over TCP", async () => {
    seen.length = 0;
    expect((await ask("/reload", { method: "POST" })).status).toBe(405);
    expect((await ask("/reload")).status).toBe(404);
    expect(seen).toEqual([]);
  });

  test("is for the owner and the group of the socket's file", () => {
    expect(statSync(socket()).mode & 0o777).toBe(0o660);
  });
});

describe("junk over TCP", () => {
  beforeEach(() => start());
  test.each<[string, string, RegExp]>([
    ["no HTTP at all", "hello\r\n\r\n", /^HTTP\/1.1 400 /],
    ["headers beyond 8 KiB", `GET / HTTP/1.1\r\nHost: 1.1.1.1\r\nX: ${"x".repeat(9000)}\r\n\r\n`, /^HTTP\/1.1 431 /],
    ["no Host in HTTP/1.1", "GET /status HTTP/1.1\r\nConnection: close\r\n\r\n", /^HTTP\/1.1 400 /],
    [
      "a request inside of a request",
      "POST / HTTP/1.1\r\nHost: 1.1.1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      /^HTTP\/1.1 400 /,
    ],
    [
      "the absolute form",
      "GET http://1.1.1.1/healthz HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n",
      /^HTTP\/1.1 200 /,
    ],
    [
      "the absolute form of a rebound name",
      "GET http://evil/healthz HTTP/1.1\r\nHost: 1.1.1.1\r\nConnection: close\r\n\r\n",
      /^HTTP\/1.1 421 /,
    ],
    [
      "two Hosts of which one is good",
      "GET /status HTTP/1.1\r\nHost: evil\r\nHost: 1.1.1.1\r\nConnection: close\r\n\r\n",
      /^HTTP\/1.1 4/,
    ],
    [
      "two Hosts of which the first is good",
      "GET /status HTTP/1.1\r\nHost: 1.1.1.1\r\nHost: evil\r\nConnection: close\r\n\r\n",
      /^HTTP\/1.1 421 /,
    ],
    ["CONNECT", "CONNECT evil:80 HTTP/1.1\r\nHost: 1.1.1.1\r\n\r\n", /^$/],
  ])("%s is refused", async (_, bytes, answer) => {
    expect(await raw(bytes)).toMatch(answer);
  });
});

/** A reader of /events: what it got, and when it was cut off. */
function reader(headers: Record<string, string> = {}, over: "tcp" | "unix" = "tcp") {
  const where = over === "tcp" ? { host: "127.0.0.1", port: http.port() } : { socketPath: socket() };
  let text = "";
  const result = { text: () => text, status: 0, pause: () => {}, close: () => {}, closed: Promise.resolve() };
  return new Promise<typeof result>((resolve) => {
    const outgoing = request({ ...where, path: "/events", agent: false, headers }, (response) => {
      result.status = response.statusCode!;
      result.pause = () => response.pause();
      result.close = () => outgoing.destroy();
      result.closed = new Promise((done) => response.once("close", () => done()));
      response.on("error", () => {});
      response.on("data", (d) => {
        text += d;
      });
      resolve(result);
    });
    outgoing.on("error", () => {});
    outgoing.end();
  });
}

const soon = (holds: () => boolean) => expect.poll(holds, { timeout: 3000 }).toBe(true);

describe("the event stream", () => {
  beforeEach(() => start());

  test("carries what happens, with ids", async () => {
    const r = await reader();
    feed.publish("vip.owned", { address: "10.0.0.1" });
    await soon(() => r.text().includes("vip.owned"));
    expect(r.text()).toBe(
      'retry: 2000\n\nid: i1-1\ndata: {"event":"vip.owned","at":"1970-01-01T00:00:01.000Z","address":"10.0.0.1"}\n\n',
    );
  });

  test.each<[string, string, string[]]>([
    ["after the id that it saw last", "i1-4", ["i1-5"]],
    ["all that is kept, if its id is of an earlier run", "i0-4", ["i1-3", "i1-4", "i1-5"]],
  ])("gives a reader who comes back %s", async (_, id, expected) => {
    for (let i = 0; i < 5; i++) feed.publish("tick", { i });
    const r = await reader({ "Last-Event-ID": id });
    await soon(() => r.text().includes("i1-5"));
    expect([...r.text().matchAll(/^id: (.*)$/gm)].map((m) => m[1])).toEqual(expected);
  });

  test("cuts off a reader who does not read, and goes on for the others", { timeout: 15_000 }, async () => {
    const slow = await reader();
    const quick = await reader();
    slow.pause();
    for (let i = 0; i < 2000; i++) {
      feed.publish("flood", { pad: "x".repeat(4000) });
      if (i % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    feed.publish("end", {});
    await soon(() => quick.text().includes('"end"'));
    expect(http.counters()).toContainEqual({
      name: "vipd_http_refused_total",
      labels: { reason: "slow-reader" },
      value: 1,
    });
  });

  test("has room for 32 over TCP, and for others on the Unix socket", async () => {
    const readers = await Promise.all(Array.from({ length: 32 }, () => reader()));
    expect(readers.every((r) => r.status === 200)).toBe(true);
    expect((await ask("/events")).status).toBe(503);
    const local = await reader({}, "unix");
    expect(local.status).toBe(200);
    readers[0]!.close();
    await expect.poll(async () => (await reader()).status, { timeout: 3000 }).toBe(200);
  });

  test("ends when the daemon stops", async () => {
    const r = await reader();
    await http.stop();
    await r.closed;
  });
});

describe("starting", () => {
  test("names the address whose port is taken", async () => {
    await start();
    const second = createHttp({
      listen: { host: "127.0.0.1", port: http.port() },
      socket: join(root, "second.sock"),
      clock,
      source: () => current,
      metrics: () => "",
      events: feed,
      control: {},
    });
    await expect(second.start()).rejects.toThrow(
      `status.listen 127.0.0.1:${http.port()}: EADDRINUSE: the port is taken by another program`,
    );
  });

  test("frees the port again if the Unix socket cannot be had", async () => {
    await start();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const port = (other.address() as { port: number }).port;
    await new Promise((resolve) => other.close(resolve));
    const options = { clock, source: () => current, metrics: () => "", events: feed, control: {} };
    const second = createHttp({ ...options, listen: { host: "127.0.0.1", port }, socket: socket() });
    await expect(second.start()).rejects.toThrow(`status.socket ${socket()}: EADDRINUSE: it is in use`);
    const third = createHttp({ ...options, listen: { host: "127.0.0.1", port }, socket: join(root, "third.sock") });
    await third.start();
    await third.stop();
  });

  test("names an address that this host does not have", async () => {
    await start();
    const second = createHttp({
      listen: { host: "192.0.2.1", port: 0 },
      socket: join(root, "second.sock"),
      clock,
      source: () => current,
      metrics: () => "",
      events: feed,
      control: {},
    });
    await expect(second.start()).rejects.toThrow(
      "status.listen 192.0.2.1:0: EADDRNOTAVAIL: this host has no such address",
    );
  });
});

describe("the page", () => {
  beforeEach(() => start());

  test("loads nothing from elsewhere, and its policy allows its own style and script only", async () => {
    const answer = await ask("/");
    expect(answer.headers["content-security-policy"]).toBe(pageCsp());
    expect(pageCsp()).not.toContain("unsafe");
    const html = PAGE.toString();
    expect(html.match(/<script>/g)).toHaveLength(1);
    expect(html).not.toMatch(/\s(on\w+|style|src)=/);
    expect(html.replace("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:\/\//);
  });

  test("writes text only as text", () => {
    expect(PAGE.toString()).not.toMatch(/innerHTML|insertAdjacentHTML|document\.write|eval\(/);
  });

  test("has a script that parses", () => {
    const script = /<script>([\s\S]*)<\/script>/.exec(PAGE.toString())![1]!;
    expect(() => new Function(script)).not.toThrow();
  });
});
