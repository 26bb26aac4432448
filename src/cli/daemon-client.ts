/** Asks the running daemon over its Unix socket. Boundary: GET only, bounded in time and size; never starts anything. */
import * as http from "node:http";
import type { StatusSnapshot } from "../ports.js";

const BODY_BYTES_MAX = 64 * 1024 * 1024;
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

function explain(error: unknown, socketPath: string): string {
  const errno = (error as NodeJS.ErrnoException).code;
  if (errno === "ENOENT") return `the daemon is not running (there is no socket ${socketPath})`;
  if (errno === "ECONNREFUSED") return `the daemon is not running (nobody listens on ${socketPath})`;
  if (errno === "EACCES") return `permission denied on ${socketPath}: be root or in its group`;
  return `${socketPath}: ${error instanceof Error ? error.message : String(error)}`;
}

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // A Host that the daemon's guard takes for this machine.
    const request = http.get({ socketPath, path, headers: { host: "localhost" } }, (response) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on("data", (part: Buffer) => {
        length += part.length;
        if (length > BODY_BYTES_MAX) request.destroy(new Error("the answer is too large"));
        else parts.push(part);
      });
      response.on("error", reject);
      response.on("end", () => {
        const body = Buffer.concat(parts).toString("utf8");
        if (response.statusCode === 200) resolve(body);
        else reject(new Error(`the daemon answered ${response.statusCode}: ${body.slice(0, 200)}`));
      });
    });
    const deadline = setTimeout(
      () => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)),
      TIMEOUT_MS,
    );
    request.on("close", () => clearTimeout(deadline));
    request.on("error", reject);
  });
}
