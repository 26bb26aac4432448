/** The responder on a real wire: asked by arping and ndisc6, against the laws and FACTS.md. Root; namespaces of its own. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Lab, mac, sleep } from "./lab.js";

const V4 = "10.7.0.100";
const V6 = "fd07::100";
let lab: Lab;

describe("the responder", () => {
  beforeEach(() => {
    lab = new Lab(3);
  });
  afterEach(() => lab.down());

  it("answers for what it owns, in both families, and for nothing else; the kernel is silent", async () => {
    const host = await lab.host(1);
    await host.call("hold", [V4, V6]);
    expect([...lab.asked(2, V4), ...lab.asked(2, V6)]).toEqual([]);
    await host.own([V4, V6]);
    expect(lab.asked(2, V4)).toEqual([mac(1)]);
    expect(lab.asked(2, V6)).toEqual([mac(1)]);
    expect(lab.asked(2, "10.7.0.101")).toEqual([]);
    expect(lab.sh("h2", `arping -0 -c 1 -w 0.15 -W 0.15 -i eth0 ${V4}`)).toContain(mac(1));
    await host.call("release", [
      { address: V4, interface: "eth0" },
      { address: V6, interface: "eth0" },
    ]);
    expect([...lab.asked(2, V4), ...lab.asked(2, V6)]).toEqual([]);
  });

  it("falls silent when the lease lapses, says so once, and speaks again when it is extended", async () => {
    const host = await lab.host(1);
    await host.own([V4, V6], 400);
    expect(lab.asked(2, V4)).toEqual([mac(1)]);
    await sleep(500);
    expect([...lab.asked(2, V4), ...lab.asked(2, V6)]).toEqual([]);
    await host.announce([V4]);
    await sleep(100);
    expect(host.events.filter((event) => event.kind === "lease-lapsed")).toHaveLength(1);
    expect(host.events.filter((event) => event.kind === "announced")).toHaveLength(0);
    const stats = await host.call("stats");
    expect(stats.ignored["lease-lapsed"]).toBeGreaterThan(0);
    expect(stats.leaseLapses).toBe(1);
    await host.call("lease", 5000);
    await sleep(50);
    expect(lab.asked(2, V4)).toEqual([mac(1)]);
    expect(host.events.filter((event) => event.kind === "announced")).toHaveLength(1);
  });

  it("answers nothing of what queued up while the process was frozen, nor after, until the lease is extended", async () => {
    const host = await lab.host(1);
    await host.own([V4]);
    // Whose thread has not begun to speak has nothing to fall silent from.
    expect(lab.asked(2, V4)).toEqual([mac(1)]);
    const { replies } = await host.call("stats");
    await host.call("lease", 300);
    host.child.kill("SIGSTOP");
    // `ip netns exec` replaces itself by node: the pid is the daemon's.
    const asked = lab.asked(2, V4, 4);
    await sleep(400);
    host.child.kill("SIGCONT");
    expect([...asked, ...lab.asked(2, V4)]).toEqual([]);
    await host.event("lease-lapsed");
    expect((await host.call("stats")).replies).toBe(replies);
    expect(host.events.filter((event) => event.kind === "lease-lapsed")).toHaveLength(1);
  });

  it("falls silent while the event loop is blocked", async () => {
    const host = await lab.host(1);
    await host.own([V4], 300);
    const blocked = host.call("block", 1500);
    await sleep(400);
    expect(lab.asked(2, V4)).toEqual([]);
    await blocked;
  });

  it("yields to the named heir at once, and stays silent until it owns anew", async () => {
    const [owner, heir] = await Promise.all([lab.host(1), lab.host(2)]);
    await owner.own([V4, V6], 60_000, mac(2));
    await heir.own([V4, V6]);
    await heir.announce([V4, V6]);
    await owner.event("claim");
    await sleep(50);
    const claims = owner.events.filter((event) => event.kind === "claim");
    expect(claims.filter((event) => event.yielded).map((event) => event.address)).toEqual([V4, V6]);
    expect(lab.asked(3, V4)).toEqual([mac(2)]);
    expect(lab.asked(3, V6)).toEqual([mac(2)]);
    await heir.call("stop");
    expect(lab.asked(3, V4)).toEqual([]);
    await owner.own([V4]);
    expect(lab.asked(3, V4)).toEqual([mac(1)]);
  });

  it("tells a stranger's claim and goes on answering", async () => {
    const [owner, stranger] = await Promise.all([lab.host(1), lab.host(2)]);
    await owner.own([V4], 60_000, mac(3));
    await stranger.own([V4]);
    await stranger.announce([V4]);
    expect(await owner.event("claim")).toMatchObject({ address: V4, mac: mac(2), yielded: false, interface: "eth0" });
    await stranger.call("stop");
    expect(lab.asked(3, V4)).toEqual([mac(1)]);
  });

  it("tells claims of watched addresses", async () => {
    const [watcher, owner] = await Promise.all([lab.host(1), lab.host(2)]);
    await watcher.call("setInterfaces", ["eth0"]);
    await watcher.call("watch", [{ address: V6, interface: "eth0" }]);
    await owner.own([V6]);
    // More than once: the watcher's thread may not have heard yet for what it is to listen.
    await owner.announce([V6], [0, 500, 1000]);
    expect(await watcher.event("claim")).toMatchObject({ address: V6, mac: mac(2), yielded: false });
  });

  it("changes the neighbours' caches in both families", async () => {
    const [old, heir] = await Promise.all([lab.host(1), lab.host(2)]);
    await old.own([V4, V6]);
    for (const [family, address] of [
      ["-4", V4],
      ["-6", V6],
    ] as const) {
      lab.ip("h3", `${family} neigh replace ${address} lladdr ${mac(1)} dev eth0 nud reachable`);
    }
    await old.call("stop");
    await heir.own([V4, V6]);
    await heir.announce([V4, V6]);
    await heir.event("announced");
    expect(lab.ip("h3", `neigh show ${V4}`)).toContain(mac(2));
    expect(lab.ip("h3", `-6 neigh show ${V6}`)).toContain(mac(2));
  });

  it("drops the remaining rounds of a released address", async () => {
    const host = await lab.host(1);
    await host.own([V4, V6]);
    await host.announce([V4, V6], [0, 300]);
    await host.event("announced");
    await host.call("release", [{ address: V4, interface: "eth0" }]);
    await sleep(500);
    const rounds = host.events.filter((event) => event.kind === "announced");
    expect(rounds.map((event) => event.addresses)).toEqual([[V4, V6], [V6]]);
    // Of an IPv6 address the later rounds say twice what the first says once.
    expect((await host.call("stats")).announcements).toBe(2 + 1 + 2);
  });

  it("announces again when the carrier returns and when the MAC changes", async () => {
    const host = await lab.host(1);
    await host.own([V4]);
    lab.ip("sw", "link set p1 down");
    await sleep(200);
    lab.ip("sw", "link set p1 up");
    await sleep(1500);
    const before = (await host.call("stats")).announcements;
    expect(before).toBeGreaterThanOrEqual(2);
    lab.ip("h1", "link set eth0 address 02:00:00:00:00:99");
    await sleep(1500);
    expect((await host.call("stats")).announcements).toBeGreaterThan(before);
    expect(lab.asked(2, V4)).toEqual(["02:00:00:00:00:99"]);
    const links = host.events.filter((event) => event.kind === "link");
    expect(links.map((event) => event.link.carrier)).toContain(false);
    expect(links.at(-1)!.link).toMatchObject({ mac: "02:00:00:00:00:99", carrier: true, up: true });
  });

  it("follows an interface that is deleted and made again, and one that appears late", async () => {
    const host = await lab.host(1);
    lab.ip("h1", "link del eth0");
    await host.own([V4, V6]);
    expect((await host.call("links"))[0]).toMatchObject({ name: "eth0", index: 0, up: false });
    for (let turn = 0; turn < 2; turn++) {
      lab.cable(1);
      await sleep(200);
      expect(lab.asked(2, V4)).toEqual([mac(1)]);
      expect(lab.asked(2, V6)).toEqual([mac(1)]);
      lab.ip("h1", "link del eth0");
      await sleep(100);
    }
  });

  it("asks the wire: who answers, within milliseconds, and silence; without a lease", async () => {
    const [asker, owner] = await Promise.all([lab.host(1), lab.host(2)]);
    await owner.own([V4, V6]);
    const addresses = [V4, V6, "10.7.0.3", "fd07::3", "10.7.0.250", "fd07::250"];
    const answers = await asker.call("ask", { interface: "eth0", addresses, timeoutMs: 300 });
    const found = Object.fromEntries(answers.map((a: { address: string; mac: string }) => [a.address, a.mac]));
    expect(found).toEqual({ [V4]: mac(2), [V6]: mac(2), "10.7.0.3": mac(3), "fd07::3": mac(3) });
    await expect(asker.call("ask", { interface: "none", addresses, timeoutMs: 300 })).rejects.toThrow(/^ENODEV.*none/);
  });

  it("asks three times for each address, so that a lossy wire is not taken for silence; of many twice, and once where every loss is to be seen", async () => {
    const host = await lab.host(1);
    const count = async (once: boolean, addresses = ["10.7.0.250", "fd07::250"]) => {
      const seen = await lab.captured(2, `ether src ${mac(1)} and (arp or icmp6[0] == 135)`, async () => {
        expect(await host.call("ask", { interface: "eth0", addresses, timeoutMs: 300, once })).toEqual([]);
      });
      return ["10.7.0.250", "fd07::250"].map((ip) => seen.filter((frame) => frame.includes(`has ${ip}`)).length);
    };
    expect(await count(false)).toEqual([3, 3]);
    expect(await count(true)).toEqual([1, 1]);
    expect(
      await count(false, Array.from({ length: 17 }, (_, i) => `10.8.0.${i}`).concat("10.7.0.250", "fd07::250")),
    ).toEqual([2, 2]);
  });

  it("whoever announces while the wire is asked has answered: also after the last question", async () => {
    const [asker, owner] = await Promise.all([lab.host(1), lab.host(2)]);
    const asked = asker.call("ask", { interface: "eth0", addresses: [V4, V6, "10.7.0.250"], timeoutMs: 900 });
    // The questions go out at once and after each third.
    await sleep(700);
    await owner.own([V4, V6]);
    await owner.announce([V4, V6], [0]);
    const answers = (await asked).map((a: { address: string; mac: string }) => `${a.address} ${a.mac}`).sort();
    expect(answers).toEqual([`${V4} ${mac(2)}`, `${V6} ${mac(2)}`]);
  });

  it("a takeover's few questions do not wait for a planned move's thousands, which are paced", async () => {
    const [asker, owner] = await Promise.all([lab.host(1), lab.host(2)]);
    await owner.own([V4]);
    const many = Array.from({ length: 3000 }, (_, i) => `10.8.${i >> 8}.${i & 255}`);
    let paced = false;
    const large = asker.call("ask", { interface: "eth0", addresses: many, timeoutMs: 300 }).then(() => (paced = true));
    const startedAt = performance.now();
    const answers = await asker.call("ask", { interface: "eth0", addresses: [V4], timeoutMs: 90 });
    expect(answers).toMatchObject([{ address: V4, mac: mac(2) }]);
    // 6 000 frames at 5 000 a second take longer than a second.
    expect(paced).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(600);
    await large;
    expect(performance.now() - startedAt).toBeGreaterThan(1000);
  });

  it("refreshes quietly: every VIP and every MAC once a period", async () => {
    const host = await lab.host(1, { refreshMacMs: 500, refreshVipMs: 1000 });
    await host.own([V4]);
    await sleep(2500);
    expect((await host.call("stats")).announcements).toBeGreaterThanOrEqual(2);
    expect(host.events.filter((event) => event.kind === "announced")).toEqual([]);
  });
});
