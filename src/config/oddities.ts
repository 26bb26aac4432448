/**
 * What is legal in a configuration and still seldom meant: a host alone, VIPs without a check, a check that cannot pass. `check`
 * warns of it. Boundary: pure; judges a Config that was accepted. What is odd about single values lies beside their rules.
 */
import * as path from "node:path";
import { canonicalAddress } from "../domain/address.js";
import type { HookOutside } from "./hooks.js";
import { type HostInterface, isOnLink } from "./host.js";
import { joinPath } from "./json.js";
import { show } from "./shape.js";
import type { Check, Config, Problem, VipGroup } from "./types.js";

interface Around {
  readonly host: readonly HostInterface[];
  readonly files: HookOutside;
}

export function findOddities(config: Config, around: Around): readonly Problem[] {
  const found: Problem[] = [];
  if (config.gossip.join.length === 0) {
    const message =
      "names no other host: this one serves every VIP alone until others join it; name some of them on every host";
    found.push({ path: "gossip.join", message });
  }
  const vips = new Set(config.vips.flatMap((group) => group.addresses));
  config.vips.forEach((group, i) => {
    const at = joinPath("vips", i);
    const tell = (key: string, message: string) => found.push({ path: joinPath(at, key), message });
    for (const label of Object.keys(group.hosts.require)) {
      if (Object.hasOwn(config.node.labels, label)) continue;
      tell(
        "hosts",
        `this host has no label ${show(label)} (node.labels), so it never owns a VIP of group ${group.name}`,
      );
    }
    for (const check of group.checks) {
      const reason = whyItFails(check, group, vips, around);
      if (reason !== null) tell("check", reason);
    }
    if (group.checks.length > 0) return;
    const such = '{ "type": "tcp", "address": "127.0.0.1:80" }';
    const message = `group ${group.name} has no check: its VIPs stay on a host whose service is dead; such as "check": ${such}`;
    found.push({ path: at, message });
  });
  return found;
}

/** Why a check fails on this host whatever its service does, or null where nothing is known against it. */
function whyItFails(check: Check, group: VipGroup, vips: ReadonlySet<string>, around: Around): string | null {
  if (check.type === "exec") return whyItCannotRun(check.command[0] ?? "", around.files);
  const target = check.type === "arp" ? check.address : check.type === "tcp" ? check.host : new URL(check.url).hostname;
  const address = canonicalAddress(target.replace(/^\[|\]$/g, ""));
  if (address === null) return null;
  if (vips.has(address))
    return `${address} is a VIP: this fails on every host that does not own it; check what listens behind it, such as 127.0.0.1`;
  if (check.type !== "arp" || group.interface === "auto" || around.host.length === 0) return null;
  if (around.host.some(({ addresses }) => addresses.some((one) => one.address === address)))
    return `${address} is this host's own: nobody else answers for it; name a witness, such as the gateway`;
  const near = group.interface.some((name) => isOnLink(address, name, around.host));
  return near ? null : `${address} is in no subnet of ${group.interface.join(", ")}: nobody answers for it there`;
}

function whyItCannotRun(program: string, files: HookOutside): string | null {
  // Searched for in the unit's PATH, which is not the caller's.
  if (!path.isAbsolute(program)) return `${show(program)} is looked for in the daemon's PATH: name its whole path`;
  try {
    const { isFile, mode } = files.stat(files.realpath(program));
    return isFile && (mode & 0o111) !== 0 ? null : `${program} is not an executable file: the check will fail`;
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === "ENOENT";
    return absent ? `${program}: no such file, so the check will fail` : null;
  }
}
