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

  heal(): void {
    this.#sides = [];
    this.#oneWay = null;
    this.#gossipCut = false;
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
    if (this.#gossipCut) rules.push("udp dport 7979 drop", "tcp dport 7979 drop", "tcp sport 7979 drop");
    const forget = "add table bridge lab\ndelete table bridge lab\n";
    const chain = ["type filter hook forward priority 0", ...rules].join("\n");
    const script = `${forget}table bridge lab {\nchain forward {\n${chain}\n}\n}\n`;
    execFileSync("ip", ["netns", "exec", this.namespace, "nft", "-f", "-"], {
      input: rules.length > 0 ? script : forget,
      stdio: ["pipe", "ignore", "pipe"],
    });
  }
}

function quoted(ports: readonly string[]): string {
  return ports.map((port) => `"${port}"`).join(", ");
}
