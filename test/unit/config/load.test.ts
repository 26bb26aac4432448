import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { groupDigest } from "../../../src/config/digest.js";
import type { HostInterface } from "../../../src/config/host.js";
import { readKeyRing } from "../../../src/config/keyring.js";
import { formatProblem, type LoadOptions, loadConfig } from "../../../src/config/load.js";
import { SCHEMA } from "../../../src/config/schema.js";
import { PROFILES } from "../../../src/domain/profile.js";

const root = new URL("../../../", import.meta.url);
const KEY = Buffer.alloc(32, 7).toString("base64");
const group = { name: "web", addresses: ["10.0.0.100"], interface: "eth0" };
const nic = (name: string, addresses: string[] = [], master: [string, string] = ["", ""]): HostInterface => ({
  name,
  ethernet: true,
  masterName: master[0],
  masterKind: master[1],
  addresses: addresses.map((text) => {
    const [address, prefix] = text.split("/") as [string, string];
    return { address, prefix: Number(prefix), ours: false };
  }),
});
const HOST: readonly HostInterface[] = [
  { ...nic("lo", ["127.0.0.1/8"]), ethernet: false },
  nic("eth0", ["10.0.0.1/8", "fd77::1/64"]),
  nic("eth1"),
];
const good = { gossip: { bind: "10.0.0.1:7979", keyFile: "/k" }, vips: [group] };

function load(config: unknown, options: Partial<LoadOptions> & { key?: string; mode?: number } = {}) {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  return loadConfig({
    file: "/c.json",
    env: {},
    hostname: "host-a",
    daemonGids: [0],
    host: HOST,
    readFile: (file) => Buffer.from(file === "/c.json" ? text : (options.key ?? KEY)),
    stat: () => ({ mode: options.mode ?? 0o600, gid: 0, size: text.length, isDirectory: false }),
    ...options,
  });
}

function problemsOf(...args: Parameters<typeof load>): string {
  const loaded = load(...args);
  return loaded.ok ? "(accepted)" : loaded.problems.map(formatProblem).join("\n");
}

const vips = (...groups: object[]) => ({
  ...good,
  vips: groups.map((one, i) => ({ ...group, name: `g${i}`, ...one })),
});
const gossip = (change: object) => ({ ...good, gossip: { ...good.gossip, ...change } });
const of = (...addresses: unknown[]) => vips({ addresses });

