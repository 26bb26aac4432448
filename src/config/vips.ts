/**
 * The groups of VIPs: addresses expanded, fit, and there once only; names unique; interfaces possible. Every item is judged,
 * whatever is wrong with the others, and each problem has the path of the item.
 * Boundary: pure; what this host has is host.ts's business.
 */
import { canonicalAddress, type Expansion, expandCidr, expandRange, familyOf, fitForVip } from "../domain/address.js";
import { joinPath } from "./json.js";
import { SCHEMA } from "./schema.js";
import { checkShape, isObject, show } from "./shape.js";
import type { Problem, VipGroup } from "./types.js";
import { readChecks, readPlacement } from "./vips-check.js";

export const ADDRESSES_MAX = 16_384;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const FAILBACK_AFTER_MS = 300_000;

export interface VipsResult {
  readonly groups: readonly VipGroup[];
  readonly problems: readonly Problem[];
  /** Canonical address -> the path that names it. */
  readonly paths: ReadonlyMap<string, string>;
}

interface Context {
  readonly problems: Problem[];
  readonly paths: Map<string, string>;
  readonly names: Map<string, string>;
  tooMany: boolean;
}

export function readVips(value: unknown): VipsResult {
  const problems = [...checkShape(value, SCHEMA.properties!.vips!, "vips")];
  const context: Context = {
    problems,
    paths: new Map(),
    names: new Map(),
    tooMany: false,
  };
  const items = Array.isArray(value) ? value : [];
  const groups = items.map((item, i) => readGroup(isObject(item) ? item : {}, joinPath("vips", i), context));
  return { groups, problems, paths: context.paths };
}

/** A group of what is right in `item`; where something is wrong, the shape check or `context` has a problem. */
function readGroup(item: Record<string, unknown>, path: string, context: Context): VipGroup {
  const name = typeof item.name === "string" ? item.name : "";
  if (name !== "") checkName(name, joinPath(path, "name"), context);
  const interfaces = readInterfaces(item.interface, joinPath(path, "interface"), context);
  const addresses: string[] = [];
  const entries = Array.isArray(item.addresses) ? item.addresses : [];
  entries.forEach((entry, i) => {
    if (typeof entry !== "string" || entry === "") return;
    addresses.push(...readEntry(entry, joinPath(joinPath(path, "addresses"), i), context));
  });
  const pair = addresses.length === 2 && familyOf(addresses[0]!) !== familyOf(addresses[1]!);
  const failback = item.failback;
  const afterMs = isObject(failback) && typeof failback.afterMs === "number" ? failback.afterMs : FAILBACK_AFTER_MS;
  return {
    name,
    addresses,
    interface: interfaces,
    together: typeof item.together === "boolean" ? item.together : pair,
    failback: failback === "never" ? "never" : { afterMs },
    conflict: item.conflict === "yield" ? "yield" : "defend",
    local: typeof item.local === "boolean" ? item.local : true,
    checks: item.check === undefined ? [] : readChecks(item.check, joinPath(path, "check"), context.problems),
    whenNoneHealthy: item.whenNoneHealthy === "withdraw" ? "withdraw" : "keep",
    spread: item.spread === "even" ? "even" : "hash",
    hosts: readPlacement(item.hosts),
  };
}

function checkName(name: string, path: string, context: Context): void {
  const first = context.names.get(name);
  if (first !== undefined) {
    context.problems.push({ path, message: `${show(name)} is already the name of ${first}` });
    return;
  }
  context.names.set(name, path.slice(0, path.lastIndexOf(".")));
  if (!NAME.test(name)) {
    context.problems.push({
      path,
      message: `${show(name)} must be letters, digits, ".", "_" and "-", a letter or digit first`,
    });
  }
}

function readInterfaces(value: unknown, path: string, context: Context): VipGroup["interface"] {
  if (value === "auto") return "auto";
  if (typeof value === "string") {
    checkInterface(value, path, context);
    return value === "" ? [] : [value];
  }
  const names: string[] = [];
  for (const [i, name] of (Array.isArray(value) ? value : []).entries()) {
    if (typeof name !== "string" || name === "") continue;
    const at = joinPath(path, i);
    if (name === "auto") context.problems.push({ path: at, message: '"auto" stands alone, not in a list' });
    else if (names.includes(name)) context.problems.push({ path: at, message: `${show(name)} is named twice` });
    else checkInterface(name, at, context);
    names.push(name);
  }
  return names;
}

/** dev_valid_name() of the kernel: not "." or "..", at most 15 bytes, no slash, colon or white space. */
function checkInterface(name: string, path: string, context: Context): void {
  const fail = (message: string) => context.problems.push({ path, message });
  if (name === "lo")
    fail('must not be "lo": VIPs are announced on an interface that other hosts reach, such as "eth0"');
  else if (new TextEncoder().encode(name).length > 15) return;
  else if (name === "." || name === ".." || /[/:\s\p{Cc}]/u.test(name))
    fail(`${show(name)} cannot be the name of an interface`);
}

