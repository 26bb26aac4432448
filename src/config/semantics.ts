/**
 * What the values mean together: names, endpoints, keys, and that nothing contradicts something else. Makes the Config.
 * Boundary: judges values that layers.ts found well-shaped; a key that is wrong already counts as not set here.
 */
import { canonicalAddress, fitForVip } from "../domain/address.js";
import type { Endpoint } from "../domain/messages.js";
import { PROFILES, type Profile, type ProfileName } from "../domain/profile.js";
import { brokenRules, stallRiddenOutMs, type TimerName } from "../domain/timing.js";
import { parseEndpoint } from "./endpoint.js";
import { readHooks } from "./hooks.js";
import { joinPath } from "./json.js";
import { GOSSIP_PORT } from "./schema.js";
import { show } from "./shape.js";
import type { Config, Problem } from "./types.js";
import type { VipsResult } from "./vips.js";

const NODE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const STATUS_PORT = 7980;
const ALONE_AFTER_MS = 10_000;

interface Context {
  readonly values: ReadonlyMap<string, unknown>;
  readonly vips: VipsResult;
  readonly hostname: string;
  readonly problems: Problem[];
  readonly warnings: Problem[];
}

export function makeConfig(input: Omit<Context, "problems" | "warnings">): {
  config: Config;
  problems: readonly Problem[];
  warnings: readonly Problem[];
} {
  const context: Context = { ...input, problems: [], warnings: [] };
  const get = <T>(path: string, fallback: T): T => (context.values.get(path) as T | undefined) ?? fallback;
  const name = nodeName(context);
  const bind = readBind(context);
  const advertise = readAdvertise(bind, context);
  const join = readJoin({ bind, advertise, name }, context);
  const listen = readListen(bind, context);
  const keyFile = get<string | null>("gossip.keyFile", null);
  const insecure = get("gossip.insecure", false);
  const socket = get("status.socket", "/run/vipd/vipd.sock");
  if (!socket.startsWith("/")) problem(context, "status.socket", `${show(socket)} must be an absolute path`);
  checkSecrecy(keyFile, insecure, context);
  const quorum = readQuorum(context);
  const config: Config = {
    node: { name, weight: get("node.weight", 1), labels: { ...get<Record<string, string>>("node.labels", {}) } },
    gossip: {
      bind,
      advertise,
      join,
      keyFile,
      insecure,
      label: get("gossip.label", ""),
      ...readTiming(context),
      aloneAfterMs: get("gossip.aloneAfterMs", join.length === 0 ? 0 : ALONE_AFTER_MS),
    },
    vips: context.vips.groups,
    quorum,
    announce: {
      perSecond: get("announce.perSecond", 5000),
      refreshMacMs: get("announce.refreshMacMs", 60_000),
      refreshVipMs: get("announce.refreshVipMs", 300_000),
    },
    hooks: readHooks(context.values, context.problems),
    strictArp: get<Config["strictArp"]>("strictArp", "manage"),
    status: { listen, socket },
    log: { level: get<Config["log"]["level"]>("log.level", "info") },
  };
  return { config, problems: context.problems, warnings: context.warnings };
}

function problem(context: Context, path: string, message: string): void {
  context.problems.push({ path, message });
}

function nodeName(context: Context): string {
  const own = context.values.get("node.name") as string | undefined;
  const name = own ?? context.hostname;
  if (NODE_NAME.test(name)) return name;
  const rule = 'a name has letters, digits, ".", "_" and "-", a letter or digit first, at most 128 of them';
  const message =
    own === undefined
      ? `the host name ${show(name)} cannot be used, give another one: ${rule}`
      : `${show(name)}: ${rule}`;
  problem(context, "node.name", message);
  return name;
}

/** An address literal with a port, for sockets of ours. null after a problem. */
function literal(
  value: string | number,
  at: { path: string; portDefault: number },
  context: Context,
): { host: string | null; port: number } | null {
  const parsed = parseEndpoint(value, at.portDefault);
  if (!parsed.ok) problem(context, at.path, parsed.message);
  else if (parsed.port === null) {
    const host = parsed.host?.includes(":") ? `[${parsed.host}]` : parsed.host;
    problem(context, at.path, `${show(value)} has no port; write "${host}:${at.portDefault}"`);
  } else if (parsed.host !== null && canonicalAddress(parsed.host) === null && parsed.host !== "localhost") {
    problem(context, at.path, `${show(value)}: must be an address, not a name`);
  } else {
    return { host: parsed.host === "localhost" ? "127.0.0.1" : parsed.host, port: parsed.port };
  }
  return null;
}

