/**
 * The HTTP side: read-only on a TCP address for people, probes and scrapers; the same and what changes something (POST) on a
 * Unix socket, whose file mode decides who may. Boundary: shows snapshots and calls handlers that it is given; decides
 * nothing. Everything a client can hold on to is bounded: connections, headers, bodies, time, unread bytes.
 */
import { createHash } from "node:crypto";
import { chmodSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, ListenOptions } from "node:net";
import { hostname } from "node:os";
import type { Clock, StatusSnapshot, VipExplanation } from "../ports.js";
import { boundConnections, boundReading, type ConnectionBounds } from "./http-connections.js";
import { type EventFeed, EventStreams, frame } from "./http-events.js";
import { isHostAllowed } from "./http-guard.js";
import { OPENAPI } from "./http-openapi.js";
import { PAGE, pageCsp } from "./http-page.js";
import { type RenderMetrics, View } from "./http-view.js";

export interface ControlAnswer {
  readonly status: number;
  /** Becomes JSON. */
  readonly body: unknown;
}

/** Called with the parsed JSON body, `{}` for none. A rejection is a 500 with its message. */
export type ControlHandler = (body: unknown) => Promise<ControlAnswer>;

export interface HttpOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly socket: string;
  /** Default 0660: the owner and the group may change something. */
  readonly socketMode?: number;
  readonly clock: Clock;
  readonly source: () => StatusSnapshot;
  readonly metrics: RenderMetrics;
  /** Why a VIP is where it is; null: there is none of that name. */
  readonly explain?: (vip: string) => VipExplanation | null;
  readonly events: EventFeed;
  /** By path: `{ "/reload": … }`; POST on the Unix socket. */
  readonly control: Readonly<Record<string, ControlHandler>>;
  /** An answer has to be read within this; default 30 s. */
  readonly answerMs?: number;
}

export interface Http {
  /** Both are bound when it resolves. Rejects with one line that names the address or the path. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The TCP port that was bound (for port 0). */
  port(): number;
  /** For `/metrics`: `vipd_http_requests_total{code}`, `vipd_http_refused_total{reason}`. */
  counters(): readonly { name: string; labels: Readonly<Record<string, string>>; value: number }[];
}

const CONNECTIONS_MAX = 128;
const EVENT_READERS_MAX = 32;
const HEADER_BYTES_MAX = 8 * 1024;
const BODY_BYTES_MAX = 64 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 15_000;
const ANSWER_MS = 30_000;
const STOP_GRACE_MS = 300;

const EVENTS_TYPE = "text/event-stream; charset=utf-8";
const JSON_TYPE = "application/json; charset=utf-8";

const COMMON_HEADERS = {
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
  // What is no page must not act as one either.
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "X-Frame-Options": "DENY",
} as const;

type Refusal = "host" | "too-many-readers" | "too-many-connections" | "slow-reader" | "malformed" | "body-too-large";

export function createHttp(options: HttpOptions): Http {
  return new HttpSide(options);
}

class HttpSide implements Http {
  readonly #options: HttpOptions;
  readonly #view: View;
  readonly #bounds: ConnectionBounds;
  readonly #tcp: Server;
  readonly #unix: Server;
  readonly #tcpStreams: EventStreams;
  readonly #unixStreams: EventStreams;
  readonly #requests = new Map<number, number>();
  readonly #refused = new Map<Refusal, number>();

