/**
 * Every key of the configuration, described once, as JSON Schema (draft 2020-12). `vipd schema` prints it, shape.ts checks
 * files against it, layers.ts makes convict's layers, variables and flags of it. What a schema cannot say (an address
 * that fits, a name that is free) is vips.ts's and semantics.ts's business. Pure data.
 */

import { PROFILES } from "../domain/profile.js";
import type { TimerName } from "../domain/timing.js";

/** The part of JSON Schema that we use; shape.ts understands exactly this. */
export interface Schema {
  readonly type?: JsonType | readonly JsonType[];
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: false | Schema;
  readonly maxProperties?: number;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
}
export type JsonType = "string" | "number" | "integer" | "boolean" | "object" | "array" | "null";

/** A list that is longer is no list of uplinks. */
export const INTERFACES_MAX = 8;

export const GOSSIP_PORT = 7979;
/** 24 days: what a Node timer can wait. */
const DURATION_MS_MAX = 2_147_483_647;

function section(description: string, properties: Readonly<Record<string, Schema>>): Schema {
  return { type: "object", description, additionalProperties: false, properties };
}

const node = section("This host.", {
  name: {
    type: "string",
    description: "Name in the group, unique. Default: the host name.",
    minLength: 1,
    maxLength: 128,
    examples: ["host-a"],
  },
  weight: {
    type: "number",
    description: "Share of the VIPs that this host takes, relative to the other hosts.",
    exclusiveMinimum: 0,
    maximum: 1_000_000,
    default: 1,
  },
  labels: {
    type: "object",
    description: "Labels of this host, for placement and for people.",
    maxProperties: 32,
    additionalProperties: { type: "string", maxLength: 128 },
    default: {},
    examples: [{ rack: "r1" }],
  },
});

/** The timers that can be set: least, most, what it is. What they must be to each other: domain/timing.ts. */
const TIMERS: Readonly<Record<TimerName, readonly [least: number, most: number, what: string]>> = {
  watchIntervalMs: [5, 10_000, "A watcher hears of its host, or asks it, this often."],
  watchTimeoutMs: [2, 10_000, "No answer after this long: it is asked again, through others as well."],
  watchRetryMs: [2, 10_000, "Until it answers, it is asked this often."],
  suspectAfterMs: [10, 60_000, "Silent for this long: suspect, and told so."],
  deadAfterMs: [20, 120_000, "Silent for this long: dead."],
  askTimeoutMs: [3, 5000, "How long the wire is asked who answers before VIPs are claimed."],
  leaseMs: [10, 60_000, "The responder falls silent this long after the control plane's last extension."],
  leaseExtensionMs: [3, 10_000, "The lease is extended this often."],
  catchUpMs: [50, 60_000, "After a gap, peers have this long to answer."],
  probeIntervalMs: [100, 60_000, "memberlist's probing, for hosts that this one does not watch."],
  probeTimeoutMs: [20, 60_000, "No answer to a probe after this long: others are asked."],
  gossipIntervalMs: [10, 10_000, "News is passed on this often."],
  gossipToTheDeadMs: [1000, DURATION_MS_MAX, "The dead are told for this long, so that they can refute."],
  pushPullIntervalMs: [1000, DURATION_MS_MAX, "Whole states are exchanged this often."],
  reconnectIntervalMs: [50, 10_000, "Lost hosts are tried this often."],
};