function isUnspecified(host: string | null): boolean {
  return host === "0.0.0.0" || host === "::";
}

function refuseVip(host: string | null, path: string, context: Context): void {
  const place = host === null ? undefined : context.vips.paths.get(host);
  if (place !== undefined)
    problem(context, path, `${host} is a VIP (${place}); it must be an address that stays on this host`);
}

function refuseOddHost(host: string | null, path: string, context: Context): void {
  const reason = host === null || isUnspecified(host) ? null : fitForVip(host);
  if (reason !== null && !reason.includes("loopback"))
    problem(context, path, `${host} ${reason}: hosts cannot reach each other by it`);
}

function readBind(context: Context): Config["gossip"]["bind"] {
  const value = (context.values.get("gossip.bind") as string | number | undefined) ?? GOSSIP_PORT;
  const bind = literal(value, { path: "gossip.bind", portDefault: GOSSIP_PORT }, context);
  if (bind === null) return { host: null, port: GOSSIP_PORT };
  refuseVip(bind.host, "gossip.bind", context);
  refuseOddHost(bind.host, "gossip.bind", context);
  const interfaces = [
    ...new Set(context.vips.groups.flatMap((group) => (group.interface === "auto" ? [] : group.interface))),
  ];
  if (bind.host === null && interfaces.length > 1) {
    const list = interfaces.slice(0, 8).join(", ");
    problem(
      context,
      "gossip.bind",
      `the VIPs are on several interfaces (${list}): say which address, such as "10.0.0.1:${bind.port}"`,
    );
  }
  if (isUnspecified(bind.host) && !context.values.has("gossip.advertise")) {
    problem(
      context,
      "gossip.bind",
      `${show(value)} is every address: name one, or set gossip.advertise to the one that others shall use`,
    );
  }
  return bind;
}

function readAdvertise(bind: Config["gossip"]["bind"], context: Context): Endpoint | null {
  const path = "gossip.advertise";
  const value = context.values.get(path) as string | undefined;
  if (value === undefined) return null;
  const endpoint = literal(value, { path, portDefault: bind.port }, context);
  if (endpoint === null) return null;
  if (endpoint.host === null) {
    problem(context, path, `${show(value)} has no address; write "10.0.0.1:${endpoint.port}"`);
    return null;
  }
  if (isUnspecified(endpoint.host))
    problem(context, path, `${endpoint.host} is every address: name the one that others shall use`);
  refuseVip(endpoint.host, path, context);
  refuseOddHost(endpoint.host, path, context);
  if (bind.host !== null && !isUnspecified(bind.host) && bind.host.includes(":") !== endpoint.host.includes(":")) {
    problem(context, path, `${endpoint.host} is of another family than gossip.bind (${bind.host})`);
  }
  return { host: endpoint.host, port: endpoint.port };
}

function readJoin(
  self: { bind: Config["gossip"]["bind"]; advertise: Endpoint | null; name: string },
  context: Context,
): Config["gossip"]["join"] {
  const texts = (context.values.get("gossip.join") as readonly string[] | undefined) ?? [];
  const join: { host: string; port: number }[] = [];
  for (const [i, text] of texts.entries()) {
    const path = joinPath("gossip.join", i);
    const entry = joinEntry(text, path, context);
    if (entry === null) continue;
    const place = context.vips.paths.get(entry.host);
    if (place !== undefined) {
      context.warnings.push({ path, message: `${entry.host} is a VIP (${place}); name the hosts' own addresses` });
    }
    if (!join.some((one) => one.host === entry.host && one.port === entry.port)) join.push(entry);
  }
  const own = [self.bind.host, self.advertise?.host, self.name.toLowerCase(), context.hostname.toLowerCase()];
  if (
    join.length > 0 &&
    join.every((one) => own.includes(one.host) && (one.port === self.bind.port || one.port === self.advertise?.port))
  ) {
    context.warnings.push({ path: "gossip.join", message: "names only this host itself: it will join nobody" });
  }
  return join;
}

