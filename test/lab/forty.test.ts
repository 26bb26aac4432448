/**
 * A large group on one machine: forty hosts form one group from a simultaneous start, and notice a death (issue 3, point 6). Its kernel's
 * one table of neighbours, for all namespaces, stays as it is: 1560 pairs where 1024 entries have room.
 */
import { expect, test } from "vitest";
import { Lab } from "./lib/lab.js";
import { measured } from "./lib/laws.js";
import { nowMs, until } from "./lib/shell.js";

const HOSTS = 40;
/** Forty times Node's own start on two cores is most of it; the law is that they become one group, not when. */
const FORMED_MS_MAX = 90_000;

test("forty hosts started at once become one group, and all of them notice the death of one", async () => {
  const lab = await Lab.create({ hosts: HOSTS, v4: 20, v6: 20, servers: false, failbackMs: 0 });
  try {
    const begin = nowMs();
    await Promise.all(lab.hosts.map((host) => host.startDaemon({ wait: false })));
    await until("all forty see all forty", FORMED_MS_MAX, async () => {
      for (const host of lab.hosts) {
        const status = await host.status();
        const alive = status.members.filter((member) => member.state === "alive").length;
        if (alive !== HOSTS || !status.ready) throw new Error(`${host.name} sees ${alive}`);
      }
      return true;
    });
    measured(`one group after ${Math.round(nowMs() - begin)} ms`);
    const before = await lab.atRest(FORMED_MS_MAX);
    const victim = lab.hosts[17]!;
    await victim.powerCut();
    const cut = nowMs();
    await until("all the others hold it dead", 20_000, async () => {
      for (const host of lab.running) {
        const state = (await host.status()).members.find((member) => member.name === victim.name)?.state;
        if (state !== "dead") throw new Error(`${host.name} says ${state}`);
      }
      return true;
    });
    measured(`its death is known to all after ${Math.round(nowMs() - cut)} ms`);
    const after = await lab.settled(20_000);
    for (const [vip, owner] of before) if (owner !== victim.name) expect(after.get(vip), vip).toBe(owner);
    for (const host of lab.running) {
      const wrong = (await host.status()).members.filter(
        (member) => member.state !== "alive" && member.name !== victim.name,
      );
      expect(wrong).toEqual([]);
    }
  } finally {
    await lab.destroy();
  }
});
