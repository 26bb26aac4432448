import { describe, expect, test } from "vitest";
import { createLoopLag, createMetrics, renderMetrics, snapshotSamples } from "../../../src/adapters/metrics.js";
import type { MemberStatus, StatusSnapshot, VipState, VipStatus } from "../../../src/ports.js";
import { hasPromtool, promtool } from "../promtool.js";

function vip(address: string, group: string, state: VipState): VipStatus {
  const owner = state === "unowned" ? null : "host-a";
  return { address, group, interface: "eth0", owner, heir: null, state, since: "", reason: "", conflict: null };
}

function member(name: string, state: MemberStatus["state"], foreign = false): MemberStatus {
  const rest = {
    address: "10.0.0.1:7979",
    incarnation: 1,
    weight: 1,
    draining: false,
    barred: "",
    settled: true,
    rttMs: null,
    macs: [],
    since: "",
  };
  return { name, state, self: false, foreign, ...rest };
}

const SNAPSHOT: StatusSnapshot = {
  node: "host-a",
  version: "0.1.0",
  instance: "1",
  ready: true,
  readyReason: "",
  draining: false,
  frozen: false,
  moves: [],
  lease: { untilMs: 1, lapses: 3 },
  members: [member("a", "alive"), member("b", "alive"), member("c", "dead"), member("s", "alive", true)],
  vips: [vip("10.0.0.1", "web", "owned"), vip("10.0.0.2", "web", "standby"), vip("10.0.0.3", "pool", "unowned")],
  interfaces: [{ name: "eth0", mac: "", up: true, carrier: false }],
  gossip: {
    bind: "",
    encrypted: true,
    datagramsIn: 5,
    datagramsOut: 6,
    bytesIn: 50,
    bytesOut: 60,
    dropped: { "bad-crc": 2 },
  },
  responder: { replies: 7, announcements: 8, ignored: { "not-ours": 9 } },
  strictArp: { mode: "manage", changed: [], repairs: 0 },
  alarms: ["look here"],
  checks: [],
};

describe("the text", () => {
  test.each<[string, Parameters<typeof renderMetrics>[0], string]>([
    [
      "has a counter's type by its name",
      [{ name: "x_total", labels: {}, value: 1 }],
      "# TYPE x_total counter\nx_total 1\n",
    ],
    [
      "escapes backslash, quote and newline in labels",
      [{ name: "x", labels: { l: 'a\\b"c\nd' }, value: 0 }],
      '# TYPE x gauge\nx{l="a\\\\b\\"c\\nd"} 0\n',
    ],
    [
      "writes infinities and NaN as Prometheus reads them",
      [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN].map((value, i) => ({
        name: `x${i}`,
        labels: {},
        value,
      })),
      "# TYPE x0 gauge\nx0 +Inf\n# TYPE x1 gauge\nx1 -Inf\n# TYPE x2 gauge\nx2 NaN\n",
    ],
    [
      "keeps the samples of one name together",
      [
        { name: "a", labels: { l: "1" }, value: 1 },
        { name: "b", labels: {}, value: 1 },
        { name: "a", labels: { l: "2" }, value: 1 },
      ],
      '# TYPE a gauge\na{l="1"} 1\na{l="2"} 1\n# TYPE b gauge\nb 1\n',
    ],
  ])("%s", (_, samples, text) => {
    expect(renderMetrics(samples)).toBe(text);
  });
});

describe("a snapshot", () => {
  const text = renderMetrics(snapshotSamples(SNAPSHOT));

  test.each([
    "vipd_ready 1",
    'vipd_members{state="alive"} 3',
    'vipd_members{state="suspect"} 0',
    'vipd_members{state="dead"} 1',
    "vipd_members_foreign 1",
    'vipd_vips{group="web",state="owned"} 1',
    'vipd_vips{group="web",state="conflict"} 0',
    'vipd_vips{group="pool",state="unowned"} 1',
    "vipd_vips_without_owner 1",
    'vipd_interface_carrier{interface="eth0"} 0',
    "vipd_lease_lapses_total 3",
    'vipd_gossip_datagrams_total{direction="in"} 5',
    'vipd_gossip_bytes_total{direction="out"} 60',
    'vipd_gossip_dropped_total{reason="bad-crc"} 2',
    "vipd_arp_ndp_replies_total 7",
    "vipd_announcements_total 8",
    'vipd_frames_ignored_total{reason="not-ours"} 9',
    "vipd_alarms 1",
  ])("shows %s", (line) => {
    expect(text.split("\n")).toContain(line);
  });

  test("has a help line for each of its names", () => {
    const names = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map((m) => m[1]));
    const helped = new Set([...text.matchAll(/^# HELP (\S+) .+/gm)].map((m) => m[1]));
    expect(helped).toEqual(names);
  });

  test("follows the format line by line", () => {
    const line = /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.e+-]+)$/;
    for (const l of text.trimEnd().split("\n")) expect(l).toMatch(line);
  });

  test("of 10 000 VIPs in 10 groups has 60 series of VIPs", () => {
    const vips = Array.from({ length: 10_000 }, (_, i) => vip(`v${i}`, `g${i % 10}`, "owned"));
    expect(snapshotSamples({ ...SNAPSHOT, vips }).filter((s) => s.name === "vipd_vips")).toHaveLength(60);
  });

  test("of very many groups has only the states that occur", () => {
    const vips = Array.from({ length: 16_384 }, (_, i) => vip(`v${i}`, `g${i}`, "owned"));
    expect(snapshotSamples({ ...SNAPSHOT, vips }).filter((s) => s.name === "vipd_vips")).toHaveLength(16_384);
  });
});

test("counters of others, the process and the loop's lag are joined in", () => {
  const loopLag = createLoopLag();
  const counters = () => [{ name: "vipd_log_lines_dropped_total", labels: {}, value: 4 }];
  const text = createMetrics({ counters }, { loopLag })(SNAPSHOT);
  expect(text).toContain("# TYPE vipd_log_lines_dropped_total counter\nvipd_log_lines_dropped_total 4\n");
  expect(text).toContain('vipd_event_loop_lag_seconds{quantile="1"} ');
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
});

test("the loop's lag is the lateness of its timers, less a timer's own granularity of 1 ms", () => {
  const loopLag = createLoopLag();
  for (let i = 0; i < 99; i++) loopLag.record(1.5);
  loopLag.record(401);
  const value = (quantile: string) => loopLag.samples().find((s) => s.labels.quantile === quantile)!.value;
  expect(value("0.5")).toBeCloseTo(0.0005, 6);
  expect(value("1")).toBeCloseTo(0.4, 6);
  for (let i = 0; i < 5000; i++) loopLag.record(0.2);
  expect(value("1")).toBe(0);
});

test.skipIf(!hasPromtool)("promtool finds nothing to complain about", () => {
  const input = createMetrics({ counters: () => [] })(SNAPSHOT);
  expect(promtool(["check", "metrics"], input)).toEqual({ code: 0, output: "" });
});
