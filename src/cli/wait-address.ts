/**
 * Waiting for the address of `gossip.bind`: a host whose network comes up late, or whose card is not there yet, joins its group
 * as soon as it can. Purpose: no crash and restart every other second meanwhile, and a status line that says what is missing.
 * Boundary: asks the kernel whether the address can be bound (one that is being verified cannot); judges nothing else.
 */
import { createServer } from "node:net";
import { NoAddressYet, resolveBind } from "../adapters/interfaces.js";
import { hostInterfaces } from "../adapters/native.js";
import type { Config } from "../config/types.js";
import { interfacesOf, settingsOf } from "../daemon/settings.js";

/** What is missing, in one line, or null. What is wrong for good is left to the daemon's own start. */
export async function missingAddress(config: Config): Promise<string | null> {
  try {
    const interfaces = interfacesOf(settingsOf(config, hostInterfaces()));
    const vips = config.vips.flatMap((vip) => vip.addresses);
    const { host } = resolveBind(config.gossip.bind, { interfaces, vips });
    if (await canBind(host)) return null;
    return `waiting for the network: gossip.bind: ${host} is no address of this host yet (${interfaces.join(", ")})`;
  } catch (error) {
    return error instanceof NoAddressYet ? `waiting for the network: ${error.message}` : null;
  }
}

/** On any free port: whether ours is free is another question. */
function canBind(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "EADDRNOTAVAIL"));
    server.listen({ host, port: 0, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
