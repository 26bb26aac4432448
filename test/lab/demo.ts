/**
 * `npm run demo`: the main job on one machine. Three hosts, a client, a real `vipd run` on each; then one host loses its
 * power and comes back, and the client tells how long it got no answer. `--keep` leaves the lab up, `--down` removes it.
 * Boundary: the story only; the lab itself is lib/'s business.
 */
import type { StatusSnapshot } from "../../src/ports.js";
import { type LabHost, MAIN, SERVER_PORT } from "./lib/host.js";
import { daemonIsBuilt, Lab } from "./lib/lab.js";
import type { ProbeReport, Prober } from "./lib/prober.js";
import { type Cell, type Colour, Screen } from "./lib/screen.js";
import { nowMs, sleep } from "./lib/shell.js";
import { listLabs, removeLab } from "./lib/sweep.js";

const screen = new Screen();
const HEADER = ["VIP", "owner", "client's cache", "whose", "state"];
const USAGE = `usage: npm run demo [-- --keep | --down]
  --keep   leave the lab up at the end, and say how to look inside and how to break things
  --down   take down what --keep left up
`;

/** One look at everything: what the running hosts say, and what the client's neighbour cache holds. */
async function draw(lab: Lab, options: { force?: boolean } = {}): Promise<void> {
  const asked = lab.running.map((host) => host.status(400).catch(() => null));
  const statuses = (await Promise.all(asked)).filter((status) => status !== null);
  const neighbours = lab.client.neighbours();
  const rows = lab.vips.map((vip): readonly Cell[] => {
    const { owner, state } = opinion(statuses, vip);
    const mac = neighbours.get(vip)?.mac ?? "–";
    const holder = mac === "–" ? "–" : lab.nameOfMac(mac);
    const good = state === "owned" && holder === owner;
    return [
      { text: vip },
      { text: owner, colour: hostColour(lab, owner) },
      { text: mac },
      { text: holder, colour: hostColour(lab, holder) },
      { text: state, colour: good ? "green" : "yellow" },
    ];
  });
  screen.table(HEADER, rows, options);
}

function hostColour(lab: Lab, name: string): Colour {
  const host = lab.hosts.find((one) => one.name === name);
  if (host === undefined) return "yellow";
  return host.daemon?.running ? "cyan" : "red";
}

/** Whom the hosts believe to own it, and that host's own word on its state. */
function opinion(statuses: readonly StatusSnapshot[], vip: string): { owner: string; state: string } {
  const said = statuses.map((status) => ({ node: status.node, entry: status.vips.find((one) => one.address === vip) }));
  const owners = [...new Set(said.flatMap(({ entry }) => (entry?.owner ? [entry.owner] : [])))];
  if (owners.length === 0) return { owner: "nobody", state: "no owner yet" };
  const busy = said.find(({ entry }) => entry?.state === "claiming" || entry?.state === "releasing");
  const own = said.find(({ node }) => owners.length === 1 && node === owners[0]);
  if (owners.length > 1) return { owner: owners.join(" | "), state: "views differ" };
  if (own?.entry?.state === "unowned") return { owner: owners[0]!, state: "elected, not claimed yet" };
  return { owner: owners.join(" | "), state: busy?.entry?.state ?? own?.entry?.state ?? "owner is down" };
}

/** Keeps the table live for a while, or until `done` holds. */
async function watch(lab: Lab, ms: number, done: () => Promise<boolean> = async () => false): Promise<boolean> {
  const end = nowMs() + ms;
  let finished = false;
  while (!finished && nowMs() < end) {
    await draw(lab);
    finished = await done();
    if (!finished) await sleep(150);
  }
  await draw(lab, { force: true });
  return finished;
}

async function agreed(lab: Lab): Promise<boolean> {
  return lab.settled(0).then(
    () => true,
    () => false,
  );
}

