/**
 * Where `vipd verify` asks for each VIP: on the interface that was named, else where the configuration has it, else on the one
 * whose subnet holds it, so that it works on a machine without vipd. Boundary: decides where, asks nothing.
 */
import { hostInterfaces } from "../adapters/native.js";
import { isOnLink, placeGroup } from "../config/host.js";
import type { Config } from "../config/types.js";

interface Given {
  readonly interface: string | undefined;
  readonly config: Config | null;
}

export interface Places {
  /** Interface -> VIPs to ask for there. */
  readonly targets: ReadonlyMap<string, readonly string[]>;
  /** VIP -> why nobody on this host's segments is likely to know it. Those that are in no target are not asked for at all. */
  readonly offLink: ReadonlyMap<string, string>;
}

export function placesOf(vips: readonly string[], given: Given): Places {
  const host = hostInterfaces();
  const targets = new Map<string, string[]>();
  const offLink = new Map<string, string>();
  for (const vip of vips) {
    const names = interfacesFor(vip, given, host);
    if (typeof names === "string") {
      offLink.set(vip, `off-link: ${names}; ask from a machine on its segment, or name --interface`);
      continue;
    }
    for (const name of names) targets.set(name, [...(targets.get(name) ?? []), vip]);
    if (names.some((name) => isOnLink(vip, name, host))) continue;
    const where = names.join(" and ");
    offLink.set(vip, `nobody answers, and the VIP is off-link: no subnet of ${where} on this host holds it`);
  }
  return { targets, offLink };
}

/** Or why that is not known. */
function interfacesFor(vip: string, given: Given, host: ReturnType<typeof hostInterfaces>): readonly string[] | string {
  if (given.interface !== undefined) return [given.interface];
  const group = given.config?.vips.find((one) => one.addresses.includes(vip));
  const placed = placeGroup(group ?? { interface: "auto", addresses: [vip] }, host);
  return placed.kind === "on" ? placed.interfaces : placed.reason.replace(/^"auto": /, "");
}
