/** A short chaos with a fixed seed: real daemons, real clients, one misfortune on another, and the wire's verdict. */
import * as path from "node:path";
import { expect, test } from "vitest";
import { ROOT, run } from "../lab/lib/shell.js";

test("two minutes of chaos break no law", async () => {
  const argv = ["--import", "tsx", path.join(ROOT, "test/chaos/main.ts"), "--seed=7", "--minutes=2", "--alone"];
  const ran = await run([process.execPath, ...argv], { timeoutMs: 270_000 });
  console.log(ran.stdout);
  expect([ran.code, ran.stderr, ran.stdout.match(/LAW BROKEN.*/g) ?? []]).toEqual([0, "", []]);
});
