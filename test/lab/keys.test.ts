/** Changing the gossip key without a gap, by README's three steps, on a running group (issue 3): nobody is even suspected. */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LabHost } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import { sleep, until } from "./lib/shell.js";

const newKey = (): string => randomBytes(32).toString("base64");
const OLD = newKey();
const NEW = newKey();

let lab: Lab;

beforeAll(async () => {
  const configure = (config: Record<string, unknown>, index: number): Record<string, unknown> => ({
    ...config,
    gossip: { ...(config.gossip as object), keyFile: keyFileOf(index) },
    log: { level: "debug" },
  });
  fs.mkdirSync(folder, { recursive: true });
  for (let i = 0; i < 3; i++) writeRing(i, [OLD]);
  lab = await Lab.create({ hosts: 3, clients: 0, v4: 6, v6: 6, servers: false, failbackMs: 0, configure });
  await lab.startAll();
  await lab.atRest(30_000);
});
afterAll(async () => {
  await lab?.destroy();
  fs.rmSync(folder, { recursive: true, force: true });
});

const folder = fs.mkdtempSync("/tmp/vipd-keys-");

function keyFileOf(index: number): string {
  return path.join(folder, `host-${index}.key`);
}

function writeRing(index: number, keys: readonly string[]): void {
  fs.writeFileSync(keyFileOf(index), `${keys.join("\n")}\n`, { mode: 0o600 });
}

/** One host after the other, as an operator would do it, with time between them for several probes. */
async function everywhere(keys: readonly string[]): Promise<void> {
  for (const host of lab.hosts) {
    const before = reloads(host);
    writeRing(host.index, keys);
    host.reload();
    await until(`${host.name} has reloaded`, 5000, () => reloads(host) > before);
    await sleep(700);
  }
}

function reloads(host: LabHost): number {
  return host.log().split('"daemon.reloaded"').length - 1;
}

test("append the new key, move it to the front, remove the old one: no suspicion, no datagram lost to a wrong key", async () => {
  const owners = await lab.settled();
  const logged = lab.hosts.map((host) => host.log().length);
  const before = await Promise.all(lab.hosts.map((host) => host.status()));
  await everywhere([OLD, NEW]);
  await everywhere([NEW, OLD]);
  await everywhere([NEW]);
  expect(await lab.settled()).toEqual(owners);
  for (const [i, host] of lab.hosts.entries()) {
    const said = host.log().slice(logged[i]);
    expect(said).not.toMatch(/"member\.(?:suspect|dead)"|"vip\.(?:owned|releasing)"|"lease\.lapsed"/);
    const { dropped } = (await host.status()).gossip;
    expect(dropped["wrong-key"] ?? 0, host.name).toBe(before[i]!.gossip.dropped["wrong-key"] ?? 0);
  }
});

test("a host that was left with the old key is not heard", async () => {
  const victim = lab.hosts[2]!;
  writeRing(victim.index, [OLD]);
  victim.reload();
  const held = async () => {
    const { members } = await lab.hosts[0]!.status();
    return members.some((member) => member.name === victim.name && member.state === "dead");
  };
  await until(`${victim.name} is held dead`, 5000, held);
  expect((await lab.hosts[0]!.status()).gossip.dropped["wrong-key"]).toBeGreaterThan(0);
  writeRing(victim.index, [NEW]);
  victim.reload();
  await lab.settled(20_000);
});
