import { describe, expect, test } from "vitest";
import { loadConfig } from "../../../src/config/load.js";
import type { Problem } from "../../../src/config/types.js";

/** One problem a line, so that places are easy to count. */
const TEXT = `{
  "node": { "name": "host a", "wieght": 2 },
  "gossip": {
    "bind": "10.0.0.1:7979",
    "insecure": true,
    "profile": "lann", "profile": "lan",
    "join": ["10.0.0.2:7979",
             "10.0.0.3:99999"]
  },
  "vips": [
    { "name": "web", "addresses": ["10.0.0.100", "10.0.0.300"], "interface": "eth0" },
    { "name": "web", "addresses": ["10.0.0.101"] }
  ],
  "node labels": {}
}
`;

function judge(text: string, more: Partial<Parameters<typeof loadConfig>[0]> = {}) {
  const readFile = () => new TextEncoder().encode(text);
  const stat = () => ({ mode: 0o600, gid: 0, size: text.length, isDirectory: false });
  return loadConfig({ file: "/c.json", env: {}, hostname: "host-a", readFile, stat, ...more });
}

function problemAt(problems: readonly Problem[], path: string): Problem | undefined {
  return problems.find((one) => one.path === path);
}

describe("every problem has its place in the file", () => {
  const loaded = judge(TEXT);
  const problems = loaded.ok ? [] : loaded.problems;

  test.each<[string, string, number, number, string | undefined]>([
    ["a wrong text: where it begins", "node.name", 2, 21, '"host a"'],
    ["an unknown key: the key", "node.wieght", 2, 31, "2"],
    ["a key that is there twice: the second one", "gossip.profile", 6, 24, undefined],
    ["an entry of a list", "gossip.join[1]", 8, 14, '"10.0.0.3:99999"'],
    ["an entry of a list in a list", "vips[0].addresses[1]", 11, 50, '"10.0.0.300"'],
    ["a missing key: the object that should have it", "vips[1].interface", 12, 5, undefined],
    ["a name that is taken", "vips[1].name", 12, 15, '"web"'],
    ["a key with a blank", '["node labels"]', 14, 3, "{}"],
  ])("%s", (_, path, line, column, value) => {
    const { message, ...place } = problemAt(problems, path) ?? { message: "" };
    expect(message).not.toBe("");
    expect(place).toEqual({ path, line, column, ...(value === undefined ? {} : { value }) });
  });

  test("what is no JSON has the place of the mistake", () => {
    const broken = judge('{\n  "node": {},\n  "vips": [],\n}');
    expect(broken.ok ? [] : broken.problems).toMatchObject([{ path: "", line: 4, column: 1 }]);
  });

  test("what a variable or a flag says has no place in the file", () => {
    const named = judge(TEXT, { env: { VIPD_GOSSIP_BIND: "x:y" }, overrides: { "node.name": "b c" } });
    const found = named.ok ? [] : named.problems;
    expect(problemAt(found, "gossip.bind")).not.toHaveProperty("line");
    expect(problemAt(found, "node.name")).not.toHaveProperty("line");
    expect(problemAt(found, "node.wieght")).toHaveProperty("line", 2);
  });

  test("a value that is long is shortened", () => {
    const long = judge(TEXT.replace('"10.0.0.300"', `"${"9".repeat(300)}"`));
    expect(problemAt(long.ok ? [] : long.problems, "vips[0].addresses[1]")?.value).toHaveLength(80);
  });
});

describe("what is legal and odd", () => {
  const alone = `{ "gossip": { "bind": "10.0.0.1:7979", "insecure": true },
    "vips": [{ "name": "web", "addresses": ["10.0.0.100"], "interface": "eth0" }] }`;
  const warned = (text: string, oddities: boolean) => judge(text, { oddities }).warnings.map((one) => one.path);

  test.each<[string, string, readonly string[]]>([
    ["a host alone, and VIPs without a check", alone, ["gossip.join", "vips[0]"]],
    ["others to join", alone.replace('"insecure"', '"join": ["10.0.0.2"], "insecure"'), ["vips[0]"]],
    [
      "a check",
      alone.replace('"interface"', '"check": { "type": "tcp", "address": "127.0.0.1:80" }, "interface"'),
      ["gossip.join"],
    ],
    [
      "a label that this host lacks",
      alone.replace('"interface"', '"hosts": { "require": { "rack": "r1" } }, "interface"'),
      ["gossip.join", "vips[0].hosts", "vips[0]"],
    ],
    ...[
      '{ "type": "tcp", "address": "10.0.0.100:80" }',
      '[{ "type": "tcp", "address": "127.0.0.1:80" }, { "type": "http", "url": "http://10.0.0.100/" }]',
      '{ "type": "arp", "address": "10.0.0.100" }',
      '{ "type": "exec", "command": ["check-web"] }',
      '{ "type": "exec", "command": ["/nonexistent/check-web"] }',
      '{ "type": "exec", "command": ["/etc/passwd"] }',
    ].map((check): [string, string, string[]] => [
      `a check that cannot pass: ${check}`,
      alone.replace('"interface"', `"check": ${check}, "interface"`),
      ["gossip.join", "vips[0].check"],
    ]),
  ])("%s", (_, text, expected) => {
    const plain = warned(text, false);
    expect(warned(text, true).filter((path) => !plain.includes(path))).toEqual(expected);
  });
});
