/**
 * From facts of this host to findings: the worst first, each with what was seen and its remedy. Boundary: pure; what is
 * asked of the host is gather.ts's business. One small function a subject, so that each can be held against a table.
 */
import { familyOf } from "../../domain/address.js";
import { judgeFirewall, judgeNeighbours, judgePeers } from "./judge-network.js";
import { judgeNeighbourTables } from "./neighbour-table.js";
import { judgeService } from "./service.js";
import type { Finding, HostFacts } from "./types.js";

const ORDER = ["error", "warning", "info"] as const;
const CAP_NET_ADMIN = 12n;
const CAP_NET_RAW = 13n;
const NODE_LEAST = [20, 20] as const;

export function judgeAll(facts: HostFacts): readonly Finding[] {
  const judges = [
    judgeNode,
    judgeCapabilities,
    judgeService,
    judgeInterfaces,
    judgeStrictArp,
    judgeSysctls,
    judgeAddresses,
    judgePrograms,
    judgeManagers,
    judgeBridges,
    judgeNeighbours,
    judgeNeighbourTables,
    judgeFirewall,
    judgePeers,
  ];
  return bySeverity(judges.flatMap((judge) => judge(facts)));
}

export function bySeverity(findings: readonly Finding[]): readonly Finding[] {
  return [...findings].sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}

export function judgeNode({ nodeVersion, config, realTimeUnit }: HostFacts): Finding[] {
  const found: Finding[] = [];
  const [major = 0, minor = 0] = nodeVersion.replace(/^v/, "").split(".").map(Number);
  if (major < NODE_LEAST[0] || (major === NODE_LEAST[0] && minor < NODE_LEAST[1])) {
    const seen = `Node ${nodeVersion} is older than ${NODE_LEAST.join(".")}`;
    found.push({ severity: "error", name: "node-version", seen, remedy: "install Node 20.20 or newer" });
  }
  if (config.gossip.profile === "extreme" && realTimeUnit !== true) {
    const seen = 'profile "extreme" without a unit vipd.service that asks for real-time scheduling';
    const remedy = "CPUSchedulingPolicy=fifo in the unit, or gossip.profile fast";
    found.push({ severity: "warning", name: "no-real-time", seen, remedy });
  }
  return found;
}

export function judgeCapabilities({ capabilities }: HostFacts): Finding[] {
  const missing = [
    ...(((capabilities >> CAP_NET_RAW) & 1n) === 0n ? ["CAP_NET_RAW"] : []),
    ...(((capabilities >> CAP_NET_ADMIN) & 1n) === 0n ? ["CAP_NET_ADMIN"] : []),
  ];
  if (missing.length === 0) return [];
  const seen = `this process lacks ${missing.join(" and ")}, and vipd needs it to answer and to put VIPs on lo`;
  const remedy = "sudo vipd doctor; for the daemon: systemctl start vipd (the unit gives both)";
  return [{ severity: "error", name: "capabilities", seen, remedy }];
}

export function judgeInterfaces({ interfaces, links, withoutArp, config }: HostFacts): Finding[] {
  const found: Finding[] = [];
  for (const name of interfaces) {
    const link = links.find((one) => one.name === name);
    const error = (kind: string, seen: string, remedy: string) =>
      found.push({ severity: "error", name: kind, seen, remedy });
    if (link === undefined)
      error("interface-missing", `there is no interface ${name}`, "ip link; then vips[].interface");
    else if (link.masterName !== "") {
      const remedy =
        link.masterKind === "vrf"
          ? `ip link set ${name} nomaster`
          : `vips[].interface: name ${link.masterName} instead`;
      error("interface-member", `${name} is a member of the ${link.masterKind} ${link.masterName}`, remedy);
    } else if (!link.ethernet) error("interface-kind", `${name} is no Ethernet interface`, "name another interface");
    else if (!link.up) error("interface-down", `${name} is down`, `ip link set ${name} up`);
    else if (withoutArp.includes(name))
      error("no-arp", `ARP is switched off on ${name}: nobody finds it, nor it anybody`, `ip link set ${name} arp on`);
    else if (!link.carrier) {
      error(
        "no-carrier",
        `${name} has no carrier`,
        `the cable, the switch port: ethtool ${name}, ip -s link show ${name}`,
      );
    }
  }
  for (const group of config.vips) {
    if (group.interface === "auto" || group.addresses.every((one) => familyOf(one) === 4)) continue;
    for (const name of group.interface) {
      const link = links.find((one) => one.name === name);
      if (link === undefined || link.addresses.some(({ address }) => address.includes(":"))) continue;
      const seen = `${name} has no IPv6 address, not even a link-local one, and group ${group.name} has IPv6 VIPs`;
      const remedy = `sysctl -w net.ipv6.conf.${name}.disable_ipv6=0`;
      found.push({ severity: "warning", name: "no-ipv6", seen, remedy });
    }
  }
  return found;
}

