/**
 * A real member that we did not write: Debian's serf joins us, we join it, plain and encrypted, both families, compressed or
 * not; each sees the other die, leave and return (issue 3, "Held against a real member"). Serf shows our leave as `failed`, since
 * it wants a message of its own first (memberlist-wire.md, section 13).
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MemberStatus } from "../../src/ports.js";
import type { LabHost, RawConfig } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import { measured } from "./lib/laws.js";
import { sleep, until } from "./lib/shell.js";
import { endpoint, Serf, type World } from "./serf-tools.js";

const WORLDS: readonly World[] = [
  { name: "IPv4, encrypted, compressed", family: 4, encrypted: true, compressed: true },
  { name: "IPv6, encrypted, not compressed", family: 6, encrypted: true, compressed: false },
  { name: "IPv4, plain, not compressed", family: 4, encrypted: false, compressed: false },
  { name: "IPv6, plain, compressed", family: 6, encrypted: false, compressed: true },
];

/** memberlist's own patience, 5 to 7 s at rest: a probe and a suspicion, stretched where we are late ourselves (45 s under a load of 50). */
const THEIR_DEATH_MS = 75_000;

/** Who was met through a foreign member only exchanges state with ours as soon as it knows them; the rest is the load of the machine. */
const FOUND_MS = 30_000;

describe.each(WORLDS)("serf, $name", (world) => {
  let lab: Lab;
  let serf: Serf;
  let hosts: readonly [LabHost, LabHost];

  /** The hosts know serf only: what they know of each other, they have from it. */
  function configure(config: RawConfig): RawConfig {
    const { keyFile, ...gossip } = config.gossip as { keyFile: string };
    const host = lab.hosts.find((one) => one.name === (config.node as { name: string }).name)!;
    const secret = world.encrypted ? { keyFile } : { insecure: true };
    const join = [endpoint(lab.client, world)];
    return { ...config, gossip: { ...gossip, ...secret, bind: endpoint(host, world), join, aloneAfterMs: 300_000 } };
  }

  beforeAll(async () => {
    lab = await Lab.create({ hosts: 2, v4: 4, v6: 4, servers: false });
    for (const host of lab.hosts) host.writeConfig(configure(host.config));
    hosts = [lab.hosts[0]!, lab.hosts[1]!];
    serf = new Serf(lab, lab.client, world, 0);
  });
  afterAll(() => lab?.destroy());

  async function seenBy(host: LabHost): Promise<MemberStatus | undefined> {
    return (await host.status()).members.find((member) => member.name === serf.name);
  }

  /** All running hosts see serf so. Returns after how many ms. */
  async function weSee(states: readonly string[], timeoutMs: number): Promise<number> {
    const begin = performance.now();
    for (const host of lab.running) {
      await until(`${host.name} sees ${serf.name} ${states.join(" or ")}`, timeoutMs, async () =>
        states.includes((await seenBy(host))?.state ?? "absent"),
      );
    }
    return performance.now() - begin;
  }

  test("we join it: it is shown as foreign, and to have met it alone makes nobody ready", async () => {
    await serf.start();
    await hosts[0].startDaemon();
    await serf.sees(hosts[0].name, ["alive"], 10_000);
    await weSee(["alive"], 5000);
    expect(await seenBy(hosts[0])).toMatchObject({ foreign: true, self: false, address: endpoint(lab.client, world) });
    await sleep(3000);
    const status = await hosts[0].status();
    expect(status.ready).toBe(false);
    expect(status.vips.filter((vip) => vip.owner !== null)).toEqual([]);
  });

  test("two of ours that know serf only find each other through it, and share the VIPs without it", async () => {
    await hosts[1].startDaemon();
    const owners = await lab.atRest(FOUND_MS);
    expect([...new Set(owners.values())].sort()).toEqual(hosts.map((host) => host.name));
    await serf.sees(hosts[1].name, ["alive"], 10_000);
    await weSee(["alive"], 5000);
    // From here on they know each other without it, so that a return does not depend on it.
    for (const host of hosts) {
      const join = [lab.client, ...hosts.filter((other) => other !== host)].map((end) => endpoint(end, world));
      host.writeConfig({ ...host.config, gossip: { ...(host.config.gossip as object), join } });
    }
  });

  test("it joins us", async () => {
    await serf.leave();
    measured(`we see it leave after ${Math.round(await weSee(["left", "absent"], 10_000))} ms`);
    await serf.start([endpoint(hosts[0], world)]);
    for (const host of hosts) await serf.sees(host.name, ["alive"], 15_000);
    measured(`we see it alive after ${Math.round(await weSee(["alive"], 15_000))} ms`);
  });

  test("it sees one of ours die and come back", async () => {
    const begin = performance.now();
    await hosts[1].powerCut();
    await serf.sees(hosts[1].name, ["failed"], 15_000);
    measured(`it sees ours failed ${Math.round(performance.now() - begin)} ms after the power cut`);
    await hosts[1].powerOn();
    await serf.sees(hosts[1].name, ["alive"], 15_000);
    await lab.atRest(20_000);
  });

  test("it sees one of ours leave and come back", async () => {
    await hosts[1].stopDaemon();
    measured(`it sees ours gone ${Math.round(await serf.sees(hosts[1].name, ["left", "failed"], 15_000))} ms after`);
    await hosts[1].startDaemon();
    await serf.sees(hosts[1].name, ["alive"], 15_000);
    await lab.atRest(20_000);
  });

  test("we see it die, with memberlist's patience, and come back", async () => {
    const begin = performance.now();
    await serf.kill();
    await sleep(2500);
    await weSee(["alive", "suspect"], 0);
    await weSee(["dead"], THEIR_DEATH_MS);
    measured(`we see it dead ${Math.round(performance.now() - begin)} ms after its end`);
    await serf.start([endpoint(hosts[0], world)]);
    await weSee(["alive"], 15_000);
    for (const host of hosts) await serf.sees(host.name, ["alive"], 15_000);
    await lab.settled(5000);
  });

  test("neither has a complaint about the other's bytes", async () => {
    for (const host of hosts) {
      const { dropped } = (await host.status()).gossip;
      measured(`${host.name} dropped ${JSON.stringify(dropped)}`);
      // Whom we ask while it is dead or ends is not there to be understood.
      const gone = /^(send-failed|stream-(failed|closed-early|too-slow))$/;
      const ours = Object.keys(dropped).filter((name) => !gone.test(name));
      expect(ours).toEqual([]);
    }
    const odd = serf
      .complaints()
      .filter((line) => /unknown|decode|decrypt|invalid|msg type|failed to (read|parse)/i.test(line));
    expect(odd).toEqual([]);
  });
});