  constructor(options: HttpOptions) {
    this.#options = options;
    this.#view = new View(options);
    this.#bounds = {
      connectionsMax: CONNECTIONS_MAX,
      answerMs: options.answerMs ?? ANSWER_MS,
      onRefused: (reason) => this.#refuse(reason),
    };
    const names = [options.listen.host, hostname()];
    // Counted apart, so that readers over TCP cannot lock out the one who holds the control socket.
    this.#tcpStreams = this.#streams();
    this.#unixStreams = this.#streams();
    this.#tcp = this.#server((request, response) => {
      // More than one is an error of its own (RFC 9112, section 3.2); Node would take the first.
      const hosts = hostsOf(request);
      if (hosts.length < 2 && isHostAllowed(hosts[0], names)) {
        return this.#read(request, response, this.#tcpStreams);
      }
      this.#refuse("host");
      // 421: "the server is not able to produce a response for this authority" (RFC 9110, section 15.5.20).
      fail(response, 421, "ask with an IP address, localhost, this host's name, or that of status.listen as Host");
    });
    this.#unix = this.#server((request, response) => {
      const path = pathOf(request);
      const handler = Object.hasOwn(options.control, path) ? options.control[path] : undefined;
      if (handler === undefined) return this.#read(request, response, this.#unixStreams);
      if (request.method === "POST") return this.#control(request, response, handler);
      fail(response, 405, `${path} changes something: POST`, { Allow: "POST" });
    });
  }

  async start(): Promise<void> {
    const { listen, socket } = this.#options;
    await bind(this.#tcp, { host: listen.host, port: listen.port }).catch((error: NodeJS.ErrnoException) => {
      throw new Error(`status.listen ${authority(listen)}: ${explain(error, "the port is taken by another program")}`);
    });
    try {
      await bind(this.#unix, { path: socket });
      // A fresh socket is 0777 less the umask. Connecting takes write permission, so chmod normally widens.
      chmodSync(socket, this.#options.socketMode ?? 0o660);
    } catch (error) {
      await this.stop();
      throw new Error(`status.socket ${socket}: ${explain(error as NodeJS.ErrnoException, "it is in use")}`);
    }
  }

  async stop(): Promise<void> {
    this.#tcpStreams.close();
    this.#unixStreams.close();
    await Promise.all([close(this.#tcp), close(this.#unix)]);
  }

  port(): number {
    return (this.#tcp.address() as AddressInfo | null)?.port ?? 0;
  }

  counters(): readonly { name: string; labels: Readonly<Record<string, string>>; value: number }[] {
    const requests = [...this.#requests].map(([code, value]) => ({
      name: "vipd_http_requests_total",
      labels: { code: String(code) },
      value,
    }));
    const refused = [...this.#refused].map(([reason, value]) => ({
      name: "vipd_http_refused_total",
      labels: { reason },
      value,
    }));
    return [...requests, ...refused];
  }

  #streams(): EventStreams {
    return new EventStreams({
      feed: this.#options.events,
      readersMax: EVENT_READERS_MAX,
      onCut: () => this.#refuse("slow-reader"),
    });
  }

  #refuse(reason: Refusal): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  #server(listener: RequestListener): Server {
    const server = createServer(
      {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: REQUEST_TIMEOUT_MS / 2,
        requestTimeout: REQUEST_TIMEOUT_MS,
        connectionsCheckingInterval: REQUEST_TIMEOUT_MS / 2,
        keepAliveTimeout: IDLE_TIMEOUT_MS / 3,
        noDelay: true,
      },
      (request, response) => {
        for (const [name, value] of Object.entries(COMMON_HEADERS)) response.setHeader(name, value);
        response.on("finish", () => {
          this.#requests.set(response.statusCode, (this.#requests.get(response.statusCode) ?? 0) + 1);
        });
        response.on("prefinish", () => boundReading(response, this.#bounds));
        try {
          listener(request, response);
        } catch (error) {
          failInside(response, error);
        }
      },
    );
    boundConnections(server, this.#bounds);
    server.timeout = IDLE_TIMEOUT_MS;
    server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      this.#refuse("malformed");
      if (error.code === "ECONNRESET" || !socket.writable) return socket.destroy();
      const status = CLIENT_ERRORS[error.code ?? ""] ?? "400 Bad Request";
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      // Whoever was told so and goes on sending would hold the connection.
      setTimeout(() => socket.destroy(), STOP_GRACE_MS).unref();
    });
    return server;
  }

  #read(request: IncomingMessage, response: ServerResponse, streams: EventStreams): void {
    const path = pathOf(request);
    if (request.method !== "GET" && request.method !== "HEAD") {
      const hint = "read-only here: what changes something is served on the Unix socket of status.socket";
      // A body may follow, of any length: nobody will read it.
      fail(response, 405, hint, { Allow: "GET, HEAD", Connection: "close" });
    } else if (!READ_PATHS.has(path)) {
      fail(response, 404, `no such path; there are ${[...READ_PATHS].join(", ")}`);
    } else if (path === "/events") {
      this.#stream(request, response, streams);
    } else {
      this.#answer(path, request, response).catch((error) => failInside(response, error));
    }
  }

  #stream(request: IncomingMessage, response: ServerResponse, streams: EventStreams): void {
    // A page cannot set the header when it first connects; an empty `since` brings all that is kept.
    const last = request.headers["last-event-id"] ?? parameterOf(request, "since");
    if (request.method === "HEAD") {
      send(response, 200, EVENTS_TYPE, []);
    } else if (parameterOf(request, "once") !== undefined) {
      const kept = this.#options.events.since(typeof last === "string" ? last : "");
      send(response, 200, EVENTS_TYPE, [Buffer.from(kept.map(frame).join(""))]);
    } else if (!streams.add(response, typeof last === "string" ? last : undefined)) {
      this.#refuse("too-many-readers");
      fail(response, 503, `${EVENT_READERS_MAX} readers are the most`, { "Retry-After": "5" });
    }
  }

  async #answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (path) {
      case "/":
        response.setHeader("Content-Security-Policy", pageCsp());
        return sendFixed(request, response, "text/html; charset=utf-8", PAGE);
      case "/openapi.json":
        return sendFixed(request, response, JSON_TYPE, json(OPENAPI));
      case "/status":
        return send(response, 200, JSON_TYPE, await this.#view.status());
      case "/metrics":
        return send(response, 200, "text/plain; version=0.0.4; charset=utf-8", [this.#view.metrics()]);
      case "/explain": {
        const vip = parameterOf(request, "vip");
        if (vip === undefined || vip === "") return fail(response, 400, "which VIP? ask for /explain?vip=ADDRESS");
        const explained = this.#options.explain?.(vip) ?? null;
        if (explained === null) return fail(response, 404, `${JSON.stringify(vip)} is no VIP of this group`);
        return send(response, 200, JSON_TYPE, [json(explained)]);
      }
      case "/healthz": {
        const { snapshot, at } = this.#view.shown();
        const healthy = snapshot.lease.untilMs > at;
        const body = {
          healthy,
          node: snapshot.node,
          lease: { ...snapshot.lease, leftMs: Math.round(snapshot.lease.untilMs - at) },
        };
        return send(response, healthy ? 200 : 503, JSON_TYPE, [json(body)]);
      }
      case "/readyz": {
        const { snapshot } = this.#view.shown();
        const text = `${snapshot.ready ? "ready" : "not ready"}: ${snapshot.readyReason}\n`;
        return send(response, snapshot.ready ? 200 : 503, "text/plain; charset=utf-8", [Buffer.from(text)]);
      }
    }
  }

  #control(request: IncomingMessage, response: ServerResponse, handler: ControlHandler): void {
    // A drain takes as long as it takes; the caller may leave at any time.
    request.socket.setTimeout(0);
    readBody(request)
      .then(async (body) => {
        if ("status" in body) {
          if (body.status === 413) this.#refuse("body-too-large");
          return fail(response, body.status, body.error, { Connection: "close" });
        }
        const answer = await handler(body.value);
        send(response, answer.status, JSON_TYPE, [json(answer.body)]);
      })
      .catch((error) => failInside(response, error));
  }
}

