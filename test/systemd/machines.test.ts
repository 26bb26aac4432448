/**
 * The Debian package on real systemds: installed with dpkg, configured, and put through what happens to a service. A client
 * on the bridge asks every 2 ms. VIPD_SYSTEMD=bookworm or trixie tries one Debian only; VIPD_OLDER_DEB=FILE begins with that
 * package, such as an earlier release, instead of one made here.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { sleep } from "../lab/lib/shell.js";
import { type Machine, until, VIP } from "./lib/machines.js";
import { CHOSEN, CONFIG, makePackages, Story, versionOf } from "./lib/story.js";

let packages: ReturnType<typeof makePackages>;
let [older, newer] = ["", ""];
beforeAll(() => {
  packages = makePackages("0.1.0", "0.1.1");
  [older, newer] = packages.debs as [string, string];
  older = process.env.VIPD_OLDER_DEB ?? older;
}, 180_000);
afterAll(() => packages.remove());

/** What the descriptors without a name are. */
const ANONYMOUS = ["eventpoll", "eventfd", "timerfd", "io_uring", "signalfd"];
/** Whose each is, and with which mode. */
const OWNED = [
  ["/usr/lib/vipd/node", "755 root:root"],
  ["/usr/bin/vipd", "755 root:root"],
  ["/usr/lib/systemd/system/vipd.service", "644 root:root"],
  ["/etc/vipd/config.json", "644 root:root"],
  ["/etc/vipd/gossip.key", "640 root:vipd"],
  ["/run/vipd", "755 vipd:vipd"],
  ["/run/vipd/vipd.sock", "660 vipd:vipd"],
  ["/var/lib/vipd", "750 vipd:vipd"],
] as const;

/** Reloads in vain while journald stands still: two lines each. */
const REFUSED = 500;

