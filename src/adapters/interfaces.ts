/**
 * What this host's network namespace says of its interfaces, for `check` and for a `gossip.bind` without an address.
 * Boundary: a look at one instant; following changes is the responder's (netlink). From /proc/self/net rather than
 * /sys/class/net, which shows the namespace that it was mounted in (nsenter --net) and files that are no interfaces.
 */
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { Endpoint } from "../domain/messages.js";

/** Every interface, up or not. */
export function interfaceNames(procRoot = "/proc"): readonly string[] {
  return (
    readFileSync(`${procRoot}/self/net/dev`, "utf8")
      .split("\n")
      .slice(2)
      // An alias (eth0:1) is an old word for an address; names cannot hold a colon otherwise.
      .map((line) => line.slice(0, line.lastIndexOf(":")).trim())
      .filter((name) => name !== "")
  );
}

export function interfaceExists(name: string, procRoot = "/proc"): boolean {
  return interfaceNames(procRoot).includes(name);
}

export interface OwnAddress {
  readonly interface: string;
  readonly address: string;
  readonly family: 4 | 6;
}

/** Addresses on an interface that is up with carrier (libuv leaves the others out), without link-local ones. */
export function ownAddresses(name: string, list: typeof networkInterfaces = networkInterfaces): readonly OwnAddress[] {
  return (list()[name] ?? [])
    .filter(({ family, address }) =>
      family === "IPv6" ? !/^fe[89ab]/i.test(address) : !address.startsWith("169.254."),
    )
    .map(({ family, address }) => ({ interface: name, address, family: family === "IPv6" ? 6 : 4 }));
}

/** There is no address to bind to, but one may come. */
export class NoAddressYet extends Error {}

/**
 * Where the gossip binds. Without a host: the one IPv4 address on the VIPs' interfaces, else (where there is none at all)
 * the one IPv6 address; never a VIP, which may be a remnant of an earlier run. Throws one line if that is not exactly one.
 */
export function resolveBind(
  bind: { readonly host: string | null; readonly port: number },
  given: {
    readonly interfaces: readonly string[];
    readonly vips: readonly string[];
    readonly list?: typeof networkInterfaces;
  },
): Endpoint {
  if (bind.host !== null) return { host: bind.host, port: bind.port };
  const names = [...new Set(given.interfaces)];
  const vips = new Set(given.vips);
  const own = names.flatMap((name) => ownAddresses(name, given.list)).filter(({ address }) => !vips.has(address));
  const v4 = own.filter(({ family }) => family === 4);
  const candidates = v4.length > 0 ? v4 : own;
  if (candidates.length === 1) return { host: candidates[0]!.address, port: bind.port };
  const where = names.length === 0 ? "there is no interface of VIPs" : names.join(", ");
  if (candidates.length === 0) {
    throw new NoAddressYet(
      `gossip.bind: no address to bind to: ${where}${names.length === 0 ? "" : " has none (is it up, with carrier?)"}; ` +
        `name one: "ADDRESS:${bind.port}"`,
    );
  }
  const found = candidates.map((c) => c.address).join(", ");
  throw new Error(
    `gossip.bind: ${where} has ${candidates.length} addresses (${found}); name one: "ADDRESS:${bind.port}"`,
  );
}