// ---------------------------------------------------------------- addresses

function readEntry(text: string, path: string, context: Context): readonly string[] {
  const expansion = expand(text);
  if (typeof expansion === "string") {
    context.problems.push({ path, message: expansion });
    return [];
  }
  const unfit = expansion.find((address) => fitForVip(address) !== null);
  if (unfit !== undefined) {
    const reason = fitForVip(unfit)!;
    const message =
      expansion.length === 1 ? `${show(text)} ${reason}` : `${show(text)} holds ${unfit}, which ${reason}`;
    context.problems.push({ path, message: `${message}: it cannot be a VIP` });
    return [];
  }
  return claim(expansion, path, context);
}

/** Notes who names each address first; later ones are problems, one for an entry. */
function claim(addresses: readonly string[], path: string, context: Context): readonly string[] {
  const fresh = addresses.filter((address) => !context.paths.has(address));
  const twice = addresses.filter((address) => context.paths.has(address));
  if (twice.length > 0) {
    const more = twice.length === 1 ? "" : ` (and ${twice.length - 1} more of this entry)`;
    context.problems.push({ path, message: `${twice[0]} is already in ${context.paths.get(twice[0]!)}${more}` });
  }
  if (context.paths.size + fresh.length > ADDRESSES_MAX) {
    if (!context.tooMany) {
      const total = context.paths.size + fresh.length;
      context.problems.push({
        path,
        message: `makes ${total} addresses in all; at most ${ADDRESSES_MAX} are possible`,
      });
    }
    context.tooMany = true;
    return [];
  }
  for (const address of fresh) context.paths.set(address, path);
  return fresh;
}

/** The addresses of one entry, or what is wrong with it. */
function expand(text: string): readonly string[] | string {
  const quoted = show(text);
  if (text.includes("/"))
    return text.includes("-") ? badAddress(text) : explainBlock(text, expandCidr(text, ADDRESSES_MAX));
  const dash = text.indexOf("-");
  if (dash < 0) {
    const address = canonicalAddress(text);
    return address === null ? badAddress(text) : [address];
  }
  const [first, last] = [text.slice(0, dash), text.slice(dash + 1)];
  const expansion = expandRange(first, last, ADDRESSES_MAX);
  if (expansion.ok) return expansion.addresses;
  switch (expansion.problem) {
    case "families-mixed":
      return `${quoted}: a range begins and ends in the same family, this one has IPv4 and IPv6`;
    case "end-before-start":
      return `${quoted}: the range ends before it starts; write "${last}-${first}"`;
    case "too-many":
      return `${quoted} has more than ${ADDRESSES_MAX} addresses`;
    default:
      return explainRange(first, last, quoted);
  }
}

function explainRange(first: string, last: string, quoted: string): string {
  const start = canonicalAddress(first);
  const full = start === null || !/^\d+$/.test(last) ? null : canonicalAddress(start.replace(/\d+$/, last));
  if (start !== null && full !== null && familyOf(start) === 4) {
    return `${quoted}: a range has whole addresses at both ends; write "${start}-${full}"`;
  }
  const wrong = start === null ? first : last;
  return `${quoted}: ${show(wrong)} is not an IPv4 or IPv6 address (a range is written first-last, without spaces)`;
}

function explainBlock(text: string, expansion: Expansion): readonly string[] | string {
  if (expansion.ok) return expansion.addresses;
  const quoted = show(text);
  const base = text.slice(0, text.indexOf("/"));
  switch (expansion.problem) {
    case "host-bits-set":
      return `${quoted} has host bits set: write "${expansion.block}" for the whole block, or "${canonicalAddress(base)}" for the one address`;
    case "bad-prefix":
      return `${quoted}: the prefix must be a number from 0 to ${base.includes(":") ? 128 : 32}`;
    case "too-many":
      return `${quoted} has more than ${ADDRESSES_MAX} addresses`;
    default:
      return `${quoted}: ${show(base)} is not an IPv4 or IPv6 address`;
  }
}

function badAddress(text: string): string {
  const quoted = show(text);
  const plain = `${quoted} is not an IPv4 or IPv6 address`;
  if (text.includes("%")) return `${plain} (a VIP has no zone; the interface is a key of its own)`;
  const trimmed = canonicalAddress(text.trim().replace(/^\[(.*)\]$/, "$1"));
  if (trimmed !== null) return `${plain} (write "${trimmed}")`;
  const octal = text.replace(/\b0+(?=\d)/g, "");
  if (octal !== text && canonicalAddress(octal) !== null)
    return `${plain}: leading zeros are not allowed (write "${octal}")`;
  return plain;
}
