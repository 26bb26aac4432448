/** Addresses on lo: present, tagged, put back, never another's, many at once. Root; namespaces of its own. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Lab, sleep } from "./lab.js";

let lab: Lab;
const shown = () => lab.ip("h1", "addr show dev lo");

describe("the address holder", () => {
  beforeEach(() => {
    lab = new Lab(1);
  });
  afterEach(() => lab.down());

  it("puts VIPs on lo with a lifetime, host scope and our tag, and takes them off", async () => {
    const host = await lab.host(1);
    await host.call("hold", ["10.7.0.100", "fd07::100"]);
    expect(shown()).toMatch(/inet 10\.7\.0\.100\/32 scope host .*\n\s+valid_lft (60|59)sec/);
    expect(shown()).toMatch(/inet6 fd07::100\/128 .*\n\s+valid_lft (60|59)sec preferred_lft 0sec/);
    await host.call("hold", ["10.7.0.100"]);
    await host.call("drop", ["10.7.0.100", "fd07::100", "10.7.0.77"]);
    expect(shown()).not.toMatch(/\.100|::100/);
  });

  it("holds an address only when the kernel delivers to it (IPv6 takes a while longer)", async () => {
    const host = await lab.host(1);
    const vips = Array.from({ length: 40 }, (_, i) => `fd07::${(0x100 + i).toString(16)}`);
    expect(await host.call("holdAndBind", [...vips, "10.7.0.100"])).toEqual([]);
  });

  it("never makes a VIP the host's source address", async () => {
    const host = await lab.host(1);
    lab.ip("h1", "route add default via 10.7.0.254");
    lab.ip("h1", "-6 route add default via fd07::fe");
    await host.call("hold", ["10.7.0.100", "fd07::100"]);
    expect(lab.ip("h1", "route get 192.0.2.1")).toContain("src 10.7.0.1 ");
    expect(lab.ip("h1", "-6 route get 2001:db8::1")).toContain("src fd07::1 ");
  });

  it("puts a deleted VIP back and tells it, while the lease lives", async () => {
    const host = await lab.host(1);
    await host.call("lease", 60_000);
    await host.call("hold", ["10.7.0.100", "fd07::100"]);
    lab.ip("h1", "addr del 10.7.0.100/32 dev lo");
    lab.ip("h1", "-6 addr del fd07::100/128 dev lo");
    await sleep(100);
    expect(shown()).toMatch(/10\.7\.0\.100[\s\S]*fd07::100/);
    expect(host.events.filter((event) => event.kind === "address-removed")).toEqual([
      { kind: "address-removed", address: "10.7.0.100", restored: true },
      { kind: "address-removed", address: "fd07::100", restored: true },
    ]);
  });

  it("does not put it back without a lease, but when the lease returns", async () => {
    const host = await lab.host(1);
    await host.call("hold", ["10.7.0.100"]);
    lab.ip("h1", "addr flush dev lo");
    await sleep(100);
    expect(shown()).not.toContain("10.7.0.100");
    await host.call("lease", 60_000);
    await sleep(1300);
    expect(shown()).toContain("10.7.0.100");
  });

  it("leaves another's address alone", async () => {
    lab.ip("h1", "addr add 10.7.0.100/32 dev lo");
    const host = await lab.host(1);
    await host.call("hold", ["10.7.0.100"]);
    await host.call("drop", ["10.7.0.100"]);
    expect(await host.call("sweep")).toEqual([]);
    expect(shown()).toMatch(/10\.7\.0\.100\/32 scope global lo\n\s+valid_lft forever/);
  });

  it("sweeps what a killed daemon left, and nothing else", async () => {
    lab.ip("h1", "addr add 10.7.0.50/32 dev lo");
    const dead = await lab.host(1);
    await dead.call("hold", ["10.7.0.100", "fd07::100"]);
    dead.child.kill("SIGKILL");
    await dead.exited;
    const host = await lab.host(1);
    expect((await host.call("sweep")).sort()).toEqual(["10.7.0.100", "fd07::100"]);
    expect(shown()).toContain("10.7.0.50");
  });

  it("names address and errno when it cannot", async () => {
    const host = await lab.host(1);
    lab.sh("h1", "sysctl -qw net.ipv6.conf.lo.disable_ipv6=1");
    await expect(host.call("hold", ["fd07::100"])).rejects.toThrow(/^E[A-Z]+: .*fd07::100/);
  });

  it("a takeover's addition does not wait behind the removal of thousands, and what is held anew stays", async () => {
    const host = await lab.host(1);
    const many = Array.from({ length: 3000 }, (_, i) => `fd08::${(i + 1).toString(16)}`);
    await host.call("hold", many);
    const dropFrom = performance.now();
    const dropped = host.call("drop", many).then(() => performance.now() - dropFrom);
    const holdFrom = performance.now();
    await host.call("hold", ["10.7.0.100", many[0]]);
    const holdMs = performance.now() - holdFrom;
    const dropMs = await dropped;
    console.log(`hold beside the drop of 3000 IPv6: ${holdMs.toFixed(0)} ms, the drop: ${dropMs.toFixed(0)} ms`);
    expect(holdMs).toBeLessThan(dropMs);
    expect(holdMs).toBeLessThan(250);
    expect(shown()).toMatch(/10\.7\.0\.100\/32[\s\S]*fd08::1\/128/);
    expect(shown().match(/fd08::/g)).toHaveLength(1);
  });

  it("a stop does not wait for the removal of thousands: what is left is told, and a later sweep's", async () => {
    const host = await lab.host(1);
    const many = Array.from({ length: 1500 }, (_, i) => `fd08::${(i + 1).toString(16)}`);
    await host.call("hold", many);
    const dropped = host.call("drop", many).then(
      () => "done",
      (error: Error) => error.message,
    );
    await host.call("stop");
    expect(await dropped).toMatch(/^ECANCELED/);
    const left = shown().match(/fd08::/g)?.length ?? 0;
    expect(left).toBeGreaterThan(0);
    const after = await lab.host(1);
    expect(await after.call("sweep")).toHaveLength(left);
  });

  it("holds ten thousand addresses", async () => {
    const host = await lab.host(1);
    const many = Array.from({ length: 5000 }, (_, i) => `10.8.${i >> 8}.${i & 255}`);
    many.push(...many.map((_, i) => `fd08::${(i + 1).toString(16)}`));
    const from = performance.now();
    await host.call("hold", many);
    const tookMs = performance.now() - from;
    console.log(`10 000 addresses on lo in ${tookMs.toFixed(0)} ms`);
    expect(shown().match(/inet6? (10\.8\.|fd08:)/g)).toHaveLength(many.length);
  });
});
