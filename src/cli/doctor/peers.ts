/**
 * Each host of gossip.join, asked as a member would ask it: over TCP, over UDP, and with a datagram of full size, sealed with the
 * group's key. Boundary: pings without a name, from a port of its own: nobody takes this for a member, nothing is learnt of it.
 */
import { lookup } from "node:dns/promises";
import { createConnection } from "node:net";
import { MemberlistTransport } from "../../adapters/gossip-transport.js";
import { loadKeys } from "../../config/load.js";
import type { Config } from "../../config/types.js";
import { canonicalAddress, familyOf } from "../../domain/address.js";
import type { Endpoint, Message } from "../../domain/messages.js";
import { measure } from "../../wire/index.js";
import type { Link, Peer } from "./types.js";

const ANSWER_MS = 700;
const PEERS_MAX = 64;
/** Two tries each: one lost datagram is no finding. */
const TRIES = 2;
/** The length of each part, in a compound. */
const PART_BYTES = 2;

export async function askPeers(config: Config, links: readonly Link[]): Promise<readonly Peer[]> {
  const { join, bind, advertise } = config.gossip;
  const own = new Set(links.flatMap((link) => link.addresses.map((one) => one.address)));
  const resolved = await Promise.all(
    join.slice(0, PEERS_MAX).map(async (one) => ({ ...one, address: await resolve(one.host) })),
  );
  const others = resolved.filter((one) => one.address === null || !own.has(one.address));
  if (others.length === 0) return [];
  const family = others.some((one) => one.address?.includes(":")) ? "::" : "0.0.0.0";
  const host = bind.host ?? advertise?.host ?? family;
  const asker = new Asker(config, own.has(host) ? host : family);
  try {
    await asker.start();
    return await Promise.all(others.map((one) => asker.ask(one.host, one.address, one.port)));
  } finally {
    await asker.stop();
  }
}

async function resolve(host: string): Promise<string | null> {
  if (canonicalAddress(host) !== null) return host;
  try {
    return canonicalAddress((await lookup(host)).address);
  } catch {
    return null;
  }
}

class Asker {
  readonly #transport: MemberlistTransport;
  readonly #waiting = new Map<number, () => void>();
  #seqNo = 1 + Math.floor(Math.random() * 0x3fff_ffff);

  constructor(config: Config, host: string) {
    const keys = loadKeys(config);
    const bind = { host, port: 0 };
    this.#transport = new MemberlistTransport({ bind, keys, label: config.gossip.label });
  }

  start(): Promise<void> {
    return this.#transport.start({
      together: (deliver) => deliver(),
      datagram: (_, messages) => {
        for (const message of messages) if (message.kind === "ack") this.#waiting.get(message.seqNo)?.();
      },
      exchange: (_, theirs) => theirs,
      streamPing: () => false,
    });
  }

  stop(): Promise<void> {
    return this.#transport.stop();
  }

  async ask(name: string, address: string | null, port: number): Promise<Peer> {
    if (address === null) return { name, address, tcp: "silent", understood: false, udp: false, udpFull: false };
    const to = { host: address, port };
    const full = Math.floor(this.#transport.packetBudget / (measure(nameless(this.#seqNo)) + PART_BYTES));
    const [tcp, understood, udp, udpFull] = await Promise.all([
      connects(to),
      this.#transport.streamPing(to, this.#nextSeqNo(), "", ANSWER_MS),
      this.#ping(to, 1),
      this.#ping(to, full),
    ]);
    return { name, address, tcp, understood, udp, udpFull };
  }

  #nextSeqNo(): number {
    this.#seqNo += 1;
    return this.#seqNo;
  }

  /** So many pings in one datagram; the last one's ack counts. */
  async #ping(to: Endpoint, count: number): Promise<boolean> {
    for (let tried = 0; tried < TRIES; tried++) {
      const messages = Array.from({ length: count }, () => nameless(this.#nextSeqNo()));
      const seqNo = this.#seqNo;
      const answered = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), ANSWER_MS);
        this.#waiting.set(seqNo, () => {
          clearTimeout(timer);
          resolve(true);
        });
        this.#transport.send(to, messages);
      });
      this.#waiting.delete(seqNo);
      if (answered) return true;
    }
    return false;
  }
}

function nameless(seqNo: number): Message {
  return { kind: "ping", seqNo, node: "", source: null };
}

/** The connection alone says whether somebody listens, whatever key he has. */
export function connects(to: Endpoint): Promise<Peer["tcp"]> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: to.host, port: to.port, family: familyOf(to.host) });
    const end = (result: Peer["tcp"]) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end("silent"), ANSWER_MS);
    socket.on("connect", () => end("open"));
    socket.on("error", (error: NodeJS.ErrnoException) => end(error.code === "ECONNREFUSED" ? "refused" : "silent"));
  });
}
