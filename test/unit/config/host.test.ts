import { describe, expect, it } from "vitest";
import { type HostInterface, judgeHost, type Placement, placeGroup } from "../../../src/config/host.js";
import { formatProblem } from "../../../src/config/load.js";
import type { VipGroup } from "../../../src/config/types.js";

function nic(name: string, addresses: readonly string[] = [], more: Partial<HostInterface> = {}): HostInterface {
  return {
    name,
    ethernet: true,
    masterName: "",
    masterKind: "",
    addresses: addresses.map((text) => {
      const [address, prefix] = text.split("/") as [string, string];
      return { address, prefix: Number(prefix), ours: more.name === "ours" };
    }),
    ...more,
  };
}

const LO: HostInterface = {
  ...nic("lo", ["127.0.0.1/8", "::1/128"]),
  ethernet: false,
};
const ETH0 = nic("eth0", ["10.0.0.11/24", "fd77::11/64", "fe80::1/64"]);
const ETH1 = nic("eth1", ["10.1.0.11/24"]);
const on = (...interfaces: string[]): Placement => ({ kind: "on", interfaces });
const waits = (reason: string) => ({ kind: "waiting", reason: expect.stringContaining(reason) });

describe('"auto" finds the interface by matching subnet', () => {
  it.each<[string, readonly string[], readonly HostInterface[], unknown]>([
    ["one of each family", ["10.0.0.100", "fd77::100"], [LO, ETH0, ETH1], on("eth0")],
    ["the other one", ["10.1.0.100"], [LO, ETH0, ETH1], on("eth1")],
    ["none", ["192.0.2.1"], [LO, ETH0], waits("no interface of this host has a subnet that holds 192.0.2.1")],
    ["a second NIC on the segment", ["10.0.0.100"], [ETH0, nic("eth9", ["10.0.0.12/24"])], waits("eth0 and eth9 both")],
    ["the longest prefix wins", ["10.0.0.100"], [ETH0, nic("eth9", ["10.9.9.9/8"])], on("eth0")],
    ["two segments in one group", ["10.0.0.100", "10.1.0.100"], [ETH0, ETH1], waits("make two groups of them")],
    ["a host route is no subnet", ["10.2.0.1"], [nic("eth0", ["10.2.0.1/32"])], waits("no interface")],
    ["link-local is no evidence", ["fe80::9"], [ETH0], waits("no interface")],
    [
      "the address of a bridge, not of its port",
      ["10.0.0.100"],
      [nic("eth0", [], { masterName: "br0", masterKind: "bridge" }), nic("br0", ["10.0.0.1/24"])],
      on("br0"),
    ],
    [
      "an interface in a VRF never",
      ["10.0.0.100"],
      [nic("eth0", ["10.0.0.1/24"], { masterName: "red", masterKind: "vrf" })],
      waits("no interface"),
    ],
    ["an odd prefix", ["10.0.3.255"], [nic("eth0", ["10.0.0.1/22"])], on("eth0")],
    ["just outside of an odd prefix", ["10.0.4.0"], [nic("eth0", ["10.0.0.1/22"])], waits("no interface")],
  ])("%s", (_name, addresses, host, expected) => {
    expect(placeGroup({ interface: "auto", addresses }, host)).toEqual(expected);
  });
});

function judged(group: Partial<VipGroup>, host: readonly HostInterface[], bindHost: string | null = null) {
  const whole: VipGroup = {
    name: "web",
    addresses: ["10.0.0.100"],
    interface: ["eth0"],
    together: false,
    failback: { afterMs: 0 },
    conflict: "defend",
    local: true,
    checks: [],
    whenNoneHealthy: "keep",
    spread: "hash",
    hosts: { require: {}, prefer: {} },
    ...group,
  };
  const paths = new Map(whole.addresses.map((address, i) => [address, `vips[0].addresses[${i}]`]));
  const found = judgeHost([whole], { host, paths, listeners: { "gossip.bind": bindHost } });
  return {
    problems: found.problems.map(formatProblem),
    pending: found.pending.map(formatProblem),
    warnings: found.warnings.map(formatProblem),
  };
}

