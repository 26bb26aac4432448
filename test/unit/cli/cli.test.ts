import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { statusText } from "../../../src/cli/status-text.js";
import { anyMember, changedHere } from "../../../src/cli/verify-known.js";
import { judge, judgeOne, Observation, pluginLine } from "../../../src/cli/verify-verdict.js";
import type { StatusSnapshot } from "../../../src/ports.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "vipd-cli-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function vipd(args: readonly string[], env: Record<string, string> = {}) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    const child = spawn(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...args], {
      cwd: root,
      env: { ...process.env, ...env },
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (part) => (stdout += part));
    child.stderr.on("data", (part) => (stderr += part));
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

function configFile(config: unknown): string {
  const file = join(dir, `${Math.random().toString(36).slice(2)}.json`);
  writeFileSync(file, typeof config === "string" ? config : JSON.stringify(config));
  return file;
}

const vip = {
  address: "fd77::2:f",
  group: "pool",
  conflict: null,
  interface: "eth0",
  owner: "host-b",
  heir: "host-c",
  state: "standby" as const,
  since: "",
  reason: "",
};
const member = {
  name: "host-b",
  address: "10.77.0.12:7979",
  state: "alive" as const,
  self: true,
  foreign: false,
  incarnation: 1,
  weight: 1,
  draining: false,
  barred: "",
  settled: true,
  rttMs: 1,
  macs: [],
  since: "",
};
const snapshot = {
  node: "host-a",
  version: "0.1.0",
  instance: "1",
  ready: true,
  readyReason: "",
  draining: false,
  frozen: false,
  moves: [],
  lease: { untilMs: 0, lapses: 0 },
  members: [member],
  vips: [vip],
  interfaces: [],
  strictArp: { mode: "manage" as const, changed: [], repairs: 0 },
  alarms: [],
  checks: [],
  gossip: { bind: "", encrypted: true, datagramsIn: 0, datagramsOut: 0, bytesIn: 0, bytesOut: 0, dropped: {} },
  responder: { replies: 0, announcements: 0, ignored: {} },
};

