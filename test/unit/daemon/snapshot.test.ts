import { expect, test } from "vitest";
import { VipRows } from "../../../src/daemon/snapshot.js";
import type { KeySpec, KeyView } from "../../../src/domain/ownership/types.js";

let bootAt = Date.parse("2026-01-01T00:00:00Z");
const clock = { now: () => 5000, wall: (at: number) => new Date(bootAt + at).toISOString() };
const spec = { key: "web", group: "web", addresses: ["10.0.0.1", "fd00::1"], interfaces: ["eth0", "eth1"] };
const view = (change: Partial<KeyView> = {}): KeyView => ({
  spec: spec as unknown as KeySpec,
  state: "owned",
  since: 1000,
  reason: "elected",
  stranger: null,
  owner: "host-a",
  heir: "host-b",
  ...change,
});

test("each address of a key has a row", () => {
  expect(new VipRows().take([view()], clock)).toEqual(
    spec.addresses.map((address) => ({
      address,
      group: "web",
      interface: "eth0,eth1",
      owner: "host-a",
      heir: "host-b",
      state: "owned",
      since: "2026-01-01T00:00:01.000Z",
      reason: "elected",
      conflict: null,
    })),
  );
});

const stranger = { mac: "02:00:00:00:00:99", since: 2000, at: 4000 };
test.each<[string, Partial<KeyView>]>([
  ["state", { state: "releasing" }],
  ["since", { since: 1001 }],
  ["reason", { reason: "hand-over from host-b" }],
  ["owner", { owner: "host-c" }],
  ["heir", { heir: null }],
  ["stranger", { stranger }],
])("a row is the same object until its %s changes", (_name, change) => {
  const rows = new VipRows();
  const [first] = rows.take([view()], clock);
  expect(rows.take([view()], clock)[0]).toBe(first);
  const changed = rows.take([view(change)], clock);
  expect(changed).toEqual(new VipRows().take([view(change)], clock));
  expect(rows.take([view()], clock)[0]).toEqual(first);
});

test("whoever sets the wall clock changes every text", () => {
  const rows = new VipRows();
  rows.take([view()], clock);
  bootAt += 3_600_000;
  expect(rows.take([view()], clock)[0]?.since).toBe("2026-01-01T01:00:01.000Z");
});