async function waitForAgreement(lab: Lab, what: string, limitMs = 20_000): Promise<ReadonlyMap<string, string>> {
  const begin = nowMs();
  if (!(await watch(lab, limitMs, () => agreed(lab)))) {
    const why = await lab.settled(0).then(
      () => "",
      (error: Error) => error.message,
    );
    throw new Error(`${what}: the hosts do not agree after ${limitMs / 1000} s. ${why}`);
  }
  screen.say(`${what} after ${seconds(nowMs() - begin)}.`, "green");
  return lab.settled();
}

async function start(lab: Lab): Promise<ReadonlyMap<string, string>> {
  screen.step("Starting `vipd run` on each host");
  await lab.startAll();
  const owners = await waitForAgreement(lab, "All three agree on who owns what");
  for (const vip of [lab.vips[0]!, lab.vips.at(-1)!]) {
    const url = `http://${vip.includes(":") ? `[${vip}]` : vip}:${SERVER_PORT}/`;
    screen.say(`The client asks ${url} and ${await lab.client.web(vip)} answers.`);
  }
  return owners;
}

/** The owner of the most VIPs: its loss shows most. */
function pickVictim(lab: Lab, owners: ReadonlyMap<string, string>): LabHost {
  const count = (host: LabHost): number => [...owners.values()].filter((owner) => owner === host.name).length;
  return lab.hosts.reduce((best, host) => (count(host) > count(best) ? host : best));
}

async function powerCut(lab: Lab, victim: LabHost, owners: ReadonlyMap<string, string>): Promise<void> {
  const lost = lab.vips.filter((vip) => owners.get(vip) === victim.name);
  screen.step(`Cutting the power of ${victim.name}, which owns ${lost.length} of the ${lab.vips.length} VIPs`);
  const prober = await lab.client.probe(lab.vips);
  await sleep(500);
  await victim.powerCut();
  const after = await waitForAgreement(lab, "The others have taken over");
  await watch(lab, 1500);
  const reports = await prober.stop();
  for (const { target, maxGap } of reports) {
    const [from, to] = [owners.get(target)!, after.get(target)!];
    const text = `${target.padEnd(12)} ${from} -> ${to}   no answer for ${Math.round(maxGap.lengthMs)} ms`;
    if (from !== to) screen.say(text);
  }
  const stayed = reports.filter((report) => owners.get(report.target) === after.get(report.target));
  screen.say(`The other ${stayed.length} did not move; their longest pause was ${longest(stayed)}.`);
}

async function powerBack(lab: Lab, victim: LabHost, owners: ReadonlyMap<string, string>): Promise<void> {
  screen.step(`Power on: ${victim.name} boots and gets back what was its own`);
  const prober: Prober = await lab.client.probe(lab.vips);
  await sleep(500);
  await victim.powerOn();
  const back = await waitForAgreement(lab, `${victim.name} is back`);
  const same = (): Promise<boolean> =>
    lab.settledAs(owners, 0).then(
      () => true,
      () => false,
    );
  const isBack = lab.vips.every((vip) => back.get(vip) === owners.get(vip)) || (await watch(lab, 15_000, same));
  if (!isBack) throw new Error(`${victim.name} did not get its VIPs back within 15 s`);
  await watch(lab, 1500);
  const reports = await prober.stop();
  const lost = reports.reduce((sum, report) => sum + report.lost, 0);
  const sent = reports.reduce((sum, report) => sum + report.sent, 0);
  screen.say("Every VIP is where it was before.", "green");
  screen.say(
    `During the hand-back ${lost} of ${sent} requests got no answer; the longest pause was ${longest(reports)}.`,
  );
}