export function judgeStrictArp({ sysctls, config, links, interfaces, running }: HostFacts): Finding[] {
  const found: Finding[] = [];
  const ignore = sysctls.get("net/ipv4/conf/all/arp_ignore") ?? 0;
  const announce = sysctls.get("net/ipv4/conf/all/arp_announce") ?? 0;
  const wanted = [
    ...([1, 2, 3, 8].includes(ignore) ? [] : [{ key: "net.ipv4.conf.all.arp_ignore", is: ignore, value: 1 }]),
    ...(announce === 2 ? [] : [{ key: "net.ipv4.conf.all.arp_announce", is: announce, value: 2 }]),
  ];
  if (wanted.length > 0 && config.strictArp !== "manage") {
    const seen = `${wanted.map((one) => `${one.key} is ${one.is}`).join(", ")}: the kernel answers for VIPs on lo by itself`;
    const fix = ["sysctl", "-w", ...wanted.map((one) => `${one.key}=${one.value}`)];
    const required = config.strictArp === "require";
    const severity = required ? "error" : "warning";
    found.push({ severity, name: "strict-arp", seen, remedy: fix.join(" "), ...(required ? { fix } : {}) });
  } else if (wanted.length > 0) {
    // Under "manage" vipd sets it. Who relies on the kernel's answering across interfaces learns of it here.
    const others = links
      .filter((link) => !interfaces.includes(link.name))
      .flatMap((link) =>
        link.addresses
          .filter((one) => familyOf(one.address) === 4 && !one.ours && !one.address.startsWith("127."))
          .map((one) => `${one.address} (${link.name})`),
      );
    if (others.length > 0) {
      const seen = `vipd will set ${wanted.map((one) => `${one.key}=${one.value}`).join(" ")}; then ${others.slice(0, 5).join(", ")}${others.length > 5 ? " and more" : ""} will be answered for on the own interface only`;
      const remedy =
        'nothing, if each is asked for on its own interface; else set "strictArp": "ignore" and see man vipd.json';
      found.push({ severity: "info", name: "manage-changes", seen, remedy });
    }
  }
  if (running && config.strictArp === "manage" && wanted.length > 0) {
    const seen = `${wanted.map((one) => `${one.key} is ${one.is}`).join(", ")} although vipd runs: something undoes it`;
    const remedy = "grep -r arp_ /etc/sysctl.d /etc/sysctl.conf /usr/lib/sysctl.d";
    found.push({ severity: "error", name: "strict-arp-undone", seen, remedy });
  }
  return found;
}

export function judgeSysctls({ sysctls, interfaces, config, links }: HostFacts): Finding[] {
  const found: Finding[] = [];
  const of = (name: string, key: string) => sysctls.get(`net/ipv4/conf/${name}/${key}`) ?? 0;
  for (const name of interfaces) {
    // The kernel takes the larger of the two.
    const strict = Math.max(of("all", "rp_filter"), of(name, "rp_filter")) === 1;
    const others = links.filter((one) => one.name !== name && one.name !== "lo" && one.up && one.addresses.length > 0);
    if (strict && others.length > 0) {
      const seen = `rp_filter is strict on ${name}, and ${others.map((one) => one.name).join(", ")} has addresses, too: what comes in on ${name} from a network that is routed over another interface is dropped`;
      const remedy = `sysctl -w net.ipv4.conf.${name}.rp_filter=2`;
      found.push({ severity: "warning", name: "rp-filter", seen, remedy });
    }
    if (Math.max(of("all", "accept_local"), of(name, "accept_local")) !== 0) {
      const seen = `accept_local is on for ${name}: packets that claim to come from this host's own addresses are let in`;
      const remedy = `sysctl -w net.ipv4.conf.${name}.accept_local=0 net.ipv4.conf.all.accept_local=0 (unless something needs it)`;
      found.push({ severity: "info", name: "accept-local", seen, remedy });
    }
  }
  const families = new Set(config.vips.flatMap((group) => group.addresses.map(familyOf)));
  const off = [4, 6].filter((one) => families.has(one as 4 | 6) && sysctls.get(`net/ipv${one}/ip_nonlocal_bind`) === 0);
  if (off.length > 0) {
    const keys = off.map((one) => `net.ipv${one}.ip_nonlocal_bind=1`).join(" ");
    const seen =
      "a server that binds a VIP by address cannot start while this host is in standby (ip_nonlocal_bind is 0)";
    found.push({
      severity: "info",
      name: "nonlocal-bind",
      seen,
      remedy: `sysctl -w ${keys}, or let it listen on every address`,
    });
  }
  return found;
}

