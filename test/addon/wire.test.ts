/** Frames and interfaces in their corners, on a real wire: read back by tcpdump, tagged, flooded, renamed. Root. */
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Host, Lab, mac, sleep } from "./lab.js";

const V4 = "10.7.0.100";
const ANOTHER = "10.7.0.101";
const V6 = "fd07::100";
let lab: Lab;

const ASKER = "020000000002";
/** ARP request by 10.7.0.2 for the VIP; `tag` stands between the addresses and the EtherType. */
const request = (tag = "", target = "0a070064") =>
  `ffffffffffff${ASKER}${tag}0806000108000604 0001${ASKER}0a070002000000000000${target}`.replaceAll(" ", "");

function checksum(hex: string): string {
  let sum = 0;
  for (let at = 0; at < hex.length; at += 4) sum += Number.parseInt(hex.slice(at, at + 4), 16);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return (~sum & 0xffff).toString(16).padStart(4, "0");
}

/** A unicast NS for the VIP from fd07::2 with no option, as NUD sends it. */
function unicastSolicit(hopLimit = "ff"): string {
  const source = "fd070000000000000000000000000002";
  const target = "fd070000000000000000000000000100";
  const sum = checksum(`${source}${target}000000180000003a8700000000000000${target}`);
  return `020000000001${ASKER}86dd6000000000183a${hopLimit}${source}${target}8700${sum}00000000${target}`;
}

/** A multicast NS for fd07::3 whose source is the VIP and whose option names the asker. */
function solicitByVip(): string {
  const source = "fd070000000000000000000000000100";
  const group = "ff0200000000000000000001ff000003";
  const body = `fd0700000000000000000000000000030101${ASKER}`;
  const sum = checksum(`${source}${group}000000200000003a8700000000000000${body}`);
  return `3333ff000003${ASKER}86dd6000000000203aff${source}${group}8700${sum}00000000${body}`;
}

/** How often the responder's thread of a host went to sleep so far. */
function waits(host: Host): number {
  const tasks = `/proc/${host.child.pid}/task`;
  const own = readdirSync(tasks).find((id) => readFileSync(`${tasks}/${id}/comm`, "utf8").trim() === "vipd-responder");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(readFileSync(`${tasks}/${own}/status`, "utf8"))?.[1]);
}

