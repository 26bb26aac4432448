/**
 * Runs in a client's namespace: `prober.mjs PORT INTERVAL_MS TARGET...`. Sends each target a numbered datagram every
 * interval and notes who answered when. Over the message channel: "report" is answered with what happened so far.
 */
import * as dgram from "node:dgram";

const [port, intervalMs, ...targets] = [Number(process.argv[2]), Number(process.argv[3]), ...process.argv.slice(4)];
const now = () => performance.timeOrigin + performance.now();

const rows = targets.map((target) => ({
  target,
  socket: dgram.createSocket(target.includes(":") ? "udp6" : "udp4"),
  sent: 0,
  answered: new Set(),
  twice: 0,
  lastMs: now(),
  maxGap: { fromMs: 0, toMs: 0, lengthMs: 0 },
  servers: [],
}));

function closeGap(row, at) {
  const lengthMs = at - row.lastMs;
  if (lengthMs > row.maxGap.lengthMs) row.maxGap = { fromMs: row.lastMs, toMs: at, lengthMs };
}

for (const row of rows) {
  row.socket.on("message", (message) => {
    const at = now();
    const [seq, name] = String(message).split(":");
    if (row.answered.has(seq)) row.twice++;
    row.answered.add(seq);
    closeGap(row, at);
    row.lastMs = at;
    if (row.servers.at(-1)?.name !== name) row.servers.push({ name, fromMs: at });
  });
  row.socket.on("error", () => {}); // No neighbour, no route: the gap tells.
}

function round() {
  for (const row of rows) row.socket.send(String(row.sent++), port, row.target, () => {});
}

// Timers of whole ms drift and starve together with us: each tick catches up to at most two rounds.
let due = now();
setInterval(() => {
  for (let n = 0; n < 2 && now() >= due; n++) {
    round();
    due += intervalMs;
  }
  if (now() > due + 10 * intervalMs) due = now();
}, intervalMs);

process.on("disconnect", () => process.exit(0));
process.on("message", () => {
  const reports = rows.map((row) => {
    closeGap(row, now());
    const { target, sent, twice, maxGap, servers } = row;
    return { target, sent, answered: row.answered.size, lost: sent - row.answered.size, twice, maxGap, servers };
  });
  process.send({ kind: "report", reports });
});
process.send({ kind: "ready" });
