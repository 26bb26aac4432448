import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createRunDir } from "../../../src/adapters/run-dir.js";

let root: string;
let socket: string;
const children: ChildProcess[] = [];
const servers: Server[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "vipd-run-"));
  socket = join(root, "run", "vipd.sock");
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const server of servers.splice(0)) server.close();
  rmSync(root, { recursive: true, force: true });
});

/** A process that holds the lock and listens on the socket, as a daemon does. */
async function daemon(): Promise<{ child: ChildProcess; said: string }> {
  const module = fileURLToPath(new URL("../../../src/adapters/run-dir.ts", import.meta.url));
  const script = `
    import { createServer } from "node:net";
    import { createRunDir } from ${JSON.stringify(module)};
    const dir = createRunDir({ socket: ${JSON.stringify(socket)} });
    try { await dir.acquire(); createServer().listen(${JSON.stringify(socket)}, () => console.log("listening")); }
    catch (e) { console.log(e.message); }`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const said = await new Promise<string>((resolve) => child.stdout!.once("data", (d) => resolve(String(d).trim())));
  return { child, said };
}

const exit = (child: ChildProcess) => new Promise((resolve) => child.once("exit", resolve));

describe("the lock", () => {
  test("makes the directory, is given back, and can be taken again", async () => {
    const dir = createRunDir({ socket });
    await dir.acquire();
    expect(JSON.parse(readFileSync(`${socket}.lock`, "utf8")).pid).toBe(process.pid);
    await dir.release();
    expect(readdirSync(join(root, "run"))).toEqual([]);
    await dir.acquire();
    await dir.release();
  });

  test("refuses a second daemon with its pid", { timeout: 20_000 }, async () => {
    const first = await daemon();
    expect(first.said).toBe("listening");
    expect((await daemon()).said).toBe(`another vipd (pid ${first.child.pid}) runs with this socket: ${socket}`);
  });

  test("refuses a second daemon while the first is frozen", { timeout: 20_000 }, async () => {
    const first = await daemon();
    first.child.kill("SIGSTOP");
    await expect(createRunDir({ socket }).acquire()).rejects.toThrow(`pid ${first.child.pid}`);
    first.child.kill("SIGCONT");
  });

  test("of a killed daemon does not block the next, nor does its socket", { timeout: 20_000 }, async () => {
    const first = await daemon();
    first.child.kill("SIGKILL");
    await exit(first.child);
    expect(existsSync(socket)).toBe(true);
    const dir = createRunDir({ socket });
    await dir.acquire();
    expect(existsSync(socket)).toBe(false);
    await dir.release();
  });

  test("goes to exactly one of eight daemons that find a dead one", { timeout: 60_000 }, async () => {
    const dead = await daemon();
    dead.child.kill("SIGKILL");
    await exit(dead.child);
    const said = await Promise.all(Array.from({ length: 8 }, () => daemon().then((d) => d.said)));
    expect(said.filter((s) => s === "listening")).toHaveLength(1);
    expect(readdirSync(join(root, "run")).sort()).toEqual(["vipd.sock", "vipd.sock.lock"]);
  });

  test.each<[string, string]>([
    ["of a pid that was used again", JSON.stringify({ pid: process.pid, startTime: "1", boot: "x" })],
    ["that is empty", ""],
    ["that is junk", "42"],
    ["with a path for a pid", JSON.stringify({ pid: "../../etc" })],
  ])("%s is dead", async (_, content) => {
    const dir = createRunDir({ socket });
    await dir.acquire();
    writeFileSync(`${socket}.lock`, content);
    const next = createRunDir({ socket });
    await next.acquire();
    await next.release();
  });
});

describe("the socket", () => {
  test("that someone listens on is refused though there is no lock", async () => {
    const bare = join(root, "vipd.sock");
    const server = createServer();
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(bare, resolve));
    await expect(createRunDir({ socket: bare }).acquire()).rejects.toThrow(
      `another vipd runs with this socket: ${bare}`,
    );
    expect(readdirSync(root)).toEqual(["vipd.sock"]);
  });

  test("that is a plain file is not removed", async () => {
    const file = join(root, "vipd.sock");
    writeFileSync(file, "precious");
    await expect(createRunDir({ socket: file }).acquire()).rejects.toThrow("exists and is not a socket");
    expect(readFileSync(file, "utf8")).toBe("precious");
  });

  test("with a path beyond sockaddr_un is refused with the bound", async () => {
    await expect(createRunDir({ socket: `/tmp/${"x".repeat(110)}` }).acquire()).rejects.toThrow("107 bytes");
  });

  test("in a place where nothing can be made is refused with the errno", async () => {
    await expect(createRunDir({ socket: "/proc/nowhere/vipd.sock" }).acquire()).rejects.toThrow(
      /status\.socket .*: cannot use \/proc\/nowhere \(ENOENT\)/,
    );
  });
});
