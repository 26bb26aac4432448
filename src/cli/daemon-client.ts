/** Asks the running daemon over its Unix socket, and tells it to do things. Bounded in size, questions in time; never starts anything. */
import * as http from "node:http";
import * as https from "node:https";
import type { StatusSnapshot } from "../ports.js";

const BODY_BYTES_MAX = 64 * 1024 * 1024;
const BLOCK_CHARS_MAX = 1024 * 1024;
const TIMEOUT_MS = 5000;

export type Asked =
  | { readonly ok: true; readonly status: StatusSnapshot; readonly body: string }
  | { readonly ok: false; readonly reason: string };

export async function askStatus(socketPath: string): Promise<Asked> {
  try {
    const body = await get(socketPath, "/status");
    return { ok: true, status: JSON.parse(body) as StatusSnapshot, body };
  } catch (error) {
    return { ok: false, reason: explain(error, socketPath) };
  }
}

export type Answered =
  | { readonly reached: true; readonly status: number; readonly body: string }
  | { readonly reached: false; readonly reason: string };

/** GET of any path. */
export async function askDaemon(socketPath: string, path: string): Promise<Answered> {
  try {
    return { reached: true, ...(await request(socketPath, { method: "GET", path, timeoutMs: TIMEOUT_MS })) };
  } catch (error) {
    return { reached: false, reason: explain(error, socketPath) };
  }
}

/** Server-sent events after that id, block by block, until the stream ends or `signal` does; resolves with why it ended. */
export function followEvents(
  socketPath: string,
  since: string,
  signal: AbortSignal,
  onBlock: (block: string) => void,
): Promise<string> {
  return new Promise((resolve) => {
    const path = `/events?since=${encodeURIComponent(since)}`;
    const asked = http.get({ socketPath, path, headers: { host: "localhost" }, signal }, (response) => {
      if (response.statusCode !== 200) return resolve(`the daemon answered ${response.statusCode}`);
      let rest = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        const blocks = (rest + part).split("\n\n");
        rest = (blocks.pop() ?? "").slice(0, BLOCK_CHARS_MAX);
        for (const block of blocks) onBlock(block);
      });
      response.on("error", () => {});
      response.on("close", () => resolve("the daemon ended the stream"));
    });
    asked.on("error", (error) => resolve(explain(error, socketPath)));
  });
}

/** The same of another daemon, by the address that its `status.listen` has: `http://10.0.0.11:7980`, with or without `/status`. */
export async function askStatusAt(text: string): Promise<Asked> {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return { ok: false, reason: `${JSON.stringify(text)} is no URL of a daemon, like http://10.0.0.11:7980` };
  }
  if (url.pathname === "/") url.pathname = "/status";
  try {
    const { status, body } = await request(url, { method: "GET", path: "", timeoutMs: TIMEOUT_MS });
    if (status !== 200) return { ok: false, reason: `${url.href} answered ${status}` };
    const parsed = JSON.parse(body) as StatusSnapshot;
    if (!Array.isArray(parsed.members) || !Array.isArray(parsed.vips)) throw new Error("not a status of vipd");
    return { ok: true, status: parsed, body };
  } catch (error) {
    return { ok: false, reason: `${url.href}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** The daemon's answer to a command: what it says where it refuses is `error`, or `problems` for a configuration. */
export interface CommandAnswer {
  readonly ok: boolean;
  readonly text?: string;
  readonly error?: string;
  readonly problems?: readonly string[];
  readonly [more: string]: unknown;
}

export type Told =
  | { readonly reached: true; readonly answer: CommandAnswer }
  | { readonly reached: false; readonly reason: string };

/** POST. What takes long by its nature (a drain that waits) is waited for; the daemon bounds it. */
export async function tellDaemon(socketPath: string, path: string, body: object, waitMs: number): Promise<Told> {
  try {
    const answer = await request(socketPath, { method: "POST", path, body: JSON.stringify(body), timeoutMs: waitMs });
    const parsed = JSON.parse(answer.body) as CommandAnswer;
    return { reached: true, answer: { ...parsed, ok: answer.status === 200 } };
  } catch (error) {
    return { reached: false, reason: explain(error, socketPath) };
  }
}

function explain(error: unknown, socketPath: string): string {
  const errno = (error as NodeJS.ErrnoException).code;
  const look = "`systemctl status vipd` tells; --config names another daemon's configuration";
  if (errno === "ENOENT")
    return `the daemon is not running, or still waits for its configuration (there is no socket ${socketPath}): ${look}`;
  if (errno === "ECONNREFUSED") return `the daemon is not running (nobody listens on ${socketPath}): ${look}`;
  if (errno === "EACCES") return `permission denied on ${socketPath}: be root or in its group`;
  return `${socketPath}: ${error instanceof Error ? error.message : String(error)}`;
}

async function get(socketPath: string, path: string): Promise<string> {
  const { status, body } = await request(socketPath, { method: "GET", path, timeoutMs: TIMEOUT_MS });
  if (status === 200) return body;
  throw new Error(`the daemon answered ${status}: ${body.slice(0, 200)}`);
}

interface Request {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
  readonly timeoutMs: number;
}

/** `where`: the path of a Unix socket, or a whole URL. */
function request(where: string | URL, what: Request): Promise<{ status: number; body: string }> {
  const { method, path, timeoutMs } = what;
  return new Promise((resolve, reject) => {
    const hear = (response: http.IncomingMessage): void => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on("data", (part: Buffer) => {
        length += part.length;
        if (length > BODY_BYTES_MAX) request.destroy(new Error("the answer is too large"));
        else parts.push(part);
      });
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString("utf8") });
      });
    };
    // A Host that the daemon's guard takes for this machine.
    const headers = { host: "localhost", "content-type": "application/json" };
    const request =
      typeof where === "string"
        ? http.request({ socketPath: where, path, method, headers }, hear)
        : (where.protocol === "https:" ? https : http).request(where, { method }, hear);
    const deadline = setTimeout(
      () => request.destroy(new Error(`no answer within ${Math.round(timeoutMs / 1000)} s`)),
      timeoutMs,
    );
    request.on("close", () => clearTimeout(deadline));
    request.on("error", reject);
    request.end(what.body);
  });
}
