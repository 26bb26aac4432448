/**
 * What was said on the lab's segment, by whom, when: tcpdump on the switch, which sees every frame once (also those
 * that a partition drops), and the questions that the laws ask of it. Boundary: it judges frames, never a status.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { SERVER_PORT } from "./host.js";
import type { Lab } from "./lab.js";
import { type Frame, readPcap } from "./pcap.js";
import type { LabProcess } from "./processes.js";
import { sleep, until } from "./shell.js";

/** Of the lab's gossip: datagrams, and how streams begin and end. */
const GOSSIP = "udp port 7979 or (tcp port 7979 and tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0)";
/** SYN or RST; pcap-filter looks into TCP's flags of IPv4 only. */
const CONNECTIONS = `(tcp port ${SERVER_PORT} and (tcp[tcpflags] & (tcp-syn|tcp-rst) != 0 or ip6[53] & 6 != 0))`;

let counter = 0;

/** A frame that tells others where an address lives. */
export interface Voice {
  readonly atMs: number;
  readonly address: string;
  /** The MAC that it names. */
  readonly mac: string;
  /** `answer`: to somebody who asked. `announcement`: unasked. `own-request`: the address as the sender of a question. */
  readonly kind: "answer" | "announcement" | "own-request";
}

export class Capture {
  private constructor(
    readonly lab: Lab,
    readonly process: LabProcess,
    readonly file: string,
  ) {}

  /** `traffic`: also the clients' datagrams, their answers, how connections begin and are reset, and ICMP's errors; `gossip`: the daemons' own. */
  static async start(lab: Lab, { traffic = false, gossip = false } = {}): Promise<Capture> {
    const file = path.join(lab.dir, `capture-${counter++}.pcap`);
    const voices = "arp or (icmp6 and (ip6[40] = 135 or ip6[40] = 136))";
    const filter = [
      voices,
      ...(traffic
        ? [`udp port ${SERVER_PORT} or ${CONNECTIONS} or icmp[icmptype] = 3 or (icmp6 and ip6[40] = 1)`]
        : []),
      ...(gossip ? [GOSSIP] : []),
    ].join(" or ");
    const argv = [
      "tcpdump",
      "-i",
      "br0",
      "-n",
      // The ring's slots are as long as the longest frame that is kept: short ones make many.
      "-s",
      "256",
      // A wake-up a frame would cost the cores what the clients need.
      ...(traffic ? [] : ["-U", "--immediate-mode"]),
      "-Z",
      "root",
      "-B",
      "16384",
      "-w",
      file,
      filter,
    ];
    const logFile = `${file}.log`;
    const tcpdump = lab.processes.spawn({ namespace: lab.switch.namespace, argv, logFile });
    await until("tcpdump listens", 5000, () => tcpdump.tail().includes("listening on"));
    return new Capture(lab, tcpdump, file);
  }

  /** What it has seen so far; the capture goes on. */
  async frames(): Promise<readonly Frame[]> {
    await sleep(50);
    return readPcap(fs.readFileSync(this.file));
  }

  async stop(): Promise<readonly Frame[]> {
    await sleep(100);
    // Without immediate mode the kernel hands over a block a second at the latest.
    if (!this.process.child.spawnargs.includes("--immediate-mode")) await sleep(1100);
    await this.process.end("SIGTERM");
    if (!/^0 packets dropped by kernel/m.test(this.process.tail())) {
      throw new Error(`the capture lost frames: ${this.process.tail()}`);
    }
    return readPcap(fs.readFileSync(this.file));
  }
}

/** Every statement about one of the addresses, whoever made it. */
export function voicesOf(frames: readonly Frame[], addresses: readonly string[]): readonly Voice[] {
  const wanted = new Set(addresses);
  const voices: Voice[] = [];
  for (const frame of frames) {
    const { atMs } = frame;
    if (frame.kind === "arp") {
      if (!wanted.has(frame.sender)) continue;
      const gratuitous = frame.sender === frame.target;
      const kind = gratuitous ? "announcement" : frame.op === "reply" ? "answer" : "own-request";
      voices.push({ atMs, address: frame.sender, mac: frame.senderMac, kind });
    } else if (frame.kind === "na") {
      if (!wanted.has(frame.target)) continue;
      const kind = frame.destination === "ff02::1" ? "announcement" : "answer";
      voices.push({ atMs, address: frame.target, mac: frame.linkLayer ?? frame.from, kind });
    } else if (frame.kind === "ns" && wanted.has(frame.source) && frame.linkLayer !== null) {
      voices.push({ atMs, address: frame.source, mac: frame.linkLayer, kind: "own-request" });
    }
  }
  return voices;
}

/** The frames of one host's MACs. */
export function voicesBy(voices: readonly Voice[], macs: readonly string[], sinceMs = 0): readonly Voice[] {
  return voices.filter((voice) => voice.atMs >= sinceMs && macs.includes(voice.mac));
}

/** How often an address's word went back to a MAC that had been replaced already: A B is a takeover, A B A two voices. */
export function relapses(voices: readonly Voice[]): readonly string[] {
  const order = new Map<string, string[]>();
  const found: string[] = [];
  for (const voice of voices) {
    const macs = order.get(voice.address) ?? [];
    order.set(voice.address, macs);
    if (macs.at(-1) === voice.mac) continue;
    if (macs.includes(voice.mac)) {
      found.push(`${voice.address}: ${[...macs, voice.mac].join(" -> ")} at ${new Date(voice.atMs).toISOString()}`);
    }
    macs.push(voice.mac);
  }
  return found;
}

/** Frames that no law allows: a VIP as the sender of a question, a wrong hop limit, an announcement that none obeys. */
export function forbidden(frames: readonly Frame[], addresses: readonly string[]): readonly string[] {
  const wanted = new Set(addresses);
  const problems: string[] = [];
  for (const voice of voicesOf(frames, addresses)) {
    if (voice.kind === "own-request") problems.push(`${voice.mac} asks as ${voice.address}`);
  }
  for (const frame of frames) {
    if (frame.kind === "arp") {
      if (wanted.has(frame.sender) && frame.senderMac !== frame.from) {
        problems.push(`${frame.from} sends an ARP frame for ${frame.sender} that names ${frame.senderMac}`);
      }
    } else if (frame.kind === "na" && wanted.has(frame.target)) {
      if (frame.hopLimit !== 255) problems.push(`NA for ${frame.target} with hop limit ${frame.hopLimit}`);
      if (frame.destination === "ff02::1" && (frame.solicited || !frame.override || frame.linkLayer === null)) {
        problems.push(`unsolicited NA for ${frame.target} that neighbours ignore`);
      }
    }
  }
  return [...new Set(problems)];
}
