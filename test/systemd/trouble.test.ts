/**
 * What goes wrong on real machines, under the real unit: a daemon that dies again and again, a network card that comes a minute
 * after the boot, a full disk, a read-only /etc, a wrong clock. Each must serve, or say what is missing.
 */
import { existsSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { sleep } from "../lab/lib/shell.js";
import { type Machine, until } from "./lib/machines.js";
import { CHOSEN, makePackages, Story } from "./lib/story.js";

/** Debian's libfaketime, where it is installed: the host's own clock is everybody's. */
const FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
const CLOCK = "etc/vipd-clock";

let packages: ReturnType<typeof makePackages>;
beforeAll(() => {
  packages = makePackages("0.1.0");
}, 180_000);
afterAll(() => packages.remove());

describe.each(CHOSEN)("%s", (debian) => {
  const story = new Story(debian);
  const { cluster, machines } = story;

  /** What systemd and the daemon say, for a person who looks. */
  const words = async (machine: Machine): Promise<string> =>
    `${await machine.property("StatusText")}\n${await machine.journal()}`;

  beforeAll(async () => {
    await cluster.start();
    for (const machine of machines) expect((await machine.dpkg(packages.debs[0]!)).code).toBe(0);
    await story.configure();
    await story.settled();
  }, 900_000);
  afterAll(() => story.end(), 60_000);
  afterEach(async (context) => {
    if (context.task.result?.state === "fail") await story.tellJournals();
  });

  test("killed twenty times in a minute, it comes back each time, and the group serves", {
    timeout: 180_000,
  }, async () => {
    const owner = await cluster.owner();
    const before = Number(await owner.property("NRestarts"));
    const report = story.note(
      "kill -9, twenty times",
      await cluster.measure(async () => {
        const began = performance.now();
        for (let i = 0; i < 20; i++) {
          await sleep(Math.max(0, began + i * 3000 - performance.now()));
          const pid = await owner.daemon();
          if (pid !== "0") await owner.ok("kill", "-9", pid);
          await until("it starts again", async () => ![pid, "0"].includes(await owner.daemon()), 10_000);
        }
      }, 3000),
    );
    expect(Number(await owner.property("NRestarts")) - before).toBeGreaterThanOrEqual(20);
    expect(await owner.property("ActiveState")).toBe("active");
    expect(report.maxGap.lengthMs).toBeLessThan(1500);
    await story.settled();
  });

  test("a network card that comes a minute after the boot is waited for, and said", { timeout: 240_000 }, async () => {
    const [machine] = machines;
    await machine!.powerCut();
    machine!.unplug();
    await machine!.boot();
    await until("it says what is missing", async () => /eth0|10\.88\.0\.11/.test(await words(machine!)));
    story.say(
      `without its card: ${await machine!.property("ActiveState")}, "${await machine!.property("StatusText")}"`,
    );
    await sleep(60_000);
    machine!.plugIn();
    await story.settled();
    expect(await machine!.property("ActiveState")).toBe("active");
  });

  test("with its disk full it is restarted and killed, and serves; it says so where it must write", {
    timeout: 240_000,
  }, async () => {
    const owner = await cluster.owner();
    await owner.exec("sh", "-c", "cat /dev/zero > /fill 2>/dev/null");
    const refused = await owner.exec("vipd", "drain", "--persist");
    story.say(`drain --persist on a full disk: ${refused.code}, ${refused.stderr.trim()}`);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/ENOSPC|no space|full/i)]);
    await owner.exec("vipd", "resume");
    await story.settled();
    const report = story.note(
      "restart on a full disk",
      await cluster.measure(() => owner.ok("systemctl", "restart", "vipd"), 5000),
    );
    expect(report.lost).toBe(0);
    await owner.ok("kill", "-9", await owner.daemon());
    await story.settled();
    await owner.ok("rm", "/fill");
  });

  test("with /run full a start says what is missing, and succeeds as soon as there is room", {
    timeout: 120_000,
  }, async () => {
    const owner = await cluster.owner();
    await owner.exec("sh", "-c", "mount -o remount,size=40m /run && cat /dev/zero > /run/fill 2>/dev/null");
    const report = story.note(
      "killed while /run is full",
      await cluster.measure(async () => {
        await owner.ok("kill", "-9", await owner.daemon());
        await sleep(8000);
      }),
    );
    expect(report.maxGap.lengthMs).toBeLessThan(1500);
    const journal = await owner.journal();
    if (!journal.includes("its file system is full")) expect(await owner.property("ActiveState")).toBe("active");
    story.say(`with /run full: ${await owner.property("ActiveState")}`);
    await owner.ok("rm", "/run/fill");
    await story.settled();
  });

  test("with /etc read-only it starts, reloads and serves", async () => {
    const owner = await cluster.owner();
    await owner.ok("mount", "--bind", "/etc", "/etc");
    await owner.ok("mount", "-o", "remount,bind,ro", "/etc");
    const report = story.note(
      "restart with /etc read-only",
      await cluster.measure(async () => {
        await owner.ok("systemctl", "restart", "vipd");
        await owner.ok("systemctl", "reload", "vipd");
      }, 3000),
    );
    expect(report.lost).toBe(0);
    await story.settled();
    await owner.ok("umount", "/etc");
  });

  describe.skipIf(!existsSync(FAKETIME))("a wrong clock", () => {
    /** What the daemon takes the time for, in days from ours: the Date of its HTTP answers. */
    const daysOff = async (machine: Machine): Promise<number> => {
      const head = await machine.inNetwork("curl", "-sI", "--max-time", "5", "http://127.0.0.1:7980/healthz");
      const date = /^date: (.*)$/im.exec(head.stdout)?.[1] ?? "";
      return Math.round((Date.parse(date) - Date.now()) / 86_400_000) + 0;
    };
    const set = (machine: Machine, offset: string): void => machine.write(CLOCK, `${offset}\n`);

    test("is put under each daemon", { timeout: 180_000 }, async () => {
      for (const machine of machines) {
        machine.copy(FAKETIME, "usr/lib/libfaketime.so.1");
        set(machine, "+0");
        const environment = `LD_PRELOAD=/usr/lib/libfaketime.so.1 FAKETIME_TIMESTAMP_FILE=/${CLOCK} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1`;
        machine.write("etc/systemd/system/vipd.service.d/clock.conf", `[Service]\nEnvironment=${environment}\n`);
        await machine.ok("systemctl", "daemon-reload");
        await machine.ok("systemctl", "restart", "vipd");
        await story.settled();
      }
    });

    test.each([
      ["back by a day", "-1d", -1],
      ["ahead by a year", "+365d", 365],
    ])(
      "that jumps %s while it runs, and is so from the start, is no matter",
      { timeout: 180_000 },
      async (_, offset, days) => {
        const owner = await cluster.owner();
        const running = story.note(
          `clock ${offset} while it runs`,
          await cluster.measure(async () => {
            set(owner, offset);
            await until("the daemon sees it", async () => (await daysOff(owner)) === days);
            await sleep(5000);
          }),
        );
        expect(running.lost).toBe(0);
        expect(await owner.held()).toBe(true);
        const started = story.note(
          `clock ${offset} from the start`,
          await cluster.measure(() => owner.ok("systemctl", "restart", "vipd"), 5000),
        );
        expect(started.lost).toBe(0);
        await story.settled();
        expect(await daysOff(owner)).toBe(days);
        const back = story.note(`clock ${offset} put right`, await cluster.measure(async () => set(owner, "+0"), 5000));
        expect(back.lost).toBe(0);
        expect(await daysOff(owner)).toBe(0);
      },
    );
  });
});
