/** The status page's style: dark and light as the reader's system is, and from a phone's width up. Boundary: a text. */
export const STYLE = `
:root { color-scheme: light dark; --bg: #f6f7f9; --card: #fff; --line: #d5d9e0; --text: #1b1f27; --dim: #565f70;
  --good: #0f6a3a; --warn: #8a4b00; --bad: #b3202a; --accent: #2456c9; --bar: #c9d6f3; }
@media (prefers-color-scheme: dark) { :root { --bg: #101318; --card: #181c23; --line: #333a46; --text: #e7eaf0;
  --dim: #a3adbd; --good: #4ccb86; --warn: #eab04c; --bad: #ff8489; --accent: #8fb1ff; --bar: #2b3c63; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 0 16px 24px; display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; }
header { max-width: 1180px; margin: 0 auto; padding: 16px; display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; }
h1 { font-size: 20px; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 16px; margin: 0; }
.dim { color: var(--dim); } .grow { flex: 1; }
.chip { display: inline-block; padding: 0 8px; border: 1px solid currentColor; border-radius: 99px; font-size: 12.5px; white-space: nowrap; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); } .accent { color: var(--accent); }
.skip { position: absolute; left: -9999px; } .skip:focus { left: 8px; top: 8px; background: var(--card); padding: 6px 10px; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 12px; padding: 10px 14px; }
.scroll { max-height: 440px; overflow-y: auto; position: relative; }
#alarms { border-color: var(--bad); } #alarms ul { margin: 0; padding: 0 14px 12px 32px; }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; padding: 5px 14px; border-top: 1px solid var(--line); vertical-align: baseline; font-weight: 400; }
thead th { color: var(--dim); font-weight: 500; font-size: 13px; }
.mono { font-family: ui-monospace, monospace; font-size: 13.5px; overflow-wrap: anywhere; }
input, select, button { font: inherit; color: inherit; background: var(--bg); border: 1px solid var(--dim); border-radius: 7px; padding: 3px 10px; min-height: 30px; }
button { cursor: pointer; } button:disabled { opacity: .5; cursor: default; }
th button { min-height: 24px; padding: 0 4px; margin: 0 -5px; border-color: transparent; background: none; font: inherit; text-align: left;
  text-decoration: underline dotted; text-underline-offset: 3px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
ol { list-style: none; margin: 0; padding: 0; max-height: 420px; overflow-y: auto; }
ol li { display: grid; grid-template-columns: 8.2em minmax(0, 1fr) 6.5em; gap: 2px 12px; padding: 5px 14px; border-top: 1px solid var(--line); }
ol li > :last-child { text-align: right; }
.length { display: block; height: 4px; margin-top: 3px; border-radius: 2px; background: var(--bar); }
dialog { color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 10px; width: min(640px, 94vw); padding: 0; }
dialog::backdrop { background: rgb(0 0 0 / .45); }
[hidden] { display: none; }
@media (max-width: 640px) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody { display: block; }
  tr { display: grid; grid-template-columns: 1fr 1fr; gap: 1px 12px; padding: 8px 14px; border-top: 1px solid var(--line); }
  td, tbody th { display: flex; gap: 8px; align-items: baseline; padding: 0; border: 0; min-width: 0; }
  td::before { content: attr(data-label); color: var(--dim); flex: none; font: 13px/1.6 system-ui, sans-serif; }
  tbody th { grid-area: 1 / 1; } td:has(.chip) { grid-area: 1 / 2; justify-self: end; } td:has(.chip)::before { content: none; }
  td[data-label="Address"], td[data-label="Reason"], td[data-label="Notes"] { grid-column: 1 / -1; }
  td.empty, td[data-label="Weight"] { display: none; }
  input { min-height: 40px; flex: 1 1 9em; min-width: 0; } select { min-height: 40px; } .bar button { min-height: 40px; flex: 1; }
  .bar > .grow { flex-basis: 100%; } #pager > .grow, dialog .grow, header > .grow { flex-basis: 0; }
  ol li { grid-template-columns: 1fr auto; } ol li > :nth-child(2) { grid-column: 1 / -1; grid-row: 2; }
}`;
