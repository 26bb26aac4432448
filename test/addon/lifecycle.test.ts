/** Start, stop, exit at every stage, twice, in a worker: never a hang, never a crash. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { addonEnv } from "./lab.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const prelude = `
import { NativeEngine, bootTimeMs, newAlarm, newDatagrams } from "./src/adapters/native.ts";
import { createResponder } from "./src/adapters/responder.ts";
import { createAddressHolder } from "./src/adapters/address-holder.ts";
const open = () => { const e = new NativeEngine(); return { r: createResponder(e), h: createAddressHolder(e) }; };
const { r, h } = open();
`;

const stages: readonly (readonly [string, string])[] = [
  ["created and left", ""],
  ["created and exited", "process.exit(0);"],
  ["exited while starting", "void r.start(() => {}); process.exit(0);"],
  ["exited while live", "await r.start(() => {}); process.exit(0);"],
  [
    "exited while asking",
    "await r.start(() => {}); void r.ask({ interface: 'lo', addresses: ['10.9.9.9'], timeoutMs: 900 }).catch(() => {}); setTimeout(() => process.exit(0), 20);",
  ],
  ["exited while sweeping", "void h.sweep(); process.exit(0);"],
  ["stopped before start", "await r.stop(); await r.stop();"],
  ["stopped while starting", "const s = r.start(() => {}).catch(() => {}); await r.stop(); await s;"],
  ["stopped while live", "await r.start(() => {}); r.setInterfaces(['lo', 'nope']); await r.stop();"],
  [
    "opened again",
    "await r.start(() => {}); await r.stop(); const b = open(); await b.r.start(() => {}); await b.r.stop();",
  ],
  [
    "two at once",
    "const b = open(); await Promise.all([r.start(() => {}), b.r.start(() => {})]); await h.sweep(); process.exit(0);",
  ],
  [
    "told things after the stop",
    "await r.start(() => {}); await r.stop(); r.lease(1); try { r.own([]); process.exit(1); } catch {}",
  ],
  [
    "left with a lease that is extended on the loop",
    "r.lease(bootTimeMs() + 50, { byMs: 50, everyMs: 10, endsAt: bootTimeMs() + 1e6 }); setTimeout(() => {}, 40);",
  ],
  [
    "stopped with such a lease",
    "await r.start(() => {}); r.lease(bootTimeMs() + 50, { byMs: 50, everyMs: 1, endsAt: bootTimeMs() + 1e6 }); await new Promise((go) => setTimeout(go, 20)); await r.stop(); if (r.leaseUntil() > 0) process.exit(1);",
  ],
  [
    "exited with a socket and an alarm",
    "newDatagrams(() => {}).bind('127.0.0.1', 0); newAlarm(() => {}).set(bootTimeMs() + 1e6); process.exit(0);",
  ],
  [
    "socket and alarm closed, twice, also within their own calls",
    "const a = newAlarm(() => { a.close(); a.close(); }); a.set(bootTimeMs() + 5); const d = newDatagrams(() => { d.close(); d.close(); }); const port = d.bind('127.0.0.1', 0); d.send(new Uint8Array(9), '127.0.0.1', port);",
  ],
  [
    "an alarm whose handler throws",
    "process.on('uncaughtException', () => process.exit(0)); newAlarm(() => { throw new Error('x'); }).set(0); setTimeout(() => process.exit(3), 2000);",
  ],
  [
    "a throwing handler",
    "process.on('uncaughtException', () => process.exit(0)); await r.start(() => { throw new Error('x'); }); r.setInterfaces(['lo']); setTimeout(() => process.exit(3), 2000);",
  ],
];

function run(code: string): { status: number | null; text: string } {
  const child = spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code], {
    cwd: root,
    encoding: "utf8",
    timeout: 15_000,
    env: addonEnv,
  });
  return { status: child.status, text: child.stdout + child.stderr };
}

describe("the addon's life cycle", () => {
  for (const [stage, code] of stages) {
    it(`a process ends well: ${stage}`, () => {
      expect(run(prelude + code)).toEqual({ status: 0, text: "" });
    });
  }

  it("a process ends well: worker threads, ended and terminated", () => {
    const worker = `
      import { Worker } from "node:worker_threads";
      const load = "const load=require('node-gyp-build');const a=load('./native');";
      const live = load + "const e=new a.Engine(()=>{}, {});e.start();e.sweep();e.lease(a.now()+99,99,1,a.now()+1e6);";
      const loop = "const d=new a.Datagrams(()=>{});d.bind('127.0.0.1',0);const t=new a.Alarm(()=>{t.set(a.now()+1)});t.set(0);";
      const ended = new Worker(live, { eval: true, execArgv: [] });
      await new Promise((done) => ended.once("exit", done));
      const busy = new Worker(live + loop + "setInterval(()=>{},50);", { eval: true, execArgv: [] });
      await new Promise((done) => busy.once("online", done));
      await new Promise((done) => setTimeout(done, 100));
      await busy.terminate();`;
    expect(run(worker)).toEqual({ status: 0, text: "" });
  });
});
