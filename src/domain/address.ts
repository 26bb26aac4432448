/**
 * Addresses: text <-> bytes <-> canonical text, ranges, blocks, and what may be a VIP.
 * Canonical text is dotted decimal for IPv4 (no leading zeros) and RFC 5952 for IPv6.
 * Boundary: pure; never resolves a name, never accepts a zone id (`%eth0`), a port or a prefix length.
 */

const MAX_TEXT_LENGTH = 45;

/** Canonical text of an IPv4 or IPv6 address; null if `text` is neither. A v4-mapped address stays IPv6: `::ffff:10.0.0.1`. */
export function canonicalAddress(text: string): string | null {
  if (text.length > MAX_TEXT_LENGTH) return null;
  if (!text.includes(":")) return parseIpv4(text) === null ? null : text;
  const bytes = parseIpv6(text);
  return bytes === null ? null : formatIpv6(bytes);
}

/** The family of an address that canonicalAddress accepted. */
export function familyOf(address: string): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}

/** 4 or 16 bytes, network order. Throws on text that is no address: callers hold canonical ones. */
export function addressToBytes(address: string): Uint8Array {
  const bytes =
    address.length > MAX_TEXT_LENGTH ? null : address.includes(":") ? parseIpv6(address) : parseIpv4(address);
  if (bytes === null) throw new RangeError(`not an address: ${JSON.stringify(address.slice(0, 64))}`);
  return bytes;
}

