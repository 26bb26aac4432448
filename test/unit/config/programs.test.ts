import { describe, expect, it } from "vitest";
import { groupDigest } from "../../../src/config/digest.js";
import { type FileFacts, whyNotSafe } from "../../../src/config/hooks.js";
import { formatProblem, loadConfig } from "../../../src/config/load.js";

const group = { name: "web", addresses: ["10.0.0.100"], interface: "eth0" };

function load(change: object, vip: object = {}, files: Record<string, Partial<FileFacts>> = {}) {
  const text = JSON.stringify({
    gossip: { bind: "10.0.0.1:7979", insecure: true },
    vips: [{ ...group, ...vip }],
    ...change,
  });
  return loadConfig({
    file: "/c.json",
    env: {},
    hostname: "host-a",
    daemonGids: [0],
    readFile: () => Buffer.from(text),
    stat: () => ({ mode: 0o600, gid: 0, size: text.length, isDirectory: false }),
    hookFiles: {
      realpath: (file) => file,
      stat: (file) => {
        if (file.startsWith("/none")) throw Object.assign(new Error("no"), { code: "ENOENT" });
        return { uid: 0, mode: 0o755, isFile: file.endsWith("run"), ...files[file] };
      },
    },
  });
}

function problems(...args: Parameters<typeof load>): string {
  const loaded = load(...args);
  return loaded.ok ? "(accepted)" : loaded.problems.map(formatProblem).join("\n");
}

describe("checks are refused with the path", () => {
  it.each<[string, unknown, string]>([
    ["no type", {}, "vips[0].check.type: is missing"],
    ["an unknown type", { type: "icmp" }, 'vips[0].check.type: "icmp" is not one of'],
    ["an unknown key", { type: "tcp", adress: "x" }, 'vips[0].check.adress: unknown key; did you mean "address"?'],
    ["tcp without address", { type: "tcp" }, "vips[0].check.address: is missing"],
    ["tcp without port", { type: "tcp", address: "127.0.0.1" }, "has no port"],
    ["http with a file", { type: "http", url: "file:///x" }, "vips[0].check.url: "],
    ["http with a password", { type: "http", url: "http://a:b@c/" }, "must hold no user name"],
    [
      "http status text",
      { type: "http", url: "http://c/", status: "ok" },
      "vips[0].check.status: must be 200 or [200,204]",
    ],
    [
      "another kind's key",
      { type: "tcp", address: "c:1", url: "x" },
      'vips[0].check.url: means nothing for a check of type "tcp"; "http" has it',
    ],
    ["arp with a name", { type: "arp", address: "gateway" }, "vips[0].check.address: "],
    ["exec with a text", { type: "exec", command: "/bin/true" }, "vips[0].check.command: must be a list"],
    ["exec with nothing", { type: "exec", command: [] }, "vips[0].check.command: must not be empty"],
    [
      "the second of a list",
      [{ type: "exec", command: ["x"] }, { type: "tcp" }],
      "vips[0].check[1].address: is missing",
    ],
    ["a text", "tcp", "vips[0].check: must be"],
    [
      "an interval of nothing",
      { type: "tcp", address: "c:1", intervalMs: 0 },
      "vips[0].check.intervalMs: 0 is not possible",
    ],
  ])("%s", (_, check, expected) => expect(problems({}, { check })).toContain(expected));

  it("all kinds are taken, with their defaults", () => {
    const check = [
      { type: "tcp", address: "[::1]:80" },
      { type: "http", url: "https://127.0.0.1/ok", status: 204, body: "fine", verifyTls: false, host: "example.org" },
      { type: "arp", address: "10.0.0.1", intervalMs: 500, rise: 1 },
      { type: "exec", command: ["/bin/true", "a b"] },
    ];
    const loaded = load({}, { check, whenNoneHealthy: "withdraw" });
    if (!loaded.ok) throw new Error(problems({}, { check }));
    const terms = { intervalMs: 2000, timeoutMs: 1000, rise: 2, fall: 3, jitter: 0.1 };
    expect(loaded.config.vips[0]!.checks).toEqual([
      { ...terms, type: "tcp", host: "::1", port: 80 },
      {
        ...terms,
        type: "http",
        url: "https://127.0.0.1/ok",
        status: [204],
        body: "fine",
        verifyTls: false,
        host: "example.org",
      },
      { ...terms, type: "arp", address: "10.0.0.1", intervalMs: 500, rise: 1 },
      { ...terms, type: "exec", command: ["/bin/true", "a b"] },
    ]);
  });
});

