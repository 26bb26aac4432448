/** `vipd doctor` on hosts that are broken for real, several ways at a time: each is named, with a remedy (issue 6, measured point 2). */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LabHost, MAIN, type RawConfig } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import { run, sh, until } from "./lib/shell.js";

interface Said {
  readonly code: number;
  readonly findings: readonly { severity: string; name: string; seen: string; remedy: string }[];
  readonly fixed: readonly { name: string }[];
}

async function doctor(
  host: LabHost,
  { via = [], flags = [] }: { via?: string[]; flags?: string[] } = {},
): Promise<Said> {
  const program = [process.execPath, MAIN, "doctor", "--json", ...flags, "--config", host.configFile];
  const ran = await run(["ip", "netns", "exec", host.namespace, ...via, ...program], { timeoutMs: 30_000 });
  expect(ran.stderr).toBe("");
  return { code: ran.code, ...(JSON.parse(ran.stdout) as Omit<Said, "code">) };
}

function names(said: Said): string[] {
  for (const one of said.findings) expect(one.remedy, one.seen).not.toBe("");
  return said.findings.map((one) => one.name);
}

/** What `change` says of the configuration, for one examination. */
async function withConfig<T>(host: LabHost, change: RawConfig, deed: () => Promise<T>): Promise<T> {
  const good = host.config;
  host.writeConfig({ ...good, ...change });
  try {
    return await deed();
  } finally {
    host.writeConfig(good);
  }
}

function nft(host: LabHost, chain: string): void {
  host.exec("nft", `table inet lab { chain input { type filter hook input priority 0; ${chain} }\n}\n`);
}

const VRRP = `
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.0.201"))
while True:
    s.sendto(bytes.fromhex("2133640101010000") + socket.inet_aton("10.77.0.240") + bytes(8), ("224.0.0.18", 0)); time.sleep(0.2)
`;