describe("a malformed configuration is refused with the path", () => {
  it.each<[string, unknown, string]>([
    ["empty file", "", "/c.json: line 1, column 1: the file is empty"],
    ["bad JSON", '{\n  "vips": [,]\n}', '/c.json: line 2, column 12: expected a value, found ","\n  2 |   "vips": [,]'],
    ["comma too many", '{"vips": [1,]}', 'comma too many before "]"'],
    ["comment", "{ // x\n}", "JSON has no comments"],
    ["single quotes", "{'vips': []}", "a key in double quotes"],
    ["cut off", '{"vips": [', "the file ends where a value should be"],
    ["open text", '{"vips', "a text that is not closed"],
    ["trailing text", "{} {}", "something follows the end"],
    ["deep nesting", `{"vips":${"[".repeat(5000)}`, "nested deeper than 32 levels"],
    ["a list", [], "must hold one object"],
    ["duplicate key", '{"vips":[],"vips":[]}', "vips: the key is there twice, the second time in line 1"],
    ["__proto__", '{"__proto__":{"x":1}}', "__proto__: unknown key"],
    ["constructor", '{"constructor":{"prototype":1}}', "constructor: unknown key"],
    ["unknown key", { ...good, gosip: {} }, 'gosip: unknown key; did you mean "gossip"?'],
    ["key in the wrong place", { ...good, bind: 1 }, "bind: unknown key here; did you mean gossip.bind?"],
    ["majority of nobody knows what", { ...good, quorum: "majority" }, 'quorum: "majority" of how many hosts?'],
    ["a quorum that is no word of ours", { ...good, quorum: "half", expect: 4 }, 'quorum: "half" must be "majority"'],
    ["a quorum of nobody", { ...good, quorum: 0 }, "quorum: 0 is not possible"],
    ["a quorum of halves", { ...good, quorum: 1.5 }, "quorum: must be a text or a whole number"],
    ["a quorum out of reach", { ...good, quorum: 4, expect: 3 }, "quorum: 4 hosts of 3 (expect) can never be reached"],
    ["expect as text", { ...good, quorum: "majority", expect: "5" }, "expect: must be a whole number"],
    ["unknown key of a group", vips({ adresses: [] }), 'vips[0].adresses: unknown key; did you mean "addresses"?'],
    ["vips missing", { gossip: good.gossip }, "vips: is missing"],
    ["vips empty", { ...good, vips: [] }, "vips: is empty: there is nothing to do"],
    ["vips no list", { ...good, vips: {} }, "vips: must be a list [ … ], is an object"],
    ["vips null", { ...good, vips: null }, "vips: must be a list [ … ], is null"],
    ["section no object", { ...good, log: "info" }, "log: must be an object { … }, is the text"],
    ["number as text", { ...good, node: { weight: "2" } }, 'node.weight: must be a number, such as 1, is the text "2"'],
    ["weight 0", { ...good, node: { weight: 0 } }, "node.weight: 0 is not possible: must be more than 0"],
    ["weight infinite", '{"node":{"weight":1e999}}', "node.weight: Infinity is not possible"],
    [
      "label no text",
      { ...good, node: { labels: { "a.b": 1 } } },
      'node.labels["a.b"]: must be a text, is the number 1',
    ],
    ["node name", { ...good, node: { name: "a b" } }, 'node.name: "a b": a name has letters'],
    ["node name too long", { ...good, node: { name: "a".repeat(129) } }, "has 129 bytes, at most 128"],
    ["group missing all", { ...good, vips: [{}] }, 'vips[0].name: is missing, such as "web"'],
    ["group no object", { ...good, vips: [7] }, "vips[0]: must be an object { … }, is the number 7"],
    [
      "group names twice",
      { ...good, vips: [group, { ...group, addresses: ["10.0.0.2"] }] },
      'vips[1].name: "web" is already the name of vips[0]',
    ],
    ["bad address", of("10.0.0.1", "10.0.0.300"), 'vips[0].addresses[1]: "10.0.0.300" is not an IPv4 or IPv6 address'],
    ["leading zero", of("10.0.0.01"), '(write "10.0.0.1")'],
    ["zone", of("fe80::1%eth0"), "a VIP has no zone"],
    ["space", of(" 10.0.0.1"), '(write "10.0.0.1")'],
    ["address no text", of(5), "vips[0].addresses[0]: must be a text, is the number 5"],
    ["address null", of(null), "vips[0].addresses[0]: must be a text, is null"],
    ["addresses empty", of(), "vips[0].addresses: must not be empty"],
    ["loopback", of("127.0.0.1"), 'vips[0].addresses[0]: "127.0.0.1" is a loopback address: it cannot be a VIP'],
    ["multicast in a range", of("223.255.255.255-224.0.0.1"), "holds 224.0.0.0, which is a multicast address"],
    ["end before start", of("10.0.0.9-10.0.0.1"), 'the range ends before it starts; write "10.0.0.1-10.0.0.9"'],
    ["families mixed", of("10.0.0.9-fd77::1"), "begins and ends in the same family"],
    ["short range", of("10.0.0.1-9"), 'write "10.0.0.1-10.0.0.9"'],
    ["host bits", of("10.0.0.5/30"), 'has host bits set: write "10.0.0.4/30"'],
    ["bad prefix", of("10.0.0.0/33"), "the prefix must be a number from 0 to 32"],
    ["too many in one", of("10.0.0.0/8"), "has more than 16384 addresses"],
    ["too many in all", of("10.0.0.0/18", "fd77::1"), "vips[0].addresses[1]: makes 16385 addresses in all"],
    [
      "twice in a group",
      of("fd77::1", "FD77:0::1"),
      "vips[0].addresses[1]: fd77::1 is already in vips[0].addresses[0]",
    ],
    [
      "twice across groups",
      vips({ addresses: ["10.0.0.0/30"] }, { addresses: ["10.0.0.1-10.0.0.2"] }),
      "vips[1].addresses[0]: 10.0.0.1 is already in vips[0].addresses[0] (and 1 more of this entry)",
    ],
    ["interface lo", vips({ interface: "lo" }), 'vips[0].interface: must not be "lo"'],
    ["interface too long", vips({ interface: "e".repeat(16) }), "vips[0].interface: "],
    ["interface with a slash", vips({ interface: "a/b" }), "cannot be the name of an interface"],
    ["an empty list of interfaces", vips({ interface: [] }), "vips[0].interface: must not be empty"],
    ["an interface twice", vips({ interface: ["eth0", "eth0"] }), 'vips[0].interface[1]: "eth0" is named twice'],
    ["auto in a list", vips({ interface: ["auto"] }), 'vips[0].interface[0]: "auto" stands alone'],
    ["lo in a list", vips({ interface: ["eth0", "lo"] }), 'vips[0].interface[1]: must not be "lo"'],
    ["nine interfaces", vips({ interface: Array(9).fill("eth0") }), "vips[0].interface: has 9 entries, at most 8"],
    ["an interface that is a number", vips({ interface: 7 }), 'must be "eth0" or ["eth0","eth1"] or "auto"'],
    [
      "auto without a subnet",
      vips({ interface: "auto", addresses: ["192.0.2.1"] }),
      '"auto": no interface of this host',
    ],
    ["conflict", vips({ conflict: "give up" }), 'vips[0].conflict: "give up" is not one of "defend", "yield"'],
    ["announce too slow", { ...good, announce: { perSecond: 9 } }, "announce.perSecond: 9 is not possible"],
    ["announce too fast", { ...good, announce: { perSecond: 1e6 } }, "announce.perSecond: 1000000 is not possible"],
    ["refresh too often", { ...good, announce: { refreshVipMs: 10 } }, "announce.refreshVipMs: 10 is not possible"],
    ["interface absent", vips({ interface: "wan0" }), 'vips[0].interface: there is no interface "wan0" on this host'],
    [
      "failback text",
      vips({ failback: "soon" }),
      'vips[0].failback: must be {"afterMs":300000} or "never", is the text "soon"',
    ],
    [
      "failback negative",
      vips({ failback: { afterMs: -1 } }),
      "vips[0].failback.afterMs: -1 is not possible: must be at least 0",
    ],
    ["failback unknown key", vips({ failback: { after: 1 } }), "vips[0].failback.after: unknown key"],
    ["together text", vips({ together: "yes" }), 'vips[0].together: must be true or false, is the text "yes"'],
    ["bind without a port", gossip({ bind: "10.0.0.1" }), 'gossip.bind: "10.0.0.1" has no port; write "10.0.0.1:7979"'],
    ["bind v6 without brackets", gossip({ bind: "fd77::1" }), 'needs brackets; write "[fd77::1]:7979"'],
    ["bind port 0", gossip({ bind: "10.0.0.1:0" }), '"0" is not a port (1 to 65535)'],
    ["bind port 65536", gossip({ bind: 65536 }), '"65536" is not a port'],
    ["bind is a VIP", gossip({ bind: "10.0.0.100:7979" }), "gossip.bind: 10.0.0.100 is a VIP (vips[0].addresses[0])"],
    ["bind is every address", gossip({ bind: "0.0.0.0:7979" }), "gossip.bind: "],
    ["bind is a name", gossip({ bind: "host-a:7979" }), "must be an address, not a name"],
    ["advertise is every address", gossip({ advertise: "0.0.0.0:1" }), "gossip.advertise: 0.0.0.0 is every address"],
    ["join is bad", gossip({ join: ["ok:1", "10.0.0.300:1"] }), "gossip.join[1]: "],
    ["join no list", gossip({ join: "10.0.0.2:7979" }), "gossip.join: must be a list"],
    [
      "profile",
      gossip({ profile: "fasst" }),
      'gossip.profile: "fasst" is not one of "relaxed", "lan", "fast", "extreme"',
    ],
    [
      "timer unknown",
      gossip({ timers: { deadAfter: 900 } }),
      'gossip.timers.deadAfter: unknown key; did you mean "deadAfterMs"?',
    ],
    [
      "timer no number",
      gossip({ timers: { leaseMs: "1s" } }),
      'gossip.timers.leaseMs: must be a whole number, is the text "1s"',
    ],
    [
      "timer out of bounds",
      gossip({ timers: { leaseMs: 5 } }),
      "gossip.timers.leaseMs: 5 is not possible: must be at least 10",
    ],
    ["timers no object", gossip({ timers: [] }), "gossip.timers: must be an object"],
    [
      "dead before the lease is over",
      gossip({ timers: { deadAfterMs: 600 } }),
      "gossip.timers.deadAfterMs: deadAfterMs must be at least 897 ms (leaseMs + watchIntervalMs + askTimeoutMs and 2 % for late timers): a host that stalls may answer until its lease ends",
    ],
    [
      "a lease that outlasts the profile's patience: the timer that was set is named",
      gossip({ profile: "fast", timers: { leaseMs: 200 } }),
      "gossip.timers.leaseMs: deadAfterMs must be at least 325 ms",
    ],
    [
      "a lease of one extension",
      gossip({ timers: { leaseExtensionMs: 300 } }),
      "gossip.timers.leaseExtensionMs: leaseMs must be at least 900 ms",
    ],
    ["label too long", gossip({ label: "é".repeat(128) }), "has 256 bytes, at most 255"],
    ["aloneAfterMs fraction", gossip({ aloneAfterMs: 1.5 }), "gossip.aloneAfterMs: must be a whole number"],
    [
      "no key",
      { ...good, gossip: { bind: "10.0.0.1:7979" } },
      "gossip.keyFile: is missing: make a key with `(umask 027; vipd keygen >",
    ],
    ["key and insecure", gossip({ insecure: true }), "gossip.insecure: contradicts gossip.keyFile"],
    ["strictArp", { ...good, strictArp: "manges" }, '(did you mean "manage"?)'],
    [
      "socket relative",
      { ...good, status: { socket: "vipd.sock" } },
      'status.socket: "vipd.sock" must be an absolute path',
    ],
    ["socket too long", { ...good, status: { socket: `/${"a".repeat(107)}` } }, "has 108 bytes, at most 107"],
    [
      "listen on gossip's port",
      { ...good, status: { listen: "10.0.0.1:7979" } },
      "status.listen: port 7979 is gossip.bind's",
    ],
    ["log level", { ...good, log: { level: "verbose" } }, 'log.level: "verbose" is not one of'],
  ])("%s", (_name, config, expected) => {
    expect(problemsOf(config)).toContain(expected);
  });

  it.each([
    ["empty", "\n# none\n", "there is no key in it"],
    ["no base64", `${KEY}\nöäü`, "line 2: not base64"],
    [
      "wrong length",
      `# a\n${Buffer.alloc(20).toString("base64")}`,
      "line 2: a key of 20 bytes; it must have 16, 24 or 32",
    ],
    ["the same twice", `${KEY}\n${KEY}`, "line 2: the same key as in line 1"],
  ])("key file: %s", (_name, key, expected) => {
    expect(problemsOf(good, { key })).toContain(expected);
    expect(problemsOf(good, { key })).not.toContain(KEY);
  });

  it.each([
    ["absent", "/nowhere/c.json", "/nowhere/c.json: no such file"],
    ["a directory", "/tmp", "/tmp: is a directory"],
  ])("file: %s", (_name, file, expected) => {
    const loaded = loadConfig({ file, env: {} });
    expect(loaded.ok ? "" : loaded.problems[0]!.message).toContain(expected);
  });

  it("a huge file is refused before it is read, and no UTF-8 is", () => {
    const stat = () => ({ mode: 0, gid: 0, size: 5 * 1024 * 1024, isDirectory: false });
    expect(problemsOf(good, { stat })).toContain("larger than 4 MiB");
    expect(problemsOf(good, { readFile: () => Uint8Array.of(0xff, 0xfe) })).toContain("not UTF-8");
  });

  it("every problem is reported at once", () => {
    const text = problemsOf({ node: { weight: -1 }, vips: [{ ...group, addresses: ["x"], interface: "lo" }], nod: 1 });
    expect(text.split("\n").map((line) => line.split(":")[0])).toEqual(
      expect.arrayContaining(["node.weight", "vips[0].addresses[0]", "vips[0].interface", "nod", "gossip.keyFile"]),
    );
  });
});

