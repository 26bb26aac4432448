/**
 * keepalived as the rival: the same lab, the same wire, one VRRP instance with the lab's VIPs. Boundary: started and
 * ended here, judged by the bench.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import type { LabHost } from "../lab/lib/host.js";
import { Lab } from "../lab/lib/lab.js";
import type { LabProcess } from "../lab/lib/processes.js";
import { shQuiet, sleep, until } from "../lab/lib/shell.js";

export interface KeepalivedOptions {
  readonly hosts: number;
  readonly intervalMs: number;
  readonly realTime: boolean;
  readonly clients?: number;
  readonly vips?: number;
}

export class Keepalived {
  readonly #running = new Map<LabHost, LabProcess>();

  private constructor(
    readonly lab: Lab,
    readonly options: KeepalivedOptions,
  ) {}

  static async start(options: KeepalivedOptions): Promise<Keepalived> {
    const { hosts, clients = 0, vips = 1 } = options;
    const lab = await Lab.create({ hosts, clients, v4: vips, v6: 0, servers: clients > 0 });
    const rival = new Keepalived(lab, options);
    for (const host of lab.hosts) rival.#run(host);
    await rival.master();
    return rival;
  }

  /** The one host that has the VIP on eth0, once that has been so for two intervals. */
  async master(): Promise<LabHost> {
    const vip = this.lab.vips[0]!;
    const holders = () => this.lab.hosts.filter((host) => host.addresses("eth0").includes(vip));
    await until("one keepalived is master", 20_000, () => holders().length === 1);
    await sleep(4 * this.options.intervalMs + 500);
    const [master] = holders();
    if (master === undefined) throw new Error("no keepalived is master");
    return master;
  }

  /** Both processes of it: the one that was started, and the one that speaks VRRP. */
  signal(host: LabHost, signal: NodeJS.Signals): void {
    const parent = this.#running.get(host);
    if (parent === undefined || !parent.running) return;
    const children = fs.readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, "utf8").trim();
    for (const pid of [parent.pid, ...children.split(" ").filter(Boolean).map(Number)]) process.kill(pid, signal);
  }

  /** What it left on the interface goes, as at a boot or by a package's stop hook, and it starts anew. */
  startAgain(host: LabHost): void {
    for (const vip of this.lab.vips) shQuiet("ip", "-n", host.namespace, "addr", "del", `${vip}/32`, "dev", "eth0");
    this.#run(host);
  }

  async stop(host: LabHost): Promise<void> {
    await this.#running.get(host)?.end("SIGTERM");
  }

  /** Ends it where it was cut off, and starts it again with its cable plugged. */
  async restart(host: LabHost): Promise<void> {
    await this.#running.get(host)?.end("SIGTERM");
    host.cableUp();
    this.#run(host);
    await sleep(500);
  }

  #run(host: LabHost): void {
    const { intervalMs, realTime } = this.options;
    const file = path.join(host.dir, "keepalived.conf");
    fs.writeFileSync(file, configuration(host, intervalMs, this.lab.vips));
    const pidFile = path.join(host.dir, "keepalived.pid");
    const scheduled = realTime ? ["chrt", "--fifo", "10"] : [];
    const program = ["keepalived", "-n", "-l", "-P", "-f", file, "-p", pidFile, "-r", `${pidFile}.vrrp`];
    const argv = [...scheduled, ...program];
    const logFile = path.join(host.dir, "keepalived.log");
    this.#running.set(host, this.lab.processes.spawn({ namespace: host.namespace, argv, logFile }));
  }
}

function configuration(host: LabHost, intervalMs: number, vips: readonly string[]): string {
  return `global_defs {
  vrrp_version 3
}
vrrp_instance bench {
  state BACKUP
  interface eth0
  virtual_router_id 77
  priority ${150 - 10 * host.index}
  advert_int ${intervalMs / 1000}
  virtual_ipaddress {
    ${vips.map((vip) => `${vip}/32`).join("\n    ")}
  }
}
`;
}
