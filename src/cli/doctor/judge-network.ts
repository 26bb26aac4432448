/**
 * The findings of `vipd doctor` about others: who else answers for a VIP, what drops gossip, and each host of gossip.join.
 * Boundary: pure, as judge.ts.
 */
import { familyOf } from "../../domain/address.js";
import { type Dropper, findDropper, type Packet } from "./firewall.js";
import type { Finding, HostFacts, Peer } from "./types.js";

/** RFC 5798, section 7.3: the virtual router's MAC; its last byte is the group's number. */
const VRRP_MAC = /^00:00:5e:00:0[12]:/i;
const STRANGERS_SHOWN = 5;

export function judgeNeighbours({ answers, hostOfMac, owned, running, vrrp, otherGroups }: HostFacts): Finding[] {
  const found: Finding[] = otherGroups.map(({ mac, address, interface: name }) => {
    const vips = answers.filter((one) => one.mac === mac).map((one) => one.address);
    const shown = `${vips.slice(0, STRANGERS_SHOWN).join(", ")}${vips.length > STRANGERS_SHOWN ? " and more" : ""}`;
    const seen = `${address} (${mac}) on ${name} answers for ${shown} and listens on the gossip's port, and is none of gossip.join: another vipd group on this segment has the same VIPs`;
    const remedy = `each VIP into one group only; or make it one group: its hosts into gossip.join, the same key and gossip.label`;
    return { severity: "error", name: "other-group", seen, remedy };
  });
  const others = new Set(otherGroups.map((one) => one.mac));
  const strangers = answers.filter(
    (one) => !others.has(one.mac) && (!hostOfMac.has(one.mac) || owned.has(one.address)),
  );
  for (const { address, mac, interface: name } of strangers.slice(0, STRANGERS_SHOWN)) {
    const member = hostOfMac.get(mac);
    if (member !== undefined) {
      const seen = `${member} (${mac}) answers for the VIP ${address} on ${name}, which this host owned a moment before: it is moving, or both answer`;
      found.push({ severity: "warning", name: "two-voices", seen, remedy: `vipd verify ${address}` });
      continue;
    }
    const isVrrp = VRRP_MAC.test(mac);
    const whose = isVrrp ? "a VRRP router (keepalived, a router's own)" : "another machine";
    const unsure = !running && !isVrrp;
    const seen = `${mac} answers for the VIP ${address} on ${name}${unsure ? "; the daemon does not run here, so it may be a host of the group" : `: ${whose}`}`;
    const remedy = unsure
      ? "systemctl start vipd, and ask again"
      : `ip neigh | grep -i ${mac}; the switch's MAC table tells its port. Take the address off it, or out of vips and the DHCP pool`;
    found.push({ severity: unsure ? "info" : "error", name: "stranger", seen, remedy });
  }
  if (strangers.length > STRANGERS_SHOWN) {
    const seen = `and ${strangers.length - STRANGERS_SHOWN} more VIPs that somebody answers for`;
    found.push({ severity: "info", name: "stranger", seen, remedy: "vipd verify" });
  }
  for (const { interface: name, from } of vrrp ?? []) {
    const seen = `${from} speaks VRRP on ${name}`;
    const remedy = `tcpdump -ni ${name} vrrp shows its addresses: none may be a VIP of ours`;
    found.push({ severity: "info", name: "vrrp", seen, remedy });
  }
  return found;
}

export function judgeFirewall({ nft, legacy, config, interfaces }: HostFacts): Finding[] {
  const { bind } = config.gossip;
  const family = bind.host === null ? 4 : familyOf(bind.host);
  return (["udp", "tcp"] as const).flatMap((protocol): Finding[] => {
    const packet = { protocol, port: bind.port, family, interface: interfaces[0] ?? "" } as const;
    const dropper = findDropper(nft, packet);
    if (dropper === null) return judgeLegacy(findDropper({ nftables: legacy }, packet), packet);
    const which = dropper.handle === null ? "policy" : `rule with handle ${dropper.handle}`;
    const seen = `the ${which} of nft's chain ${dropper.chain} drops gossip (${protocol} port ${bind.port})`;
    const remedy = `nft insert rule ${dropper.chain} ${protocol} dport ${bind.port} accept (and where the rules are kept: /etc/nftables.conf)`;
    return [{ severity: "error", name: "firewall", seen, remedy }];
  });
}

function judgeLegacy(dropper: Dropper | null, { protocol, port, family }: Packet): Finding[] {
  if (dropper === null) return [];
  const program = family === 4 ? "iptables-legacy" : "ip6tables-legacy";
  const name = dropper.chain.split(" ").at(-1);
  const which = dropper.handle === null ? `policy of ${name}` : `a rule in ${name}`;
  const seen = `${program} drops gossip (${protocol} port ${port}): ${which}; nft does not show it`;
  const remedy = `${program} -I ${name} -p ${protocol} --dport ${port} -j ACCEPT (and where the rules are kept: /etc/iptables)`;
  return [{ severity: "error", name: "firewall-legacy", seen, remedy }];
}

export function judgePeers({ peers, config }: HostFacts): Finding[] {
  const names = peers.filter((one) => one.address !== null);
  const found = peers.flatMap((peer) => judgePeer(peer, config.gossip.bind.port));
  if (peers.length > 0 && names.every((one) => one.tcp === "silent" && !one.udp)) {
    const seen = "no host of gossip.join can be reached: this one will serve alone after gossip.aloneAfterMs";
    found.push({ severity: "error", name: "nobody-reached", seen, remedy: "mend the hosts named here first" });
  }
  return found;
}

function judgePeer(peer: Peer, port: number): Finding[] {
  const one = (severity: Finding["severity"], name: string, seen: string, remedy: string): Finding[] => [
    { severity, name, seen, remedy },
  ];
  if (peer.address === null) {
    return one(
      "error",
      "peer-name",
      `the name ${peer.name} does not resolve`,
      `getent hosts ${peer.name}; or name its address`,
    );
  }
  if (peer.tcp === "refused" && !peer.udp) {
    const seen = `${peer.name} is there, but nobody listens on its gossip port`;
    return one("warning", "peer-stopped", seen, "on that host: systemctl start vipd; vipd status");
  }
  if (peer.tcp === "silent" && !peer.udp) {
    const seen = `${peer.name} does not answer, neither over UDP nor over TCP`;
    const remedy = `ping ${peer.address}; then on that host: vipd doctor (a firewall that drops port ${port}?)`;
    return one("error", "peer-unreachable", seen, remedy);
  }
  if (peer.tcp === "open" && !peer.understood && !peer.udp) {
    const seen = `${peer.name} takes the connection and does not understand us: it has another key, or another gossip.label`;
    return one(
      "error",
      "peer-key",
      seen,
      "sha256sum /etc/vipd/gossip.key on both hosts; grep label /etc/vipd/config.json",
    );
  }
  if (!peer.udp) {
    const seen = `${peer.name} answers over TCP, not over UDP: something on the way drops UDP`;
    return one("error", "peer-udp", seen, "on that host: vipd doctor; and the firewalls between");
  }
  if (!peer.udpFull) {
    const seen = `${peer.name} answers small datagrams, not those of full size: the MTU on the way is smaller than the interface's`;
    return one("error", "peer-mtu", seen, `ping -M do -s 1372 ${peer.address}; ip link on both hosts: the same mtu`);
  }
  if (peer.tcp !== "open" || !peer.understood) {
    const seen = `${peer.name} answers over UDP, not over TCP: state cannot be exchanged`;
    return one("error", "peer-tcp", seen, "on that host: vipd doctor; and the firewalls between");
  }
  return [];
}