const gossip = section("How the hosts of the group talk to each other (UDP and TCP).", {
  bind: {
    type: ["string", "integer"],
    description:
      "Where to listen: `address:port`, `[IPv6]:port`, or a port alone, which means the one address of the VIPs' interface. Never a VIP.",
    default: GOSSIP_PORT,
    examples: ["10.77.0.11:7979"],
  },
  advertise: {
    type: "string",
    description: "`address:port` under which others reach this host, where it differs from `bind`.",
    examples: ["192.0.2.11:7979"],
  },
  join: {
    type: "array",
    description:
      "Hosts to join through: `address:port`, `[IPv6]:port` or `name:port`; tried for ever. Naming this host itself is harmless.",
    items: { type: "string", minLength: 1, maxLength: 262 },
    default: [],
    examples: [["10.77.0.12:7979", "10.77.0.13:7979"]],
  },
  keyFile: {
    type: "string",
    description:
      "File with the group's keys: base64 of 16, 24 or 32 bytes, one a line; the first seals, all open. Make one with `vipd keygen`.",
    minLength: 1,
    maxLength: 4096,
    examples: ["/etc/vipd/gossip.key"],
  },
  insecure: {
    type: "boolean",
    description: "Plain text instead of keys: whoever can send to the gossip port can then move VIPs.",
    default: false,
  },
  profile: {
    type: "string",
    description:
      "How soon a dead host's VIPs are taken over, and which stall of the whole network is ridden out: `relaxed` 3 s (2 s), `lan` 1 s (0.5 s), `fast` 250 ms (120 ms), `extreme` 40 ms (15 ms; only with the unit's real-time scheduling).",
    enum: Object.keys(PROFILES),
    default: "lan",
  },
  timers: {
    type: "object",
    description:
      "Single durations of the profile, changed; checked together. Not needed as a rule: take another profile instead.",
    additionalProperties: false,
    default: {},
    properties: Object.fromEntries(
      Object.entries(TIMERS).map(([name, [minimum, maximum, description]]) => [
        name,
        { type: "integer", description: `ms. ${description}`, minimum, maximum },
      ]),
    ),
    examples: [{ deadAfterMs: 1000 }],
  },
  label: {
    type: "string",
    description: "Name of this group in its datagrams: hosts with another label are not heard. The same on every host.",
    maxLength: 255,
    default: "",
  },
  aloneAfterMs: {
    type: "integer",
    description:
      "A starting host that reaches nobody for this long serves alone. Default: 10000, and 0 where `join` is empty.",
    minimum: 0,
    maximum: DURATION_MS_MAX,
    examples: [10_000],
  },
});

const LABELS: Schema = {
  type: "object",
  maxProperties: 32,
  additionalProperties: {
    anyOf: [
      { type: "string", maxLength: 128 },
      { type: "array", minItems: 1, items: { type: "string", maxLength: 128 } },
    ],
    examples: ["r1", ["r1", "r2"]],
  },
  examples: [{ rack: "r1" }],
};

const ARGUMENTS: Schema = {
  type: "array",
  minItems: 1,
  items: { type: "string", maxLength: 4096 },
  examples: [["/usr/local/bin/check-web", "--quick"]],
};

const check: Schema = {
  type: "object",
  additionalProperties: false,
  required: ["type"],
  properties: {
    type: {
      type: "string",
      description:
        "`tcp`: connects to `address`. `http`: asks `url`. `arp`: a witness, such as the gateway, answers ARP or NS for `address` on the group's interface. `exec`: `command` exits with 0.",
      enum: ["tcp", "http", "arp", "exec"],
      examples: ["tcp"],
    },
    address: {
      type: "string",
      description: "tcp: `host:port`; arp: an address on the interface's segment.",
      minLength: 1,
      maxLength: 262,
      examples: ["127.0.0.1:80"],
    },
    url: {
      type: "string",
      description: "http:// or https://.",
      maxLength: 2048,
      examples: ["http://127.0.0.1/healthz"],
    },
    status: {
      description: "http: the status codes that pass. Default: 200 to 299.",
      anyOf: [
        { type: "integer", minimum: 100, maximum: 599 },
        { type: "array", minItems: 1, items: { type: "integer", minimum: 100, maximum: 599 } },
      ],
      examples: [200, [200, 204]],
    },
    body: {
      type: "string",
      description: "http: a text that must occur in the first 64 KiB of the answer.",
      maxLength: 4096,
    },
    verifyTls: { type: "boolean", description: "https: the certificate must be valid.", default: true },
    host: {
      type: "string",
      description: "http: the Host header, and the name in TLS. Default: the URL's.",
      maxLength: 255,
    },
    command: {
      ...ARGUMENTS,
      description:
        "exec: program and arguments; no shell, no capabilities; killed with its whole process group after `timeoutMs`.",
    },
    intervalMs: {
      type: "integer",
      description: "ms between the beginnings of two runs.",
      minimum: 50,
      maximum: 3_600_000,
      default: 2000,
    },
    timeoutMs: {
      type: "integer",
      description: "ms until a run counts as failed.",
      minimum: 10,
      maximum: 600_000,
      default: 1000,
    },
    rise: {
      type: "integer",
      description: "Successes in a row until a failed check passes again.",
      minimum: 1,
      maximum: 1000,
      default: 2,
    },
    fall: {
      type: "integer",
      description: "Failures in a row until a passing check fails.",
      minimum: 1,
      maximum: 1000,
      default: 3,
    },
    jitter: {
      type: "number",
      description: "Share of the interval by which each run is moved at random.",
      minimum: 0,
      maximum: 0.5,
      default: 0.1,
    },
  },
  examples: [{ type: "tcp", address: "127.0.0.1:80" }],
};