describe("the wire", () => {
  beforeEach(() => {
    lab = new Lab(3);
  });
  afterEach(() => lab.down());

  it("every form that we send is read back by tcpdump as what it is", async () => {
    const host = await lab.host(1);
    await host.own([V4, V6]);
    const seen = await lab.captured(3, `ether src ${mac(1)} and (arp or icmp6[0] == 136)`, async () => {
      await host.announce([V4, V6]);
      await host.event("announced");
    });
    expect(seen).toEqual([
      expect.stringMatching(
        new RegExp(`^${mac(1)} > ff:ff:ff:ff:ff:ff, .* length 60: .*Request who-has ${V4} .*tell ${V4}`),
      ),
      expect.stringMatching(new RegExp(`^${mac(1)} > ff:ff:ff:ff:ff:ff, .* length 60: .*Reply ${V4} is-at ${mac(1)}`)),
      expect.stringMatching(
        new RegExp(
          `^${mac(1)} > 33:33:00:00:00:01, .*hlim 255, .* ${V6} > ff02::1: \\[icmp6 sum ok\\] .*neighbor advertisement.* tgt is ${V6}, Flags \\[override\\].*destination link-address option.* ${mac(1)}`,
        ),
      ),
    ]);
    const answers = await lab.captured(2, `ether src ${mac(1)} and (arp or icmp6[0] == 136)`, async () => {
      lab.send(2, request(), unicastSolicit());
    });
    expect(answers).toEqual([
      expect.stringMatching(new RegExp(`^${mac(1)} > ${mac(2)}, .*Reply ${V4} is-at ${mac(1)}`)),
      expect.stringMatching(
        new RegExp(
          `^${mac(1)} > ${mac(2)}, .* ${V6} > fd07::2: \\[icmp6 sum ok\\] .*Flags \\[solicited, override\\].*destination link-address`,
        ),
      ),
    ]);
  });

  it("a frame with a VLAN tag is not ours, one with a priority tag is; each ignore has its name", async () => {
    const host = await lab.host(1);
    await host.own([V4, V6]);
    lab.send(2, request("81000005"), request("8100a000"), request("", "0a070065"), unicastSolicit("40"));
    await sleep(100);
    const { replies, ignored } = await host.call("stats");
    expect(replies).toBe(1);
    expect(ignored).toEqual({ "vlan-tagged": 1, "hop-limit": 1 });
  });

  it("answers a question however long its padding, and more of them at once than its ring has slots", async () => {
    const host = await lab.host(1);
    await host.own([V4]);
    lab.send(2, request() + "00".repeat(18), request() + "00".repeat(1400));
    await expect.poll(async () => (await host.call("stats")).replies).toBe(2);
    // Once round the ring, and further.
    for (let burst = 1; burst <= 8; burst++) {
      lab.send(2, ...Array.from({ length: 1200 }, () => request().slice(0, 84)));
      await expect.poll(async () => (await host.call("stats")).replies, { timeout: 5000 }).toBe(burst * 1200 + 2);
    }
    expect((await host.call("stats")).framesDropped).toBe(0);
  });

  it("sleeps while the link is down, and answers when it is back", async () => {
    const host = await lab.host(1);
    await host.own([V4, V6]);
    lab.ip("h1", "link set eth0 down");
    await sleep(100);
    const before = waits(host);
    await sleep(300);
    expect(waits(host) - before).toBeLessThan(5);
    lab.ip("h1", "link set eth0 up");
    await expect.poll(() => lab.asked(2, V4), { timeout: 3000 }).toEqual([mac(1)]);
  });

  it("is not woken for other hosts' questions", async () => {
    const host = await lab.host(1);
    await host.own([V4, V6]);
    await sleep(200);
    const before = waits(host);
    const others = Array.from({ length: 200 }, (_, i) => request("", `0a07${(i + 256).toString(16).padStart(4, "0")}`));
    lab.send(2, ...others.filter((frame) => !frame.endsWith("0164")));
    await sleep(200);
    // The timer of a refresh may fall into it; two hundred frames must not.
    expect(waits(host) - before).toBeLessThan(5);
  });

  it("a flood of questions neither starves the control plane nor stops the answers", async () => {
    // All on one core: the flood's softirqs, the thread and the event loop.
    const host = await lab.host(1, {}, 1);
    lab.write("h1", "/sys/class/net/eth0/queues/rx-0/rps_cpus", "2");
    await host.own([V4], 450);
    await host.call("keepLease");
    const { answeredPerSecond } = await lab.load(2, "flat", V4, 2);
    const stats = await host.call("stats");
    console.log(`flood: ${answeredPerSecond} answers/s, ${stats.framesDropped} dropped, ${stats.leaseLapses} lapses`);
    expect(answeredPerSecond).toBeGreaterThan(10_000);
    expect(stats.leaseLapses).toBe(0);
    expect(lab.asked(3, V4)).toEqual([mac(1)]);
  });

  it("an NS with the VIP as its source is a claim, as an ARP request with the VIP as its sender is", async () => {
    const [owner, watcher] = await Promise.all([lab.host(1), lab.host(3)]);
    await owner.own([V4, V6]);
    await watcher.call("setInterfaces", ["eth0"]);
    await watcher.call("watch", [{ address: V6, interface: "eth0" }]);
    await sleep(100);
    lab.send(2, solicitByVip(), request("", "0a070003").replace(`${ASKER}0a070002`, `${ASKER}0a070064`));
    const claims = (host: Host) =>
      host.events.flatMap((event) => (event.kind === "claim" ? [`${event.address} ${event.mac}`] : []));
    await expect.poll(() => claims(owner).sort()).toEqual([`${V4} ${mac(2)}`, `${V6} ${mac(2)}`]);
    await expect.poll(() => claims(watcher)).toEqual([`${V6} ${mac(2)}`]);
  });

  for (const [end, how, answers] of [
    ["once it is over", () => {}, [mac(1)]],
    ["with a process that is killed", (host: Host) => host.child.kill("SIGKILL"), []],
  ] as const) {
    it(`questions beyond what can be answered are told, counted, and kept from the kernel by nftables, which ends ${end}`, async () => {
      const host = await lab.host(1);
      await host.own([V4, V6], 450);
      await host.call("keepLease");
      const guards = () => lab.sh("h1", "nft list tables").match(/vipd-flood-eth0/g)?.length ?? 0;
      // Before its thread has set the filter, nothing would come in.
      await expect.poll(() => lab.asked(3, V4), { timeout: 3000 }).toEqual([mac(1)]);
      // What comes in while it stands still fills the ring many times over: more lost than answered, on any machine.
      host.child.kill("SIGSTOP");
      for (let asked = 0; asked < 30_000; ) asked += (await lab.load(2, "flat", V4, 0.5)).asked ?? 0;
      host.child.kill("SIGCONT");
      const message = expect.stringContaining(
        "an nftables table of this process keeps them from the kernel's own input",
      );
      expect(await host.event("trouble")).toMatchObject({ interface: "eth0", errno: "ENOBUFS", message });
      expect(guards()).toBe(1);
      // They are answered all the same, and so is what is owned since.
      await host.own([ANOTHER], 450);
      await sleep(300);
      expect(lab.asked(3, V4)).toEqual([mac(1)]);
      expect(lab.asked(3, ANOTHER)).toEqual([mac(1)]);
      expect((await lab.load(2, "closed", V6, 0.2)).answered).toBeGreaterThan(0);
      expect((await host.call("stats")).framesDropped).toBeGreaterThan(10_000);
      how(host);
      await expect.poll(guards, { timeout: 20_000 }).toBe(0);
      // The sockets are deaf for some ms while they are bound as before.
      await expect.poll(() => lab.asked(3, V4), { timeout: 3000 }).toEqual(answers);
    });
  }

  it("paces announcements: a first round of 2500 addresses at 5000 frames a second takes a second", async () => {
    const host = await lab.host(1);
    const many = Array.from({ length: 2500 }, (_, i) => `10.8.${i >> 8}.${i & 255}`);
    await host.own(many);
    const from = performance.now();
    await host.announce(many, [0, 100]);
    await host.event("announced");
    const tookMs = performance.now() - from;
    expect(tookMs).toBeGreaterThan(900);
    expect(tookMs).toBeLessThan(1250);
    expect((await host.call("stats")).announcements).toBeGreaterThanOrEqual(5000);
  });

  it("a member of a bridge is refused with the bridge's name, and the bridge answers", async () => {
    const host = await lab.host(1);
    lab.ip("h1", "link add br1 type bridge stp_state 0 forward_delay 0");
    lab.ip("h1", "link set eth0 master br1");
    lab.ip("h1", "link set br1 up");
    await host.own([V4]);
    const trouble = await host.event("trouble");
    expect(trouble).toMatchObject({ interface: "eth0", errno: "EBUSY" });
    expect((trouble as { message: string }).message).toContain("br1");
    expect((await host.call("links"))[0]).toMatchObject({ masterName: "br1", masterKind: "bridge" });
    expect(lab.asked(2, V4)).toEqual([]);
    await host.call("setInterfaces", ["br1"]);
    await host.call("own", [{ address: V4, interface: "br1", mac: null, heirMac: null }]);
    await sleep(50);
    expect(lab.asked(2, V4)).toHaveLength(1);
    // Set free again, it answers by itself.
    lab.ip("h1", "link set eth0 nomaster");
    await host.own([V4]);
    await sleep(100);
    expect(lab.asked(2, V4)).toEqual([mac(1)]);
  });

  it("answers on an interface without any address of its own", async () => {
    const host = await lab.host(1);
    lab.ip("h1", "addr flush dev eth0");
    await host.own([V4, V6]);
    expect(lab.asked(2, V4)).toEqual([mac(1)]);
    expect(lab.asked(2, V6)).toEqual([mac(1)]);
  });

  it("a neighbour's own duplicate address detection finds us", async () => {
    const host = await lab.host(1);
    await host.own([V6]);
    lab.ip("h2", `-6 addr add ${V6}/64 dev eth0`);
    await expect.poll(() => lab.ip("h2", `-6 addr show dev eth0 to ${V6}`), { timeout: 3000 }).toContain("dadfailed");
  });

  it("a forger with ever new MACs does not drown the control plane", async () => {
    const host = await lab.host(1);
    await host.own([V4]);
    const claim = (n: number) => {
      const forged = `0266${n.toString(16).padStart(8, "0")}`;
      return `ffffffffffff${forged}0806000108000604 0001${forged}0a0700640000000000000a070064`.replaceAll(" ", "");
    };
    const forged = Array.from({ length: 1500 }, (_, n) => claim(n));
    const from = performance.now();
    lab.send(2, ...forged);
    const tookS = (performance.now() - from) / 1000;
    await sleep(200);
    const { ignored } = await host.call("stats");
    const told = host.events.filter((event) => event.kind === "claim").length;
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThan(100 + 5000 * tookS);
    expect(told + (ignored["claim-rate-limited"] ?? 0)).toBe(1500);
    expect(lab.asked(3, V4)).toEqual([mac(1)]);
  });

  it("follows a rename: silent under the old name, answering when it is back", async () => {
    const host = await lab.host(1);
    await host.own([V4]);
    for (const [from, to, answers] of [
      ["eth0", "lan0", []],
      ["lan0", "eth0", [mac(1)]],
    ] as const) {
      lab.ip("h1", `link set ${from} down`);
      lab.ip("h1", `link set ${from} name ${to}`);
      lab.ip("h1", `link set ${to} up`);
      await sleep(200);
      expect(lab.asked(2, V4)).toEqual(answers);
    }
  });

  it("joins the solicited-node groups of what it owns and watches, thousands without holding up answers", async () => {
    const host = await lab.host(1);
    await host.own([V4, V6]);
    const groups = () => lab.ip("h1", "maddr show dev eth0");
    await sleep(100);
    expect(groups()).toContain("ff02::1:ff00:100");
    const many = Array.from({ length: 5000 }, (_, i) => ({
      address: `fd08::${(i + 1).toString(16)}`,
      interface: "eth0",
    }));
    await host.call("watch", many);
    expect(lab.asked(2, V4)).toEqual([mac(1)]);
    await expect.poll(groups, { timeout: 8000 }).toContain("ff02::1:ff00:1388");
    await host.call("watch", []);
    await host.call("release", [{ address: V6, interface: "eth0" }]);
    await expect.poll(groups, { timeout: 8000 }).not.toMatch(/ff00:(100|1388) /);
    expect((await host.call("stats")).replies).toBe(1);
  });
});
