/**
 * The digest of what decides elections in a group: hosts whose digests differ make no planned moves of it (law 7).
 * Boundary: pure. The order of addresses in the file does not matter; every host must compute alike for ever.
 */
import { compareAddresses } from "../domain/address.js";
import { hashText } from "../domain/hash.js";
import type { Config, VipGroup } from "./types.js";

/** u32. */
export function groupDigest(
  group: Pick<VipGroup, "addresses" | "together" | "failback"> & Partial<VipGroup>,
  quorum: Config["quorum"] = null,
): number {
  const failback = group.failback === "never" ? "never" : String(group.failback.afterMs);
  // Without a quorum nothing is added: so a release that knows none agrees.
  const needed = quorum === null ? [] : [`quorum ${quorum.hosts} of ${quorum.expect ?? "any"}`];
  const addresses = [...group.addresses].sort(compareAddresses);
  // What is at its default adds nothing: hosts of a release that does not know it compute the same.
  const more = [
    ...(group.spread === "even" ? ["spread even"] : []),
    ...(group.whenNoneHealthy === "withdraw" ? ["withdraw"] : []),
    ...labelLines("require", group.hosts?.require),
    ...labelLines("prefer", group.hosts?.prefer),
  ];
  return hashText(
    ["vipd-group-1", group.together ? "together" : "each", failback, ...needed, ...addresses, ...more].join("\n"),
  );
}

function labelLines(what: string, labels: Readonly<Record<string, readonly string[]>> = {}): string[] {
  return Object.keys(labels)
    .sort()
    .map((key) => JSON.stringify([what, key, [...labels[key]!].sort()]));
}
