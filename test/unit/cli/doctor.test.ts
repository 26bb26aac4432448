import { describe, expect, test } from "vitest";
import { findDropper, type Packet } from "../../../src/cli/doctor/firewall.js";
import { legacyItems } from "../../../src/cli/doctor/iptables.js";
import { judgeAll } from "../../../src/cli/doctor/judge.js";
import { parseNeighbourTable } from "../../../src/cli/doctor/neighbour-table.js";
import type { HostFacts, Link, NeighbourTable, Peer } from "../../../src/cli/doctor/types.js";
import { loadConfig } from "../../../src/config/load.js";
import type { Config } from "../../../src/config/types.js";

const RAW = {
  gossip: { bind: "10.77.0.11:7979", join: ["10.77.0.12"], insecure: true },
  vips: [{ name: "web", addresses: ["10.77.0.100"], interface: "eth0" }],
};

function configOf(change: object = {}): Config {
  const bytes = new TextEncoder().encode(JSON.stringify({ ...RAW, ...change }));
  const stat = () => ({ mode: 0o600, gid: 0, size: bytes.length, isDirectory: false });
  const loaded = loadConfig({ file: "/c.json", env: {}, hostname: "a", readFile: () => bytes, stat });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.config;
}

const eth0: Link = {
  name: "eth0",
  ethernet: true,
  masterName: "",
  masterKind: "",
  up: true,
  carrier: true,
  mtu: 1500,
  mac: "02:77:00:00:00:0b",
  addresses: [{ address: "10.77.0.11", prefix: 24, ours: false }],
};
const peer: Peer = {
  name: "10.77.0.12",
  address: "10.77.0.12",
  tcp: "open",
  understood: true,
  udp: true,
  udpFull: true,
};
const ALL = "net/ipv4/conf/all/";
const STRICT = [
  [`${ALL}arp_ignore`, 1],
  [`${ALL}arp_announce`, 2],
] as const;

const well: HostFacts = {
  config: configOf(),
  nodeVersion: "v20.20.0",
  capabilities: 0x3fffn,
  realTimeUnit: true,
  service: null,
  withoutArp: [],
  links: [eth0],
  interfaces: ["eth0"],
  sysctls: new Map(STRICT),
  neighbourTables: [{ family: 4, entries: 40, limit: 1024, overflows: 0 }],
  running: true,
  owned: new Set(),
  hostOfMac: new Map([["02:77:00:00:00:0c", "host-b"]]),
  answers: [{ address: "10.77.0.100", interface: "eth0", mac: "02:77:00:00:00:0c" }],
  peers: [peer],
  nft: null,
  legacy: [],
  otherGroups: [],
  networkFiles: new Map(),
  programs: [],
  bridges: [],
  vrrp: null,
};
const table: NeighbourTable = { family: 6, entries: 40, limit: 1024, overflows: 0 };
const v6 = configOf({ vips: [{ name: "six", addresses: ["fd77::100"], interface: "eth0" }] });
const stranger = { address: "10.77.0.100", interface: "eth0", mac: "02:00:00:00:00:99" };
const other: Link = { ...eth0, name: "eth1", addresses: [{ address: "10.78.0.11", prefix: 24, ours: false }] };

function named(change: Partial<HostFacts>): string[] {
  return judgeAll({ ...well, ...change }).map((one) => `${one.severity} ${one.name}`);
}

test("a host that is well has no finding", () => expect(named({})).toEqual([]));

