/**
 * Runs in a client's namespace: `prober.mjs '{"port", "targets", "intervalMs", "httpMs"}'`. Sends each target a numbered
 * datagram every interval, and asks it by HTTP every `httpMs`, each time on a connection of its own; both by the
 * clock, whether or not the former was answered. An interval of 0: not at all. Over the message channel: "report" tells what
 * happened so far; "mark" forgets gaps until now (a program that has just started is late itself); "finish" sends nothing more,
 * waits for what is under way, and tells.
 */
import * as dgram from "node:dgram";
import * as http from "node:http";
import { Servers } from "./servers.mjs";

const { port, targets, intervalMs, httpMs = 0 } = JSON.parse(process.argv[2]);
/** An answer may take so long: a datagram without one counts as lost only then. */
const ANSWER_MS_MAX = 300;
const HTTP_MS_MAX = 5000;
const LOST_SHOWN_MAX = 200;
const now = () => performance.timeOrigin + performance.now();

const rows = targets.map((target) => ({
  target,
  socket: dgram.createSocket(target.includes(":") ? "udp6" : "udp4"),
  sent: 0,
  answered: 0,
  /** Sent and not answered: number -> when. */
  open: new Map(),
  twice: 0,
  lastMs: now(),
  maxGap: { fromMs: 0, toMs: 0, lengthMs: 0 },
  servers: new Servers(),
  http: { sent: 0, ok: 0, failed: [], slowestMs: 0 },
}));
let finishing = false;
let underWay = 0;

function closeGap(row, at) {
  const lengthMs = at - row.lastMs;
  if (lengthMs > row.maxGap.lengthMs) row.maxGap = { fromMs: row.lastMs, toMs: at, lengthMs };
}

for (const row of rows) {
  row.socket.on("message", (message) => {
    const at = now();
    const [seq, name] = String(message).split(":");
    if (row.open.delete(Number(seq))) row.answered++;
    else row.twice++;
    closeGap(row, at);
    row.lastMs = at;
    row.servers.answered(Number(seq), name, at);
  });
  row.socket.on("error", () => {}); // No neighbour, no route: the gap tells.
}

function round() {
  const at = now();
  for (const row of rows) {
    row.open.set(row.sent, at);
    row.socket.send(String(row.sent++), port, row.target, () => {});
  }
}

// Timers of whole ms drift and starve together with us: each tick catches up to at most two rounds.
let due = now();
let lateMs = 0;
if (intervalMs > 0)
  setInterval(() => {
    if (finishing) return;
    lateMs = Math.max(lateMs, now() - due);
    for (let n = 0; n < 2 && now() >= due; n++) {
      round();
      due += intervalMs;
    }
    if (now() > due + 10 * intervalMs) due = now();
  }, intervalMs);

function ask(row) {
  const began = now();
  row.http.sent++;
  underWay++;
  const host = row.target;
  const request = http.get({ host, port, path: "/", agent: false, timeout: HTTP_MS_MAX }, (response) => {
    response.resume();
    response.on("end", () => end(null));
    response.on("error", end);
  });
  let over = false;
  function end(error) {
    if (over) return;
    over = true;
    underWay--;
    if (error !== null) {
      if (row.http.failed.length < LOST_SHOWN_MAX)
        row.http.failed.push({ atMs: began, reason: error.code ?? error.message });
      return;
    }
    row.http.ok++;
    row.http.slowestMs = Math.max(row.http.slowestMs, now() - began);
  }
  request.on("timeout", () => request.destroy(new Error("no answer")));
  request.on("error", end);
}

if (httpMs > 0) {
  // One target after the other, spread over the interval.
  let next = 0;
  setInterval(() => {
    if (!finishing) ask(rows[next++ % rows.length]);
  }, httpMs / rows.length);
}

function report() {
  const at = now();
  const reports = rows.map((row) => {
    // What was sent just now is neither answered nor lost yet.
    const lost = [...row.open].filter(([, sentMs]) => at - sentMs > ANSWER_MS_MAX);
    if (!finishing) closeGap(row, at);
    const { target, sent, answered, twice, maxGap, servers } = row;
    const shown = lost.slice(0, LOST_SHOWN_MAX).map(([seq, atMs]) => ({ seq, atMs }));
    const by = sent > 0 ? row.socket.address().port : 0;
    return {
      target,
      by,
      sent,
      answered,
      lost: lost.length,
      lostOnes: shown,
      twice,
      maxGap,
      servers: servers.list(),
      lateMs,
      http: row.http,
    };
  });
  process.send({ kind: "report", reports });
}

process.on("disconnect", () => process.exit(0));
process.on("message", (what) => {
  if (what === "mark") {
    lateMs = 0;
    for (const row of rows) row.maxGap = { fromMs: 0, toMs: 0, lengthMs: 0 };
    return;
  }
  if (what !== "finish") return report();
  finishing = true;
  const at = now();
  for (const row of rows) closeGap(row, at);
  const since = now();
  const wait = () => {
    const open = underWay > 0 && now() - since < HTTP_MS_MAX + 500;
    if (open || now() - since < ANSWER_MS_MAX + 50) setTimeout(wait, 20);
    else report();
  };
  wait();
});
process.send({ kind: "ready" });