describe("what is accepted", () => {
  const accept = (...args: Parameters<typeof load>) => {
    const loaded = load(...args);
    if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join("\n"));
    return loaded;
  };

  it("the example, which names the schema that is checked in", () => {
    const { config } = accept(readFileSync(new URL("config.example.json", root), "utf8"));
    expect(config.vips.map((one) => [one.name, one.addresses.length, one.together])).toEqual([
      ["web", 2, true],
      ["pool", 36, false],
    ]);
    expect(JSON.parse(readFileSync(new URL("config.schema.json", root), "utf8"))).toEqual(SCHEMA);
  });

  it("defaults: name, port, together, failback, aloneAfterMs 0 without join", () => {
    const { config } = accept(`\ufeff${JSON.stringify({ gossip: { keyFile: "/k" }, vips: [group] })}`);
    expect(config.node).toEqual({ name: "host-a", weight: 1, labels: {} });
    expect(config.gossip).toMatchObject({
      bind: { host: null, port: 7979 },
      join: [],
      aloneAfterMs: 0,
      profile: "lan",
    });
    expect(config.vips[0]).toEqual({
      ...group,
      interface: ["eth0"],
      conflict: "defend",
      together: false,
      failback: { afterMs: 300_000 },
      local: true,
      checks: [],
      whenNoneHealthy: "keep",
      spread: "hash",
      hosts: { require: {}, prefer: {} },
    });
    expect(config.status).toEqual({ listen: { host: "127.0.0.1", port: 7980 }, socket: "/run/vipd/vipd.sock" });
  });

  it.each<[unknown, object]>([
    ["7000", { host: null, port: 7000 }],
    [7000, { host: null, port: 7000 }],
    ["[FD77::1]:7000", { host: "fd77::1", port: 7000 }],
  ])("bind %j", (bind, expected) => {
    expect(accept(gossip({ bind })).config.gossip.bind).toEqual(expected);
  });

  it("variables override the file, flags override variables, as what they are", () => {
    const env = {
      VIPD_GOSSIP_BIND: "10.0.0.8:1",
      VIPD_NODE_WEIGHT: "2.5",
      VIPD_NODE_NAME: "env",
      VIPD_GOSSIP_JOIN: "b:1,c",
    };
    const { config } = accept(good, { env, overrides: { "node.name": "1e3", "gossip.aloneAfterMs": "5" } });
    expect(config.node).toMatchObject({ name: "1e3", weight: 2.5 });
    expect(config.gossip).toMatchObject({ bind: { host: "10.0.0.8", port: 1 }, aloneAfterMs: 5 });
    expect(config.gossip.join).toEqual([
      { host: "b", port: 1 },
      { host: "c", port: 7979 },
    ]);
    expect(problemsOf(good, { env: { VIPD_NODE_WEIGHT: "12abc" } })).toContain('"12abc" (from VIPD_NODE_WEIGHT)');
    expect(problemsOf(good, { env: { VIPD_GOSSIP_INSECURE: "yes" } })).toContain("must be true or false");
  });

  it("timers change single durations of the profile; the stall that is ridden out follows", () => {
    const { gossip: plain } = accept(good).config;
    expect(plain).toMatchObject({ profile: "lan", label: "", timing: { deadAfterMs: 905, leaseMs: 475 } });
    const { timing, label } = accept(gossip({ profile: "fast", label: "blue", timers: { deadAfterMs: 500 } })).config
      .gossip;
    expect(label).toBe("blue");
    expect(timing).toEqual({ ...PROFILES.fast, deadAfterMs: 500, stallMs: 376 });
  });

  it.each<[object, unknown]>([
    [
      { quorum: "majority", expect: 5 },
      { hosts: 3, expect: 5 },
    ],
    [
      { quorum: "majority", expect: 4 },
      { hosts: 3, expect: 4 },
    ],
    [
      { quorum: "majority", expect: 2 },
      { hosts: 2, expect: 2 },
    ],
    [{ quorum: 3 }, { hosts: 3, expect: null }],
    [
      { quorum: 3, expect: 5 },
      { hosts: 3, expect: 5 },
    ],
    [{}, null],
  ])("quorum %j", (keys, expected) => {
    expect(accept({ ...good, ...keys }).config.quorum).toEqual(expected);
  });

  it("labels with dots in their keys, failback never, and dotted flags", () => {
    const { config } = accept({ ...vips({ failback: "never" }), node: { labels: { "example.com/rack": "r1" } } });
    expect(config.node.labels).toEqual({ "example.com/rack": "r1" });
    expect(config.vips[0]!.failback).toBe("never");
  });

  it.each<[string, unknown, Parameters<typeof load>[1], string]>([
    ["join names only this host", gossip({ join: ["10.0.0.1:7979"] }), {}, "gossip.join: names only this host itself"],
    ["plain text", { ...good, gossip: { bind: 7979, insecure: true } }, {}, "gossip.insecure: gossip is plain text"],
    ["key file for all", good, { mode: 0o644 }, "gossip.keyFile: /k can be read by everyone (mode 0644)"],
    ["key file for a strange group", good, { mode: 0o640, daemonGids: [5] }, "can be read by group 0"],
    ["interface absent in run", vips({ interface: "wan0" }), { pending: "warning" }, "vips[0].interface: there is no"],
    ["expect alone", { ...good, expect: 5 }, {}, "expect: without quorum nothing depends on it"],
    ["a minority", { ...good, quorum: 2, expect: 5 }, {}, "quorum: 2 of 5 hosts are no majority"],
    ["a majority of two", { ...good, quorum: "majority", expect: 2 }, {}, "quorum: a majority of 2 hosts is both"],
    ["unknown variable", good, { env: { VIPD_GOSSIP_BINF: "x" } }, "did you mean VIPD_GOSSIP_BIND?"],
  ])("with a warning: %s", (_name, config, options, expected) => {
    expect(accept(config, options).warnings.map(formatProblem).join("\n")).toContain(expected);
  });

  it("a key ring has its keys in order, without comments", () => {
    const ring = readKeyRing(`# new\r\n${KEY}\r\n\n${Buffer.alloc(16).toString("base64")} # old\n`);
    expect(ring.ok && ring.keys.map((key) => key.length)).toEqual([32, 16]);
  });

  it("the digest of a group does not depend on the order, and depends on all that decides elections", () => {
    const base = { addresses: ["10.0.0.1", "fd77::1"], together: true, failback: { afterMs: 0 } };
    expect(groupDigest({ ...base, addresses: ["fd77::1", "10.0.0.1"] })).toBe(groupDigest(base));
    const others = [
      { ...base, together: false },
      { ...base, failback: "never" as const },
      { ...base, addresses: ["10.0.0.1"] },
    ];
    expect(new Set([base, ...others].map((group) => groupDigest(group))).size).toBe(4);
    const quorums = [null, { hosts: 3, expect: 5 }, { hosts: 3, expect: 4 }, { hosts: 3, expect: null }];
    expect(new Set(quorums.map((quorum) => groupDigest(base, quorum))).size).toBe(4);
    expect(groupDigest(base, null)).toBe(groupDigest(base));
  });
});