/** A VIP that lies on an interface without being vipd's: the kernel answers for it, whoever owns it. */
export function judgeAddresses({ links, config }: HostFacts): Finding[] {
  const vips = new Set(config.vips.flatMap((group) => group.addresses));
  return links.flatMap((link) =>
    link.addresses
      .filter((one) => vips.has(one.address) && !one.ours)
      .map(({ address, prefix }): Finding => {
        const remove = `ip addr del ${address}/${prefix} dev ${link.name}`;
        const ipvs = link.name === "kube-ipvs0";
        const seen = `the VIP ${address} lies on ${link.name} already${ipvs ? ", put there by kube-proxy (mode ipvs)" : ""}`;
        const remedy = ipvs
          ? "take it out of the Service's externalIPs or loadBalancerIP, or out of vips[].addresses"
          : `${remove} (what put it there? keepalived, /etc/network/interfaces, a .network file)`;
        return { severity: "error", name: "vip-on-interface", seen, remedy };
      }),
  );
}

export function judgePrograms({ programs, config }: HostFacts): Finding[] {
  return programs.map((program): Finding => {
    const seen = `${program} runs on this host: it moves addresses, too`;
    const vip = config.vips[0]?.addresses[0] ?? "ADDRESS";
    if (program !== "keepalived") {
      const remedy = `nothing, if it knows none of the VIPs: ip -br addr | grep -w ${vip}`;
      return { severity: "info", name: "other-program", seen, remedy };
    }
    const remedy = "systemctl disable --now keepalived, once vipd has taken over its VIPs (README, migration)";
    return { severity: "warning", name: "other-program", seen, remedy };
  });
}

/** networkd and NetworkManager take foreign addresses off an interface that they configure. VIPs lie on lo. */
export function judgeManagers({ networkFiles }: HostFacts): Finding[] {
  const found: Finding[] = [];
  for (const [file, text] of networkFiles) {
    if (file.endsWith(".network") && namesLo(text) && !/^\s*KeepConfiguration\s*=\s*(?:yes|static)\b/im.test(text)) {
      const seen = `${file} lets systemd-networkd configure lo: a reconfiguration takes the VIPs off it`;
      const remedy = `KeepConfiguration=yes in its [Network], or Name= without lo in its [Match]; then networkctl reload`;
      found.push({ severity: "warning", name: "networkd-lo", seen, remedy });
    }
    if (/\.nmconnection$/.test(file) && /^\s*(?:interface-name\s*=\s*lo|type\s*=\s*loopback)\s*$/im.test(text)) {
      const seen = `${file} lets NetworkManager configure lo: it takes the VIPs off it when it applies the profile`;
      const remedy =
        "[keyfile] unmanaged-devices=interface-name:lo in /etc/NetworkManager/conf.d/vipd.conf; then nmcli general reload";
      found.push({ severity: "warning", name: "networkmanager-lo", seen, remedy });
    }
  }
  return found;
}

/** [Match] of a .network file: Name= with patterns, or none at all with Type=loopback. */
function namesLo(text: string): boolean {
  const match = /^\s*\[Match\]\s*$([\s\S]*?)(?=^\s*\[|(?![\s\S]))/im.exec(text)?.[1] ?? "";
  if (/^\s*Type\s*=.*\bloopback\b/im.test(match)) return true;
  const names = /^\s*Name\s*=\s*(.*)$/im.exec(match)?.[1]?.trim().split(/\s+/) ?? [];
  if (names.some((name) => name === "!lo")) return false;
  return names.some((name) => ["lo", "*", "l*", "lo*"].includes(name));
}

export function judgeBridges({ bridges, interfaces, config }: HostFacts): Finding[] {
  if (config.vips.every((group) => group.addresses.every((one) => familyOf(one) === 4))) return [];
  return bridges
    .filter((one) => interfaces.includes(one.name) && one.snooping && !one.querier)
    .map(({ name }): Finding => {
      const seen = `the bridge ${name} snoops MLD and is no querier: without one on the segment, questions for IPv6 VIPs may be held back`;
      const remedy = `ip link set ${name} type bridge mcast_querier 1 (or mcast_snooping 0)`;
      return { severity: "info", name: "mld-snooping", seen, remedy };
    });
}
