/**
 * The status page: one self-contained document that reads `/status` and listens to `/events`. Purpose: a look at the group
 * from a browser or a phone, without installing anything. Boundary: shows, changes nothing, loads nothing from elsewhere; its
 * content security policy allows exactly its style and its script, by their hashes.
 */
import { createHash } from "node:crypto";
import { SCRIPT } from "./http-page-script.js";
import { STYLE } from "./http-page-style.js";

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E" +
  "%3Ccircle cx='8' cy='8' r='6' fill='none' stroke='%232456c9' stroke-width='3'/%3E%3C/svg%3E";

/** Roles are said outright: where a phone's width lays a table out as blocks, browsers forget that it is one. */
function table(id: string, caption: string, ...columns: readonly string[]): string {
  const heads = columns.map((name) => `<th scope="col" role="columnheader">${name}</th>`).join("");
  return `<table role="table"><caption class="unseen">${caption}</caption>
  <thead role="rowgroup"><tr role="row">${heads}</tr></thead><tbody role="rowgroup" id="${id}"></tbody></table>`;
}

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
<a class="skip" href="#filter">Skip to the virtual IPs' filter</a>
<header>
  <h1 id="node">vipd</h1><span id="ready" class="chip dim">…</span><span id="why" class="warn"></span><span class="grow"></span>
  <span id="offline" class="chip bad" role="status" hidden>no answer from the daemon</span><span id="version" class="dim"></span>
</header>
<main>
<p id="news" class="unseen" aria-live="polite"></p>
<section id="alarms" aria-labelledby="alarms-title" aria-live="polite" hidden>
  <div class="bar"><h2 id="alarms-title" class="bad">Alarms</h2></div><ul id="alarm-list"></ul>
</section>
<section aria-labelledby="members-title">
  <div class="bar"><h2 id="members-title">Hosts</h2><span id="member-count" class="dim"></span></div>
  <div class="scroll" tabindex="0" role="group" aria-labelledby="members-title">
  ${table("members", "Hosts of the group", "Name", "State", "Address", "VIPs", "Weight", "Round trip", "Since", "Notes")}
  </div>
</section>
<section aria-labelledby="moves-title">
  <div class="bar"><h2 id="moves-title">Time line</h2><span class="dim">of this host's moves; a takeover's length is counted from the verdict that its owner is dead</span></div>
  <ol id="moves" tabindex="0" aria-labelledby="moves-title"></ol><p id="quiet" class="bar dim">Nothing happened yet.</p>
</section>
<section aria-labelledby="vips-title">
  <div class="bar"><h2 id="vips-title">Virtual IPs</h2><span id="vip-count" class="dim"></span><span class="grow"></span>
    <select id="kind" aria-label="Which virtual IPs"><option value="all">all</option><option value="here">owned here</option>
      <option value="trouble">in trouble</option><option value="moving">moving</option></select>
    <input id="filter" type="search" placeholder="Filter ( / )" aria-label="Filter virtual IPs" autocomplete="off"></div>
  ${table("vips", "Virtual IPs; an address opens its history", "Address", "Owner", "Heir", "Here", "Group", "Since", "Reason")}
  <div class="bar" id="pager"><span id="range" class="dim" role="status"></span><span class="grow"></span>
    <button type="button" id="back">Previous page</button><button type="button" id="next">Next page</button></div>
</section>
</main>
<dialog id="dialog" aria-labelledby="history-of">
  <div class="bar"><h2 id="history-of"></h2><span class="grow"></span><button type="button" id="close">Close</button></div>
  <ol id="history" tabindex="0" aria-labelledby="history-of"></ol><p class="bar dim" id="history-none"></p>
</dialog>
<script>${SCRIPT}</script>
</body>
</html>
`;

function hash(source: string): string {
  return `'sha256-${createHash("sha256").update(source).digest("base64")}'`;
}

export const PAGE: Buffer = Buffer.from(HTML);

/** Made when somebody wants to see it: most daemons are never looked at, and each start would pay for the hashes. */
export function pageCsp(): string {
  return [
    "default-src 'none'",
    `style-src ${hash(STYLE)}`,
    `script-src ${hash(SCRIPT)}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
