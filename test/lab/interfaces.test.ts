/** Interfaces, strangers, and what others do to a host behind our back (issue 4, measured item 5). */
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Capture, voicesBy, voicesOf } from "./lib/capture.js";
import { type LabHost, MAIN } from "./lib/host.js";
import { Lab, secondMac } from "./lib/lab.js";
import { measured } from "./lib/laws.js";
import { run, sleep, until } from "./lib/shell.js";

const LATE = "10.88.0.100";
const BARE = "10.77.0.240";
const WIDE = "10.77.0.241";
/** Yielded to strangers: a form of claim each, in FORGE's words, with what it is addressed to ("" stands for the owner). */
const YIELDED = [
  { address: "10.77.0.242", form: "gratuitous-request", to: "ff:ff:ff:ff:ff:ff" },
  { address: "10.77.0.243", form: "gratuitous-reply", to: "ff:ff:ff:ff:ff:ff" },
  { address: "10.77.0.244", form: "question", to: "ff:ff:ff:ff:ff:ff" },
  { address: "10.77.0.245", form: "unicast-reply", to: "" },
  { address: "fd77::242", form: "advertisement", to: "33:33:00:00:00:01" },
];
const STRANGER = "02:66:66:66:66:66";
const FOREVER = { afterMs: 600_000 };
/** To yield is the control plane's decision: the time that its next turn may take on a busy machine. */
const CONTROL_TURN_MS = 50;
const ETH0 = { interface: "eth0" };

