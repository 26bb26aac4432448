import { describe, expect, test, vi } from "vitest";
import { isUnfilled, waitUntil } from "../../../src/cli/wait.js";
import { missingAddress } from "../../../src/cli/wait-address.js";
import type { Config } from "../../../src/config/types.js";
import type { ServiceManager } from "../../../src/ports.js";

function failing(code: string): () => string {
  return () => {
    throw Object.assign(new Error(code), { code });
  };
}

describe("a configuration that nobody has filled in yet", () => {
  test.each<[string, () => string, boolean]>([
    ["is what the package ships", () => '{ "gossip": { "join": [] }, "vips": [] }', true],
    ["may have no key for VIPs at all", () => "{}", true],
    ["may not exist", failing("ENOENT"), true],
    ["is not one that names a VIP, however wrong", () => '{ "vips": [{}] }', false],
    ["is not one that is no JSON", () => "{", false],
    ["is not one that holds something else", () => "[]", false],
    ["is not one whose VIPs are no list", () => '{ "vips": "10.0.0.1" }', false],
    ["is not one that cannot be read", failing("EACCES"), false],
  ])("%s", (_, readFile, expected) => {
    expect(isUnfilled("/etc/vipd/config.json", readFile)).toBe(expected);
  });
});

describe("an address for the gossip", () => {
  const config = (host: string | null) =>
    ({ node: { weight: 1, labels: {} }, gossip: { bind: { host, port: 7979 } }, vips: [] }) as unknown as Config;

  test.each<[string, string | null, string | null]>([
    ["is not missing where the host has it", "127.0.0.1", null],
    ["is not missing where it is any", "0.0.0.0", null],
    [
      "is missing, and named, where the host has it not",
      "192.0.2.1",
      "gossip.bind: 192.0.2.1 is no address of this host yet",
    ],
    ["is missing where no interface has one", null, "gossip.bind: no address to bind to"],
  ])("%s", async (_, host, expected) => {
    const missing = await missingAddress(config(host));
    if (expected === null) expect(missing).toBeNull();
    else expect(missing).toContain(`waiting for the network: ${expected}`);
  });

  test("is waited for, said once, and gone on with when it comes", async () => {
    vi.useFakeTimers();
    try {
      const ready: (string | undefined)[] = [];
      const said: string[] = [];
      const service = { watchdogMs: null, ready: (text?: string) => ready.push(text) } as unknown as ServiceManager;
      let answers = 3;
      const missing = async () => (answers-- > 0 ? "no address yet" : null);
      const waited = waitUntil({ missing, service, say: (text) => said.push(text) });
      await vi.advanceTimersByTimeAsync(3500);
      expect(await waited).toBe(true);
      expect([said, ready]).toEqual([["no address yet"], ["no address yet"]]);
    } finally {
      vi.useRealTimers();
    }
  });
});
