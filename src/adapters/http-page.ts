/**
 * The status page: one self-contained document that reads `/status` and listens to `/events`. Purpose: a look at the group
 * from a browser or a phone, without installing anything. Boundary: shows, changes nothing, loads nothing from elsewhere; its
 * content security policy allows exactly the style and the script below, by their hashes.
 */
import { createHash } from "node:crypto";

const STYLE = `
:root { color-scheme: light dark; --bg: #f6f7f9; --card: #fff; --line: #e1e4e9; --text: #1b1f27; --dim: #667085;
  --good: #117a43; --warn: #a15c07; --bad: #c0262d; --accent: #2456c9; }
@media (prefers-color-scheme: dark) { :root { --bg: #101318; --card: #181c23; --line: #2a303a; --text: #e7eaf0;
  --dim: #97a1b2; --good: #4ccb86; --warn: #eab04c; --bad: #ff7b80; --accent: #86abff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 1100px; margin: 0 auto; padding: 16px; display: grid; gap: 16px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; }
h1 { font-size: 20px; margin: 0; } h2 { font-size: 15px; margin: 0; }
.dim { color: var(--dim); } .grow { flex: 1; }
.chip { display: inline-block; padding: 0 8px; border: 1px solid currentColor; border-radius: 99px; font-size: 12px; white-space: nowrap; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); } .accent { color: var(--accent); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
section > div { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 12px; padding: 10px 14px; }
#alarms { border-color: var(--bad); } #alarms ul { margin: 0; padding: 0 14px 12px 32px; }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; padding: 6px 14px; border-top: 1px solid var(--line); vertical-align: top; }
th { color: var(--dim); font-weight: 500; font-size: 13px; }
td.mono { font-family: ui-monospace, monospace; font-size: 13.5px; overflow-wrap: anywhere; }
input { font: inherit; color: inherit; background: var(--bg); border: 1px solid var(--line); border-radius: 7px; padding: 3px 10px; }
[hidden] { display: none; }
@media (max-width: 640px) {
  thead { display: none; } tr { display: block; padding: 8px 14px; border-top: 1px solid var(--line); }
  td { display: flex; gap: 10px; padding: 1px 0; border: 0; }
  td::before { content: attr(data-label); color: var(--dim); min-width: 6.5em; font: 13px/1.6 system-ui, sans-serif; }
  td:empty { display: none; } input { width: 100%; }
}`;

