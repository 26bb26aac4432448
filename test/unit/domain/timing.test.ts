/** The rules that hold a profile together (ARCHITECTURE.md, "Timing"). */
import { describe, expect, it } from "vitest";
import { PROFILES, type Profile, type ProfileName } from "../../../src/domain/profile.js";
import { askAfterMs, brokenRules, slackMs, stallRiddenOutMs } from "../../../src/domain/timing.js";

const all = Object.entries(PROFILES) as [ProfileName, Profile][];

describe.each(all)("profile %s", (name, profile) => {
  it("breaks no rule", () => {
    expect(brokenRules(profile)).toEqual([]);
  });

  it("rides out the stall that it promises", () => {
    expect(stallRiddenOutMs(profile)).toBeGreaterThanOrEqual(profile.stallMs);
  });

  it("asks the wire when a stalled owner's lease is over, and has the answer before the verdict", () => {
    expect(askAfterMs(profile)).toBeGreaterThanOrEqual(profile.leaseMs + profile.watchIntervalMs);
    expect(askAfterMs(profile)).toBeGreaterThanOrEqual(profile.leaseMs + profile.leaseExtensionMs);
    expect(askAfterMs(profile) + profile.askTimeoutMs + slackMs(profile)).toBeLessThanOrEqual(profile.deadAfterMs);
  });

  it("claims no earlier than law 2 allows, and asks again several times before the verdict", () => {
    expect(profile.deadAfterMs).toBeGreaterThan(profile.leaseMs + profile.leaseExtensionMs);
    const noticedMs = profile.watchIntervalMs + profile.watchTimeoutMs;
    expect((profile.deadAfterMs - noticedMs) / profile.watchRetryMs).toBeGreaterThan(4);
  });

  it("judges within the time that is promised, and at half of an interval's cuts in the time that is measured", () => {
    const { promisedMs, medianMs } = {
      relaxed: { promisedMs: 3000, medianMs: 3000 },
      lan: { promisedMs: 1000, medianMs: 800 },
      fast: { promisedMs: 250, medianMs: 250 },
      extreme: { promisedMs: 40, medianMs: 40 },
    }[name];
    expect(profile.deadAfterMs).toBeLessThanOrEqual(promisedMs);
    // Where its only watcher asks, the dead host was heard half an interval before the cut; more watchers are sooner.
    expect(profile.deadAfterMs - profile.watchIntervalMs / 2).toBeLessThan(medianMs);
  });
});

describe("a rule that is broken", () => {
  it.each<[string, Partial<Profile>, string, string]>([
    ["patience below the lease", { deadAfterMs: 700 }, "deadAfterMs", "at least 899 ms"],
    ["suspicion before an answer is late", { suspectAfterMs: 200 }, "suspectAfterMs", "at least 422 ms"],
    ["suspicion after the lease", { suspectAfterMs: 650 }, "suspectAfterMs", "at most 595 ms"],
    ["an extension too coarse", { leaseExtensionMs: 200 }, "leaseMs", "at least 600 ms"],
    ["a retry slower than the first", { watchRetryMs: 90 }, "watchRetryMs", "at most 70 ms"],
    ["a timeout beyond the interval", { watchTimeoutMs: 350 }, "watchTimeoutMs", "at most 320 ms"],
  ])("%s is named with its bound", (_what, change, timer, bound) => {
    const broken = brokenRules({ ...PROFILES.lan, ...change });
    expect(broken.map((rule) => rule.timers[0])).toContain(timer);
    expect(broken.find((rule) => rule.timers[0] === timer)?.text).toContain(bound);
  });
});