describe("each finding, and nothing else", () => {
  test.each<[string, Partial<HostFacts>, readonly string[]]>([
    ["an old Node", { nodeVersion: "v18.19.0" }, ["error node-version"]],
    ["no capability", { capabilities: 0n }, ["error capabilities"]],
    ["no raw socket", { capabilities: 1n << 12n }, ["error capabilities"]],
    [
      "extreme without real time",
      { config: configOf({ gossip: { ...RAW.gossip, profile: "extreme" } }), realTimeUnit: null },
      ["warning no-real-time"],
    ],
    ["no interface", { links: [] }, ["error interface-missing"]],
    ["interface down", { links: [{ ...eth0, up: false, carrier: false }] }, ["error interface-down"]],
    ["a service that runs", { service: { active: "active", enabled: "enabled", unreadable: [] } }, []],
    ["ARP switched off", { withoutArp: ["eth0"] }, ["error no-arp"]],
    ["ARP switched off elsewhere", { withoutArp: ["tun0"] }, []],
    [
      "a service that failed and is not enabled",
      { service: { active: "failed", enabled: "disabled", unreadable: [] }, running: false, answers: [] },
      ["warning service-down", "warning service-disabled"],
    ],
    [
      "a file that the service's user may not read",
      { service: { active: "active", enabled: "enabled", unreadable: ["/etc/vipd/gossip.key"] } },
      ["error unreadable"],
    ],
    ["no carrier", { links: [{ ...eth0, carrier: false }] }, ["error no-carrier"]],
    ["a bond's member", { links: [{ ...eth0, masterName: "bond0", masterKind: "bond" }] }, ["error interface-member"]],
    ["no Ethernet", { links: [{ ...eth0, ethernet: false }] }, ["error interface-kind"]],
    ["IPv6 switched off", { config: v6 }, ["warning no-ipv6"]],
    [
      "strict ARP required and not set",
      { config: configOf({ strictArp: "require" }), sysctls: new Map() },
      ["error strict-arp"],
    ],
    [
      "strict ARP ignored and not set",
      { config: configOf({ strictArp: "ignore" }), sysctls: new Map() },
      ["warning strict-arp"],
    ],
    ["strict ARP undone beside a daemon", { sysctls: new Map() }, ["error strict-arp-undone"]],
    [
      "manage changes something for other addresses",
      { sysctls: new Map(), running: false, links: [eth0, other], answers: [] },
      ["info manage-changes"],
    ],
    [
      "strict rp_filter beside another network",
      { sysctls: new Map([...STRICT, [`${ALL}rp_filter`, 1]]), links: [eth0, other] },
      ["warning rp-filter"],
    ],
    ["strict rp_filter alone does no harm", { sysctls: new Map([...STRICT, [`${ALL}rp_filter`, 1]]) }, []],
    ["a table of neighbours with room", { neighbourTables: [{ ...table, entries: 800 }] }, []],
    ["one that is nearly full", { neighbourTables: [{ ...table, entries: 820 }] }, ["warning neighbour-table"]],
    ["one that was full once", { neighbourTables: [{ ...table, overflows: 7 }] }, ["info neighbour-table"]],
    ["one of another namespace", { neighbourTables: [{ ...table, entries: 2000, limit: null }] }, []],
    ["accept_local", { sysctls: new Map([...STRICT, [`${ALL}accept_local`, 1]]) }, ["info accept-local"]],
    ["ip_nonlocal_bind", { sysctls: new Map([...STRICT, ["net/ipv4/ip_nonlocal_bind", 0]]) }, ["info nonlocal-bind"]],
    [
      "a VIP left by keepalived",
      { links: [{ ...eth0, addresses: [...eth0.addresses, { address: "10.77.0.100", prefix: 32, ours: false }] }] },
      ["error vip-on-interface"],
    ],
    ["keepalived", { programs: ["keepalived"] }, ["warning other-program"]],
    [
      "networkd configures lo",
      { networkFiles: new Map([["/etc/systemd/network/a.network", "[Match]\nName=lo\n[Network]\nDHCP=no\n"]]) },
      ["warning networkd-lo"],
    ],
    [
      "networkd configures eth0",
      { networkFiles: new Map([["/etc/systemd/network/a.network", "[Match]\nName=eth0\n[Network]\nDHCP=yes\n"]]) },
      [],
    ],
    [
      "networkd keeps what lies on lo",
      { networkFiles: new Map([["/a.network", "[Match]\nName=*\n[Network]\nKeepConfiguration=yes\n"]]) },
      [],
    ],
    [
      "NetworkManager configures lo",
      { networkFiles: new Map([["/a.nmconnection", "[connection]\ntype=loopback\n"]]) },
      ["warning networkmanager-lo"],
    ],
    [
      "a bridge that snoops without a querier",
      {
        config: v6,
        links: [{ ...eth0, addresses: [{ address: "fd77::11", prefix: 64, ours: false }] }],
        bridges: [{ name: "eth0", snooping: true, querier: false }],
      },
      ["info mld-snooping"],
    ],
    ["a stranger", { answers: [stranger] }, ["error stranger"]],
    [
      "another group's host, which is no mere stranger then",
      {
        answers: [stranger, { ...stranger, address: "10.77.0.101" }],
        otherGroups: [{ ...stranger, address: "10.77.0.50" }],
      },
      ["error other-group"],
    ],
    [
      "a rule of iptables-legacy",
      {
        legacy: legacyItems(
          "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 7979 -j DROP\nCOMMIT\n",
          "ip",
        ),
      },
      ["error firewall-legacy"],
    ],
    ["a VRRP router", { answers: [{ ...stranger, mac: "00:00:5e:00:01:07" }], running: false }, ["error stranger"]],
    ["somebody, and no daemon to say whose MAC it is", { answers: [stranger], running: false }, ["info stranger"]],
    ["another host of the group answers for what we own", { owned: new Set(["10.77.0.100"]) }, ["warning two-voices"]],
    ["VRRP is spoken", { vrrp: [{ interface: "eth0", from: "10.77.0.9" }] }, ["info vrrp"]],
    ["a name that does not resolve", { peers: [{ ...peer, address: null }, peer] }, ["error peer-name"]],
    [
      "a peer without a daemon",
      { peers: [{ ...peer, tcp: "refused", understood: false, udp: false, udpFull: false }] },
      ["warning peer-stopped"],
    ],
    [
      "a peer with another key",
      { peers: [{ ...peer, understood: false, udp: false, udpFull: false }] },
      ["error peer-key"],
    ],
    ["UDP dropped", { peers: [{ ...peer, udp: false, udpFull: false }] }, ["error peer-udp"]],
    ["TCP dropped", { peers: [{ ...peer, tcp: "silent", understood: false }] }, ["error peer-tcp"]],
    ["a smaller MTU on the way", { peers: [{ ...peer, udpFull: false }] }, ["error peer-mtu"]],
    [
      "nobody there",
      { peers: [{ ...peer, tcp: "silent", understood: false, udp: false, udpFull: false }] },
      ["error peer-unreachable", "error nobody-reached"],
    ],
  ])("%s", (_, change, expected) => expect(named(change)).toEqual(expected));

  test("the worst comes first, and each has a remedy", () => {
    const found = judgeAll({ ...well, programs: ["keepalived"], links: [], vrrp: [{ interface: "eth0", from: "x" }] });
    expect(found.map((one) => one.severity)).toEqual(["error", "warning", "info"]);
    for (const one of found) expect(one.remedy).not.toBe("");
  });
});

