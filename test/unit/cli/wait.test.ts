import { describe, expect, test } from "vitest";
import { isUnfilled } from "../../../src/cli/wait.js";

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
