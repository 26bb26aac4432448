import { describe, expect, test } from "vitest";
import { HELP, renderMetrics } from "../../../src/adapters/metrics.js";
import { membershipCounters, Tally } from "../../../src/daemon/tally.js";
import { hasPromtool, promtool } from "../promtool.js";

const STATS = { replies: 0, announcements: 0, ignored: {}, framesDropped: 0, eventsDropped: 0, leaseLapses: 0 };
const MEMBERSHIP = membershipCounters({
  ...{ pings: 1, indirectPings: 0, relayedPings: 0, acks: 0, streamPings: 0, exchanges: 2, suspicions: 3, verdicts: 4 },
  ...{ refutations: 5, watchesExcused: 0, probesFailed: 6, members: 3, live: 3, watching: 2, queued: 7, questions: 8 },
  ...{ relays: 0, awareness: 9, dropped: {} },
});

describe("the tally", () => {
  const tally = new Tally({ responder: { stats: () => STATS }, log: { dropped: () => 0 }, strictArp: { repairs: 0 } });
  const hear = (state: string, fields: Record<string, unknown>) =>
    tally.heard({ level: "info", event: `vip.${state}`, fields: { vip: "10.0.0.1", ...fields }, text: "" });
  hear("owned", { from: "claiming", cause: "takeover", silentMs: 640, tookMs: 12 });
  hear("owned", { from: "claiming", cause: "takeover", silentMs: 90_000, tookMs: 12 });
  hear("owned", { from: "claiming", cause: "hand-over", tookMs: 7 });
  hear("standby", { from: "releasing", tookMs: 1000 });
  hear("conflict", { from: "standby", tookMs: 1 });
  const text = renderMetrics([...MEMBERSHIP, ...tally.counters()]);

  test.each([
    'vipd_ownership_transitions_total{state="owned",reason="takeover"} 2',
    'vipd_ownership_transitions_total{state="owned",reason="hand-over"} 1',
    'vipd_ownership_transitions_total{state="standby",reason="handed-over"} 1',
    'vipd_ownership_transitions_total{state="conflict",reason="stranger"} 1',
    "# TYPE vipd_takeover_duration_seconds histogram",
    'vipd_takeover_duration_seconds_bucket{le="0.5"} 0',
    'vipd_takeover_duration_seconds_bucket{le="0.75"} 1',
    'vipd_takeover_duration_seconds_bucket{le="+Inf"} 2',
    "vipd_takeover_duration_seconds_sum 90.64",
    "vipd_takeover_duration_seconds_count 2",
    'vipd_handover_duration_seconds_bucket{le="0.01"} 1',
    "vipd_gossip_queue_messages 7",
    "vipd_refutations_total 5",
  ])("tells %s", (line) => {
    expect(text.split("\n")).toContain(line);
  });

  test("has a help line for each of its names", () => {
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!);
    expect(names.filter((name) => HELP[name] === undefined)).toEqual([]);
  });

  test.skipIf(!hasPromtool)("promtool finds nothing to complain about", () => {
    expect(promtool(["check", "metrics"], text)).toEqual({ code: 0, output: "" });
  });
});
