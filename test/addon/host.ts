/**
 * A host in a namespace: the real engine, driven by one JSON command a line on stdin. Purpose: the tests' far end.
 * Boundary: no assertion here. `lease` takes ms from now; `block` stalls the event loop.
 */
import { createSocket } from "node:dgram";
import { createInterface } from "node:readline";
import { createAddressHolder } from "../../src/adapters/address-holder.js";
import { bootTimeMs, NativeEngine } from "../../src/adapters/native.js";
import { createNeighbours } from "../../src/adapters/neighbours.js";
import { createResponder } from "../../src/adapters/responder.js";

const engine = new NativeEngine(JSON.parse(process.argv[2] ?? "{}"));
const responder = createResponder(engine);
const holder = createAddressHolder(engine);
const neighbours = createNeighbours();
const say = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`);

function block(ms: number): void {
  const until = bootTimeMs() + ms;
  while (bootTimeMs() < until);
}

// biome-ignore lint/suspicious/noExplicitAny: the commands are typed where they are called.
const calls: Record<string, (argument: any) => unknown> = {
  setInterfaces: (names) => responder.setInterfaces(names),
  links: () => responder.links(),
  own: (intents) => responder.own(intents),
  release: (places) => responder.release(places),
  watch: (places) => responder.watch(places),
  unwatch: (places) => responder.unwatch(places),
  announce: (request) => responder.announce(request),
  setAnnounce: (pace) => responder.setAnnounce(pace),
  lease: (ms) => responder.lease(ms === 0 ? 0 : bootTimeMs() + ms),
  /** Extends it as the daemon does, until the process ends. */
  keepLease: () => setInterval(() => responder.lease(bootTimeMs() + 450), 50).ref() && undefined,
  ask: (request) => responder.ask(request),
  hold: (addresses) => holder.hold(addresses),
  /** Each held by itself and at once bound to: the errno of those that cannot be. */
  holdAndBind: async (addresses: string[]) => {
    const failed: string[] = [];
    for (const address of addresses) {
      await holder.hold([address]);
      const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
      await new Promise<void>((resolve) => {
        socket.on("error", (error) => resolve(void failed.push(`${address}: ${error.message}`)));
        socket.bind(0, address, resolve);
      });
      socket.close();
    }
    return failed;
  },
  drop: (addresses) => holder.drop(addresses),
  sweep: () => holder.sweep(),
  keepNeighbours: (hosts) => neighbours.keep(hosts),
  releaseNeighbours: (kept) => neighbours.release(kept),
  /** Sends a datagram to each, and asks the kernel for nothing more. */
  sendTo: async (hosts: string[]) => {
    const socket = createSocket("udp4");
    await Promise.all(hosts.map((host) => new Promise((sent) => socket.send("x", 9, host, sent))));
    socket.close();
  },
  stats: () => responder.stats(),
  block,
  stop: () => responder.stop(),
};

await responder.start((events) => {
  for (const event of events) say({ event });
});
say({ id: 0, result: null });

/** Begun in the order of the lines, ended when they end: a drop of thousands and a hold go side by side, as in the daemon. */
async function obey(line: string): Promise<void> {
  const { id, call, argument } = JSON.parse(line);
  try {
    say({ id, result: (await calls[call]!(argument)) ?? null });
  } catch (error) {
    say({ id, error: (error as Error).message });
  }
}
for await (const line of createInterface({ input: process.stdin })) void obey(line);
await responder.stop();