const READ_PATHS: ReadonlySet<string> = new Set([
  "/",
  "/status",
  "/explain",
  "/healthz",
  "/readyz",
  "/metrics",
  "/events",
  "/openapi.json",
]);

const CLIENT_ERRORS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

/**
 * The absolute form, `GET http://HOST/path`, as it is sent to proxies: a server takes it, too, and HOST for the Host (RFC 9112,
 * section 3.2.2).
 */
const ABSOLUTE = /^http:\/\/([^/?#]*)/i;

function hostsOf(request: IncomingMessage): readonly string[] {
  const named = ABSOLUTE.exec(request.url ?? "")?.[1];
  return named === undefined ? (request.headersDistinct.host ?? []) : [named];
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "").replace(ABSOLUTE, "").split("?", 1)[0] || "/";
}

function parameterOf(request: IncomingMessage, name: string): string | undefined {
  const query = (request.url ?? "").split("?").slice(1).join("?");
  return new URLSearchParams(query).get(name) ?? undefined;
}

function json(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value ?? {})}\n`);
}

function send(response: ServerResponse, status: number, type: string, slices: readonly Buffer[]): void {
  if (response.headersSent || response.destroyed) return;
  const length = slices.reduce((sum, slice) => sum + slice.length, 0);
  response.writeHead(status, { "Content-Type": type, "Content-Length": length });
  // The slices are shared among readers, so a slow one holds references, not copies; the idle timeout ends it.
  for (const slice of slices) response.write(slice);
  response.end();
}

/** What changes with the program only: kept by the client, and asked for again without being sent again. */
function sendFixed(request: IncomingMessage, response: ServerResponse, type: string, body: Buffer): void {
  const tag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  response.setHeader("Cache-Control", "no-cache");
  response.setHeader("ETag", tag);
  const known = (request.headers["if-none-match"] ?? "").split(",").map((one) => one.trim().replace(/^W\//, ""));
  if (known.includes(tag)) response.writeHead(304).end();
  else send(response, 200, type, [body]);
}

function fail(response: ServerResponse, status: number, error: string, headers: Record<string, string> = {}): void {
  if (response.headersSent || response.destroyed) return;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  send(response, status, JSON_TYPE, [json({ error })]);
}

function failInside(response: ServerResponse, error: unknown): void {
  if (response.headersSent) response.destroy();
  else fail(response, 500, error instanceof Error ? error.message : String(error));
}

type Body = { readonly value: unknown } | { readonly status: number; readonly error: string };

function readBody(request: IncomingMessage): Promise<Body> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      // The rest is read and thrown away until the answer has closed the connection: a reset would hide it.
      if (bytes > BODY_BYTES_MAX) resolve({ status: 413, error: `a body has at most ${BODY_BYTES_MAX} bytes` });
      else chunks.push(chunk);
    });
    request.on("error", reject);
    request.on("end", () => {
      if (bytes === 0) return resolve({ value: {} });
      try {
        resolve({ value: JSON.parse(Buffer.concat(chunks).toString("utf8")) });
      } catch {
        resolve({ status: 400, error: "the body is not JSON" });
      }
    });
  });
}

function bind(server: Server, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...where, backlog: CONNECTIONS_MAX }, () => {
      server.off("error", reject);
      // From here on: EMFILE in accept(2) and the like. The next connection may work again.
      server.on("error", () => {});
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), STOP_GRACE_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function authority(listen: { host: string; port: number }): string {
  return listen.host.includes(":") ? `[${listen.host}]:${listen.port}` : `${listen.host}:${listen.port}`;
}

function explain(error: NodeJS.ErrnoException, inUse: string): string {
  if (error.code === "EADDRINUSE") return `EADDRINUSE: ${inUse}`;
  if (error.code === "EADDRNOTAVAIL") return "EADDRNOTAVAIL: this host has no such address";
  if (error.code === "EACCES") return "EACCES: vipd may not bind there";
  return error.message;
}
