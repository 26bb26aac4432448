/** Law 9: a host that goes up and down does not drag its VIPs along (issue 5, measured point 5). Endurance: a minute. */
import { expect, test } from "vitest";
import { Capture, voicesOf } from "./lib/capture.js";
import { Lab } from "./lib/lab.js";
import { measured, vipsOf } from "./lib/laws.js";
import { sleep } from "./lib/shell.js";

const HALF_MS = 2500;
const ROUNDS = 9;

test.each([0, 1000])(
  "up and down every 5 s, failback after %i ms: its VIPs follow at most twice",
  async (failbackMs) => {
    const lab = await Lab.create({ hosts: 3, v4: 6, v6: 6, servers: false, failbackMs });
    try {
      await lab.startAll();
      const before = await lab.atRest();
      const victim = lab.hosts[0]!;
      const mine = vipsOf(before, victim);
      const capture = await Capture.start(lab);
      for (let i = 0; i < ROUNDS; i++) {
        victim.cableDown();
        await sleep(HALF_MS);
        victim.cableUp();
        await sleep(HALF_MS);
      }
      const after = await lab.settled(10_000);
      expect(vipsOf(after, victim)).toEqual([]);
      const said = voicesOf(await capture.stop(), lab.vips).filter((voice) => voice.kind === "announcement");
      const moves = mine.map((vip) => {
        const macs = said.filter((voice) => voice.address === vip).map((voice) => voice.mac);
        return macs.filter((mac, i) => mac === victim.mac && macs[i - 1] !== mac).length;
      });
      measured(`its VIPs came back ${Math.max(...moves)} times at most in ${ROUNDS} rounds`);
      expect(Math.max(...moves)).toBeLessThanOrEqual(2);
      expect(victim.log()).toContain("group.flapping");
    } finally {
      await lab.destroy();
    }
  },
);
