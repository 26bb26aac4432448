/**
 * Rules of iptables-legacy, which nft does not show, in the shape of nft's own JSON, so that firewall.ts walks both alike. Boundary:
 * pure, over the text of iptables-legacy-save(8); an option that it does not know makes its rule one that does not match.
 */
export type LegacyFamily = "ip" | "ip6";

const TABLE = "filter";
const HOOKS: Readonly<Record<string, string>> = { INPUT: "input", FORWARD: "forward", OUTPUT: "output" };
const UNKNOWN = { unknown: true };

/** Items as in `nft -j list ruleset`'s "nftables"; chains first. */
export function legacyItems(saved: string, family: LegacyFamily): readonly object[] {
  const table = /^\*filter$([\s\S]*?)^COMMIT$/m.exec(saved)?.[1] ?? "";
  const chains: object[] = [];
  const rules: object[] = [];
  for (const line of table.split("\n")) {
    const chain = /^:(\S+) (\S+)/.exec(line);
    if (chain !== null) {
      const [, name = "", policy = ""] = chain;
      const base = { hook: HOOKS[name], type: "filter", prio: 0, policy: policy.toLowerCase() };
      chains.push({ chain: { family, table: TABLE, name, ...(HOOKS[name] === undefined ? {} : base) } });
    }
    const [, appended = "", rest = ""] = /^-A (\S+) ?(.*)$/.exec(line) ?? [];
    if (appended !== "") {
      const rule = { family, table: TABLE, chain: appended, handle: rules.length + 1, expr: exprOf(rest) };
      rules.push({ rule });
    }
  }
  return [...chains, ...rules];
}

function exprOf(text: string): readonly object[] {
  const words = [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");
  const expr: object[] = [];
  let protocol = "th";
  for (let at = 0; at < words.length; at++) {
    const negated = words[at] === "!";
    const option = words[negated ? ++at : at]!;
    const value = words[++at] ?? "";
    const match = (left: object, right: unknown) => expr.push({ match: { op: negated ? "!=" : "==", left, right } });
    if (option === "-j" || option === "-g") {
      expr.push(...targetOf(value, option === "-g"));
      // What follows says how it rejects or logs.
      return expr;
    }
    if (option === "-p") {
      if (!negated) protocol = value;
      match({ meta: { key: "l4proto" } }, value);
    } else if (option === "-i") match({ meta: { key: "iifname" } }, value.replace(/\+$/, "*"));
    else if (option === "--dport" || option === "--dports") {
      match({ payload: { protocol, field: "dport" } }, portsOf(value));
    } else if (option === "--state" || option === "--ctstate") {
      match({ ct: { key: "state" } }, { set: value.toLowerCase().split(",") });
    } else if (option === "--comment" || option === "-m") continue;
    else return [UNKNOWN];
  }
  return expr;
}

function portsOf(text: string): unknown {
  const ports = text.split(",").map((one) => {
    const [from = "", to] = one.split(":");
    return to === undefined ? Number(from) : { range: [Number(from), Number(to || 65_535)] };
  });
  return ports.length === 1 ? ports[0] : { set: ports };
}

function targetOf(name: string, goto: boolean): readonly object[] {
  if (name === "ACCEPT") return [{ accept: null }];
  if (name === "DROP") return [{ drop: null }];
  if (name === "REJECT") return [{ reject: null }];
  if (name === "RETURN") return [{ return: null }];
  // These two let the packet go on.
  if (name === "LOG" || name === "NFLOG") return [{ log: null }];
  return [goto ? { goto: { target: name } } : { jump: { target: name } }];
}