describe("hooks", () => {
  it("take one argument list, or several", () => {
    const loaded = load({ hooks: { owned: ["/a/run", "x"], member: [["/a/run"], ["/b/run", "y"]], timeoutMs: 500 } });
    if (!loaded.ok) throw new Error("refused");
    expect(loaded.config.hooks).toEqual({
      owned: [["/a/run", "x"]],
      released: [],
      conflict: [],
      member: [["/a/run"], ["/b/run", "y"]],
      timeoutMs: 500,
    });
  });

  it.each<[string, object, string]>([
    ["a relative program", { owned: ["run"] }, 'hooks.owned[0]: "run" must be an absolute path'],
    ["a mixture", { owned: ["/a/run", ["/b/run"]] }, "hooks.owned: must be one argument list, or a list"],
    ["an unknown event", { release: ["/a/run"] }, 'hooks.release: unknown key; did you mean "released"?'],
    ["a file that is not there", { owned: ["/none/run"] }, "hooks.owned: /none/run: no such file"],
  ])("%s is refused with the path", (_, hooks, expected) => expect(problems({ hooks })).toContain(expected));

  it.each<[string, Record<string, Partial<FileFacts>>, string | null]>([
    ["root's alone", {}, null],
    ["another user's", { "/a/run": { uid: 1000 } }, "belongs to user 1000"],
    ["writable by the group", { "/a/run": { mode: 0o775 } }, "may be written by others than root (mode 0775)"],
    ["writable by all", { "/a/run": { mode: 0o757 } }, "may be written by others than root"],
    ["not executable", { "/a/run": { mode: 0o644 } }, "is not executable"],
    ["a directory", { "/a/run": { isFile: false } }, "is not a file"],
    ["in another user's directory", { "/a": { uid: 1000 } }, "others than root may change the directory /a"],
    ["in a directory that all may write", { "/a": { mode: 0o777 } }, "others than root may change the directory /a"],
    ["in a sticky directory", { "/a": { mode: 0o1777 } }, null],
  ])("a program that is %s", (_, files, expected) => {
    const outside = {
      realpath: (file: string) => file,
      stat: (file: string) => ({ uid: 0, mode: 0o755, isFile: file === "/a/run", ...files[file] }),
    };
    const reason = whyNotSafe("/a/run", outside);
    if (expected === null) expect(reason).toBeNull();
    else expect(reason).toContain(expected);
  });
});

describe("placement and spread", () => {
  it("are taken, a text as a list of one", () => {
    const loaded = load({}, { spread: "even", hosts: { require: { rack: ["r1", "r2"] }, prefer: { disk: "fast" } } });
    if (!loaded.ok) throw new Error("refused");
    expect(loaded.config.vips[0]).toMatchObject({
      spread: "even",
      hosts: { require: { rack: ["r1", "r2"] }, prefer: { disk: ["fast"] } },
    });
    expect(problems({}, { hosts: { require: { rack: [] } } })).toContain(
      "vips[0].hosts.require.rack: must not be empty",
    );
    expect(problems({}, { hosts: { need: {} } })).toContain("vips[0].hosts.need: unknown key");
  });

  it("decide elections, so they are in the digest; what is at its default is not", () => {
    const plain = { addresses: ["10.0.0.1"], together: false, failback: { afterMs: 1 } };
    const full = { ...plain, spread: "hash", whenNoneHealthy: "keep", hosts: { require: {}, prefer: {} } } as const;
    expect(groupDigest(full)).toBe(groupDigest(plain));
    const others = [
      { ...full, spread: "even" as const },
      { ...full, whenNoneHealthy: "withdraw" as const },
      { ...full, hosts: { require: { a: ["x"] }, prefer: {} } },
      { ...full, hosts: { require: {}, prefer: { a: ["x"] } } },
      { ...full, hosts: { require: {}, prefer: { a: ["x", "y"] } } },
    ].map((one) => groupDigest(one));
    expect(new Set([groupDigest(plain), ...others]).size).toBe(6);
  });
});