/** Canonical text of 4 or 16 bytes. A v4-mapped address of 16 bytes gives dotted IPv4, as Go's net.IP prints it. */
export function bytesToAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== 16) throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`);
  return isV4Mapped(bytes) ? bytes.subarray(12).join(".") : formatIpv6(bytes);
}

/** `02:00:00:00:00:01` from six hex pairs separated by `:` or `-`; null if `text` is not that. */
export function canonicalMac(text: string): string | null {
  const match = /^[0-9a-f]{1,2}(?:([:-])[0-9a-f]{1,2})(?:\1[0-9a-f]{1,2}){4}$/i.exec(text);
  if (match === null) return null;
  return text
    .toLowerCase()
    .split(match[1]!)
    .map((pair) => pair.padStart(2, "0"))
    .join(":");
}

/** IPv4 before IPv6, then by number. For sorting canonical addresses. */
export function compareAddresses(a: string, b: string): number {
  const left = addressToBytes(a);
  const right = addressToBytes(b);
  if (left.length !== right.length) return left.length - right.length;
  for (let i = 0; i < left.length; i++) {
    if (left[i] !== right[i]) return left[i]! - right[i]!;
  }
  return 0;
}

// ---------------------------------------------------------------- ranges and blocks

export type Expansion =
  | { readonly ok: true; readonly addresses: readonly string[] }
  | {
      readonly ok: false;
      readonly problem: "not-an-address" | "families-mixed" | "end-before-start" | "bad-prefix" | "too-many";
    }
  /** `block` is the block that the address lies in, in canonical form. */
  | { readonly ok: false; readonly problem: "host-bits-set"; readonly block: string };

/** Every address from `first` to `last`, both included; "too-many" beyond `limit`, before anything is built. */
export function expandRange(first: string, last: string, limit: number): Expansion {
  const from = canonicalAddress(first);
  const to = canonicalAddress(last);
  if (from === null || to === null) return { ok: false, problem: "not-an-address" };
  const family = familyOf(from);
  if (family !== familyOf(to)) return { ok: false, problem: "families-mixed" };
  const start = toNumber(addressToBytes(from));
  const end = toNumber(addressToBytes(to));
  if (end < start) return { ok: false, problem: "end-before-start" };
  return enumerate(start, end - start + 1n, { family, limit });
}

/** Every address of the block `address/prefix` (network and broadcast address, too: a VIP block need not be a subnet). */
export function expandCidr(block: string, limit: number): Expansion {
  const slash = block.indexOf("/");
  const base = slash < 0 ? null : canonicalAddress(block.slice(0, slash));
  if (base === null) return { ok: false, problem: "not-an-address" };
  const family = familyOf(base);
  const width = family === 4 ? 32 : 128;
  const prefixText = block.slice(slash + 1);
  const prefix = /^(?:0|[1-9][0-9]{0,2})$/.test(prefixText) ? Number(prefixText) : Number.NaN;
  if (!(prefix <= width)) return { ok: false, problem: "bad-prefix" };
  const value = toNumber(addressToBytes(base));
  const count = 1n << BigInt(width - prefix);
  const start = value - (value % count);
  if (start !== value) return { ok: false, problem: "host-bits-set", block: `${fromNumber(start, family)}/${prefix}` };
  return enumerate(start, count, { family, limit });
}

function enumerate(start: bigint, count: bigint, options: { family: 4 | 6; limit: number }): Expansion {
  if (count > BigInt(options.limit)) return { ok: false, problem: "too-many" };
  const addresses: string[] = [];
  for (let i = 0n; i < count; i++) addresses.push(fromNumber(start + i, options.family));
  return { ok: true, addresses };
}

function toNumber(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

function fromNumber(value: bigint, family: 4 | 6): string {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  let rest = value;
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return family === 4 ? bytes.join(".") : formatIpv6(bytes);
}

// ---------------------------------------------------------------- fitness

/** Why this address cannot be a VIP, as the end of a sentence ("is a loopback address"); null if it can. */
export function fitForVip(address: string): string | null {
  const bytes = addressToBytes(address);
  return bytes.length === 4 ? unfitIpv4(bytes) : unfitIpv6(bytes);
}

function unfitIpv4(bytes: Uint8Array): string | null {
  const [a, b] = [bytes[0]!, bytes[1]!];
  if (bytes.every((byte) => byte === 0)) return "is the unspecified address";
  if (a === 0) return 'is in 0.0.0.0/8 ("this network", RFC 1122)';
  if (a === 127) return "is a loopback address";
  if (a === 169 && b === 254) return "is a link-local address";
  if (a >= 224 && a <= 239) return "is a multicast address";
  if (bytes.every((byte) => byte === 255)) return "is the broadcast address";
  // Linux delivers class E, but many neighbours drop it: a VIP there would work for some clients only.
  if (a >= 240) return "is in the reserved block 240.0.0.0/4";
  return null;
}

function unfitIpv6(bytes: Uint8Array): string | null {
  const headIsZero = bytes.subarray(0, 12).every((byte) => byte === 0);
  const tail = bytes.subarray(12);
  if (headIsZero && tail.every((byte) => byte === 0)) return "is the unspecified address";
  if (headIsZero && tail[0] === 0 && tail[1] === 0 && tail[2] === 0 && tail[3] === 1) return "is a loopback address";
  if (headIsZero) return "is an IPv4-compatible address (deprecated by RFC 4291)";
  if (isV4Mapped(bytes)) return `is an IPv4-mapped address (write ${tail.join(".")})`;
  if (bytes[0] === 0xff) return "is a multicast address";
  if (bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80) return "is a link-local address";
  return null;
}

function isV4Mapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);
}

// ---------------------------------------------------------------- text

/** Strict dotted decimal: no leading zeros, since inet_aton would read those as octal. */
function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i]!;
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return null;
    bytes[i] = Number(part);
  }
  return bytes;
}

/** RFC 4291 section 2.2: eight groups, one `::`, or a dotted IPv4 in the last 32 bits. */
function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const compressed = halves.length === 2;
  const head = parseGroups(halves[0]!, !compressed);
  const tail = compressed ? parseGroups(halves[1]!, true) : [];
  if (head === null || tail === null) return null;
  const present = head.length + tail.length;
  // `::` may stand for a single group (RFC 4291 says "one or more"), never for none.
  if (compressed ? present > 7 : present !== 8) return null;
  const bytes = new Uint8Array(16);
  const write = (groups: readonly number[], from: number) => {
    groups.forEach((group, i) => {
      bytes[from + 2 * i] = group >> 8;
      bytes[from + 2 * i + 1] = group & 0xff;
    });
  };
  write(head, 0);
  write(tail, 16 - 2 * tail.length);
  return bytes;
}

function parseGroups(text: string, mayEndDotted: boolean): number[] | null {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const dotted = mayEndDotted && i === parts.length - 1 ? parseIpv4(part) : null;
    if (dotted === null) return null;
    groups.push((dotted[0]! << 8) | dotted[1]!, (dotted[2]! << 8) | dotted[3]!);
  }
  return groups;
}

/** RFC 5952 section 4: lower case, no leading zeros, the first longest run of two or more zero groups is `::`; section 5 for v4-mapped. */
function formatIpv6(bytes: Uint8Array): string {
  if (isV4Mapped(bytes)) return `::ffff:${bytes.subarray(12).join(".")}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  let best = { at: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > best.length) best = { at: i, length };
    if (length > 0) i += length - 1;
  }
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (best.at < 0) return hex(groups);
  return `${hex(groups.slice(0, best.at))}::${hex(groups.slice(best.at + best.length))}`;
}
