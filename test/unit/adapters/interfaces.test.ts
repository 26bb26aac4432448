import { spawnSync } from "node:child_process";
import type { networkInterfaces } from "node:os";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { interfaceExists, interfaceNames, ownAddresses, resolveBind } from "../../../src/adapters/interfaces.js";

/** What os.networkInterfaces would say: name -> addresses. */
function host(addresses: Record<string, string[]>): typeof networkInterfaces {
  const entries = Object.entries(addresses).map(([name, list]) => [
    name,
    list.map((address) => ({ address, family: address.includes(":") ? "IPv6" : "IPv4" })),
  ]);
  return () => Object.fromEntries(entries) as ReturnType<typeof networkInterfaces>;
}

describe("an interface", () => {
  test("exists if the kernel says so", () => {
    expect(interfaceNames()).toContain("lo");
    expect(interfaceExists("lo")).toBe(true);
  });

  test.each(["", "lo ", "../lo", "nope0", "Inter-|", "face |"])("%j does not exist", (name) => {
    expect(interfaceExists(name)).toBe(false);
  });

  test("has its addresses, link-local ones left out", () => {
    const list = host({ eth0: ["10.0.0.1", "fe80::1", "febf::1", "169.254.1.1", "fd00::1"] });
    expect(ownAddresses("eth0", list).map((a) => a.address)).toEqual(["10.0.0.1", "fd00::1"]);
    expect(ownAddresses("eth1", list)).toEqual([]);
  });
});

describe("gossip.bind", () => {
  const bind = (addresses: Record<string, string[]>, interfaces = ["eth0"], vips: string[] = []) =>
    resolveBind({ host: null, port: 7979 }, { interfaces, vips, list: host(addresses) }).host;

  test("with an address is that one", () => {
    const given = { interfaces: [], vips: [], list: host({}) };
    expect(resolveBind({ host: "10.0.0.9", port: 1 }, given)).toEqual({ host: "10.0.0.9", port: 1 });
  });

  test.each<[string, Record<string, string[]>, string[], string[], string]>([
    ["the one address", { eth0: ["10.0.0.1"], eth1: ["10.1.0.1"] }, ["eth0", "eth0"], [], "10.0.0.1"],
    ["the IPv4 one of both families", { eth0: ["fd00::1", "fd00::2", "10.0.0.1"] }, ["eth0"], [], "10.0.0.1"],
    ["the IPv6 one where there is no other", { eth0: ["fe80::1", "fd00::1"] }, ["eth0"], [], "fd00::1"],
    ["never a VIP", { eth0: ["10.0.0.100", "10.0.0.1"] }, ["eth0"], ["10.0.0.100"], "10.0.0.1"],
    ["the one of two interfaces", { eth0: [], eth1: ["10.1.0.1"] }, ["eth0", "eth1"], [], "10.1.0.1"],
  ])("without an address is %s", (_, addresses, interfaces, vips, expected) => {
    expect(bind(addresses, interfaces, vips)).toBe(expected);
  });

  test.each<[string, Record<string, string[]>, string[], string]>([
    [
      "none",
      { eth0: ["fe80::1"] },
      ["eth0"],
      'gossip.bind: no address to bind to: eth0 has none (is it up, with carrier?); name one: "ADDRESS:7979"',
    ],
    [
      "two",
      { eth0: ["10.0.0.1", "10.0.0.2"] },
      ["eth0"],
      'gossip.bind: eth0 has 2 addresses (10.0.0.1, 10.0.0.2); name one: "ADDRESS:7979"',
    ],
    [
      "no VIPs' interface",
      {},
      [],
      'gossip.bind: no address to bind to: there is no interface of VIPs; name one: "ADDRESS:7979"',
    ],
  ])("without an address and with %s is an error that says what to do", (_, addresses, interfaces, message) => {
    expect(() => bind(addresses, interfaces)).toThrow(message);
  });
});

describe.skipIf(process.getuid?.() !== 0)("in a network namespace of its own", () => {
  test("only its own interfaces exist, though /sys shows another's", { timeout: 20_000 }, () => {
    const module = fileURLToPath(new URL("../../../src/adapters/interfaces.ts", import.meta.url));
    const script = `
      import { interfaceNames, resolveBind } from ${JSON.stringify(module)};
      console.log(JSON.stringify([interfaceNames(), resolveBind({ host: null, port: 1 }, { interfaces: ["edge0"], vips: [] })]));`;
    const setUp =
      "ip link add edge0 type veth peer name edge1 && ip addr add 10.9.0.1/24 dev edge0 && " +
      'ip link set edge0 up && ip link set edge1 up && exec "$0" "$@"';
    const args = ["--net", "sh", "-c", setUp, process.execPath, "--import", "tsx", "--input-type=module", "-e", script];
    const run = spawnSync("unshare", args, { encoding: "utf8" });
    expect(run.stderr).toBe("");
    const [names, endpoint] = JSON.parse(run.stdout);
    expect(names.sort()).toEqual(["edge0", "edge1", "lo"]);
    expect(endpoint).toEqual({ host: "10.9.0.1", port: 1 });
  });
});
