/**
 * The answering side of `npm run bench:responder`: the real engine on eth0, owning the addresses of its arguments and
 * extending its lease as the daemon does. Boundary: no gossip, no HTTP; a JSON line of its counters four times a second.
 */
import { bootTimeMs, NativeEngine } from "../../src/adapters/native.js";
import { createResponder } from "../../src/adapters/responder.js";

const responder = createResponder(new NativeEngine());
const vips = process.argv.slice(2);
await responder.start(() => {});
responder.setInterfaces(["eth0"]);
responder.own(vips.map((address) => ({ address, interface: "eth0", mac: null, heirMac: null })));
let beatAt = performance.now();
let worstLateMs = 0;
setInterval(() => {
  const now = performance.now();
  worstLateMs = Math.max(worstLateMs, now - beatAt - 50);
  beatAt = now;
  responder.lease(bootTimeMs() + 450);
}, 50);
responder.lease(bootTimeMs() + 450);
setInterval(() => console.log(JSON.stringify({ ...responder.stats(), worstLateMs })), 250);
process.once("SIGUSR1", () => {
  const many = Array.from({ length: 10_000 }, (_, i) => `10.8.${i >> 8}.${i & 255}`);
  responder.own(many.map((address) => ({ address, interface: "eth0", mac: null, heirMac: null })));
  responder.announce({ interface: "eth0", addresses: many, roundsMs: [0] });
});
process.once("SIGTERM", () => {
  void responder.stop().then(() => process.exit(0));
});
