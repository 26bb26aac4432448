/**
 * What is legal in a configuration and still seldom meant: a host alone, VIPs without a check. `check` warns of it.
 * Boundary: pure; judges a Config that was accepted. What is odd about single values lies beside their rules.
 */
import { joinPath } from "./json.js";
import type { Config, Problem } from "./types.js";

export function findOddities(config: Config): readonly Problem[] {
  const found: Problem[] = [];
  if (config.gossip.join.length === 0) {
    const message =
      "names no other host: this one serves every VIP alone until others join it; name some of them on every host";
    found.push({ path: "gossip.join", message });
  }
  config.vips.forEach((group, i) => {
    if (group.checks.length > 0) return;
    const such = '{ "type": "tcp", "address": "127.0.0.1:80" }';
    const message = `group ${group.name} has no check: its VIPs stay on a host whose service is dead; such as "check": ${such}`;
    found.push({ path: joinPath("vips", i), message });
  });
  return found;
}