function longest(reports: readonly ProbeReport[]): string {
  return `${Math.round(Math.max(0, ...reports.map((report) => report.maxGap.lengthMs)))} ms`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function explainKept(lab: Lab): void {
  const [one, sw, client] = [lab.hosts[0]!, lab.switch.namespace, lab.client.namespace];
  const run = `ip netns exec ${one.namespace} node dist/cli/main.js`;
  screen.step("The lab stays up");
  const section = (title: string, rows: readonly (readonly [string, string])[]): void => {
    screen.line();
    screen.say(title, "bold");
    for (const [what, how] of rows) screen.say(`${what.padEnd(22)} ${how}`);
  };
  section("Look inside", [
    ["what a host thinks", `${run} status --config ${one.configFile}`],
    ["its configuration", `cat ${one.configFile}`],
    ["its log", `tail -f ${one.logFile}`],
    ["a request", `ip netns exec ${client} curl http://${lab.vips[0]}:${SERVER_PORT}/`],
    ["the client's cache", `ip netns exec ${client} ip neigh`],
    ["the wire", `ip netns exec ${sw} tcpdump -eni br0 'arp or icmp6'`],
  ]);
  section("Break things", [
    ...lab.hosts.map((host): readonly [string, string] => [`kill ${host.name}'s daemon`, `kill -9 ${host.pid}`]),
    ["freeze, thaw", `kill -STOP ${one.pid}; sleep 10; kill -CONT ${one.pid}`],
    ["pull a cable, plug it", `ip -n ${sw} link set ${one.port} down; sleep 10; ip -n ${sw} link set ${one.port} up`],
    ["start a daemon again", `${run} run --config ${one.configFile}`],
  ]);
  section("Take it down", [["", "npm run demo -- --down"]]);
}

async function show(keep: boolean): Promise<void> {
  if (!daemonIsBuilt()) throw new Error(`${MAIN} is missing: did \`npm run build\` succeed?`);
  screen.line(screen.paint("vipd: three hosts, eight virtual IPs, one power cut", "bold"));
  screen.step("Building the lab: a switch, three hosts and a client, each in a network namespace of its own");
  const lab = await Lab.create({ hosts: 3, v4: 4, v6: 4, keep });
  try {
    screen.say(`Key and configurations: ${lab.dir}`);
    for (const host of lab.hosts) screen.say(`${host.name}  ${host.v4}  ${host.v6}  ${host.mac}`);
    const owners = await start(lab);
    const feed = await lab.client.probe(lab.vips, 50);
    await watch(lab, 2500);
    const victim = pickVictim(lab, owners);
    await powerCut(lab, victim, owners);
    await powerBack(lab, victim, owners);
    await feed.stop();
    if (keep) {
      explainKept(lab);
      lab.leaveUp();
    }
  } catch (error) {
    for (const host of lab.hosts) {
      const tail = host.log().trimEnd().split("\n").slice(-5).join("\n   ");
      if (tail !== "") screen.line(`\n   ${host.name}, end of its log:\n   ${tail}`);
    }
    throw error;
  } finally {
    if (!keep) screen.step("Cleaning up");
    await lab.destroy();
  }
  if (!keep) screen.say("Namespaces, processes and files of the lab are gone.", "green");
}

function down(): void {
  const kept = listLabs().filter((lab) => lab.kept);
  for (const lab of kept) {
    removeLab(lab.prefix);
    screen.line(`taken down: ${lab.prefix}`);
  }
  if (kept.length === 0) screen.line("no lab is up");
}

async function main(args: readonly string[]): Promise<number> {
  const [mode, ...rest] = args;
  if (rest.length > 0 || (mode !== undefined && mode !== "--keep" && mode !== "--down")) {
    process.stderr.write(USAGE);
    return mode === "--help" ? 0 : 64;
  }
  if (mode === "--down") {
    down();
    return 0;
  }
  try {
    await show(mode === "--keep");
    return 0;
  } catch (error) {
    const [sentence] = (error instanceof Error ? error.message : String(error)).split("\n");
    process.stderr.write(`\ndemo: ${sentence}\n`);
    return 1;
  }
}

process.exit(await main(process.argv.slice(2)));
