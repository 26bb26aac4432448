import { describe, expect, test, vi } from "vitest";

// The addon is not built where the unit tests run; its own datagram is held in test/addon.
vi.mock("../../../src/adapters/native.js", () => ({ sdNotify: () => "" }));
const { createServiceManager } = await import("../../../src/adapters/service-manager.js");

function manager(env: NodeJS.ProcessEnv) {
  const sent: string[] = [];
  const notify = (message: string) => {
    sent.push(message);
    return "";
  };
  return { sent, systemd: createServiceManager({ env, notify }) };
}

const SOCKET = { NOTIFY_SOCKET: "/run/systemd/notify" };

describe("under systemd", () => {
  test("each word is a sd_notify message", () => {
    const { sent, systemd } = manager(SOCKET);
    systemd.ready("3 members, 20 VIPs");
    systemd.status("waiting");
    systemd.watchdog();
    systemd.stopping("leaving");
    expect(sent).toEqual([
      "READY=1\nSTATUS=3 members, 20 VIPs",
      "STATUS=waiting",
      "WATCHDOG=1",
      "STOPPING=1\nSTATUS=leaving",
    ]);
  });

  test("a reload carries the monotonic instant in microseconds", () => {
    const { sent, systemd } = manager(SOCKET);
    const before = process.hrtime.bigint() / 1000n;
    systemd.reloading();
    const [, usec] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(sent[0]!)!;
    expect(Number(BigInt(usec!) - before)).toBeGreaterThanOrEqual(0);
    expect(Number(BigInt(usec!) - before)).toBeLessThan(1_000_000);
  });

  test("a newline in a status does not become an assignment", () => {
    const { sent, systemd } = manager(SOCKET);
    systemd.status("a\nREADY=1");
    expect(sent).toEqual(["STATUS=a READY=1"]);
  });

  test("a failing socket is told once, and again after it has worked", () => {
    const troubles: string[] = [];
    let fails = true;
    const systemd = createServiceManager({
      env: SOCKET,
      notify: () => (fails ? "ECONNREFUSED" : ""),
      onTrouble: (message) => troubles.push(message),
    });
    systemd.watchdog();
    systemd.watchdog();
    fails = false;
    systemd.watchdog();
    fails = true;
    systemd.watchdog();
    expect(troubles).toEqual(["sd_notify: ECONNREFUSED", "sd_notify: ECONNREFUSED"]);
  });
});

test("without systemd nothing is said", () => {
  const { sent, systemd } = manager({});
  systemd.ready("x");
  systemd.watchdog();
  expect(sent).toEqual([]);
  expect(systemd.watchdogMs).toBeNull();
});

describe("the watchdog's period", () => {
  test.each<[string, NodeJS.ProcessEnv, number | null]>([
    ["is half of WATCHDOG_USEC", { WATCHDOG_USEC: "2000000" }, 1000],
    ["is null without it", {}, null],
    ["is null for zero", { WATCHDOG_USEC: "0" }, null],
    ["is null for junk", { WATCHDOG_USEC: "2s" }, null],
    ["is ours if WATCHDOG_PID is us", { WATCHDOG_USEC: "2000000", WATCHDOG_PID: String(process.pid) }, 1000],
    ["is null if WATCHDOG_PID is another", { WATCHDOG_USEC: "2000000", WATCHDOG_PID: "1" }, null],
  ])("%s", (_, env, expected) => {
    expect(manager({ ...SOCKET, ...env }).systemd.watchdogMs).toBe(expected);
  });
});
