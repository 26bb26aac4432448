/**
 * What `vipd doctor` knows (facts, gathered at the edge) and says (findings, judged from them). Boundary: types only; a
 * fact that could not be had is null or absent, and is no finding by itself.
 */
import type { HostInterface } from "../../config/host.js";
import type { Config } from "../../config/types.js";

export type Severity = "error" | "warning" | "info";

export interface Finding {
  readonly severity: Severity;
  /** Stable, for machines: "interface-down". */
  readonly name: string;
  /** What was seen. */
  readonly seen: string;
  /** What to do: a command where one does it. */
  readonly remedy: string;
  /** What `--fix` runs; only what is safe, and what vipd or a boot does anyway. */
  readonly fix?: readonly string[];
}

export interface Link extends HostInterface {
  readonly up: boolean;
  readonly carrier: boolean;
  readonly mtu: number;
  readonly mac: string;
}

export interface Peer {
  /** As the configuration names it. */
  readonly name: string;
  /** Null: the name does not resolve. */
  readonly address: string | null;
  /** The TCP connection: done, refused, or not within the time. */
  readonly tcp: "open" | "refused" | "silent";
  /** It understood us: the key and the label are the same. */
  readonly understood: boolean;
  readonly udp: boolean;
  /** A datagram of full size was answered. */
  readonly udpFull: boolean;
}

export interface Service {
  /** As `systemctl is-active` and `is-enabled` say it; "" where they say nothing. */
  readonly active: string;
  readonly enabled: string;
  /** Files of the configuration that its user may not read. */
  readonly unreadable: readonly string[];
}

export interface NeighbourTable {
  readonly family: 4 | 6;
  readonly entries: number;
  /** gc_thresh3. */
  readonly limit: number | null;
  /** How often, since the boot, there was no room for another neighbour. */
  readonly overflows: number;
}

export interface HostFacts {
  readonly config: Config;
  readonly nodeVersion: string;
  /** This process's effective capabilities: CapEff of /proc/self/status. */
  readonly capabilities: bigint;
  readonly realTimeUnit: boolean | null;
  /** null: there is no unit. */
  readonly service: Service | null;
  /** Interfaces on which ARP is switched off. */
  readonly withoutArp: readonly string[];
  readonly links: readonly Link[];
  /** Interfaces of the VIPs, placed. */
  readonly interfaces: readonly string[];
  /** `net/ipv4/conf/all/arp_ignore` -> value. */
  readonly sysctls: ReadonlyMap<string, number>;
  /** The kernel's tables of neighbours, of all namespaces together; `limit` is told to the machine's own namespace only. */
  readonly neighbourTables: readonly NeighbourTable[];
  /** The daemon answers on its socket; what it owns. */
  readonly running: boolean;
  readonly owned: ReadonlySet<string>;
  /** MACs of the group's hosts, as the daemon knows them. */
  readonly hostOfMac: ReadonlyMap<string, string>;
  readonly answers: readonly { readonly address: string; readonly interface: string; readonly mac: string }[];
  readonly peers: readonly Peer[];
  /** `nft -j list ruleset`; null where it cannot be had. */
  readonly nft: unknown;
  /** The rules of iptables-legacy, in the same shape; none where it is not used. */
  readonly legacy: readonly object[];
  /** Machines that answer for a VIP, are no members as far as is known, and take connections on the gossip's port. */
  readonly otherGroups: readonly { readonly mac: string; readonly address: string; readonly interface: string }[];
  /** Configuration files of networkd and NetworkManager by path. */
  readonly networkFiles: ReadonlyMap<string, string>;
  /** Names of running programs that meddle with addresses: keepalived, kube-proxy. */
  readonly programs: readonly string[];
  /** Bridges: multicast_snooping and multicast_querier. */
  readonly bridges: readonly { readonly name: string; readonly snooping: boolean; readonly querier: boolean }[];
  /** MACs that sent VRRP while we listened, by interface; null: nothing to listen with. */
  readonly vrrp: readonly { readonly interface: string; readonly from: string }[] | null;
}
