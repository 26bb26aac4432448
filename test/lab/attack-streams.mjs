/**
 * Streams that mean no good, from a client's namespace: `attack-streams.mjs HOST PORT MODE COUNT SECONDS SOURCE,…`. COUNT
 * connections from the sources in turn; a lost one is opened again at once, until the time is up. Modes: `silent`; `drip` a byte
 * every 50 ms; `endless` random frames; `file:PATH` sends the file's bytes and then waits; `cut:PATH` sends a part and ends.
 * Prints how many it opened.
 */
import { randomBytes, randomInt } from "node:crypto";
import * as fs from "node:fs";
import * as net from "node:net";

const [host, port, mode, count, seconds, sources] = process.argv.slice(2);
const addresses = sources.split(",");
const end = Date.now() + Number(seconds) * 1000;
const file = /^(?:file|cut):/.test(mode) ? fs.readFileSync(mode.replace(/^\w+:/, "")) : Buffer.alloc(0);
const frame = Buffer.concat([Buffer.from([10, 0, 0x3f, 0xff, 0, 1]), randomBytes(64 * 1024)]);
let opened = 0;

function open(n) {
  if (Date.now() >= end) return;
  opened++;
  const socket = net.connect({ host, port: Number(port), localAddress: addresses[n % addresses.length] });
  let timer;
  socket.on("error", () => {});
  socket.on("data", () => {});
  socket.on("connect", () => {
    if (mode === "drip") timer = setInterval(() => socket.write(Buffer.from([6])), 50);
    else if (mode === "endless") timer = setInterval(() => socket.writableLength < 1e6 && socket.write(frame), 5);
    else if (mode.startsWith("file:")) socket.write(file);
    else if (mode.startsWith("cut:")) socket.end(file.subarray(0, randomInt(1, file.length)));
  });
  socket.on("close", () => {
    clearInterval(timer);
    setTimeout(() => open(n), 20 + randomInt(30));
  });
  setTimeout(() => socket.destroy(), Math.max(0, end - Date.now())).unref();
}

for (let n = 0; n < Number(count); n++) open(n);
setTimeout(
  () => {
    console.log(String(opened));
    process.exit(0);
  },
  Number(seconds) * 1000 + 200,
);
