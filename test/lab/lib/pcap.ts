/**
 * A reader of capture files (classic pcap, Ethernet) for the frames that the laws are about: ARP, neighbour
 * solicitations and advertisements, and the datagrams and connections of clients. Our own eyes, apart from the product's: it shares no code with the addon.
 * Boundary: bytes in, values out; a cut-off last record is left out.
 */

/** UDP or TCP, from whom to whom. */
interface Transported {
  readonly atMs: number;
  readonly from: string;
  readonly to: string;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
}

export type Frame =
  | {
      readonly kind: "arp";
      readonly atMs: number;
      readonly from: string;
      readonly to: string;
      readonly op: "request" | "reply";
      readonly senderMac: string;
      readonly sender: string;
      readonly targetMac: string;
      readonly target: string;
    }
  | {
      readonly kind: "ns" | "na";
      readonly atMs: number;
      readonly from: string;
      readonly to: string;
      readonly source: string;
      readonly destination: string;
      readonly hopLimit: number;
      readonly target: string;
      /** Link-layer option: the source's in an NS, the target's in an NA. */
      readonly linkLayer: string | null;
      readonly solicited: boolean;
      readonly override: boolean;
    }
  | (Transported & {
      readonly kind: "udp";
      readonly payload: string;
    })
  | (Transported & {
      readonly kind: "tcp";
      readonly syn: boolean;
      readonly ack: boolean;
      readonly fin: boolean;
      readonly rst: boolean;
    })
  | {
      /** An ICMP error, of either family. */
      readonly kind: "unreachable";
      readonly atMs: number;
      readonly from: string;
      readonly to: string;
      readonly source: string;
      readonly destination: string;
    };

export function readPcap(bytes: Buffer): readonly Frame[] {
  if (bytes.length < 24) return [];
  const magic = bytes.readUInt32LE(0);
  if (magic !== 0xa1b2c3d4 && magic !== 0xa1b23c4d) throw new Error(`not a pcap file: magic ${magic.toString(16)}`);
  const perMs = magic === 0xa1b2c3d4 ? 1e3 : 1e6;
  const frames: Frame[] = [];
  for (let at = 24; at + 16 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 8);
    if (at + 16 + length > bytes.length) break;
    const atMs = bytes.readUInt32LE(at) * 1000 + bytes.readUInt32LE(at + 4) / perMs;
    const frame = parseFrame(bytes.subarray(at + 16, at + 16 + length), atMs);
    if (frame !== null) frames.push(frame);
    at += 16 + length;
  }
  return frames;
}

function parseFrame(bytes: Buffer, atMs: number): Frame | null {
  if (bytes.length < 14) return null;
  const ends = { atMs, to: mac(bytes, 0), from: mac(bytes, 6) };
  const type = bytes.readUInt16BE(12);
  if (type === 0x0806 && bytes.length >= 42) {
    const op = bytes.readUInt16BE(20);
    if (op !== 1 && op !== 2) return null;
    return {
      kind: "arp",
      ...ends,
      op: op === 1 ? "request" : "reply",
      senderMac: mac(bytes, 22),
      sender: ipv4(bytes, 28),
      targetMac: mac(bytes, 32),
      target: ipv4(bytes, 38),
    };
  }
  if (type === 0x86dd && bytes.length >= 62) {
    const between = { ...ends, source: ipv6(bytes, 22), destination: ipv6(bytes, 38) };
    if (bytes[20] === 17) return parseUdp(bytes, 54, between);
    if (bytes[20] === 6) return parseTcp(bytes, 54, between);
    if (bytes[20] !== 58) return null;
    if (bytes[54] === 1) return { kind: "unreachable", ...between };
    return bytes.length >= 78 ? parseNeighbour(bytes, ends) : null;
  }
  if (type !== 0x0800 || bytes.length < 42) return null;
  const between = { ...ends, source: ipv4(bytes, 26), destination: ipv4(bytes, 30) };
  const transport = 14 + (bytes[14]! & 0x0f) * 4;
  if (bytes[23] === 17) return parseUdp(bytes, transport, between);
  if (bytes[23] === 6) return parseTcp(bytes, transport, between);
  return bytes[23] === 1 && bytes[transport] === 3 ? { kind: "unreachable", ...between } : null;
}

interface Between {
  readonly atMs: number;
  readonly from: string;
  readonly to: string;
  readonly source: string;
  readonly destination: string;
}

/** Not beyond the frame's own end: the wire pads short frames. */
function parseUdp(bytes: Buffer, at: number, between: Between): Frame | null {
  if (bytes.length < at + 8) return null;
  return {
    kind: "udp",
    ...between,
    sourcePort: bytes.readUInt16BE(at),
    destinationPort: bytes.readUInt16BE(at + 2),
    payload: bytes.toString("latin1", at + 8, Math.min(bytes.length, at + bytes.readUInt16BE(at + 4))),
  };
}

function parseTcp(bytes: Buffer, at: number, between: Between): Frame | null {
  if (bytes.length < at + 20) return null;
  const flags = bytes[at + 13]!;
  return {
    kind: "tcp",
    ...between,
    sourcePort: bytes.readUInt16BE(at),
    destinationPort: bytes.readUInt16BE(at + 2),
    syn: (flags & 0x02) !== 0,
    ack: (flags & 0x10) !== 0,
    fin: (flags & 0x01) !== 0,
    rst: (flags & 0x04) !== 0,
  };
}

function parseNeighbour(bytes: Buffer, ends: { atMs: number; to: string; from: string }): Frame | null {
  const kind = bytes[54];
  if (kind !== 135 && kind !== 136) return null;
  let linkLayer: string | null = null;
  const wanted = kind === 135 ? 1 : 2;
  for (let at = 78; at + 8 <= bytes.length; ) {
    const length = bytes[at + 1]! * 8;
    if (length === 0) break;
    if (bytes[at] === wanted) linkLayer = mac(bytes, at + 2);
    at += length;
  }
  return {
    kind: kind === 135 ? "ns" : "na",
    ...ends,
    source: ipv6(bytes, 22),
    destination: ipv6(bytes, 38),
    hopLimit: bytes[21]!,
    target: ipv6(bytes, 62),
    linkLayer,
    solicited: (bytes[58]! & 0x40) !== 0,
    override: (bytes[58]! & 0x20) !== 0,
  };
}

function mac(bytes: Buffer, at: number): string {
  return bytes
    .subarray(at, at + 6)
    .toString("hex")
    .replace(/(..)(?=.)/g, "$1:");
}

function ipv4(bytes: Buffer, at: number): string {
  return bytes.subarray(at, at + 4).join(".");
}

/** RFC 5952. */
function ipv6(bytes: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i).toString(16));
  const runs = [...groups.join(":").matchAll(/\b0(?::0)+\b/g)].map((match) => match[0]);
  const longest = runs.reduce((a, b) => (b.length > a.length ? b : a), "");
  if (longest === "") return groups.join(":");
  const text = groups.join(":");
  const start = text.search(new RegExp(`(^|:)${longest}(:|$)`));
  const before = text.slice(0, start).replace(/:$/, "");
  const after = text.slice(start).replace(/^:/, "").slice(longest.length).replace(/^:/, "");
  return `${before}::${after}`;
}
