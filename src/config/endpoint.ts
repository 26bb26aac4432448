/**
 * `host:port` in its forms. Purpose: bind, advertise, join and status.listen are read in one way and refused with what would be
 * right. Boundary: pure; resolves nothing.
 */
import { canonicalAddress } from "../domain/address.js";

export type EndpointText =
  | { readonly ok: true; readonly host: string | null; readonly port: number | null }
  | { readonly ok: false; readonly message: string };

/** host is a canonical address or a host name as written; null where only a port is given. port is null where none is given. */
export function parseEndpoint(value: string | number, portDefault: number): EndpointText {
  const text = String(value);
  const quoted = JSON.stringify(text);
  if (/^[0-9]+$/.test(text)) return withPort(null, text, quoted);
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed !== null) {
    const host = canonicalAddress(bracketed[1]!);
    if (host === null || !host.includes(":")) return fail(`${quoted}: there is no IPv6 address in the brackets`);
    return bracketed[2] === undefined ? { ok: true, host, port: null } : withPort(host, bracketed[2], quoted);
  }
  const bare = canonicalAddress(text);
  if (bare?.includes(":")) return fail(`${quoted}: an IPv6 address needs brackets; write "[${bare}]:${portDefault}"`);
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  if (name === "") return fail(`${quoted} has no address before the port`);
  const host = canonicalAddress(name) ?? (isHostName(name) ? name.toLowerCase() : null);
  if (host === null) return fail(`${quoted}: ${JSON.stringify(name)} is neither an address nor a host name`);
  return colon < 0 ? { ok: true, host, port: null } : withPort(host, text.slice(colon + 1), quoted);
}

function withPort(host: string | null, text: string, quoted: string): EndpointText {
  const port = /^[0-9]{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port >= 1 && port <= 65535)) return fail(`${quoted}: ${JSON.stringify(text)} is not a port (1 to 65535)`);
  return { ok: true, host, port };
}

/** RFC 1123 names (and `_`, which DNS carries and people use). All digits and dots is an address that went wrong, not a name. */
function isHostName(text: string): boolean {
  if (text.length > 253 || /^[0-9.]+$/.test(text)) return false;
  return text
    .replace(/\.$/, "")
    .split(".")
    .every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
}

function fail(message: string): EndpointText {
  return { ok: false, message };
}