const hook: Schema = {
  type: "array",
  minItems: 1,
  items: {
    anyOf: [{ type: "string", maxLength: 4096 }, ARGUMENTS],
    examples: ["/etc/vipd/hooks/owned"],
  },
  examples: [["/etc/vipd/hooks/owned"]],
};

const vip: Schema = {
  type: "object",
  additionalProperties: false,
  required: ["name", "addresses", "interface"],
  description: "A group of VIPs which share interface and policy.",
  properties: {
    name: { type: "string", description: "Name of the group, unique.", minLength: 1, maxLength: 64, examples: ["web"] },
    addresses: {
      type: "array",
      description:
        "VIPs: a single address, a range `first-last`, or a CIDR block (every address of it). Unicast only; no address twice; at most 16384 in all.",
      minItems: 1,
      items: { type: "string", minLength: 1, maxLength: 100 },
      examples: [["10.77.0.100", "10.77.0.200-10.77.0.219", "fd77::2:0/124"]],
    },
    interface: {
      description:
        "Interface on which the VIPs are announced; or a list: announced on all of them that are up; or `auto`: the one whose subnets hold the addresses. Never `lo`, nor a member of a bond, bridge or VRF.",
      anyOf: [
        { type: "string", minLength: 1, maxLength: 15 },
        {
          type: "array",
          minItems: 1,
          maxItems: INTERFACES_MAX,
          items: { type: "string", minLength: 1, maxLength: 15 },
        },
      ],
      examples: ["eth0", ["eth0", "eth1"], "auto"],
    },
    together: {
      type: "boolean",
      description:
        "One owner for the whole group, instead of one for each address. Default: true for exactly one IPv4 with one IPv6 address, else false.",
    },
    failback: {
      description: "When VIPs return to a host that came back: after it has been well for this long, or never.",
      anyOf: [
        {
          type: "object",
          additionalProperties: false,
          required: ["afterMs"],
          properties: {
            afterMs: { type: "integer", description: "ms; 0: at once.", minimum: 0, maximum: DURATION_MS_MAX },
          },
        },
        { const: "never" },
      ],
      default: { afterMs: 300_000 },
      examples: [{ afterMs: 300_000 }, "never"],
    },
    conflict: {
      type: "string",
      description:
        "When somebody else claims a VIP that is ours: `defend` it (announce, at most once in 10 s), or `yield`: give it up until nobody else answers.",
      enum: ["defend", "yield"],
      default: "defend",
    },
    check: {
      description: "Health of what is behind the VIPs on this host: one check, or a list of which all must pass.",
      anyOf: [check, { type: "array", minItems: 1, items: check }],
      examples: [{ type: "tcp", address: "127.0.0.1:80" }],
    },
    whenNoneHealthy: {
      type: "string",
      description:
        "When the checks of every host fail. `keep`: the election goes on as if they passed; `withdraw`: nobody owns the VIPs. The same on every host.",
      enum: ["keep", "withdraw"],
      default: "keep",
    },
    spread: {
      type: "string",
      description:
        "`hash`: each VIP by itself. `even`: the hosts' counts differ by at most one (by weight where weights differ), with the fewest moves that this allows. The same on every host.",
      enum: ["hash", "even"],
      default: "hash",
    },
    hosts: {
      type: "object",
      description:
        "Placement by `node.labels`. A value is a text or a list of which one must match. The same on every host.",
      additionalProperties: false,
      properties: {
        require: { ...LABELS, description: "Only hosts with all of these labels own the VIPs." },
        prefer: { ...LABELS, description: "Hosts with more of these labels come first." },
      },
      examples: [{ require: { rack: ["r1", "r2"] }, prefer: { disk: "fast" } }],
    },
    local: {
      type: "boolean",
      description:
        "false: answer only, and put no address on the host (for nftables, IPVS or containers that take the traffic).",
      default: true,
    },
  },
};

