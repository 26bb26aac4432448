/**
 * Where datagrams may have been lost that the switch saw: counters of the kernels on both sides, before and after. Purpose: a
 * loss of the lab (a queue between namespaces, a server's buffer, a stalled machine) is told from one of the daemon's (a host that
 * did not accept a VIP). Boundary: reads /proc; judges nothing.
 */
import * as fs from "node:fs";
import type { LabHost } from "./host.js";
import type { Lab } from "./lab.js";
import { sh } from "./shell.js";

export interface Losses {
  /** Packets for an address that the host did not have. */
  readonly refused: number;
  /** The server did not read them in time. */
  readonly serverFull: number;
  /** Dropped between namespaces, of the whole machine. */
  readonly backlog: number;
  /** Time that the hypervisor took from this machine. */
  readonly stolenMs: number;
}

const REFUSED = /^(?:Ip\.InAddrErrors|IpExt\.InNoRoutes|Ip6InAddrErrors|Ip6InNoRoutes)$/;
const TICK_MS = 1000 / Number(sh("getconf", "CLK_TCK"));
const FULL = /^(?:Udp\.RcvbufErrors|Udp6RcvbufErrors)$/;

export function lossesNow(lab: Lab): Losses {
  const all = lab.hosts.flatMap((host) => countersOf(host));
  const sum = (names: RegExp) => all.reduce((total, [name, value]) => total + (names.test(name) ? value : 0), 0);
  const softnet = fs.readFileSync("/proc/net/softnet_stat", "latin1").trim().split("\n");
  const stolen = Number(/^cpu\s+(?:\d+\s+){7}(\d+)/.exec(fs.readFileSync("/proc/stat", "latin1"))?.[1] ?? 0);
  return {
    refused: sum(REFUSED),
    serverFull: sum(FULL),
    backlog: softnet.reduce((total, line) => total + Number.parseInt(line.split(" ")[1]!, 16), 0),
    stolenMs: stolen * TICK_MS,
  };
}

export function lossesSince(lab: Lab, before: Losses): Losses {
  const now = lossesNow(lab);
  const { refused, serverFull, backlog, stolenMs } = before;
  return {
    refused: now.refused - refused,
    serverFull: now.serverFull - serverFull,
    backlog: now.backlog - backlog,
    stolenMs: now.stolenMs - stolenMs,
  };
}

function countersOf(host: LabHost): readonly (readonly [string, number])[] {
  const text = host.exec("cat", "/proc/net/snmp", "/proc/net/netstat", "/proc/net/snmp6");
  const lines = text.split("\n");
  return lines.flatMap((line, i) => {
    // Of IPv4: a line of names, and one of values. Of IPv6: one name and its value.
    const single = /^(\w+6\w+)\s+(\d+)$/.exec(line);
    if (single !== null) return [[single[1]!, Number(single[2])] as const];
    const [kind, ...names] = line.split(" ");
    const [sameKind, ...values] = lines[i + 1]?.split(" ") ?? [];
    if (kind === "" || kind !== sameKind || !/[A-Za-z]/.test(names[0] ?? "")) return [];
    return names.map((name, n) => [`${kind!.slice(0, -1)}.${name}`, Number(values[n])] as const);
  });
}
