/**
 * Strangers with a kernel of their own: one that has a VIP before us, one that takes it from us, one that asks first
 * (RFC 5227's probe, IPv6's DAD), with `defend` and with `yield` (issue 4, measured item 5). Frames forged in every form
 * are interfaces.test.ts' business.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Capture, voicesBy, voicesOf } from "./lib/capture.js";
import { IPUTILS } from "./lib/client.js";
import { withPrefix } from "./lib/host.js";
import { Lab } from "./lib/lab.js";
import { run, sleep, until } from "./lib/shell.js";

const BEFORE = { defend: ["10.77.0.150", "fd77::150"], yield: ["10.77.0.160", "fd77::160"] };
const AFTER = { defend: ["10.77.0.151", "fd77::151"], yield: ["10.77.0.161", "fd77::161"] };
const ALL = [BEFORE, AFTER].flatMap((group) => [...group.defend, ...group.yield]);

let lab: Lab;

const stranger = (...argv: readonly string[]) => lab.client.exec("ip", "addr", ...argv);
const has = (address: string) => stranger("add", withPrefix(address), "dev", "eth0", "nodad");
const leaves = (address: string) => stranger("del", withPrefix(address), "dev", "eth0");
/** The one state that says most: any host's "owned", else its "conflict", else "none". */
async function states(addresses: readonly string[]): Promise<readonly string[]> {
  const all = await Promise.all(lab.hosts.map((host) => host.status()));
  return addresses.map((address) => {
    const said = all.map((status) => status.vips.find((one) => one.address === address)?.state);
    return ["owned", "conflict"].find((state) => said.some((one) => one === state)) ?? "none";
  });
}
const reach = (addresses: readonly string[], state: string, boundMs: number) =>
  until(`${addresses} are ${state}`, boundMs, async () => (await states(addresses)).every((one) => one === state));

beforeAll(async () => {
  lab = await Lab.create({
    hosts: 2,
    v4: 2,
    v6: 2,
    servers: false,
    configure: (config) => ({
      ...config,
      vips: (["defend", "yield"] as const).map((conflict) => ({
        name: conflict,
        addresses: [...BEFORE[conflict], ...AFTER[conflict]],
        interface: "eth0",
        conflict,
        together: false,
      })),
    }),
  });
});
afterAll(() => lab?.destroy());

test("who was there before us keeps its address, whatever the policy, and is followed when it leaves", async () => {
  const before = [...BEFORE.defend, ...BEFORE.yield];
  const after = [...AFTER.defend, ...AFTER.yield];
  for (const address of before) has(address);
  const capture = await Capture.start(lab);
  await lab.startAll();
  await reach(after, "owned", 20_000);
  // Each host asks again from time to time and is "claiming" then: what counts is that each was in conflict, and none owned.
  const seen = before.map(() => new Set<string>());
  await until("each was in conflict", 20_000, async () => {
    for (const [i, state] of (await states(before)).entries()) seen[i]!.add(state);
    if (seen.every((one) => one.has("conflict"))) return true;
    throw new Error(seen.map((one, i) => `${before[i]}: ${[...one]}`).join("; "));
  });
  expect(seen.filter((one) => one.has("owned"))).toEqual([]);
  await sleep(3000);
  const voices = voicesOf(await capture.stop(), before);
  expect(
    voicesBy(
      voices,
      lab.hosts.map((host) => host.mac),
    ),
  ).toEqual([]);
  for (const host of lab.hosts) expect(host.addresses("lo").filter((one) => before.includes(one))).toEqual([]);
  for (const address of before) leaves(address);
  await reach(ALL, "owned", 15_000);
});

test("who asks first finds us: RFC 5227's probe by arping -D, and DAD by the kernel", async () => {
  const taken = [BEFORE.defend[0]!, AFTER.yield[0]!];
  for (const address of taken) {
    const probe = [
      "ip",
      "netns",
      "exec",
      lab.client.namespace,
      IPUTILS,
      "-D",
      "-c",
      "2",
      "-w",
      "1",
      "-I",
      "eth0",
      address,
    ];
    // 1: somebody answered, so the address is taken.
    expect([address, (await run(probe, { timeoutMs: 5000 })).code]).toEqual([address, 1]);
  }
  lab.client.exec("sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=1");
  stranger("add", "fd77::161/64", "dev", "eth0");
  await until("the kernel says dadfailed", 5000, () =>
    lab.client.exec("ip", "addr", "show", "dev", "eth0").includes("dadfailed"),
  );
  stranger("del", "fd77::161/64", "dev", "eth0");
  expect(await states(ALL)).toEqual(ALL.map(() => "owned"));
});

test("who takes an address from us without asking: defended and kept, or yielded to until it leaves", async () => {
  const taken = [...AFTER.defend, ...AFTER.yield];
  // Both make the kernel say so when an address is added: a gratuitous ARP request, an unsolicited NA.
  lab.client.exec("sysctl", "-qw", "net.ipv4.conf.eth0.arp_notify=1", "net.ipv6.conf.eth0.ndisc_notify=1");
  for (const address of taken) has(address);
  // And again for every address, when the MAC changes.
  lab.client.exec("ip", "link", "set", "eth0", "address", "02:66:00:00:00:01");
  await reach(AFTER.yield, "conflict", 10_000);
  await reach(AFTER.defend, "owned", 1000);
  const macs = lab.hosts.map((host) => host.mac);
  for (const address of AFTER.yield)
    expect((await lab.client.who(address)).filter((one) => macs.includes(one))).toEqual([]);
  for (const address of taken) leaves(address);
  await reach(ALL, "owned", 20_000);
});
