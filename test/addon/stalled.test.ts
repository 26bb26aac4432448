/** Law 2 on a real wire: whatever stops the control plane, the responder says nothing after the lease, and nothing when it goes on. */
import { spawn } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Host, Lab, mac, sleep } from "./lab.js";

const V4 = "10.7.0.100";
const V6 = "fd07::100";
const LEASE_MS = 500;
let lab: Lab;

/** Attaches as a debugger does, to the threads of a process or to its first one alone, until its stdin ends. */
const DEBUGGER = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0: sys.exit("ptrace: " + os.strerror(ctypes.get_errno()))
pid = sys.argv[2]
threads = [int(t) for t in os.listdir("/proc/" + pid + "/task")] if sys.argv[1] == "all" else [int(pid)]
for thread in threads:
    ptrace(16, thread)
    os.waitpid(thread, 0x40000000)
print("attached", flush=True)
sys.stdin.read()
for thread in threads: ptrace(17, thread)
`;

/** Begins the stall; what it returns ends it. */
type Stall = (host: Host) => Promise<() => Promise<unknown>>;

function debuggerOn(threads: "all" | "main"): Stall {
  return async (host) => {
    const args = ["-c", DEBUGGER, threads, String(host.child.pid)];
    const child = spawn("python3", args, { stdio: ["pipe", "pipe", "inherit"] });
    const ended = new Promise<void>((done, failed) =>
      child.once("exit", (code) => (code === 0 ? done() : failed(new Error(`the debugger ended with ${code}`)))),
    );
    await Promise.race([new Promise((attached) => child.stdout.once("data", attached)), ended]);
    return () => {
      child.stdin.end();
      return ended;
    };
  };
}

const stalls: readonly (readonly [string, Stall])[] = [
  [
    "its event loop is blocked for 5 s",
    async (host) => {
      const blocked = host.call("block", 5000);
      return () => blocked;
    },
  ],
  [
    "it is stopped by SIGSTOP",
    async (host) => {
      host.child.kill("SIGSTOP");
      return async () => host.child.kill("SIGCONT");
    },
  ],
  ["a debugger holds all of its threads", debuggerOn("all")],
  ["a debugger holds its main thread only", debuggerOn("main")],
];

describe("a host whose control plane stands still", () => {
  beforeEach(() => {
    lab = new Lab(2);
  });
  afterEach(() => lab.down());

  for (const [name, begin] of stalls) {
    it(`answers nothing after its lease, nor when it goes on, until it is renewed: ${name}`, async () => {
      const host = await lab.host(1);
      await host.own([V4, V6], 60_000);
      expect([...lab.asked(2, V4), ...lab.asked(2, V6)]).toEqual([mac(1), mac(1)]);
      await host.call("lease", LEASE_MS);
      const end = await begin(host);
      await sleep(LEASE_MS + 50);
      const during = [...lab.asked(2, V4, 4), ...lab.asked(2, V6, 2)];
      const later = lab.captured(2, `ether src ${mac(1)} and (arp or icmp6[0] == 136)`, async () => {
        await end();
        lab.asked(2, V4, 2);
      });
      expect([during, await later]).toEqual([[], [""]]);
      expect(await host.call("stats")).toMatchObject({ replies: 2, leaseLapses: 1 });
      await host.call("lease", 60_000);
      expect(lab.asked(2, V4)).toEqual([mac(1)]);
    });
  }
});