describe("a host that is broken", () => {
  let lab: Lab;
  let a: LabHost;
  let b: LabHost;
  const gossip = (change: object): RawConfig => ({ gossip: { ...(a.config.gossip as object), ...change } });

  beforeAll(async () => {
    lab = await Lab.create({ hosts: 2, v4: 2, v6: 1, servers: false, aloneAfterMs: 0 });
    [a, b] = [lab.hosts[0]!, lab.hosts[1]!];
    await b.startDaemon();
  });
  afterAll(() => lab?.destroy());

  test("nothing that matters on one that is well", async () => {
    await until("host-b owns its VIPs", 8000, async () =>
      (await b.status()).vips.every((vip) => vip.state === "owned"),
    );
    const said = await doctor(a);
    expect(said.findings.filter((one) => one.severity !== "info")).toEqual([]);
    expect(said.code).toBe(0);
  });

  test("sysctls, leftovers, a firewall, a machine that answers, VRRP, networkd, a peer without UDP and a name of nobody", async () => {
    const vip = lab.vips[1]!;
    const client = lab.client.namespace;
    a.exec("sysctl", "-qw", "net.ipv4.conf.eth0.rp_filter=1", "net.ipv4.conf.all.accept_local=1");
    a.exec("ip", "link", "add", "kube-ipvs0", "type", "bridge");
    a.exec("ip", "addr", "add", `${vip}/32`, "dev", "kube-ipvs0");
    a.exec("ip", "link", "add", "eth7", "type", "bridge");
    a.exec("ip", "addr", "add", "10.99.0.1/24", "dev", "eth7");
    a.exec("ip", "link", "set", "eth7", "up");
    nft(a, "policy accept; tcp dport 7979 drop;");
    nft(b, "policy accept; udp dport 7979 drop;");
    sh("ip", "-n", client, "addr", "add", "10.77.0.201/24", "dev", "eth0");
    sh("ip", "-n", client, "addr", "add", `${lab.vips[0]!}/32`, "dev", "eth0");
    const vrrp = lab.processes.spawn({
      namespace: client,
      argv: ["python3", "-c", VRRP],
      logFile: path.join(lab.dir, "vrrp.log"),
    });
    const units = path.join(lab.dir, "networkd");
    fs.mkdirSync(units);
    fs.writeFileSync(path.join(units, "lo.network"), "[Match]\nName=lo\n\n[Network]\nAddress=192.0.2.1/32\n");
    const mounted = ["unshare", "-m", "sh", "-c", `mount --bind ${units} /etc/systemd/network && exec "$@"`, "sh"];
    try {
      const join = [`${b.v4}:7979`, "nobody.invalid:7979"];
      const said = await withConfig(a, { strictArp: "require", ...gossip({ join }) }, () =>
        doctor(a, { via: mounted }),
      );
      const expected = ["strict-arp", "rp-filter", "accept-local", "nonlocal-bind", "vip-on-interface", "firewall"];
      expected.push("networkd-lo", "vrrp", "peer-udp", "peer-name", "stranger");
      expect(names(said)).toEqual(expect.arrayContaining(expected));
      expect(said.findings.find((one) => one.name === "vip-on-interface")?.seen).toContain("kube-proxy");
      expect(
        said.findings.some((one) =>
          one.seen.includes(sh("ip", "netns", "exec", client, "cat", "/sys/class/net/eth0/address").trim()),
        ),
      ).toBe(true);
      expect(said.code).toBe(2);

      const fixed = await withConfig(a, { strictArp: "require" }, () => doctor(a, { flags: ["--fix"] }));
      expect(fixed.fixed.map((one) => one.name)).toEqual(["strict-arp"]);
      expect(a.exec("sysctl", "-n", "net.ipv4.conf.all.arp_ignore", "net.ipv4.conf.all.arp_announce")).toBe("1\n2\n");
    } finally {
      await vrrp.end("SIGKILL", 2000);
      sh("ip", "-n", client, "addr", "del", `${lab.vips[0]!}/32`, "dev", "eth0");
      a.exec("ip", "link", "del", "kube-ipvs0");
      for (const host of [a, b]) host.exec("nft", "flush", "ruleset");
    }
  });

  test("another key, no real time, an address that is not there, an interface that is not there", async () => {
    const keyFile = path.join(lab.dir, "other.key");
    fs.writeFileSync(keyFile, `${Buffer.alloc(32, 7).toString("base64")}\n`, { mode: 0o600 });
    const vips = [...(a.config.vips as object[]), { name: "gone", addresses: ["10.77.0.250"], interface: "eth9" }];
    const change = { vips, ...gossip({ keyFile, profile: "extreme", bind: "10.77.0.99:7979" }) };
    const said = await withConfig(a, change, () => doctor(a));
    const expected = ["peer-key", "no-real-time", "configuration", "interface-missing"];
    expect(names(said)).toEqual(expect.arrayContaining(expected));
    expect(said.findings.find((one) => one.name === "configuration")?.seen).toContain("10.77.0.99");
  });

  test("a smaller MTU on the way, and a process without rights", async () => {
    b.exec("ip", "link", "set", "eth0", "mtu", "1280");
    const said = await doctor(a, { via: ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"] });
    expect(names(said)).toEqual(expect.arrayContaining(["peer-mtu", "capabilities"]));
    b.exec("ip", "link", "set", "eth0", "mtu", "1500");
  });

  test("iptables-legacy, keepalived, NetworkManager, strict ARP that would change something, a bridge without querier, a peer without TCP", async () => {
    a.exec("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=0", "net.ipv4.conf.all.arp_announce=0");
    a.exec("iptables-legacy", "-A", "INPUT", "-p", "udp", "--dport", "7979", "-j", "DROP");
    nft(b, "policy accept; tcp dport 7979 drop;");
    a.exec("ip", "link", "add", "br7", "type", "bridge", "mcast_snooping", "1", "mcast_querier", "0");
    a.exec("ip", "addr", "add", "10.98.0.1/24", "dev", "br7");
    a.exec("ip", "link", "set", "br7", "up");
    a.exec("ip", "link", "add", "port7", "type", "veth", "peer", "name", "port8");
    a.exec("ip", "link", "set", "port7", "master", "br7", "up");
    // The kernel knows a program by its file's name.
    const keepalived = path.join(lab.dir, "keepalived");
    fs.copyFileSync("/bin/sleep", keepalived);
    fs.chmodSync(keepalived, 0o755);
    const running = lab.processes.spawn({
      namespace: a.namespace,
      argv: [keepalived, "60"],
      logFile: `${keepalived}.log`,
    });
    const profiles = path.join(lab.dir, "connections");
    fs.mkdirSync(profiles);
    fs.writeFileSync(path.join(profiles, "lo.nmconnection"), "[connection]\nid=lo\ntype=loopback\ninterface-name=lo\n");
    const folder = "/run/NetworkManager/system-connections";
    const show = `mount -t tmpfs none /run/NetworkManager && mkdir ${folder} && mount --bind ${profiles} ${folder} && exec "$@"`;
    const made = fs.mkdirSync("/run/NetworkManager", { recursive: true });
    const vips = [...(a.config.vips as object[]), { name: "bridged", addresses: ["fd78::100"], interface: "br7" }];
    const member = [{ name: "member", addresses: ["10.98.0.100"], interface: "port7" }];
    try {
      const said = await withConfig(a, { vips }, () => doctor(a, { via: ["unshare", "-m", "sh", "-c", show, "sh"] }));
      const expected = ["firewall-legacy", "other-program", "networkmanager-lo", "manage-changes", "mld-snooping"];
      expect(names(said)).toEqual(expect.arrayContaining([...expected, "peer-tcp"]));
      // A member is refused before anything is looked at, with its master's name.
      const [refused] = (await withConfig(a, { vips: member }, () => doctor(a))).findings;
      expect([refused?.name, refused?.seen]).toEqual(["configuration", expect.stringContaining("br7")]);
      const byRemedy = said.findings.find((one) => one.name === "firewall-legacy")!;
      // The text alone mends it.
      a.exec("sh", "-c", byRemedy.remedy.split(" (")[0]!);
      expect(names(await doctor(a))).not.toContain("firewall-legacy");
    } finally {
      await running.end("SIGKILL", 2000);
      for (const device of ["br7", "port7"]) a.exec("ip", "link", "del", device);
      if (made !== undefined) fs.rmdirSync(made);
      a.exec("iptables-legacy", "-F", "INPUT");
      b.exec("nft", "flush", "ruleset");
    }
  });

  test("another group with the same VIPs, and strict ARP that something undoes", async () => {
    // host-b is that group: it has another key, and host-a was never told of it.
    const keyFile = path.join(lab.dir, "another.key");
    fs.writeFileSync(keyFile, `${Buffer.alloc(32, 9).toString("base64")}\n`, { mode: 0o600 });
    const said = await withConfig(a, gossip({ keyFile, join: [] }), async () => {
      await a.startDaemon();
      await until("host-a finds them taken", 15_000, async () =>
        (await a.status()).vips.some((vip) => vip.state === "conflict"),
      );
      a.exec("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=0");
      const found = await doctor(a);
      await a.stopDaemon();
      return found;
    });
    expect(names(said)).toEqual(expect.arrayContaining(["other-group", "strict-arp-undone"]));
    const group = said.findings.find((one) => one.name === "other-group")!.seen;
    for (const text of [b.v4, b.mac, ...lab.vips.filter((vip) => vip.includes("."))]) expect(group).toContain(text);
    expect(names(said)).not.toContain("stranger");
  });

  test("a stopped peer, an interface that is down, one without carrier, one without IPv6", async () => {
    await b.stopDaemon();
    a.exec("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1");
    expect(names(await doctor(a))).toEqual(expect.arrayContaining(["peer-stopped", "no-ipv6"]));
    a.cableDown();
    expect(names(await doctor(a))).toEqual(
      expect.arrayContaining(["no-carrier", "peer-unreachable", "nobody-reached"]),
    );
    a.exec("ip", "link", "set", "eth0", "down");
    expect(names(await doctor(a))).toContain("interface-down");
  });
});
