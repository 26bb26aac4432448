import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Memory } from "../../../src/daemon/memory.js";
import { give, NO_ORDERS } from "../../../src/domain/orders.js";
import type { Log } from "../../../src/ports.js";

let root: string;
const lines: string[] = [];
const log = { write: (_level: string, event: string) => lines.push(event) } as unknown as Log;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "vipd-memory-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function memory(node = "host-a", run = "run"): Memory {
  const runDir = { file: (name: string) => join(root, run, name) };
  return new Memory({ node, runDir, log, env: { STATE_DIRECTORY: join(root, "state") } });
}

describe("what a restart must not forget", () => {
  it("nothing was said: nothing is recalled", () => {
    expect(memory().recall()).toEqual({ draining: false, orders: NO_ORDERS });
  });

  it("a drain survives a restart of the daemon, and not an empty run-time directory", async () => {
    await memory().drain(false);
    expect(memory().recall().draining).toBe(true);
    expect(memory("host-a", "run-after-boot").recall().draining).toBe(false);
  });

  it("a persistent drain survives both, until it is resumed", async () => {
    await memory().drain(true);
    const after = memory("host-a", "run-after-boot");
    expect(after.recall().draining).toBe(true);
    await after.resume();
    expect(memory("host-a", "run-after-boot").recall().draining).toBe(false);
  });

  it("of a boot before this one only the persistent drain counts", async () => {
    await memory().drain(false);
    writeFileSync(join(root, "run/draining.json"), JSON.stringify({ node: "host-a", boot: "another" }));
    expect(memory().recall().draining).toBe(false);
  });

  it("another node's files are not ours", async () => {
    await memory("host-b").drain(true);
    expect(memory("host-a").recall().draining).toBe(false);
  });

  it("orders come back, damaged ones count as none", async () => {
    const orders = give(NO_ORDERS, { kind: "move", key: "10.0.0.1", host: "host-b" });
    await memory().drain(false);
    memory().keep(orders);
    await expect.poll(() => memory().recall().orders, { timeout: 20_000 }).toEqual(orders);
    for (const bad of ["", "{", '{"node":"host-a"}', '{"node":"host-a","boot":"","orders":{"moves":[7]}}']) {
      writeFileSync(join(root, "run/orders.json"), bad);
      expect(memory().recall().orders).toEqual(NO_ORDERS);
    }
    expect(readdirSync(join(root, "run")).sort()).toEqual(["draining.json", "orders.json"]);
  });

  it("a drain that cannot be kept is refused with the file's name", async () => {
    writeFileSync(join(root, "state"), "not a directory");
    await expect(memory().drain(true)).rejects.toThrow(join(root, "state"));
  });
});