// ------------------------------------------------------------------ nft

const dport = (protocol: string, right: unknown, op = "==") => ({
  match: { op, left: { payload: { protocol, field: "dport" } }, right },
});
const established = { match: { op: "in", left: { ct: { key: "state" } }, right: ["established", "related"] } };

function ruleset(policy: string, ...rules: readonly (readonly unknown[])[]): unknown {
  const place = { family: "inet", table: "filter" };
  return {
    nftables: [
      { metainfo: {} },
      { chain: { ...place, name: "sub" } },
      { chain: { ...place, name: "input", type: "filter", hook: "input", prio: 0, policy } },
      { rule: { ...place, chain: "sub", handle: 90, expr: [dport("udp", 7979), { accept: null }] } },
      ...rules.map((expr, i) => ({ rule: { ...place, chain: "input", handle: i + 1, expr } })),
    ],
  };
}

describe("which rule of nft drops gossip", () => {
  const udp: Packet = { protocol: "udp", port: 7979, family: 4, interface: "eth0" };
  const accept = { accept: null };
  const drop = { drop: null };
  test.each<[string, unknown, number | null | "none"]>([
    ["no rules at all", null, "none"],
    ["policy accept", ruleset("accept"), "none"],
    ["policy drop", ruleset("drop", [established, accept]), null],
    ["policy drop, the port accepted", ruleset("drop", [dport("udp", 7979), accept]), "none"],
    ["the port in a set", ruleset("drop", [dport("udp", { set: [22, { range: [7000, 8000] }] }), accept]), "none"],
    ["the other protocol accepted", ruleset("drop", [dport("tcp", 7979), accept]), null],
    ["dropped by a rule", ruleset("accept", [dport("udp", 7979), { counter: {} }, drop]), 1],
    ["rejected by a rule", ruleset("accept", [dport("udp", 22, "!="), { reject: null }]), 1],
    ["accepted in a chain that is jumped to", ruleset("drop", [{ jump: { target: "sub" } }]), "none"],
    [
      "accepted on another interface",
      ruleset("drop", [{ match: { op: "==", left: { meta: { key: "iifname" } }, right: "lo" } }, accept]),
      null,
    ],
    [
      "a match that we do not know decides nothing",
      ruleset("accept", [{ match: { op: "==", left: { osf: {} }, right: 1 } }, drop]),
      "none",
    ],
  ])("%s", (_, rules, handle) => {
    const found = findDropper(rules, udp);
    expect(found === null ? "none" : found.handle).toBe(handle);
  });
});