export const SCHEMA: Schema & { readonly $schema: string; readonly title: string } = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Configuration of vipd (/etc/vipd/config.json)",
  type: "object",
  additionalProperties: false,
  required: ["vips"],
  properties: {
    $schema: { type: "string", description: "Where an editor finds this schema; vipd ignores it." },
    node,
    gossip,
    vips: { type: "array", description: "The virtual addresses, in groups.", minItems: 1, items: vip },
    quorum: {
      type: ["string", "integer"],
      description:
        "How many hosts (this one included) a host must reach to own any VIP: a number, or `majority` of `expect`. Without it each side of a partition serves its own side; with it a side that lacks the quorum falls silent.",
      minimum: 1,
      maximum: 128,
      examples: ["majority", 3],
    },
    expect: {
      type: "integer",
      description: "How many hosts the group has in all; `quorum` is a majority of them.",
      minimum: 1,
      maximum: 255,
      examples: [5],
    },
    hooks: section(
      "Programs to run when something happens: an argument list, or a list of those. No shell, no capabilities. Nobody but root may be able to write the program's file.",
      {
        owned: { ...hook, description: "This host owns a VIP now." },
        released: { ...hook, description: "This host no longer owns or accepts a VIP." },
        conflict: { ...hook, description: "A stranger uses a VIP." },
        member: { ...hook, description: "A host joined, died, left or came back." },
        timeoutMs: {
          type: "integer",
          description: "ms until a program is killed with its whole process group.",
          minimum: 10,
          maximum: 600_000,
          default: 10_000,
        },
      },
    ),
    strictArp: {
      type: "string",
      description:
        "The kernel must not answer for VIPs itself (arp_ignore=1, arp_announce=2 on `all`). `manage`: set, and restored at the end; `require`: refuse to start unless set; `ignore`: leave alone.",
      enum: ["manage", "require", "ignore"],
      default: "manage",
    },
    announce: section("How gratuitous ARP and unsolicited neighbour advertisements are paced.", {
      perSecond: {
        type: "integer",
        description:
          "Frames a second and interface. An IPv4 address needs two of them. Switches that police ARP want it low.",
        minimum: 10,
        maximum: 100_000,
        default: 5000,
      },
      refreshMacMs: {
        type: "integer",
        description:
          "ms. A broadcast from each MAC this often, give or take a tenth: switches forget MACs that are quiet.",
        minimum: 1000,
        maximum: DURATION_MS_MAX,
        default: 60_000,
      },
      refreshVipMs: {
        type: "integer",
        description: "ms. Each VIP is announced again this often, give or take a tenth, evenly spread.",
        minimum: 1000,
        maximum: DURATION_MS_MAX,
        default: 300_000,
      },
    }),
    status: section("What tells of this daemon.", {
      listen: {
        type: ["string", "integer"],
        description: "Read-only HTTP: `address:port`, `[IPv6]:port`, or a port alone on 127.0.0.1.",
        default: "127.0.0.1:7980",
      },
      socket: {
        type: "string",
        description: "Unix socket of the command line; run-time state lies beside it. An absolute path.",
        minLength: 1,
        maxLength: 107,
        default: "/run/vipd/vipd.sock",
      },
    }),
    log: section("The log.", {
      level: {
        type: "string",
        description: "Least level that is written.",
        enum: ["trace", "debug", "info", "warn", "error"],
        default: "info",
      },
    }),
  },
};

export interface Leaf {
  /** `gossip.bind`. */
  readonly path: string;
  readonly schema: Schema;
  /** `VIPD_GOSSIP_BIND`; null where a variable or flag cannot carry it. */
  readonly variable: string | null;
}

/** Every key that is not a section, in the schema's order. */
export function leaves(): readonly Leaf[] {
  const found: Leaf[] = [];
  const add = (path: string, schema: Schema) => {
    const scalar = schema.type !== "object" && schema.type !== "array";
    const snake = path
      .replace(/([a-z])([A-Z])/g, "$1_$2")
      .replaceAll(".", "_")
      .toUpperCase();
    found.push({ path, schema, variable: scalar || path === "gossip.join" ? `VIPD_${snake}` : null });
  };
  for (const [name, schema] of Object.entries(SCHEMA.properties!)) {
    if (name === "$schema") continue;
    if (schema.properties === undefined) add(name, schema);
    else for (const [key, leaf] of Object.entries(schema.properties)) add(`${name}.${key}`, leaf);
  }
  return found;
}