function joinEntry(text: string, path: string, context: Context): { host: string; port: number } | null {
  const parsed = parseEndpoint(text, GOSSIP_PORT);
  if (!parsed.ok) problem(context, path, parsed.message);
  else if (parsed.host === null) problem(context, path, `${show(text)} has no address; write "host-b:${parsed.port}"`);
  else if (isUnspecified(parsed.host)) problem(context, path, `${parsed.host} is no address of a host`);
  else return { host: parsed.host, port: parsed.port ?? GOSSIP_PORT };
  return null;
}

function readQuorum(context: Context): Config["quorum"] {
  const value = context.values.get("quorum") as string | number | undefined;
  const expect = (context.values.get("expect") as number | undefined) ?? null;
  if (value === undefined) {
    if (expect !== null) {
      const message = 'without quorum nothing depends on it: set quorum to "majority" as well, or leave it out';
      context.warnings.push({ path: "expect", message });
    }
    return null;
  }
  if (typeof value === "string") {
    if (value !== "majority") {
      problem(context, "quorum", `${show(value)} must be "majority" or a number of hosts, such as 3`);
      return null;
    }
    if (expect === null) {
      const message = '"majority" of how many hosts? Say so with expect, such as "expect": 5';
      problem(context, "quorum", message);
      return null;
    }
    if (expect === 2) {
      const message = "a majority of 2 hosts is both: if either fails, the other falls silent";
      context.warnings.push({ path: "quorum", message });
    }
    return { hosts: Math.floor(expect / 2) + 1, expect };
  }
  if (expect !== null && value > expect) {
    problem(context, "quorum", `${value} hosts of ${expect} (expect) can never be reached`);
  } else if (expect === null ? value === 1 : 2 * value <= expect) {
    const message =
      expect === null
        ? "every host alone has a quorum of 1: leave it out, or ask for a majority"
        : `${value} of ${expect} hosts are no majority: two sides of a partition could both have a quorum`;
    context.warnings.push({ path: "quorum", message });
  }
  return { hosts: value, expect };
}

/** The profile, and in it the durations that were set: each rule that they break is a problem of one that was set. */
function readTiming(context: Context): Pick<Config["gossip"], "profile" | "timing"> {
  const profile = (context.values.get("gossip.profile") as ProfileName | undefined) ?? "lan";
  const set = (context.values.get("gossip.timers") as Partial<Record<TimerName, number>> | undefined) ?? {};
  const timing: Profile = { ...PROFILES[profile], ...set };
  for (const { timers, text } of brokenRules(timing)) {
    const culprit = timers.find((timer) => set[timer] !== undefined) ?? timers[0];
    const values = timers.map(
      (timer) => `${timer} ${timing[timer]}${set[timer] === undefined ? ` by ${profile}` : ""}`,
    );
    problem(context, joinPath("gossip.timers", culprit), `${text} (${values.join(", ")})`);
  }
  return { profile, timing: { ...timing, stallMs: Math.max(0, Math.floor(stallRiddenOutMs(timing))) } };
}

function readListen(bind: Config["gossip"]["bind"], context: Context): Config["status"]["listen"] {
  const path = "status.listen";
  const value = (context.values.get(path) as string | number | undefined) ?? `127.0.0.1:${STATUS_PORT}`;
  const listen = literal(value, { path, portDefault: STATUS_PORT }, context);
  if (listen === null) return { host: "127.0.0.1", port: STATUS_PORT };
  const host = listen.host ?? "127.0.0.1";
  refuseVip(host, path, context);
  // Gossip listens on TCP, too.
  if (listen.port === bind.port && (host === bind.host || isUnspecified(host) || isUnspecified(bind.host))) {
    problem(context, path, `port ${listen.port} is gossip.bind's: take another one`);
  }
  return { host, port: listen.port };
}

function checkSecrecy(keyFile: string | null, insecure: boolean, context: Context): void {
  if (keyFile !== null && insecure) {
    problem(context, "gossip.insecure", "contradicts gossip.keyFile: leave one of them out");
  } else if (insecure) {
    context.warnings.push({
      path: "gossip.insecure",
      message: "gossip is plain text: whoever can send to its port can move VIPs",
    });
  } else if (keyFile === null && !context.values.has("gossip.keyFile")) {
    const how =
      "make a key with `(umask 027; vipd keygen > /etc/vipd/gossip.key)`, copy it to every host, and name it here";
    problem(context, "gossip.keyFile", `is missing: ${how} (or set gossip.insecure to true for plain text)`);
  }
}
