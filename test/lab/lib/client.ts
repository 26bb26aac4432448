/**
 * A client of the VIPs on the lab's segment: real arping (both of Debian's), ndisc6, curl, its neighbour cache, and a
 * prober that asks all the time and knows how long it got no answer. Boundary: it sees only what a client can see.
 */
import * as path from "node:path";
import { SERVER_PORT } from "./host.js";
import type { Lab } from "./lab.js";
import { Prober } from "./prober.js";
import type { LabProcess } from "./processes.js";
import { ROOT, run, sh } from "./shell.js";

const HABETS = path.join(ROOT, ".lab/tools/arping/usr/sbin/arping");
export const IPUTILS = path.join(ROOT, ".lab/tools/iputils-arping/usr/bin/arping");
const MAC = /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/gi;

export interface Neighbour {
  readonly mac: string | null;
  readonly state: string;
}

export type Asker = "arping-habets" | "arping-iputils" | "ndisc6";

export class Client {
  readonly namespace: string;
  readonly port: string;
  readonly v4: string;
  readonly v6: string;
  readonly mac: string;

  constructor(
    readonly lab: Lab,
    readonly index: number,
  ) {
    this.namespace = `${lab.prefix}-client${index}`;
    this.port = `p-client${index}`;
    this.v4 = `10.77.0.${2 + index}`;
    this.v6 = `fd77::${2 + index}`;
    this.mac = `02:77:00:00:0c:0${index}`;
  }

  exec(...argv: readonly string[]): string {
    return sh("ip", "netns", "exec", this.namespace, ...argv);
  }

  /** Which tools can ask for this address. */
  askersFor(vip: string): readonly Asker[] {
    return vip.includes(":") ? ["ndisc6"] : ["arping-habets", "arping-iputils"];
  }

  /** All distinct MACs that answer for the address; empty when nobody does. */
  async who(vip: string, asker: Asker = this.askersFor(vip)[0]!): Promise<readonly string[]> {
    const argv = {
      "arping-habets": [HABETS, "-c", "2", "-w", "1", "-W", "0.2", "-r", "-i", "eth0", vip],
      "arping-iputils": [IPUTILS, "-b", "-c", "2", "-w", "1", "-I", "eth0", vip],
      ndisc6: ["ndisc6", "-q", "-m", "-n", "-r", "3", "-w", "300", vip, "eth0"],
    }[asker];
    const ran = await run(["ip", "netns", "exec", this.namespace, ...argv], { timeoutMs: 5000 });
    if (ran.code > 2) throw new Error(`${argv.join(" ")}: ${ran.stderr.trim()}`);
    return [...new Set((ran.stdout.match(MAC) ?? []).map((mac) => mac.toLowerCase()))];
  }

  /** The name that the server behind the VIP answers with, over a fresh TCP connection. */
  async web(vip: string, timeoutMs = 2000): Promise<string> {
    const host = vip.includes(":") ? `[${vip}]` : vip;
    const argv = ["curl", "-sS", "-g", "--max-time", String(timeoutMs / 1000), `http://${host}:${SERVER_PORT}/`];
    const ran = await run(["ip", "netns", "exec", this.namespace, ...argv], { timeoutMs: timeoutMs + 1000 });
    if (ran.code !== 0) throw new Error(`${vip}: ${ran.stderr.trim()}`);
    return ran.stdout.trim();
  }

  neighbours(): ReadonlyMap<string, Neighbour> {
    const rows = JSON.parse(this.exec("ip", "-j", "neigh", "show", "dev", "eth0") || "[]") as {
      dst: string;
      lladdr?: string;
      state?: string[];
    }[];
    return new Map(rows.map((row) => [row.dst, { mac: row.lladdr ?? null, state: row.state?.join(",") ?? "" }]));
  }

  flushNeighbours(): void {
    this.exec("ip", "neigh", "flush", "all", "dev", "eth0");
  }

  /** A datagram to each target every `intervalMs`, until `stop()` tells what was answered. */
  probe(
    targets: readonly string[],
    intervalMs = 5,
    more: { readonly httpMs?: number; readonly via?: readonly string[] } = {},
  ): Promise<Prober> {
    return Prober.start({ lab: this.lab, namespace: this.namespace, targets, intervalMs, ...more });
  }

  /** ARP requests and multicast neighbour solicitations for each target every `intervalMs`, until the process ends. */
  ask(targets: readonly string[], intervalMs = 100): LabProcess {
    const script = path.join(ROOT, "test/lab/lib/asker.py");
    const argv = ["/usr/bin/python3", script, "eth0", this.v4, this.v6, String(intervalMs), ...targets];
    const logFile = path.join(this.lab.dir, `asker-${this.index}.log`);
    return this.lab.processes.spawn({ namespace: this.namespace, argv, logFile });
  }
}
