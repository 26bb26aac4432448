/**
 * Who may ask over TCP. Purpose: a web page that a browser on this host has open may rebind its name to 127.0.0.1 and
 * read the status as its own origin; the Host header gives it away. Boundary: a pure function of the header.
 */
import { isIP } from "node:net";

/**
 * True for an IP literal, `localhost`, and the names given (what is listened on, and the host's own, with and without its domain);
 * true without the header (no browser omits it).
 */
export function isHostAllowed(header: string | undefined, names: readonly string[]): boolean {
  if (header === undefined) return true;
  const host = hostOf(header);
  if (host === null) return false;
  if (isIP(host) !== 0 || host === "localhost") return true;
  return names.some((name) => host === name.toLowerCase() || host === name.toLowerCase().split(".", 1)[0]);
}

/** `name:port`, `1.2.3.4:port`, `[::1]:port` without the port; null if it is none of these. */
function hostOf(header: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(header);
  if (match === null) return null;
  if (match[1] !== undefined) return isIP(match[1]) === 6 ? match[1] : null;
  return match[2]!.toLowerCase().replace(/\.$/, "");
}
