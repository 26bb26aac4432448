/** What lies in monitoring/: the rules are judged by promtool, and nothing in there names a series that vipd does not have. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { HELP } from "../../src/adapters/metrics.js";
import { hasPromtool, promtool } from "./promtool.js";

const file = (name: string) => fileURLToPath(new URL(`../../monitoring/${name}`, import.meta.url));

test.skipIf(!hasPromtool)("promtool finds the rules right", () => {
  const checked = promtool(["check", "rules", file("alerts.yml")]);
  expect(checked, checked.output).toMatchObject({ code: 0 });
});

test.skipIf(!hasPromtool)("what must ring rings, and nothing else", () => {
  const tested = promtool(["test", "rules", file("alerts.test.yml")]);
  expect(tested, tested.output).toMatchObject({ code: 0 });
});

test.each(["alerts.yml", "alerts.test.yml", "grafana-dashboard.json"])("%s names series that vipd has", (name) => {
  const series = new Set(readFileSync(file(name), "utf8").match(/\b(vipd|process)_[a-z0-9_]+/g));
  expect([...series].filter((one) => !(one in HELP))).toEqual([]);
  expect(series.size).toBeGreaterThan(3);
});

test("each panel of the dashboard has a place of its own and asks the chosen hosts", () => {
  const { panels } = JSON.parse(readFileSync(file("grafana-dashboard.json"), "utf8")) as {
    panels: { title: string; gridPos: { x: number; y: number; w: number; h: number }; targets: { expr: string }[] }[];
  };
  const taken = new Set<string>();
  for (const { title, gridPos, targets } of panels) {
    for (const { expr } of targets) expect(expr, title).toContain('instance=~"$instance"');
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(x, title).toBeLessThan(24);
        expect(taken.has(`${x} ${y}`), title).toBe(false);
        taken.add(`${x} ${y}`);
      }
    }
  }
});