describe("two hosts with two NICs on one segment", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.create({
      hosts: 2,
      v4: 4,
      v6: 4,
      secondNic: true,
      servers: false,
      configure: (config) => ({
        ...config,
        vips: [
          ...(config.vips as object[]),
          { name: "late", addresses: [LATE], interface: "auto", failback: FOREVER },
          { name: "bare", addresses: [BARE], interface: "eth0", local: false },
          { name: "wide", addresses: [WIDE], interface: ["eth0", "eth1"], failback: FOREVER },
          { name: "yields", addresses: YIELDED.map((one) => one.address), conflict: "yield", together: false, ...ETH0 },
        ],
      }),
    });
    await lab.startAll();
    await lab.atRest();
  });
  afterAll(async () => lab?.destroy());

  const vip = async (host: LabHost, address: string) =>
    (await host.status()).vips.find((one) => one.address === address)!;
  const ownerOf = (address: string) =>
    until(`${address} has an owner`, 8000, async () => {
      for (const host of lab.hosts) if ((await vip(host, address)).state === "owned") return host;
      return undefined;
    });

  test("each start tells each link once, and a reload tells none that did not change", async () => {
    const host = lab.hosts[0]!;
    const told = () => host.log().split('"link.changed"').length - 1;
    expect(told()).toBe(2);
    host.reload();
    await until("it is reloaded", 5000, () => host.log().includes('"daemon.reloaded"'));
    await sleep(300);
    expect(told()).toBe(2);
  });

  test('"auto" waits for an interface with a fitting subnet, and takes the VIP when one gets its address', async () => {
    const host = lab.hosts[1]!;
    const before = await host.status();
    expect(before.alarms.join()).toContain(`no interface of this host has a subnet that holds ${LATE}`);
    expect(before.vips.find((one) => one.address === LATE)).toMatchObject({ state: "unowned", interface: "" });
    host.exec("ip", "addr", "add", "10.88.0.12/24", "dev", "eth1");
    const owner = await ownerOf(LATE);
    expect([owner.name, (await vip(host, LATE)).interface]).toEqual([host.name, "eth1"]);
    expect(await lab.client.who(LATE)).toEqual([secondMac(host)]);
    host.exec("ip", "addr", "del", "10.88.0.12/24", "dev", "eth1");
    await until("it waits again", 5000, async () => (await vip(host, LATE)).state === "unowned");
    expect(await lab.client.who(LATE)).toEqual([]);
  });

  test("a list is announced on all that are up; one of them lost moves nothing, all of them lost moves it", async () => {
    const owner = await ownerOf(WIDE);
    const [, other] = owner === lab.hosts[0] ? lab.hosts : [null, lab.hosts[0]!];
    const macs = [owner.mac, secondMac(owner)];
    expect([...new Set(await lab.client.who(WIDE))].sort()).toEqual(macs);
    lab.switch.cable(`${owner.port}2`, "down");
    await until("eth1 is silent", 3000, async () => (await lab.client.who(WIDE)).join() === owner.mac);
    expect((await vip(owner, WIDE)).state).toBe("owned");
    owner.exec("ip", "link", "set", "eth0", "down");
    await until("the other host owns it", 5000, async () => (await vip(other!, WIDE)).state === "owned");
    owner.exec("ip", "link", "set", "eth0", "up");
    lab.switch.cable(`${owner.port}2`, "up");
    await lab.atRest();
  });

  test('"local": false answers and puts nothing on lo', async () => {
    const owner = await ownerOf(BARE);
    expect(await lab.client.who(BARE)).toEqual([owner.mac]);
    for (const host of lab.hosts) expect(host.addresses("lo")).not.toContain(BARE);
  });

  test("ip addr flush dev lo: all VIPs are back at once, and nothing moves", async () => {
    const before = await lab.settled();
    const host = lab.hosts[0]!;
    const own = host.vipsOnLo();
    // ip flushes in rounds until nothing is left: a daemon in real time puts them back in between, and ip gives up.
    await run(["ip", "-n", host.namespace, "addr", "flush", "dev", "lo"]);
    const begin = performance.now();
    await until("they are back", 3000, () => own.every((one) => host.vipsOnLo().includes(one)), { everyMs: 10 });
    measured(`${own.length} VIPs back on lo ${Math.round(performance.now() - begin)} ms after the flush`);
    host.exec("ip", "addr", "add", "127.0.0.1/8", "dev", "lo");
    expect(Object.fromEntries(await lab.settled())).toEqual(Object.fromEntries(before));
  });

  test("sysctl --system behind our back is put right, said once, and shown", async () => {
    const host = lab.hosts[0]!;
    const undo = () => host.exec("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=0");
    const strict = () => host.exec("sysctl", "-n", "net.ipv4.conf.all.arp_ignore").trim() === "1";
    undo();
    await until("it is set again", 15_000, strict);
    // An interface that appears is a reason to look, too.
    undo();
    host.exec("ip", "link", "add", "later0", "type", "veth", "peer", "name", "later1");
    host.exec("ip", "link", "del", "later0");
    await until("it is set again", 15_000, strict);
    const { strictArp } = await host.status();
    expect(strictArp).toMatchObject({ mode: "manage", repairs: 2 });
    expect(strictArp.changed).toContain("net.ipv4.conf.all.arp_ignore: 0 -> 1");
    expect(host.log().split('"strict-arp.repaired"')).toHaveLength(2);
    expect(await host.get("/metrics")).toContain("vipd_strict_arp_repairs_total 2");
  });

  test("a stranger that claims VIPs in every form is answered by one announcement each, and shown", async () => {
    const owners = await lab.settled();
    const [a, b, c, d] = lab.vips.filter((one) => !one.includes(":"));
    const six = lab.vips.find((one) => one.includes(":"))!;
    const capture = await Capture.start(lab);
    const owner = (address: string) => lab.hosts.find((host) => host.name === owners.get(address))!;
    lab.client.exec(
      ...["python3", "-c", FORGE, STRANGER],
      ...["gratuitous-request", a!, "ff:ff:ff:ff:ff:ff", "gratuitous-reply", b!, "ff:ff:ff:ff:ff:ff"],
      ...["question", c!, "ff:ff:ff:ff:ff:ff", "unicast-reply", d!, owner(d!).mac],
      ...["advertisement", six, "33:33:00:00:00:01"],
    );
    await sleep(300);
    const voices = voicesOf(await capture.stop(), [a!, b!, c!, d!, six]);
    for (const address of [a!, b!, c!, d!, six]) {
      const host = owner(address);
      const ours = voices.filter(
        (voice) => voice.address === address && voice.mac === host.mac && voice.kind === "announcement",
      );
      // One defence: both ARP forms, or one NA.
      expect([address, ours.length]).toEqual([address, address === six ? 1 : 2]);
      const shown = await vip(host, address);
      expect(shown).toMatchObject({ state: "owned", conflict: { mac: STRANGER } });
      expect((await host.status()).alarms.join()).toContain(`MAC ${STRANGER} claims ${address}`);
    }
  });

  test("who yields falls silent at the first claim of any form, for as long as it is repeated, and answers again later", async () => {
    const addresses = YIELDED.map((one) => one.address);
    const owners = new Map<string, LabHost>();
    for (const address of addresses) owners.set(address, await ownerOf(address));
    const capture = await Capture.start(lab);
    const claims = YIELDED.flatMap(({ address, form, to }) => [form, address, to || owners.get(address)!.mac]);
    lab.client.exec("python3", "-c", FORGE, STRANGER, ...claims);
    const shown = await Promise.all(addresses.map((address) => vip(owners.get(address)!, address)));
    // Only the owner hears what is sent to it alone: the other host owns that VIP soon.
    expect(shown.map((one) => one.state)).toEqual(YIELDED.map(({ to }) => (to ? "conflict" : "standby")));
    const voices = voicesOf(await capture.stop(), addresses);
    for (const address of addresses) {
      const first = voices.find((voice) => voice.address === address && voice.mac === STRANGER)!.atMs;
      const owner = owners.get(address)!.mac;
      const late = voicesBy(voices, [owner], first + CONTROL_TURN_MS).filter((voice) => voice.address === address);
      expect([address, late.map((voice) => `${voice.kind} after ${voice.atMs - first} ms`)]).toEqual([address, []]);
    }
    await Promise.all(addresses.map((address) => until(`${address} is owned again`, 20_000, () => ownerOf(address))));
    for (const address of addresses) expect(await lab.client.who(address)).toEqual([(await ownerOf(address)).mac]);
  });

  test("a member of a bridge is refused by name in check, run and reload; the bridge itself serves", async () => {
    const host = lab.hosts[1]!;
    const good = host.config;
    host.exec("ip", "link", "add", "br9", "type", "bridge", "stp_state", "0", "forward_delay", "0");
    host.exec("ip", "link", "set", "br9", "address", secondMac(host), "up");
    host.exec("ip", "link", "set", "eth1", "master", "br9");
    // The list named eth1, too.
    const groups = (good.vips as { name: string }[]).map((g) => (g.name === "wide" ? { ...g, interface: "eth0" } : g));
    const says = "eth1 is a member of the bridge br9: name br9 instead";
    await until("a running daemon says so", 3000, () => host.log().includes(says));
    const at = host.log().length;
    host.writeConfig({ ...good, vips: groups.map((g) => (g.name === "late" ? { ...g, interface: "eth1" } : g)) });
    for (const command of [
      ["check", host.configFile],
      ["run", "--config", host.configFile],
    ]) {
      const argv = ["netns", "exec", host.namespace, process.execPath, MAIN, ...command];
      const ended = spawnSync("ip", argv, { encoding: "utf8" });
      expect([ended.status, ended.stderr]).toEqual([2, expect.stringContaining(`vips[1].interface: ${says}`)]);
    }
    host.reload();
    await until("the reload is refused", 5000, () => host.log().slice(at).includes("reload refused"));
    host.writeConfig({ ...good, vips: groups.map((g) => (g.name === "late" ? { ...g, interface: "br9" } : g)) });
    host.reload();
    await until("the bridge serves", 8000, async () => (await vip(host, LATE)).state === "owned");
    expect(await lab.client.who(LATE)).toEqual([secondMac(host)]);
  });
});

