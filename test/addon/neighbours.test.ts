/** Entries of the kernel's neighbour tables that no full table throws out. Root; namespaces of its own. */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Lab, sleep } from "./lab.js";

let lab: Lab;
const entry = (address: string, host = "h1") => lab.ip(host, `neigh show ${address}`).trim();
/** How often the machine's one table had no room for another entry. */
const refusals = () => {
  const [names = [], row = []] = readFileSync("/proc/net/stat/arp_cache", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  return Number.parseInt(row[names.indexOf("table_fulls")] ?? "", 16);
};
const limit = Number(readFileSync("/proc/sys/net/ipv4/neigh/default/gc_thresh3", "utf8"));

describe("neighbours", () => {
  beforeEach(() => {
    lab = new Lab(2);
  });
  afterEach(() => lab.down());

  it("are resolved at once, kept in both families, and let go again", async () => {
    const host = await lab.host(1);
    expect(await host.call("keepNeighbours", ["10.7.0.2", "fd07::2"])).toBe("");
    for (const address of ["10.7.0.2", "fd07::2"]) {
      await expect
        .poll(() => entry(address), { timeout: 5000 })
        .toMatch(/lladdr 02:00:00:00:00:02 extern_learn REACHABLE proto 118/);
    }
    expect(await host.call("releaseNeighbours", ["fd07::2"])).toBe("");
    expect(entry("10.7.0.2")).toMatch(/lladdr 02:00:00:00:00:02 [A-Z]+/);
    expect(entry("fd07::2")).toContain("extern_learn");
    expect(await host.call("releaseNeighbours", [])).toBe("");
    expect(entry("fd07::2")).toMatch(/lladdr 02:00:00:00:00:02 [A-Z]+/);
  });

  it("that an operator or another program set stay theirs", async () => {
    const host = await lab.host(1);
    lab.ip("h1", "neigh add 10.7.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent");
    lab.ip("h1", "neigh add 10.7.0.78 lladdr 02:00:00:00:00:78 dev eth0 nud reachable extern_learn proto zebra");
    const before = [entry("10.7.0.77"), entry("10.7.0.78")];
    expect(await host.call("keepNeighbours", ["10.7.0.77", "10.7.0.78"])).toBe("");
    expect(await host.call("releaseNeighbours", [])).toBe("");
    expect([entry("10.7.0.77"), entry("10.7.0.78")]).toEqual(before);
  });

  it("are only hosts that are neighbours: not this one, none behind a gateway, none without a route", async () => {
    const host = await lab.host(1);
    lab.ip("h1", "route add 10.8.0.0/16 via 10.7.0.2");
    expect(await host.call("keepNeighbours", ["10.7.0.1", "10.8.0.1", "192.0.2.1", "fe80::1%eth0"])).toBe("");
    expect(lab.ip("h1", "neigh show")).not.toContain("extern_learn");
  });

  it("that are kept change their MAC like any other", async () => {
    const host = await lab.host(1);
    await host.call("keepNeighbours", ["10.7.0.2"]);
    // The kernel believes no second answer within a second (locktime).
    await sleep(1200);
    lab.sh("h2", "sysctl -qw net.ipv4.conf.eth0.arp_notify=1");
    lab.ip("h2", "link set eth0 address 02:00:00:00:00:22");
    await expect.poll(() => entry("10.7.0.2"), { timeout: 5000 }).toContain("02:00:00:00:00:22 extern_learn");
  });

  it("find room in a full table, where an ordinary one finds none", { timeout: 60_000 }, async () => {
    expect(limit, "gc_thresh3: more than this test has addresses for").toBeLessThanOrEqual(7500);
    const [host, other] = [await lab.host(1), await lab.host(2)];
    // The other answers for all of 10.7.96.0/19.
    lab.ip("h1", "addr add 10.7.64.1/18 dev eth0");
    lab.sh("h2", "sysctl -qw net.ipv4.conf.all.arp_ignore=0");
    lab.ip("h2", "route add local 10.7.96.0/19 dev lo");
    lab.ip("h2", "route add 10.7.64.1/32 dev eth0");
    // Whoever has no entry for the one that asks does not answer it either.
    await other.call("keepNeighbours", ["10.7.64.1"]);
    const crowd = Array.from({ length: limit + 200 }, (_, i) => `10.7.${96 + Math.floor(i / 250)}.${1 + (i % 250)}`);
    // What was thrown out is asked for once more, until those who are in use leave no room.
    const filled = Date.now() + 30_000;
    const before = refusals();
    for (let i = 0; refusals() < before + 100 && Date.now() < filled; i = (i + 50) % crowd.length) {
      await host.call("sendTo", crowd.slice(i, i + 50));
      await sleep(5);
    }
    expect(refusals() - before).toBeGreaterThanOrEqual(100);
    const ordinary = Array.from({ length: 20 }, (_, i) => `10.7.127.${10 + i}`);
    await host.call("sendTo", ordinary);
    await sleep(200);
    expect(ordinary.filter((address) => entry(address).includes("lladdr")).length).toBeLessThan(ordinary.length);
    expect(await host.call("keepNeighbours", ["10.7.127.2"])).toBe("");
    await expect.poll(() => entry("10.7.127.2"), { timeout: 5000 }).toContain("lladdr 02:00:00:00:00:02 extern_learn");
  });
});
