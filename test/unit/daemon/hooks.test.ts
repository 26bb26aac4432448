import { describe, expect, it } from "vitest";
import type { Hooks as HooksConfig } from "../../../src/config/types.js";
import { Happenings } from "../../../src/daemon/happenings.js";
import { Hooks } from "../../../src/daemon/hooks.js";
import type { Log } from "../../../src/ports.js";

const SAFE = {
  realpath: (file: string) => file,
  stat: (file: string) => ({ uid: 0, mode: 0o755, isFile: file === "/hook" }),
};
const CONFIG: HooksConfig = { owned: [["/hook"]], released: [["/hook"]], conflict: [], member: [], timeoutMs: 1000 };

interface Run {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly input: string;
  readonly done: (ok: boolean) => void;
}

function make(config = CONFIG, files = SAFE) {
  const runs: Run[] = [];
  const lines: string[] = [];
  const helper = {
    run: (job: { command: readonly string[]; env: Record<string, string>; input: string }) =>
      new Promise((resolve) => {
        runs.push({ ...job, done: (ok) => resolve({ ok, reason: ok ? "" : "exit code 1", tookMs: 1 }) });
      }),
  } as unknown as ConstructorParameters<typeof Hooks>[0]["helper"];
  const log = { write: (_level: string, event: string) => lines.push(event) } as unknown as Log;
  return { hooks: new Hooks({ helper, log, files, node: "host-a" }, config), runs, lines };
}

const happened = (event: "owned" | "released", vip: string) => ({
  event,
  subject: vip,
  fields: { vip, lastOwner: "b" },
});
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("hooks", () => {
  it("of one VIP follow each other, of several they run side by side", async () => {
    const { hooks, runs } = make();
    for (const one of [happened("owned", "x"), happened("released", "x"), happened("owned", "y")]) hooks.happened(one);
    expect(runs.map((run) => `${run.env.VIPD_EVENT} ${run.env.VIPD_VIP}`)).toEqual(["owned x", "owned y"]);
    runs[0]!.done(true);
    await turn();
    expect(runs.map((run) => `${run.env.VIPD_EVENT} ${run.env.VIPD_VIP}`)[2]).toBe("released x");
  });

  it("get variables and the same as a line", () => {
    const { hooks, runs } = make();
    hooks.happened(happened("owned", "x"));
    expect(runs[0]!.env).toEqual({ VIPD_EVENT: "owned", VIPD_NODE: "host-a", VIPD_VIP: "x", VIPD_LAST_OWNER: "b" });
    expect(JSON.parse(runs[0]!.input)).toEqual({ event: "owned", node: "host-a", vip: "x", lastOwner: "b" });
  });

  it("that hang fill a bounded queue, which drops and counts", () => {
    const { hooks, lines } = make();
    for (let i = 0; i < 1500; i++) hooks.happened(happened("owned", "x"));
    expect(hooks.dropped).toBe(1500 - 1 - 1024);
    expect(lines).toEqual(["hook.dropped"]);
  });

  it("that fail are said and counted, and the next ones run", async () => {
    const { hooks, runs, lines } = make();
    hooks.happened(happened("owned", "x"));
    runs[0]!.done(false);
    await turn();
    expect([lines, hooks.runs.get("owned failed")]).toEqual([["hook.failed"], 1]);
    hooks.happened(happened("owned", "x"));
    expect(runs).toHaveLength(2);
  });

  it("are not run when others than root may write them by now", async () => {
    const { hooks, runs, lines } = make(CONFIG, { ...SAFE, stat: () => ({ uid: 0, mode: 0o777, isFile: true }) });
    hooks.happened(happened("owned", "x"));
    await turn();
    expect([runs.length, lines]).toEqual([0, ["hook.failed"]]);
  });
});

describe("what hooks hear of", () => {
  const event = (name: string, fields: object) => ({
    level: "info" as const,
    event: name,
    fields: { ...fields },
    text: "",
  });
  const heard = (...events: [string, object][]): string[] => {
    const happenings = new Happenings((key) => (key === "web" ? ["10.0.0.1", "fd77::1"] : [key]));
    return events.flatMap(([name, fields]) =>
      happenings.of(event(name, fields), "now").map((one) => `${one.event} ${one.subject}`),
    );
  };

  it.each<[string, [string, object][], string[]]>([
    [
      "a claim and its end",
      [
        ["vip.owned", { vip: "x" }],
        ["vip.releasing", { vip: "x" }],
        ["vip.standby", { vip: "x" }],
      ],
      ["owned x", "released x"],
    ],
    [
      "a hand-over that is taken back is none",
      [
        ["vip.owned", { vip: "x" }],
        ["vip.releasing", { vip: "x" }],
        ["vip.owned", { vip: "x" }],
      ],
      ["owned x"],
    ],
    [
      "what was never owned is not released",
      [
        ["vip.claiming", { vip: "x" }],
        ["vip.standby", { vip: "x" }],
      ],
      [],
    ],
    [
      "a group that goes together is told address by address",
      [["vip.owned", { vip: "web" }]],
      ["owned 10.0.0.1", "owned fd77::1"],
    ],
    [
      "a stranger that is defended against releases nothing",
      [
        ["vip.owned", { vip: "x" }],
        ["vip.conflict", { vip: "x", mac: "m" }],
      ],
      ["owned x", "conflict x"],
    ],
    [
      "members, but no suspicions",
      [
        ["member.joined", { member: "b" }],
        ["member.suspect", { member: "b" }],
        ["member.dead", { member: "b" }],
      ],
      ["member member b", "member member b"],
    ],
  ])("%s", (_, events, expected) => expect(heard(...events)).toEqual(expected));
});
