/**
 * The lab's switch: a bridge in a namespace of its own. Pulls cables (bridge side, so that the host sees NO-CARRIER),
 * partitions, drops the gossip. Boundary: ports by name; it knows no hosts. One nft table holds all that is broken.
 */
import { execFileSync } from "node:child_process";
import { sh, shQuiet } from "./shell.js";

export class Switch {
  #sides: readonly (readonly string[])[] = [];
  #oneWay: { readonly from: readonly string[]; readonly to: readonly string[] } | null = null;
  #gossipCut = false;
  #unheardPort: string | null = null;
  #lossPercent = 0;
  #unannouncedPercent = 0;
  #canStall = false;

  /** With `querier` it snoops MLD and asks, as a managed switch does: multicast goes only where a group was joined. */
  constructor(
    readonly namespace: string,
    { querier = false }: { querier?: boolean } = {},
  ) {
    sh("ip", "netns", "add", namespace);
    sh("ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0");
    sh("ip", "-n", namespace, "link", "set", "lo", "up");
    sh("ip", "-n", namespace, "link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0");
    if (!querier) shQuiet("ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.br0.disable_ipv6=1");
    sh("ip", "-n", namespace, "link", "set", "br0", "up");
    // A querier asks from the bridge's own link-local address: without one its questions are not sent.
    const snooping = ["mcast_snooping", "1", "mcast_querier", "1"];
    if (querier) sh("ip", "-n", namespace, "link", "set", "br0", "type", "bridge", ...snooping);
  }

  /** A cable from a new port to a new interface in `into`. */
  plug({ port, into, name, mac }: { port: string; into: string; name: string; mac: string }): void {
    const peer = ["peer", "name", name, "address", mac, "netns", into];
    sh("ip", "link", "add", port, "netns", this.namespace, "type", "veth", ...peer);
    sh("ip", "-n", this.namespace, "link", "set", port, "master", "br0", "up");
  }

  unplug(port: string): void {
    sh("ip", "-n", this.namespace, "link", "del", port);
  }

  cable(port: string, state: "up" | "down"): void {
    sh("ip", "-n", this.namespace, "link", "set", port, state);
  }

  /** Ports of different sides do not reach each other; ports on no side reach all. */
  partition(...sides: readonly (readonly string[])[]): void {
    this.#sides = sides;
    this.#apply();
  }

  /** What the one side sends does not reach the other; the way back is open. */
  cutOneWay(from: readonly string[], to: readonly string[]): void {
    this.#oneWay = { from, to };
    this.#apply();
  }

  /** Drops the gossip only (UDP and TCP 7979), between all ports. */
  cutGossip(): void {
    this.#gossipCut = true;
    this.#apply();
  }

  /** What gossip comes in at this port is dropped: its host hears all others, and none of them hears it. */
  cutGossipFrom(port: string): void {
    this.#unheardPort = port;
    this.#apply();
  }

  /** Of all frames between ports, at random. */
  lose(percent: number): void {
    this.#lossPercent = percent;
    this.#apply();
  }

  /** Of what is said to all about an address (ARP broadcasts, unsolicited advertisements), for each listener by itself. */
  loseAnnouncements(percent: number): void {
    this.#unannouncedPercent = percent;
    this.#apply();
  }

  /** Nothing passes for so long. The kernel ends it by itself, so that the length does not depend on a program's start. */
  stall(ms: number): void {
    const begin = [];
    if (!this.#canStall) {
      begin.push(
        "table bridge stall {",
        "set stalled { type ether_type; flags timeout; }",
        "chain forward { type filter hook forward priority 0",
        "ether type @stalled drop",
        "}",
        "}",
      );
    }
    this.#canStall = true;
    const elements = ["ip", "ip6", "arp"].map((type) => `${type} timeout ${ms}ms`).join(", ");
    this.#nft([...begin, `add element bridge stall stalled { ${elements} }`].join("\n"));
  }

  heal(): void {
    this.#sides = [];
    this.#oneWay = null;
    this.#gossipCut = false;
    this.#unheardPort = null;
    this.#lossPercent = 0;
    this.#unannouncedPercent = 0;
    this.#apply();
  }

  #apply(): void {
    const rules: string[] = [];
    this.#sides.forEach((from, i) => {
      this.#sides.forEach((to, j) => {
        if (i === j || from.length === 0 || to.length === 0) return;
        rules.push(`iifname { ${quoted(from)} } oifname { ${quoted(to)} } drop`);
      });
    });
    if (this.#oneWay !== null) {
      const { from, to } = this.#oneWay;
      rules.push(`iifname { ${quoted(from)} } oifname { ${quoted(to)} } drop`);
    }
    const gossip = ["udp dport 7979", "tcp dport 7979", "tcp sport 7979"];
    if (this.#gossipCut) rules.push(...gossip.map((what) => `${what} drop`));
    if (this.#unheardPort !== null) rules.push(...gossip.map((what) => `iifname "${this.#unheardPort}" ${what} drop`));
    if (this.#lossPercent > 0) rules.push(`numgen random mod 100 < ${this.#lossPercent} drop`);
    if (this.#unannouncedPercent > 0) {
      const lost = `numgen random mod 100 < ${this.#unannouncedPercent} drop`;
      rules.push(`ether type arp ether daddr ff:ff:ff:ff:ff:ff ${lost}`);
      rules.push(`ip6 daddr ff02::1 icmpv6 type nd-neighbor-advert ${lost}`);
    }
    const forget = "add table bridge lab\ndelete table bridge lab\n";
    const chain = ["type filter hook forward priority 0", ...rules].join("\n");
    const script = `${forget}table bridge lab {\nchain forward {\n${chain}\n}\n}\n`;
    this.#nft(rules.length > 0 ? script : forget);
  }

  #nft(script: string): void {
    const argv = ["netns", "exec", this.namespace, "nft", "-f", "-"];
    execFileSync("ip", argv, { input: `${script}\n`, stdio: ["pipe", "ignore", "pipe"] });
  }
}

function quoted(ports: readonly string[]): string {
  return ports.map((port) => `"${port}"`).join(", ");
}