describe("exit codes and output", { timeout: 30_000 }, () => {
  it.each<[string, string[], number, string]>([
    ["no command", [], 64, "First steps"],
    ["unknown command, with a hint", ["chekc"], 64, "Did you mean check?"],
    ["unknown flag, with a hint", ["check", "--jsn"], 64, "Did you mean --json?"],
    ["verify of no address", ["verify", "host-a"], 64, '"host-a" is not an IPv4 or IPv6 address'],
    ["verify of what can be no VIP", ["verify", "127.0.0.1"], 64, '"127.0.0.1" is a loopback address'],
    ["verify with a bad count", ["verify", "10.0.0.1", "--count", "0"], 64, "from 1 to 1000"],
    ["run with a refused configuration", ["run", "-c", "/nowhere.json"], 2, "/nowhere.json: no such file"],
    ["check of an absent file", ["check", "-c", "/nowhere.json"], 2, "/nowhere.json: no such file"],
    ["check of an absent file, named plainly", ["check", "/nowhere.json"], 2, "/nowhere.json: no such file"],
    ["check of two files", ["check", "/a.json", "-c", "/b.json"], 64, "two files: /a.json and --config /b.json"],
    ["status without a daemon", ["status", "--status.socket", "/nowhere.sock"], 3, "the daemon is not running"],
  ])("%s", async (_name, args, code, text) => {
    const ended = await vipd(args);
    expect(ended.stderr).toContain(text);
    expect(ended).toMatchObject({ code, stdout: "" });
  });

  it("help is no mistake, keygen prints a key of 32 bytes only, version is the package's", async () => {
    const [help, keygen, version] = await Promise.all([
      vipd(["--help"]),
      vipd(["keygen"]),
      vipd(["version", "--json"]),
    ]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(Buffer.from(keygen.stdout.trim(), "base64")).toHaveLength(32);
    expect(JSON.parse(version.stdout)).toMatchObject({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      node: process.version,
    });
  });

  it("help fits 80 columns", async () => {
    for (const { stdout } of await Promise.all([
      vipd(["--help"]),
      vipd(["init", "--help"]),
      vipd(["verify", "--help"]),
    ])) {
      expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    }
  });

  it("check says 0 for a right file and 2 with every problem for a wrong one; flags count", async () => {
    const good = {
      gossip: { bind: "10.0.0.1:7979", insecure: true },
      vips: [{ name: "g", addresses: ["10.0.0.9"], interface: "eth-none" }],
    };
    const absent = await vipd(["check", "-c", configFile(good)]);
    expect(absent).toMatchObject({ code: 2, stdout: "" });
    expect(absent.stderr).toContain('vips[0].interface: there is no interface "eth-none"');
    const wrong = await vipd(["check", "--json", "-c", configFile({ ...good, x: 1 }), "--gossip.bind", "10.0.0.9:1"]);
    const body = JSON.parse(wrong.stdout) as { ok: boolean; problems: { path: string }[] };
    expect([wrong.code, body.ok, body.problems.map((one) => one.path)]).toEqual([
      2,
      false,
      ["x", "gossip.bind", "vips[0].interface"],
    ]);
  });

  it("status prints what the daemon on the socket says, and 1 when a VIP has no owner", async () => {
    const socket = join(dir, "vipd.sock");
    const body = JSON.stringify({
      ...snapshot,
      vips: [{ ...vip, owner: null, state: "unowned", reason: "no eligible host" }],
    });
    const server = http.createServer((_request, response) => response.end(body)).listen(socket);
    const [text, json] = await Promise.all([
      vipd(["status"], { VIPD_STATUS_SOCKET: socket }),
      vipd(["status", "--json", "--status.socket", socket]),
    ]);
    server.close();
    expect(text.code).toBe(1);
    expect(text.stdout).toContain("fd77::2:f: unowned, no eligible host");
    expect(json.stdout.trim()).toBe(body);
  });
});

describe("status text", () => {
  it("fits 80 columns with full IPv6 addresses and long names, and shows no control character", () => {
    const address = "2001:db8:1111:2222:3333:4444:5555:6666";
    const long = { ...vip, address, owner: "h\u001b[31m".padEnd(60, "x"), heir: "y".repeat(60) };
    const text = statusText({
      ...snapshot,
      vips: [long],
      members: [{ ...member, address: `[${address}]:7979`, name: "n".repeat(20) }],
    });
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(text).toContain(address);
    expect(text).not.toContain("\u001b");
  });
});

describe("the verdict of verify", () => {
  type Heard = readonly (readonly [mac: string, host?: string])[];
  const OWNER = { owners: ["host-b"], macs: ["b"] };
  const seen = (
    rounds: readonly Heard[],
    more: { own?: boolean; offLink?: string; expected?: typeof OWNER; notOfGroup?: boolean } = {},
  ) => {
    const one = new Observation("10.0.0.1", more.own, more.offLink);
    for (const heard of rounds) one.round(heard.map(([mac, host = null]) => ({ mac, host, afterMs: 0.5 })));
    one.expected = more.expected ?? null;
    one.notOfGroup = more.notOfGroup ?? false;
    return one;
  };
  it.each<[string, Observation, number, string]>([
    ["one voice is OK", seen([[["a"]], [["a"]]]), 0, "a answers after 0.50 ms"],
    ["nobody is CRITICAL", seen([[], []]), 2, "nobody answers (2 probes)"],
    ["nobody, off-link, is UNKNOWN", seen([[]], { offLink: "off-link: no subnet" }), 3, "off-link: no subnet"],
    ["off-link and answered is as good as any", seen([[["a"]]], { offLink: "off-link: no subnet" }), 0, "a answers"],
    ["two voices are CRITICAL", seen([[["a"], ["b"]]]), 2, "2 voices: a, b"],
    ["two voices, one of them lost in each round, are CRITICAL", seen([[["a"]], [["b"]], [["a"]]]), 2, "2 voices"],
    [
      "two interfaces of one host are one voice",
      seen([
        [
          ["a", "h"],
          ["b", "h"],
        ],
        [["b", "h"]],
      ]),
      0,
      "h (a, b) answers",
    ],
    [
      "what is no VIP of the group is UNKNOWN",
      seen([[["a"]], []], { notOfGroup: true }),
      3,
      "a answers, and it is no VIP",
    ],
    ["and CRITICAL where two answer", seen([[["a"], ["b"]]], { notOfGroup: true }), 2, "2 voices: a, b"],
    ["a lost probe is a WARNING", seen([[["a"]], [], [], [["a"]]]), 1, "a answered 2 of 4 probes, 50 % lost"],
    ["a move between probes is a WARNING", seen([[["a"]], [["b"]]]), 1, "moved while asked: a, then b"],
    ["the owner is OK", seen([[["b", "host-b"]]], { expected: OWNER }), 0, "host-b (b) answers"],
    [
      "a stranger is CRITICAL",
      seen([[["x"]]], { expected: OWNER }),
      2,
      "a stranger answers: x; the owner is host-b (b)",
    ],
    [
      "a stranger beside the owner is named",
      seen([[["x"], ["b", "host-b"]]], { expected: OWNER }),
      2,
      "a stranger (x)",
    ],
    ["a member that is not the owner is a WARNING", seen([[["c", "host-c"]]], { expected: OWNER }), 1, "a member; the"],
    ["own and nobody else is OK", seen([[]], { own: true }), 0, "nobody else answers"],
    ["own and somebody else is CRITICAL", seen([[["a"]]], { own: true }), 2, "a answers as well"],
  ])("%s", (_name, observation, code, text) => {
    expect(judgeOne(observation)).toMatchObject({ code, text: expect.stringContaining(text) });
    const verdict = judge([observation]);
    expect(verdict.code).toBe(code);
    expect(pluginLine([observation], verdict)).toMatch(
      /^VIPD (OK|WARNING|CRITICAL|UNKNOWN): [^|]+ \| vips=1;;;0 silent=\d;;;0 double=\d;;;0 loss=(U|[\d.]+%;;;0;100) rtt=\S+ rtt_max=\S+$/,
    );
  });

  it.each<[string, boolean, readonly Heard[], number, string]>([
    ["from this host to another", true, [[], [["b"]], [["b"]]], 1, "from this host; host-b (b) answered"],
    ["to this host, unseen", false, [[], []], 1, "moved while asked, to this host"],
    ["from this host, and a stranger answers", true, [[["x"]]], 2, "x answers as well"],
    ["from this host, and two others answer at once", true, [[["b"], ["c"]]], 2, "answers as well"],
  ])("a move %s", (_name, own, rounds, code, text) => {
    const one = seen(rounds, { own, expected: { owners: ["host-a", "host-b"], macs: ["a", "b"] } });
    one.ownChanged = true;
    // Whoever joined while it was asked had no name then.
    one.attribute(new Map([["b", "host-b"]]));
    expect(judgeOne(one)).toMatchObject({ code, text: expect.stringContaining(text) });
  });

  it("a VIP that left and came back while it was asked for is no second voice; a stranger's stays one", () => {
    const at = (since: string): StatusSnapshot => {
      const members = [{ name: "host-b", macs: [{ interface: "eth0", mac: "02:00:00:00:00:0b" }] }];
      const vips = [{ address: "10.77.0.100", owner: "host-a", state: "owned", since }];
      return { members, vips } as unknown as StatusSnapshot;
    };
    expect(changedHere("10.77.0.100", [at("1"), at("1")])).toBe(false);
    expect(changedHere("10.77.0.100", [at("1"), at("2")])).toBe(true);
    expect(changedHere("10.77.0.101", [at("1"), at("2")])).toBe(false);
    const judged = ["host-b", null].map((host) => {
      const seen = new Observation("10.77.0.100", true);
      seen.round([{ mac: "02:00:00:00:00:0b", host, afterMs: 1 }]);
      seen.expected = anyMember(at("2"));
      seen.ownChanged = true;
      return judgeOne(seen);
    });
    expect(judged[0]).toMatchObject({ code: 1, text: expect.stringContaining("moved while asked") });
    expect(judged[1]?.code).toBe(2);
  });

  it("what is known to be wrong outweighs what could not be asked, and that what was lost", () => {
    const lost = seen([[["a"]], []]);
    const off = seen([[]], { offLink: "off-link" });
    expect(judge([lost, off]).code).toBe(3);
    expect(judge([lost, off, seen([[]])]).code).toBe(2);
  });

  it("watching tells each change once, and a move back and forth is no second voice", () => {
    const one = new Observation("10.0.0.1");
    const [a, b] = [[{ mac: "a", host: null, afterMs: 1 }], [{ mac: "b", host: null, afterMs: 1 }]];
    const told = [a, a, [], a, b, b, a].map((answers) => one.round(answers));
    expect(told).toEqual(["a answers", null, "nobody answers", "a answers", "b answers", null, "a answers"]);
    expect([judgeOne(one).code, judgeOne(one, true).code]).toEqual([2, 1]);
  });
});