describe("the configuration held against the host", () => {
  const well = { problems: [], pending: [], warnings: [] };
  const member = (kind: string, master: string) => [
    nic("eth0", [], { masterName: master, masterKind: kind }),
    nic(master),
  ];

  it("says nothing where all is well", () => {
    expect(judged({}, [LO, ETH0], "10.0.0.11")).toEqual(well);
    expect(judged({ interface: ["eth0", "eth1"] }, [LO, ETH0, ETH1], "127.0.0.1")).toEqual(well);
  });

  it.each([
    ["bond", "bond0", "vips[0].interface: eth0 is a member of the bond bond0: name bond0 instead"],
    ["bridge", "br0", "vips[0].interface: eth0 is a member of the bridge br0: name br0 instead"],
    ["vrf", "red", "vips[0].interface: eth0 is a member of the VRF red: VIPs cannot be served in a VRF"],
  ])("refuses a member of a %s with the master's name", (kind, master, expected) => {
    expect(judged({}, member(kind, master)).problems).toEqual([expected]);
  });

  it("names the item of a list", () => {
    const found = judged({ interface: ["eth7", "eth0"] }, member("bridge", "br0"));
    expect(found.pending).toEqual(['vips[0].interface[0]: there is no interface "eth7" on this host']);
    expect(found.problems).toEqual(["vips[0].interface[1]: eth0 is a member of the bridge br0: name br0 instead"]);
  });

  it("refuses what is no Ethernet interface", () => {
    expect(judged({}, [{ ...nic("eth0"), ethernet: false }]).problems).toEqual([
      "vips[0].interface: eth0 is no Ethernet interface",
    ]);
  });

  it("a VIP that is the host's own address, but not one that vipd put on lo", () => {
    const own = judged({ addresses: ["10.0.0.11"] }, [LO, ETH0]);
    expect(own.pending).toEqual([
      "vips[0].addresses[0]: 10.0.0.11 is an address of this host already, on eth0: a VIP must not be anybody's own",
    ]);
    const ours = { ...LO, addresses: [{ address: "10.0.0.100", prefix: 32, ours: true }] };
    expect(judged({}, [ours, ETH0])).toEqual(well);
    const others = { ...LO, addresses: [{ address: "10.0.0.100", prefix: 32, ours: false }] };
    expect(judged({}, [others, ETH0]).pending.join()).toContain("on lo");
  });

  it("warns of the ends of a subnet, which are no host's, but not of a point-to-point one's", () => {
    const ends = judged({ addresses: ["10.0.0.0", "10.0.0.100", "10.0.0.255"] }, [LO, nic("eth0", ["10.0.0.11/24"])]);
    expect(ends.warnings).toEqual([
      "vips[0].addresses[0]: 10.0.0.0 is the network address of eth0's subnet (/24): no client reaches a host by it",
      "vips[0].addresses[2]: 10.0.0.255 is the broadcast address of eth0's subnet (/24): no client reaches a host by it",
    ]);
    expect(judged({ addresses: ["10.0.0.11"] }, [LO, nic("eth0", ["10.0.0.10/31"])])).toEqual(well);
  });

  it("warns of a VIP outside of every subnet of its interface, where it has one of that family", () => {
    expect(judged({ addresses: ["10.5.0.1"] }, [LO, ETH0]).warnings).toEqual([
      "vips[0].addresses[0]: 10.5.0.1 is in no subnet of eth0: only hosts with a route to it there will look for it",
    ]);
    expect(judged({ addresses: ["10.5.0.1"] }, [LO, nic("eth0", ["fd77::1/64"])])).toEqual(well);
    expect(judged({ addresses: ["10.5.0.1"] }, [LO, nic("eth0")])).toEqual(well);
  });

  it("warns of a gossip address that the host does not have", () => {
    expect(judged({}, [LO, ETH0], "10.0.0.99").warnings).toEqual([
      "gossip.bind: 10.0.0.99 is no address of this host: `vipd run` could not listen there",
    ]);
    expect(judged({}, [LO, ETH0], "::")).toEqual(well);
  });
});
