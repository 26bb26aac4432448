/**
 * The status page's script, for any browser of today. It asks for `/status` when `/events` says that something happened, at most every
 * so often, and changes what differs in rows that are there already, so that focus and a screen reader's place survive.
 * Boundary: a text that the daemon serves and never runs; it writes text as text only. What it keeps is bounded: one snapshot,
 * EVENTS_MAX events, PAGE_ROWS rows a table.
 */
export const SCRIPT = String.raw`
"use strict";
const PAGE_ROWS = 100, EVENTS_MAX = 1000, MOVES_MAX = 100, LOAD_GAP_MS = 400, LOAD_EVERY_MS = 5000, SAY_GAP_MS = 4000, MEMBERS_MAX = 300;
/* Who needs a look comes first. */
const RANK = { dead: 0, suspect: 1, alive: 2, left: 3 };
/* Owned within so long of each other and for one reason: one move. A death so long before it is its cause. */
const TOGETHER_MS = 3000, CAUSE_MS = 20000;
const TONE = { alive: "good", suspect: "warn", dead: "bad", left: "dim",
  owned: "good", claiming: "accent", releasing: "accent", standby: "dim", conflict: "bad", unowned: "bad" };
const byId = (id) => document.getElementById(id);
const make = (tag, className, text) => {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text) e.textContent = text;
  return e;
};
const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const tone = (element, className) => { if (element.className !== className) element.className = className; };
function ago(time) {
  const s = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  if (!Number.isFinite(s)) return "";
  if (s < 90) return Math.round(s) + " s";
  if (s < 5400) return Math.round(s / 60) + " min";
  return s < 129600 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " d";
}
/* Making a formatter costs what a hundred of its texts do. */
const CLOCK = new Intl.DateTimeFormat([], { timeStyle: "medium", hour12: false });
const clockTime = (time) => CLOCK.format(new Date(time)) + "." + time.slice(20, 23);
const count = (n) => n.toLocaleString("en").replaceAll(",", "\u202f");
const length = (ms) => ms < 1000 ? Math.round(ms) + " ms" : (ms / 1000).toFixed(ms < 10000 ? 2 : 0) + " s";

/* A table of which the rows are used again: columns are [label, kind, value of a row]. */
function table(id, columns, onPick) {
  const body = byId(id), rows = [];
  function row() {
    const tr = make("tr");
    tr.setAttribute("role", "row");
    const cells = columns.map(([label, kind]) => {
      const cell = make(kind === "head" ? "th" : "td", kind === "text" ? "" : "mono");
      cell.setAttribute("role", kind === "head" ? "rowheader" : "cell");
      if (kind === "head") cell.scope = "row";
      cell.dataset.label = label;
      tr.append(cell);
      if (kind === "chip") return cell.appendChild(make("span", "chip"));
      if (kind !== "head" || !onPick) return cell;
      const button = cell.appendChild(make("button"));
      button.type = "button";
      button.addEventListener("click", () => onPick(tr.item));
      return button;
    });
    return { tr, cells };
  }
  return (items) => {
    while (rows.length < items.length) { const made = row(); rows.push(made); body.append(made.tr); }
    for (const extra of rows.splice(items.length)) extra.tr.remove();
    items.forEach((item, i) => {
      const { tr, cells } = rows[i];
      tr.item = item;
      columns.forEach(([, kind, value], c) => {
        const text = value(item) ?? "";
        put(cells[c], text);
        if (kind === "chip") tone(cells[c], "chip " + (TONE[text] || "dim"));
        else if (kind !== "head") cells[c].classList.toggle("empty", text === "");
      });
    });
  };
}
const notes = (m) => [m.self && "this host", m.foreign && "foreign", m.draining && "draining", m.barred,
  !m.settled && !m.foreign && "not settled"].filter(Boolean).join(", ");
let held = new Map(), status = null, stale = true, words = [], page = 0;
const drawMembers = table("members", [
  ["Name", "head", (m) => m.name], ["State", "chip", (m) => m.state], ["Address", "mono", (m) => m.address],
  ["VIPs", "text", (m) => m.foreign ? "" : String(held.get(m.name) ?? 0)], ["Weight", "text", (m) => String(m.weight)],
  ["Round trip", "text", (m) => m.rttMs === null ? "" : m.rttMs.toFixed(2) + " ms"], ["Since", "text", (m) => ago(m.since)],
  ["Notes", "text", notes]]);
const drawVips = table("vips", [
  ["Address", "head", (v) => v.address], ["Owner", "mono", (v) => v.owner ?? "none"], ["Heir", "mono", (v) => v.heir],
  ["Here", "chip", (v) => v.state], ["Group", "text", (v) => v.group + " · " + v.interface], ["Since", "text", (v) => ago(v.since)],
  ["Reason", "text", (v) => v.conflict ? v.reason + "; claimed by " + v.conflict.mac : v.reason]], openHistory);

const KINDS = { all: () => true, here: (v) => v.state === "owned",
  trouble: (v) => v.owner === null || v.state === "conflict" || v.state === "unowned" || v.conflict !== null,
  moving: (v) => v.state === "claiming" || v.state === "releasing" };
function matches() {
  const kind = KINDS[byId("kind").value];
  const hit = status.vips.filter((v) => {
    if (!kind(v)) return false;
    if (words.length === 0) return true;
    const text = (v.address + " " + v.group + " " + v.interface + " " + v.owner + " " + v.heir + " " + v.state).toLowerCase();
    return words.every((w) => text.includes(w));
  });
  /* As with the hosts, what needs somebody stands first. */
  const bad = hit.filter(KINDS.trouble);
  return bad.length === 0 ? hit : bad.concat(hit.filter((v) => !KINDS.trouble(v)));
}
function showVips() {
  if (!status) return;
  const hit = matches(), pages = Math.max(1, Math.ceil(hit.length / PAGE_ROWS));
  page = Math.min(page, pages - 1);
  const from = page * PAGE_ROWS, rows = hit.slice(from, from + PAGE_ROWS);
  drawVips(rows);
  put(byId("range"), hit.length === 0 ? "no VIP matches" : (from + 1) + " to " + (from + rows.length) + " of " + hit.length);
  byId("back").disabled = page === 0;
  byId("next").disabled = page === pages - 1;
  byId("pager").hidden = pages === 1 && hit.length > 0;
}
function show() {
  byId("offline").hidden = !stale;
  const s = status;
  if (!s) return;
  if (document.title !== s.node + " · vipd") document.title = s.node + " · vipd";
  put(byId("node"), s.node);
  put(byId("version"), "vipd " + s.version);
  put(byId("ready"), s.draining ? "draining" : s.ready ? "ready" : "not ready");
  tone(byId("ready"), "chip " + (s.draining ? "warn" : s.ready ? "good" : "bad"));
  const why = [!s.ready && s.readyReason, s.frozen && "the group is frozen", s.lease.lapses > 0 && "lease lapsed " + s.lease.lapses + " times",
    s.quorum && s.quorum.reached + " hosts reached, quorum is " + s.quorum.hosts];
  put(byId("why"), why.filter(Boolean).join(" · "));
  byId("alarms").hidden = s.alarms.length === 0;
  const list = byId("alarm-list");
  if (list.dataset.shown !== s.alarms.join("\n")) {
    list.dataset.shown = s.alarms.join("\n");
    list.replaceChildren(...s.alarms.slice(0, 50).map((a) => make("li", "", a)));
  }
  held = new Map();
  let without = 0, here = 0;
  for (const v of s.vips) {
    if (v.owner === null) without++; else held.set(v.owner, (held.get(v.owner) ?? 0) + 1);
    if (v.state === "owned") here++;
  }
  put(byId("member-count"), s.members.filter((m) => m.state === "alive").length + " of " + s.members.length + " alive");
  drawMembers(s.members.toSorted((a, b) => (RANK[a.state] ?? 9) - (RANK[b.state] ?? 9)).slice(0, MEMBERS_MAX));
  put(byId("vip-count"), count(s.vips.length) + " in all, " + count(here) + " here" + (without ? ", " + count(without) + " without an owner" : ""));
  showVips();
}

/* What happened: kept from the event stream, joined into moves. */
const events = [];
function movesOf() {
  const moves = [];
  const deaths = new Map();
  for (const e of events) {
    const time = Date.parse(e.at);
    if (e.event === "member.dead" || e.event === "member.left") deaths.set(e.member, { time, event: e.event });
    if (e.event.startsWith("member.") || e.event.startsWith("daemon.")) {
      moves.push({ at: e.at, text: e.text, kind: e.event === "member.dead" ? "bad" : "", ms: null });
      continue;
    }
    if (e.event === "vip.conflict") moves.push({ at: e.at, text: e.text, kind: "bad", ms: null });
    if (e.event !== "vip.owned" && e.event !== "vip.releasing") continue;
    const last = moves.findLast((m) => m.slot === e.event + e.reason && time - m.time < TOGETHER_MS);
    const name = e.reason.startsWith("after ") ? e.reason.slice(6) : null, death = deaths.get(name);
    const taken = e.event === "vip.owned" && death?.event === "member.dead" && time - death.time < CAUSE_MS;
    const ms = e.event === "vip.releasing" ? null : taken ? time - death.time : e.tookMs ?? null;
    const n = e.count ?? 1;
    if (last) { last.count += n; last.time = time; if (ms !== null) last.ms = Math.max(last.ms ?? 0, ms); }
    else moves.push({ at: e.at, time, slot: e.event + e.reason, count: n, ms, taken, name, releasing: e.event === "vip.releasing", reason: e.reason });
  }
  return moves.slice(-MOVES_MAX).reverse();
}
function moveText(m) {
  if (m.text) return m.text;
  const what = m.count + (m.count === 1 ? " VIP" : " VIPs");
  if (m.releasing) return m.reason.startsWith("to ") ? "hands over " + what + " " + m.reason : "falls silent for " + what + ": " + m.reason;
  if (m.taken) return "took over " + what + " of " + m.name;
  return "took " + what + (m.name ? " handed over by " + m.name : ": " + m.reason);
}
function showMoves(moves) {
  const longest = Math.max(1, ...moves.map((m) => m.ms ?? 0));
  byId("moves").replaceChildren(...moves.map((m) => {
    const li = make("li"), time = make("time", "mono dim", clockTime(m.at)), end = make("span", "mono");
    time.dateTime = m.at;
    if (m.ms !== null) {
      end.textContent = length(m.ms);
      const bar = end.appendChild(make("span", "length"));
      bar.style.width = Math.max(2, 100 * m.ms / longest) + "%";
    }
    li.append(time, make("span", m.kind || (m.taken ? "warn" : ""), moveText(m)), end);
    return li;
  }));
  byId("quiet").hidden = moves.length > 0;
}
let shownOf = null;
function openHistory(v) {
  shownOf = v;
  const mine = events.filter((e) => e.vip === v.address || e.vip === v.group || e.address === v.address || String(e.vip).split(",").includes(v.address));
  put(byId("history-of"), "History of " + v.address);
  byId("history").replaceChildren(...mine.reverse().map((e) => {
    const li = make("li"), time = make("time", "mono dim", clockTime(e.at));
    time.dateTime = e.at;
    li.append(time, make("span", "", e.text ?? e.event), make("span"));
    return li;
  }));
  byId("history-none").hidden = mine.length > 0;
  put(byId("history-none"), mine.length ? "" : "Nothing happened to it on this host among the latest events: " + v.state + " for " + ago(v.since) + ", " + v.reason + ".");
  byId("dialog").showModal();
}

/* Said politely, the latest only, and not more often than a voice can read it. */
let toSay = "", saying = false;
function say(text) {
  toSay = text;
  if (saying) return;
  saying = true;
  put(byId("news"), toSay);
  toSay = "";
  setTimeout(() => { saying = false; if (toSay) say(toSay); }, SAY_GAP_MS);
}
let drawing = false;
function happened(message) {
  let e;
  try { e = JSON.parse(message.data); } catch { return; }
  lastId = message.lastEventId;
  events.push(e);
  if (events.length > EVENTS_MAX) events.shift();
  load();
  if (drawing) return;
  drawing = true;
  setTimeout(() => {
    drawing = false;
    const moves = movesOf(), move = moves[0];
    showMoves(moves);
    if (move && Date.now() - Date.parse(move.at) < 60000) say(moveText(move));
  }, LOAD_GAP_MS);
}

let busy = false, again = false;
async function load() {
  if (busy) { again = true; return; }
  busy = true;
  const began = performance.now();
  try {
    const response = await fetch("status", { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (!response.ok) throw new Error(String(response.status));
    status = await response.json();
    stale = false;
  } catch { stale = true; }
  show();
  /* A status that takes long, because it is large or the way is, is asked for less often. */
  setTimeout(() => { busy = false; if (again) { again = false; load(); } }, Math.max(LOAD_GAP_MS, 4 * (performance.now() - began)));
}

/* A browser reconnects by itself after a lost connection, but gives up after an answer that is none (a 503): we do not. */
let stream = null, lastId = "", waitMs = 1000;
function listen() {
  stream = new EventSource("events?since=" + encodeURIComponent(lastId));
  stream.addEventListener("message", happened);
  stream.addEventListener("open", () => { waitMs = 1000; load(); });
  stream.addEventListener("error", () => {
    load();
    if (stream.readyState !== EventSource.CLOSED) return;
    setTimeout(listen, waitMs);
    waitMs = Math.min(30000, 2 * waitMs);
  });
}
let typing = null;
function filterAgain() {
  clearTimeout(typing);
  words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  page = 0;
  showVips();
}
byId("filter").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(filterAgain, 80);
});
byId("kind").addEventListener("change", filterAgain);
byId("back").addEventListener("click", () => { page--; showVips(); });
byId("next").addEventListener("click", () => { page++; showVips(); });
byId("close").addEventListener("click", () => byId("dialog").close());
document.addEventListener("keydown", (e) => {
  if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || /^(input|select)$/i.test(e.target.tagName)) return;
  e.preventDefault();
  byId("filter").focus();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) load(); });
setInterval(() => { if (!document.hidden) load(); }, LOAD_EVERY_MS);
listen();
load();
showMoves([]);
`;