const SCRIPT = `
"use strict";
const ROWS_MAX = 500;
const TONE = { alive: "good", suspect: "warn", dead: "bad", left: "dim",
  owned: "good", claiming: "accent", releasing: "accent", standby: "dim", conflict: "bad", unowned: "bad" };
const byId = (id) => document.getElementById(id);
const make = (tag, className, text) => {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined && text !== null) e.textContent = text;
  return e;
};
const chip = (text) => make("span", "chip " + (TONE[text] || "dim"), text);
function row(cells) {
  const tr = make("tr");
  for (const [label, value, mono] of cells) {
    const td = make("td", mono ? "mono" : "");
    td.dataset.label = label;
    if (value instanceof Node) td.append(value); else td.textContent = value ?? "";
    tr.append(td);
  }
  return tr;
}
function ago(time) {
  const s = Math.max(0, (Date.now() - Date.parse(time)) / 1000);
  if (!Number.isFinite(s)) return "";
  if (s < 90) return Math.round(s) + " s";
  if (s < 5400) return Math.round(s / 60) + " min";
  return s < 129600 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " d";
}
function notes(m) {
  return [m.self && "this host", m.foreign && "foreign", m.draining && "draining", !m.settled && !m.foreign && "not settled"]
    .filter(Boolean).join(", ");
}
let status = null, stale = true;
function show() {
  const s = status;
  byId("offline").hidden = !stale;
  if (!s) return;
  document.title = s.node + " · vipd";
  byId("node").textContent = s.node;
  byId("version").textContent = "vipd " + s.version;
  const ready = byId("ready");
  ready.textContent = s.draining ? "draining" : s.ready ? "ready" : "not ready";
  ready.className = "chip " + (s.draining ? "warn" : s.ready ? "good" : "bad");
  ready.title = s.readyReason;
  byId("why").textContent = s.ready ? "" : s.readyReason;
  byId("lapses").textContent = s.lease.lapses ? "lease lapsed " + s.lease.lapses + " times" : "";
  byId("alarms").hidden = s.alarms.length === 0;
  byId("alarm-list").replaceChildren(...s.alarms.map((a) => make("li", "", a)));
  byId("member-count").textContent = s.members.filter((m) => m.state === "alive").length + " of " + s.members.length + " alive";
  byId("members").replaceChildren(...s.members.slice(0, ROWS_MAX).map((m) => row([
    ["Name", m.name, true], ["State", chip(m.state)], ["Address", m.address, true],
    ["RTT", m.rttMs === null ? "" : m.rttMs.toFixed(1) + " ms"], ["Since", ago(m.since)], ["", notes(m)]])));
  const words = byId("filter").value.toLowerCase().split(/\\s+/).filter(Boolean);
  const hit = s.vips.filter((v) => {
    const text = [v.address, v.group, v.interface, v.owner, v.heir, v.state, v.reason].join(" ").toLowerCase();
    return words.every((w) => text.includes(w));
  });
  const here = s.vips.filter((v) => v.state === "owned").length, without = s.vips.filter((v) => v.owner === null).length;
  byId("vip-count").textContent = s.vips.length + " in all, " + here + " here" + (without ? ", " + without + " without an owner" : "");
  byId("vips").replaceChildren(...hit.slice(0, ROWS_MAX).map((v) => row([
    ["Address", v.address, true], ["Owner", v.owner ?? "none", true], ["Heir", v.heir ?? "", true], ["Here", chip(v.state)],
    ["Group", v.group + " · " + v.interface], ["Since", ago(v.since)], ["Reason", v.reason]])));
  byId("more").textContent = hit.length > ROWS_MAX ? hit.length - ROWS_MAX + " more: narrow the filter" : "";
}
let busy = false, again = false;
async function load() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const response = await fetch("status", { cache: "no-store" });
    if (!response.ok) throw new Error(response.status);
    status = await response.json();
    stale = false;
  } catch { stale = true; }
  show();
  setTimeout(() => { busy = false; if (again) { again = false; load(); } }, 400);
}
byId("filter").addEventListener("input", show);
new EventSource("events").addEventListener("message", load);
document.addEventListener("visibilitychange", () => { if (!document.hidden) load(); });
setInterval(() => { if (!document.hidden) load(); }, 5000);
load();`;

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E" +
  "%3Ccircle cx='8' cy='8' r='6' fill='none' stroke='%232456c9' stroke-width='3'/%3E%3C/svg%3E";

const headings = (...names: string[]) => `<thead><tr>${names.map((n) => `<th>${n}</th>`).join("")}</tr></thead>`;

const HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>vipd</title>
<link rel="icon" href="${ICON}">
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
  <h1 id="node">vipd</h1><span id="ready" class="chip dim">…</span><span id="why" class="warn"></span>
  <span id="lapses" class="warn"></span><span class="grow"></span>
  <span id="offline" class="chip bad" hidden>no answer from the daemon</span><span id="version" class="dim"></span>
</header>
<section id="alarms" hidden role="alert"><div><h2 class="bad">Alarms</h2></div><ul id="alarm-list"></ul></section>
<section>
  <div><h2>Members</h2><span id="member-count" class="dim"></span></div>
  <table>${headings("Name", "State", "Address", "RTT", "Since", "")}<tbody id="members"></tbody></table>
</section>
<section>
  <div><h2>Virtual IPs</h2><span id="vip-count" class="dim"></span><span class="grow"></span>
    <input id="filter" type="search" placeholder="Filter" aria-label="Filter virtual IPs"></div>
  <table>${headings("Address", "Owner", "Heir", "Here", "Group", "Since", "Reason")}<tbody id="vips"></tbody></table>
  <div class="dim" id="more"></div>
</section>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;

function hash(source: string): string {
  return `'sha256-${createHash("sha256").update(source).digest("base64")}'`;
}

export const PAGE: Buffer = Buffer.from(HTML);

export const PAGE_CSP = [
  "default-src 'none'",
  `style-src ${hash(STYLE)}`,
  `script-src ${hash(SCRIPT)}`,
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");
