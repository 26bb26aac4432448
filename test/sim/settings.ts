/** What simulated hosts are configured with: groups of each kind, and how a new version of the file differs. */
import type { GroupSettings, GroupSpec } from "../../src/domain/group/types.js";
import { hashText } from "../../src/domain/hash.js";

export interface SettingsChoice {
  readonly failback?: GroupSpec["failback"];
  readonly weight?: number;
  /** Addresses of the group "web". */
  readonly addresses?: number;
  /** A majority of so many hosts. */
  readonly expect?: number | undefined;
  /** The group "web" has checks, and there is a group "pool" that is spread evenly. */
  readonly wide?: { readonly whenNoneHealthy: "keep" | "withdraw" } | undefined;
}

const POOL = 7;

export function settingsOf(choice: SettingsChoice = {}): GroupSettings {
  const failback = choice.failback ?? { afterMs: 0 };
  const checks = choice.wide === undefined ? {} : { checked: true, whenNoneHealthy: choice.wide.whenNoneHealthy };
  const pool = Array.from({ length: POOL }, (_, i) => `10.0.0.${100 + i}`);
  const web = Array.from({ length: choice.addresses ?? 3 }, (_, i) => `10.0.0.${200 + i}`);
  return {
    weight: choice.weight ?? 1,
    labels: {},
    quorum: choice.expect === undefined ? null : { hosts: Math.floor(choice.expect / 2) + 1, expect: choice.expect },
    groups: [
      group({ name: "web", addresses: web, failback, ...checks }),
      group({ name: "pair", addresses: ["10.0.0.250", "fd00::250"], together: true, failback }),
      group({ name: "bare", addresses: ["10.0.0.251"], local: false, failback: { afterMs: 0 } }),
      ...(choice.wide === undefined ? [] : [group({ name: "pool", addresses: pool, failback, spread: "even" })]),
    ],
  };
}

function group(of: Partial<GroupSpec> & Pick<GroupSpec, "name" | "addresses" | "failback">): GroupSpec {
  const { addresses, failback, together = false } = of;
  const digest = hashText(JSON.stringify([addresses, failback, together]));
  return { interfaces: ["eth0"], local: true, together, digest, ...of };
}
