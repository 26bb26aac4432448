/**
 * Would nft's rules let a packet in? Purpose: `vipd doctor` names the rule that drops gossip, before somebody wonders. Walks the
 * chains as the kernel does for a new connection. Boundary: pure, over the JSON of libnftables-json(5); a match that it
 * does not know is taken for "does not match", so that it names no rule that it did not understand.
 */
import { isObject } from "../../config/shape.js";

export interface Packet {
  readonly protocol: "udp" | "tcp";
  readonly port: number;
  readonly family: 4 | 6;
  readonly interface: string;
}

interface Rule {
  readonly chain: string;
  readonly handle: number;
  readonly expr: readonly unknown[];
}

interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly type?: string;
  readonly prio?: number;
  readonly policy?: string;
  readonly rules: Rule[];
}

/** What drops it: `inet filter input` and the rule's handle, or null for its policy. */
export interface Dropper {
  readonly chain: string;
  readonly handle: number | null;
}

const JUMPS_MAX = 16;

export function findDropper(ruleset: unknown, packet: Packet): Dropper | null {
  const chains = chainsOf(ruleset);
  const families = ["inet", packet.family === 4 ? "ip" : "ip6"];
  const bases = [...chains.values()]
    .filter((chain) => chain.hook === "input" && chain.type === "filter" && families.includes(chain.family))
    .sort((a, b) => (a.prio ?? 0) - (b.prio ?? 0));
  for (const base of bases) {
    const end = walk(base, packet, chains, 0);
    const name = `${base.family} ${base.table} ${base.name}`;
    if (end.verdict === "drop") return { chain: end.chain, handle: end.handle };
    if (end.verdict === "none" && base.policy === "drop") return { chain: name, handle: null };
  }
  return null;
}

type End =
  | { readonly verdict: "accept" | "none" }
  | { readonly verdict: "drop"; readonly chain: string; readonly handle: number };

function walk(chain: Chain, packet: Packet, chains: ReadonlyMap<string, Chain>, depth: number): End {
  if (depth > JUMPS_MAX) return { verdict: "none" };
  for (const rule of chain.rules) {
    const verdict = verdictOf(rule, packet);
    if (verdict === null) continue;
    if (verdict === "accept") return { verdict };
    if (verdict === "return") return { verdict: "none" };
    if (verdict === "drop") {
      return { verdict, chain: `${chain.family} ${chain.table} ${chain.name}`, handle: rule.handle };
    }
    const target = chains.get(keyOf(chain.family, chain.table, verdict.target));
    const end = target === undefined ? null : walk(target, packet, chains, depth + 1);
    if (end !== null && end.verdict !== "none") return end;
    if (verdict.goto) return { verdict: "none" };
  }
  return { verdict: "none" };
}

type RuleVerdict = "accept" | "drop" | "return" | { readonly target: string; readonly goto: boolean };

/** Null: the rule does not match, or decides nothing. */
function verdictOf(rule: Rule, packet: Packet): RuleVerdict | null {
  for (const one of rule.expr) {
    if (!isObject(one)) return null;
    if (isObject(one.match)) {
      if (!matches(one.match, packet)) return null;
    } else if ("accept" in one) return "accept";
    else if ("drop" in one || "reject" in one) return "drop";
    else if ("return" in one) return "return";
    else if (isObject(one.jump)) return { target: String(one.jump.target), goto: false };
    else if (isObject(one.goto)) return { target: String(one.goto.target), goto: true };
    else if (!("counter" in one || "log" in one || "comment" in one)) return null;
  }
  return null;
}

function matches(match: Record<string, unknown>, packet: Packet): boolean {
  const value = fieldOf(match.left, packet);
  if (value === undefined) return false;
  const equal = value !== null && among(value, match.right);
  return match.op === "!=" ? !equal : (match.op === "==" || match.op === "in") && equal;
}

/** undefined: not known to us. null: this packet has no such field. */
function fieldOf(left: unknown, packet: Packet): string | number | null | undefined {
  if (!isObject(left)) return undefined;
  if (isObject(left.payload)) {
    const { protocol, field } = left.payload;
    if (field === "dport" && protocol === "th") return packet.port;
    if (field === "dport" && (protocol === "udp" || protocol === "tcp")) {
      return protocol === packet.protocol ? packet.port : null;
    }
    return protocol === "ip" && field === "protocol" && packet.family === 4 ? packet.protocol : undefined;
  }
  if (isObject(left.meta)) {
    const { key } = left.meta;
    if (key === "l4proto") return packet.protocol;
    if (key === "iifname" || key === "iif") return packet.interface;
    if (key === "nfproto") return packet.family === 4 ? "ipv4" : "ipv6";
    return undefined;
  }
  return isObject(left.ct) && left.ct.key === "state" ? "new" : undefined;
}

function among(value: string | number, right: unknown): boolean {
  if (Array.isArray(right)) return right.some((one) => among(value, one));
  if (isObject(right)) {
    if (Array.isArray(right.set)) return among(value, right.set);
    if (Array.isArray(right.range)) return value >= right.range[0] && value <= right.range[1];
    return false;
  }
  if (typeof right === "string" && right.endsWith("*")) return String(value).startsWith(right.slice(0, -1));
  return right === value;
}

function keyOf(family: unknown, table: unknown, chain: unknown): string {
  return `${family} ${table} ${chain}`;
}

function chainsOf(ruleset: unknown): Map<string, Chain> {
  const chains = new Map<string, Chain>();
  const items = isObject(ruleset) && Array.isArray(ruleset.nftables) ? ruleset.nftables : [];
  for (const item of items) {
    if (!isObject(item) || !isObject(item.chain)) continue;
    const chain = { ...item.chain, rules: [] } as unknown as Chain;
    chains.set(keyOf(chain.family, chain.table, chain.name), chain);
  }
  for (const item of items) {
    if (!isObject(item) || !isObject(item.rule) || !Array.isArray(item.rule.expr)) continue;
    const { family, table, chain } = item.rule;
    chains.get(keyOf(family, table, chain))?.rules.push(item.rule as unknown as Rule);
  }
  return chains;
}
