/**
 * The checks of a group, and its placement: which keys belong to which kind of check, and what their values mean.
 * Boundary: pure; shapes were judged before, so what has a wrong type is skipped here.
 */
import { canonicalAddress, fitForVip } from "../domain/address.js";
import { parseEndpoint } from "./endpoint.js";
import { joinPath } from "./json.js";
import { isObject, show } from "./shape.js";
import type { Check, CheckTerms, Placement, Problem } from "./types.js";

/** Beside the terms that all have. */
const KEYS_OF = {
  tcp: ["address"],
  http: ["url", "status", "body", "verifyTls", "host"],
  arp: ["address"],
  exec: ["command"],
} as const;
const TERMS = ["type", "intervalMs", "timeoutMs", "rise", "fall", "jitter"];

type Kind = keyof typeof KEYS_OF;
type Raw = Readonly<Record<string, unknown>>;

export function readChecks(value: unknown, path: string, problems: Problem[]): readonly Check[] {
  const items = Array.isArray(value)
    ? value.map((item, i) => ({ item, at: joinPath(path, i) }))
    : [{ item: value, at: path }];
  return items.flatMap(({ item, at }) => {
    const check = isObject(item) ? readCheck(item, at, problems) : null;
    return check === null ? [] : [check];
  });
}

function readCheck(raw: Raw, path: string, problems: Problem[]): Check | null {
  const type = raw.type;
  if (typeof type !== "string" || !Object.hasOwn(KEYS_OF, type)) return null;
  const kind = type as Kind;
  const fail = (key: string, message: string): null => {
    problems.push({ path: joinPath(path, key), message });
    return null;
  };
  for (const key of Object.keys(raw)) {
    const known: readonly string[] = KEYS_OF[kind];
    if (TERMS.includes(key) || known.includes(key)) continue;
    const owner = Object.entries(KEYS_OF).find(([, keys]) => (keys as readonly string[]).includes(key));
    if (owner !== undefined) fail(key, `means nothing for a check of type "${kind}"; "${owner[0]}" has it`);
  }
  const needed = KEYS_OF[kind][0];
  if (raw[needed] === undefined) return fail(needed, `is missing: a check of type "${kind}" needs it`);
  const terms: CheckTerms = {
    intervalMs: number(raw.intervalMs, 2000),
    timeoutMs: number(raw.timeoutMs, 1000),
    rise: number(raw.rise, 2),
    fall: number(raw.fall, 3),
    jitter: number(raw.jitter, 0.1),
  };
  switch (kind) {
    case "tcp":
      return readTcp(raw.address, terms, fail);
    case "http":
      return readHttp(raw, terms, fail);
    case "arp": {
      const address = typeof raw.address === "string" ? canonicalAddress(raw.address) : null;
      if (address === null) return fail("address", `${show(raw.address)} is not an IPv4 or IPv6 address`);
      const unfit = fitForVip(address);
      if (unfit !== null && !unfit.includes("link-local"))
        return fail("address", `${address} ${unfit}: nobody can answer for it`);
      return { ...terms, type: "arp", address };
    }
    case "exec": {
      const command = raw.command;
      if (!Array.isArray(command) || !command.every((one) => typeof one === "string")) return null;
      if (command[0] === "") return fail("command[0]", "must not be empty");
      if (command.some((one) => one.includes("\u0000"))) return fail("command", "must hold no NUL byte");
      return { ...terms, type: "exec", command };
    }
  }
}

type Fail = (key: string, message: string) => null;

function readTcp(value: unknown, terms: CheckTerms, fail: Fail): Check | null {
  if (typeof value !== "string") return null;
  const parsed = parseEndpoint(value, 80);
  if (!parsed.ok) return fail("address", parsed.message);
  if (parsed.port === null) return fail("address", `${show(value)} has no port; write "${value}:80"`);
  return { ...terms, type: "tcp", host: parsed.host ?? "127.0.0.1", port: parsed.port };
}

function readHttp(raw: Raw, terms: CheckTerms, fail: Fail): Check | null {
  const text = typeof raw.url === "string" ? raw.url : "";
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    return fail("url", `${show(raw.url)} is not a URL that begins with http:// or https://`);
  }
  if (url.username !== "" || url.password !== "") return fail("url", "must hold no user name and no password");
  const status = Array.isArray(raw.status) ? raw.status : raw.status === undefined ? [] : [raw.status];
  return {
    ...terms,
    type: "http",
    url: url.href,
    status: status.filter((one): one is number => typeof one === "number"),
    body: typeof raw.body === "string" && raw.body !== "" ? raw.body : null,
    verifyTls: typeof raw.verifyTls === "boolean" ? raw.verifyTls : true,
    host: typeof raw.host === "string" && raw.host !== "" ? raw.host : null,
  };
}

export function readPlacement(value: unknown): Placement {
  const raw = isObject(value) ? value : {};
  return { require: readLabels(raw.require), prefer: readLabels(raw.prefer) };
}

function readLabels(value: unknown): Readonly<Record<string, readonly string[]>> {
  const entries = isObject(value) ? Object.entries(value) : [];
  return Object.fromEntries(
    entries.map(([key, one]) => [key, (Array.isArray(one) ? one : [one]).filter((text) => typeof text === "string")]),
  );
}

function number(value: unknown, fallback: number): number {
  return typeof value === "number" ? value : fallback;
}