describe.each(CHOSEN)("%s", (debian) => {
  const story = new Story(debian);
  const { cluster, machines } = story;
  const settled = () => story.settled();
  const note: Story["note"] = (what, report) => story.note(what, report);

  beforeAll(() => cluster.start(), 900_000);
  afterAll(() => story.end(), 60_000);
  afterEach(async (context) => {
    if (context.task.result?.state === "fail") await story.tellJournals();
  });

  test("dpkg -i brings a service that is enabled, runs, and says that it is not configured", async () => {
    for (const machine of machines) {
      const ran = await machine.dpkg(older);
      expect([ran.code, ran.stderr.match(/error|warning/gi)]).toEqual([0, null]);
      await until("it waits", async () => (await machine.property("StatusText")).startsWith("not configured"));
      expect(await machine.ok("systemctl", "is-enabled", "vipd")).toBe("enabled\n");
    }
  });

  test("it goes on by itself once it is configured, and the group serves", async () => {
    await story.configure();
    await settled();
    const report = note("at rest", await cluster.measure(async () => {}, 2000));
    expect(report.lost).toBe(0);
  });

  test("the process has two capabilities, is not root, and its unit is little exposed", async () => {
    const [machine] = machines;
    const status = await machine!.ok("cat", `/proc/${await machine!.daemon()}/status`);
    for (const set of ["Bnd", "Prm", "Eff"])
      expect(status).toMatch(new RegExp(`^Cap${set}:\\s+0000000000003000$`, "m"));
    expect(status).not.toMatch(/^Uid:\s+0\b/m);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(status).toMatch(/^Seccomp:\s+2$/m);
    await machine!.ok("systemd-analyze", "security", "--threshold=20", "--no-pager", "vipd.service");
  });

  test("the responder ranks one below the event loop, and nobody above it", async () => {
    const [machine] = machines;
    const ranks = (await machine!.ok("ps", "-L", "-o", "cls=,rtprio=", "-p", await machine!.daemon()))
      .trim()
      .split("\n");
    expect([...new Set(ranks.map((rank) => rank.trim().replace(/\s+/, " ")))].sort()).toEqual(["FF 10", "FF 9"]);
    const limits = await machine!.ok("cat", `/proc/${await machine!.daemon()}/limits`);
    expect(limits).toMatch(/^Max realtime priority\s+0\s+0\b/m);
  });

  test("what it has open is sockets, its own folders and what wakes it; nobody else may write its files", async () => {
    const [machine] = machines;
    const open = await machine!.ok("sh", "-c", `ls -l /proc/${await machine!.daemon()}/fd`);
    const targets = [...open.matchAll(/-> (.*)$/gm)].map((found) => found[1]!.replace(/:\[\d+\]$/, ""));
    const known = new Set(["socket", "pipe", "/dev/null", ...ANONYMOUS.map((name) => `anon_inode:[${name}]`)]);
    expect(targets.filter((target) => !known.has(target) && !/^\/(run|var\/lib)\/vipd(\/|$)/.test(target))).toEqual([]);
    expect(targets.length).toBeLessThan(64);
    const writable = `find $(dpkg -L vipd | grep vipd) /run/vipd /etc/vipd /var/lib/vipd ! -type l -perm /o+w -print`;
    expect(await machine!.ok("sh", "-c", writable)).toBe("");
    const modes = await machine!.ok("stat", "-c", "%a %U:%G %n", ...OWNED.map(([file]) => file));
    expect(modes.trim().split("\n")).toEqual(OWNED.map(([file, mode]) => `${mode} ${file}`));
  });

  test("checks and hooks run under the unit as its user, in normal time, and can do nothing special", async () => {
    const owner = await cluster.owner();
    const facts = (file: string) =>
      `#!/bin/sh\n{ id -un; cat /proc/self/status; echo "event $VIPD_EVENT $VIPD_VIP"; chrt -p $$; } > /run/vipd/${file}.new\nmv /run/vipd/${file}.new /run/vipd/${file}\n`;
    for (const name of ["check", "hook"]) {
      owner.write(`usr/local/bin/vipd-${name}`, facts(name));
      await owner.ok("chmod", "755", `/usr/local/bin/vipd-${name}`);
    }
    const check = { type: "exec", command: ["/usr/local/bin/vipd-check"], intervalMs: 500, timeoutMs: 400 };
    const hooks = { owned: ["/usr/local/bin/vipd-hook"] };
    for (const machine of machines) {
      const mine =
        machine === owner
          ? { vip: { check }, more: { hooks } }
          : { vip: { check: { ...check, command: ["/bin/true"] } } };
      machine.write(CONFIG, story.configuration(machine, mine));
      await machine.ok("systemctl", "restart", "vipd");
      await settled();
    }
    await until(
      "the owner is back and its hook has run",
      async () => (await owner.exec("test", "-e", "/run/vipd/hook")).code === 0,
    );
    const helper = (await owner.ok("pgrep", "-u", "vipd", "-f", "helper-process")).trim();
    const powerless = (status: string) => {
      for (const set of ["Prm", "Eff", "Amb"]) expect(status).toMatch(new RegExp(`^Cap${set}:\\s+0{16}$`, "m"));
    };
    powerless(await owner.ok("cat", `/proc/${helper}/status`));
    expect(await owner.ok("chrt", "-p", helper)).toContain("SCHED_OTHER");
    for (const name of ["check", "hook"]) {
      const seen = await owner.ok("cat", `/run/vipd/${name}`);
      expect(seen).toMatch(/^vipd\n/);
      powerless(seen);
      expect(seen).toMatch(/^NoNewPrivs:\s+1$/m);
      expect(seen).toMatch(/^Seccomp:\s+2$/m);
      expect(seen).toContain("SCHED_OTHER");
    }
    expect(await owner.ok("cat", "/run/vipd/hook")).toContain(`event owned ${VIP}`);
    owner.write("usr/local/bin/vipd-check", "#!/bin/sh\nsleep 4321 & echo $! >> /run/vipd/hung\nwait\n");
    await until("a check that hangs is run again", async () => {
      const hung = (await owner.exec("cat", "/run/vipd/hung")).stdout.trim().split("\n");
      return hung.length > 1 && (await owner.exec("test", "-e", `/proc/${hung[0]}`)).code !== 0;
    });
    owner.write("usr/local/bin/vipd-check", "#!/bin/sh\nexit 0\n");
    await until("nothing of it is left", async () => (await owner.exec("pgrep", "-f", "sleep 4321")).code === 1);
    await until("the owner is healthy again", () => owner.held());
    const report = note(
      "a check that fails",
      await cluster.measure(async () => {
        owner.write("usr/local/bin/vipd-check", "#!/bin/sh\necho broken\nexit 1\n");
        await until("the VIP is elsewhere", async () => !(await owner.held()), 15_000);
      }),
    );
    expect(report.lost).toBe(0);
    for (const machine of machines) {
      machine.write(CONFIG, story.configuration(machine));
      await machine.ok("systemctl", "restart", "vipd");
      await settled();
    }
    await owner.ok(
      "rm",
      "/usr/local/bin/vipd-check",
      "/usr/local/bin/vipd-hook",
      "/run/vipd/check",
      "/run/vipd/hook",
      "/run/vipd/hung",
    );
  }, 180_000);

  test("the key may come from systemd's credential store", async () => {
    const [machine] = machines;
    await machine!.ok("mkdir", "-p", "-m", "0700", "/etc/credstore");
    await machine!.ok("mv", "/etc/vipd/gossip.key", "/etc/credstore/gossip.key");
    await machine!.ok("chown", "root:root", "/etc/credstore/gossip.key");
    await machine!.ok("chmod", "0600", "/etc/credstore/gossip.key");
    const keyFile = "/run/credentials/vipd.service/gossip.key";
    machine!.write(CONFIG, story.configuration(machine!, { gossip: { keyFile } }));
    await machine!.ok("systemctl", "restart", "vipd");
    await settled();
    await machine!.ok("vipd", "check");
    await machine!.ok("systemctl", "reload", "vipd");
  });

  test("a reload that is right is taken when systemctl returns; one that is wrong fails and changes nothing", async () => {
    const owner = await cluster.owner();
    const report = note(
      "reload",
      await cluster.measure(async () => {
        await owner.ok("systemctl", "reload", "vipd");
        owner.write(CONFIG, story.configuration(owner, { address: "10.88.0.999" }));
        expect((await owner.exec("systemctl", "reload", "vipd")).code).not.toBe(0);
      }),
    );
    owner.write(CONFIG, story.configuration(owner));
    expect(await owner.journal()).toContain('"10.88.0.999" is not an IPv4 or IPv6 address');
    expect(await owner.held()).toBe(true);
    expect(report.lost).toBe(0);
  });

  test("a stop hands over; a start comes back", async () => {
    const owner = await cluster.owner();
    const report = note("stop", await cluster.measure(() => owner.ok("systemctl", "stop", "vipd")));
    expect(report.lost).toBe(0);
    expect(await owner.held()).toBe(false);
    await owner.ok("systemctl", "start", "vipd");
    await settled();
  });

  test("a restart moves the VIP away and back", async () => {
    const owner = await cluster.owner();
    const report = note("restart", await cluster.measure(() => owner.ok("systemctl", "restart", "vipd"), 5000));
    expect(report.lost).toBe(0);
    await settled();
  });

  test("after kill -9 another machine takes over, the dead one is swept, and systemd starts it again", async () => {
    const owner = await cluster.owner();
    const pid = await owner.daemon();
    const report = note(
      "kill -9",
      await cluster.measure(async () => {
        await owner.ok("kill", "-9", pid);
        await until("it is swept", async () => !(await owner.held()), 5000);
      }, 3000),
    );
    expect(report.maxGap.lengthMs).toBeLessThan(1500);
    await until("it is back", async () => (await owner.property("ActiveState")) === "active");
    await settled();
  });

  test("a daemon that hangs loses its VIP, and the watchdog ends and restarts it", async () => {
    const owner = await cluster.owner();
    const pid = await owner.daemon();
    const report = note(
      "hang, watchdog",
      await cluster.measure(async () => {
        await owner.ok("kill", "-STOP", pid);
        await until(
          "the watchdog bites",
          async () => {
            const now = await owner.daemon();
            return now !== pid && now !== "0";
          },
          40_000,
        );
      }),
    );
    expect(report.maxGap.lengthMs).toBeLessThan(2500);
    expect(await owner.journal()).toMatch(/[Ww]atchdog/);
    await settled();
  });

  test("a machine that freezes is taken over from, and says nothing wrong when it wakes", async () => {
    const owner = await cluster.owner();
    const report = note(
      "freeze and thaw",
      await cluster.measure(async () => {
        owner.freeze("SIGSTOP");
        await sleep(3000);
        owner.freeze("SIGCONT");
      }, 3000),
    );
    expect(report.maxGap.lengthMs).toBeLessThan(2500);
    await settled();
  });

  test("a power cut is a takeover; the machine boots and takes part again", async () => {
    const owner = await cluster.owner();
    const report = note("power cut", await cluster.measure(() => owner.powerCut(), 3000));
    expect(report.maxGap.lengthMs).toBeLessThan(2500);
    await owner.powerOn();
    await settled();
  });

  test("a reboot hands over first, and the service comes up by itself", async () => {
    const owner = await cluster.owner();
    const report = note("reboot", await cluster.measure(() => owner.reboot(), 3000));
    expect(report.lost).toBe(0);
    await settled();
  });

  test("journald may stand still for a minute", { timeout: 180_000 }, async () => {
    const owner = await cluster.owner();
    const journald = (await owner.ok("systemctl", "show", "-p", "MainPID", "--value", "systemd-journald")).trim();
    const pid = await owner.daemon();
    const report = note(
      "journald stopped for 60 s",
      await cluster.measure(async () => {
        await owner.ok("kill", "-STOP", journald);
        const began = performance.now();
        // A stream to journald holds 208 KiB, of which the shortest line takes 768 bytes: five hundred fill it.
        owner.write(CONFIG, story.configuration(owner, { address: "10.88.0.999" }));
        await owner.post("/reload", { times: REFUSED, aSecond: 20 });
        await sleep(Math.max(0, began + 60_000 - performance.now()));
        await owner.ok("kill", "-CONT", journald);
      }),
    );
    owner.write(CONFIG, story.configuration(owner));
    expect(await owner.daemon()).toBe(pid);
    expect([report.lost, report.servers.map((server) => server.name)]).toEqual([0, [owner.name]]);
    await until("journald has all of it", async () => {
      const lines = await owner.ok(
        "sh",
        "-c",
        "journalctl -u vipd -o cat --since -10min | grep -c reload-refused || true",
      );
      return Number(lines) >= REFUSED;
    });
  });

  const install = async (machine: Machine, deb: string): Promise<void> => {
    const ran = await machine.dpkg(deb);
    expect([ran.code, ran.stderr.match(/error/gi)]).toEqual([0, null]);
    expect(JSON.parse(await machine.ok("vipd", "version", "--json")).version).toBe(versionOf(deb));
  };

  test("an upgrade of one machine after the other, in a plain loop, loses nothing", { timeout: 200_000 }, async () => {
    const report = note(
      "upgrade of all three",
      await cluster.measure(async () => {
        for (const machine of machines) {
          await install(machine, newer);
          expect(await machine.ok("vipd", "status")).toContain(": ready");
        }
      }, 5000),
    );
    expect(report.lost).toBe(0);
    await settled();
  });

  test("a downgrade of each, in a group of two versions, loses nothing", { timeout: 300_000 }, async () => {
    for (const machine of machines) {
      const report = note(`downgrade of ${machine.name}`, await cluster.measure(() => install(machine, older), 5000));
      expect(report.lost).toBe(0);
      await settled();
    }
  });

  test("a service that was stopped stays stopped over an upgrade", async () => {
    const [machine] = machines;
    await machine!.ok("systemctl", "stop", "vipd");
    await machine!.dpkg(newer);
    expect(await machine!.property("ActiveState")).toBe("inactive");
    await machine!.ok("systemctl", "start", "vipd");
    await settled();
  });

  test("apt purge leaves nothing", async () => {
    const [machine] = machines;
    await machine!.ok("dpkg", "--purge", "vipd");
    const find = [
      "find",
      "/etc",
      "/usr",
      "/var/lib",
      "/run",
      "-path",
      "/var/lib/dpkg",
      "-prune",
      "-o",
      "-iname",
      "*vipd*",
      "-print",
    ];
    expect(await machine!.ok(...find)).toBe("");
    expect((await machine!.exec("getent", "passwd", "vipd")).code).not.toBe(0);
    expect(await machine!.held()).toBe(false);
    expect(await machine!.ok("cat", "/proc/sys/net/ipv4/conf/all/arp_ignore")).toBe("0\n");
  });
});
