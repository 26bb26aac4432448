import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createResolver, type ResolverOptions } from "../../../src/adapters/resolver.js";
import type { Clock } from "../../../src/ports.js";

const BOUND_MS = 50;

function setUp(answers: (name: string) => Promise<readonly string[]>, options: Partial<ResolverOptions> = {}) {
  let now = 0;
  const asked: string[] = [];
  const clock: Clock = { now: () => now, wall: String };
  const lookup = (name: string) => {
    asked.push(name);
    return answers(name);
  };
  const resolver = createResolver({ clock, lookup, timeoutMs: BOUND_MS, ...options });
  const hosts = async (host: string) => (await resolver.resolve({ host, port: 7979 })).map((e) => e.host);
  return {
    resolver,
    asked,
    hosts,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

const never = () => new Promise<never>(() => {});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a literal", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1"],
    ["fd00::1", "fd00::1"],
    ["FD00:0:0::0001", "fd00::1"],
  ])("%s is %s without a question", async (host, expected) => {
    const { asked, hosts } = setUp(never);
    expect(await hosts(host)).toEqual([expected]);
    expect(asked).toEqual([]);
  });
});

describe("a name", () => {
  test("has all its addresses, each once, with the port", async () => {
    const { resolver } = setUp(async () => ["10.0.0.1", "10.0.0.1", "FD00::1", "fe80::1%eth0"]);
    expect(await resolver.resolve({ host: "peer", port: 1 })).toEqual(
      ["10.0.0.1", "fd00::1", "fe80::1"].map((host) => ({ host, port: 1 })),
    );
  });

  test("is asked for again when its answer is no longer fresh", async () => {
    const { asked, hosts, pass } = setUp(async () => ["10.0.0.1"]);
    await hosts("peer");
    pass(29_999);
    await hosts("peer");
    expect(asked).toHaveLength(1);
    pass(1);
    await hosts("peer");
    expect(asked).toHaveLength(2);
  });

  test("keeps its latest good answer while the name server is gone", async () => {
    let works = true;
    const { hosts, pass } = setUp(async () => {
      if (!works) throw Object.assign(new Error("x"), { code: "EAI_AGAIN" });
      return ["10.0.0.1"];
    });
    await hosts("peer");
    works = false;
    pass(60_000);
    expect(await hosts("peer")).toEqual(["10.0.0.1"]);
  });

  test("that is unknown is an error with its code, and not asked for at each call", async () => {
    const { asked, hosts, pass } = setUp(() => Promise.reject(Object.assign(new Error("x"), { code: "ENOTFOUND" })));
    await expect(hosts("peer")).rejects.toThrow("peer: ENOTFOUND");
    await expect(hosts("peer")).rejects.toThrow("peer: ENOTFOUND");
    expect(asked).toHaveLength(1);
    pass(5000);
    await expect(hosts("peer")).rejects.toThrow("peer: ENOTFOUND");
    expect(asked).toHaveLength(2);
  });

  test("without any address is an error", async () => {
    await expect(setUp(async () => []).hosts("peer")).rejects.toThrow("peer: no address");
  });
});

describe("a name server that does not answer", () => {
  test("holds a caller up no longer than the bound, and is asked once for all callers", async () => {
    const { asked, hosts } = setUp(never);
    const all = Promise.allSettled([hosts("peer"), hosts("peer"), hosts("peer")]);
    await vi.advanceTimersByTimeAsync(BOUND_MS);
    expect((await all).map((r) => r.status)).toEqual(["rejected", "rejected", "rejected"]);
    const late = expect(hosts("peer")).rejects.toThrow("peer: no answer within 50 ms");
    await vi.advanceTimersByTimeAsync(BOUND_MS);
    await late;
    expect(asked).toEqual(["peer"]);
  });

  test("never takes more than two of libuv's threads", async () => {
    const answer: (() => void)[] = [];
    const { asked, hosts } = setUp((name) => new Promise((resolve) => answer.push(() => resolve([`10.0.0.${name}`]))));
    const all = Promise.allSettled(["1", "2", "3"].map(hosts));
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toEqual(["1", "2"]);
    answer[0]!();
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toEqual(["1", "2", "3"]);
    answer[1]!();
    answer[2]!();
    expect((await all).map((r) => r.status)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
  });

  test("may answer late, and the next caller has it", async () => {
    const { hosts } = setUp(() => new Promise((resolve) => setTimeout(() => resolve(["10.0.0.1"]), BOUND_MS + 30)));
    const early = expect(hosts("peer")).rejects.toThrow("no answer");
    await vi.advanceTimersByTimeAsync(BOUND_MS);
    await early;
    const late = hosts("peer");
    await vi.advanceTimersByTimeAsync(30);
    expect(await late).toEqual(["10.0.0.1"]);
  });
});

test("the system's own lookup knows localhost", async () => {
  vi.useRealTimers();
  const resolver = createResolver({ clock: { now: () => 0, wall: String } });
  const hosts = (await resolver.resolve({ host: "localhost", port: 1 })).map((e) => e.host);
  expect(hosts.some((host) => host === "127.0.0.1" || host === "::1")).toBe(true);
});