const FORGE = `
import socket, struct, sys
import time
mac = lambda text: bytes.fromhex(text.replace(":", ""))
m = mac(sys.argv[1])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("eth0", 0))
def arp(t, address, op, target_mac, target):
    a = socket.inet_aton(address)
    return t + m + b"\\x08\\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, op) + m + a + target_mac + socket.inet_aton(target)
def na(t, address):
    a = socket.inet_pton(socket.AF_INET6, address); all = socket.inet_pton(socket.AF_INET6, "ff02::1")
    body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + a + b"\\x02\\x01" + m
    words = a + all + struct.pack("!II", len(body), 58) + body
    total = sum(struct.unpack("!%dH" % (len(words) // 2), words))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    body = body[:2] + struct.pack("!H", 0xffff - total) + body[4:]
    return t + m + b"\\x86\\xdd" + struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + a + all + body
forms = {
  "gratuitous-request": lambda t, a: arp(t, a, 1, bytes(6), a), "gratuitous-reply": lambda t, a: arp(t, a, 2, m, a),
  "question": lambda t, a: arp(t, a, 1, bytes(6), "10.77.0.250"),
  "unicast-reply": lambda t, a: arp(t, a, 2, t, "10.77.0.11"), "advertisement": na,
}
for _ in range(5):
    for i in range(2, len(sys.argv), 3): s.send(forms[sys.argv[i]](mac(sys.argv[i + 2]), sys.argv[i + 1]))
    time.sleep(0.3)
`;
