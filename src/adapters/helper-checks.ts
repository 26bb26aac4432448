/**
 * The checks that the helper does itself, one function a kind. Purpose: TCP and HTTP as a client would see them.
 * Boundary: one try, within the time-out, over a connection of its own; never throws: what went wrong is the reason.
 */
import * as http from "node:http";
import * as https from "node:https";
import * as net from "node:net";
import { getSystemErrorMap } from "node:util";
import type { Check } from "../config/types.js";
import { type Outcome, runProgram } from "./helper-run.js";

const BODY_BYTES_MAX = 64 * 1024;

export function runCheck(check: Exclude<Check, { type: "arp" }>): Promise<Outcome> {
  switch (check.type) {
    case "tcp":
      return checkTcp(check);
    case "http":
      return checkHttp(check);
    case "exec":
      return runProgram(check.command, { timeoutMs: check.timeoutMs });
  }
}

function checkTcp(check: Extract<Check, { type: "tcp" }>): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: check.host, port: check.port });
    const end = (outcome: Outcome): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => end(late(check.timeoutMs)), check.timeoutMs);
    socket.on("connect", () => end({ ok: true, reason: "connected" }));
    socket.on("error", (error) => end(failed(error)));
  });
}

function checkHttp(check: Extract<Check, { type: "http" }>): Promise<Outcome> {
  return new Promise((resolve) => {
    const url = new URL(check.url);
    const secure = url.protocol === "https:";
    const host = check.host ?? url.host;
    const name = host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
    const options = {
      method: "GET",
      agent: false,
      headers: { host, "user-agent": "vipd", connection: "close", accept: "*/*" },
      rejectUnauthorized: check.verifyTls,
      // An address is no name for TLS (RFC 6066, section 3).
      ...(secure && net.isIP(name) === 0 ? { servername: name } : {}),
    };
    const end = (outcome: Outcome): void => {
      clearTimeout(timer);
      request.destroy();
      resolve(outcome);
    };
    const request = (secure ? https : http).request(url, options, (response) => {
      const status = response.statusCode ?? 0;
      const expected = check.status.length === 0 ? status >= 200 && status < 300 : check.status.includes(status);
      if (!expected) return end({ ok: false, reason: `status ${status}` });
      if (check.body === null) return end({ ok: true, reason: `status ${status}` });
      const wanted = check.body;
      let body = "";
      const judge = (): void => {
        const found = body.includes(wanted);
        end({
          ok: found,
          reason: found ? `status ${status}, body as wanted` : `status ${status}, the body lacks the text`,
        });
      };
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        body += part;
        if (body.includes(wanted) || body.length > BODY_BYTES_MAX) judge();
      });
      response.on("end", judge);
      response.on("error", (error) => end(failed(error)));
    });
    const timer = setTimeout(() => end(late(check.timeoutMs)), check.timeoutMs);
    request.on("error", (error) => end(failed(error)));
    request.end();
  });
}

function late(timeoutMs: number): Outcome {
  return { ok: false, reason: `no answer within ${timeoutMs} ms` };
}

/** In words, with the code that a search finds; TLS says its own ("certificate has expired"). */
function failed(error: Error): Outcome {
  // Of several addresses of a name: what the first one said.
  const [first = error]: Error[] = error instanceof AggregateError ? error.errors : [];
  const { code, errno, message } = first as NodeJS.ErrnoException;
  const words = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
  return { ok: false, reason: words === undefined ? message || (code ?? "failed") : `${words} (${code})` };
}