describe("the rules of iptables-legacy, as iptables-legacy-save prints them", () => {
  const udp: Packet = { protocol: "udp", port: 7979, family: 4, interface: "eth0" };
  const chains = (policy: string) =>
    `:INPUT ${policy} [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:own - [0:0]`;
  test.each<[string, string, string, number | null | "none"]>([
    ["no rule", "ACCEPT", "", "none"],
    ["a policy", "DROP", "", null],
    ["a policy, and the port is accepted", "DROP", "-A INPUT -p udp -m udp --dport 7979 -j ACCEPT", "none"],
    ["the port", "ACCEPT", "-A INPUT -p udp -m udp --dport 7979 -j DROP", 1],
    ["another protocol", "ACCEPT", "-A INPUT -p tcp -m tcp --dport 7979 -j DROP", "none"],
    [
      "a range",
      "ACCEPT",
      "-A INPUT -i eth+ -p udp -m udp --dport 1024: -j REJECT --reject-with icmp-port-unreachable",
      1,
    ],
    ["several ports", "ACCEPT", "-A INPUT -p udp -m multiport --dports 53,7000:8000 -j DROP", 1],
    ["all but another port", "ACCEPT", "-A INPUT -p udp -m udp ! --dport 53 -j DROP", 1],
    ["another interface", "ACCEPT", "-A INPUT -i eth1 -j DROP", "none"],
    [
      "established ones are accepted, new ones dropped",
      "ACCEPT",
      '-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -j LOG --log-prefix "in: "\n-A INPUT -j DROP',
      3,
    ],
    [
      "a chain of its own",
      "ACCEPT",
      '-A INPUT -m comment --comment "our own" -j own\n-A own -p udp -m udp --dport 7979 -j DROP',
      2,
    ],
    ["a chain that returns", "ACCEPT", "-A INPUT -j own\n-A own -j RETURN\n-A own -j DROP", "none"],
    ["an option that is not known", "ACCEPT", "-A INPUT -s 192.0.2.0/24 -j DROP", "none"],
  ])("%s", (_, policy, rules, handle) => {
    const saved = `# Generated\n*filter\n${chains(policy)}\n${rules}\nCOMMIT\n# Completed\n`;
    const found = findDropper({ nftables: legacyItems(saved, "ip") }, udp);
    expect(found === null ? "none" : found.handle).toBe(handle);
    expect(findDropper({ nftables: legacyItems(saved, "ip6") }, udp)).toBe(null);
  });
});

const HEAD = "entries  allocs   destroys hash_grows table_fulls";
test.each<[string, string, string | null, object | null]>([
  [
    "two CPUs: their counts are added, the entries are the same",
    `${HEAD}\n0b 1 1 0 10\n0b 2 2 0 01\n`,
    "1024\n",
    { entries: 11, overflows: 17, limit: 1024 },
  ],
  [
    "a namespace of its own: no limit is told",
    `${HEAD}\n0b 1 1 0 0\n`,
    null,
    { entries: 11, overflows: 0, limit: null },
  ],
  ["no CPU", `${HEAD}\n`, null, null],
  ["columns that another kernel does not have", "entries allocs\n0b 1\n", null, null],
  ["nothing", "", null, null],
])("the kernel's table of neighbours: %s", (_name, text, limit, wanted) => {
  const table = parseNeighbourTable(4, text, limit);
  if (wanted === null) expect(table).toBe(null);
  else expect(table).toEqual({ family: 4, ...wanted });
});
