/** The text of `vipd status`: tables that fit 80 columns where names allow it. Pure but for colours. */
import type { StatusSnapshot } from "../ports.js";
import { paint, printable } from "./common.js";

const WIDTH = 80;

export function membersText(status: StatusSnapshot): string {
  const byName = [...status.members].sort((a, b) => (a.self !== b.self ? (a.self ? -1 : 1) : a.name < b.name ? -1 : 1));
  return table(["MEMBER", "ADDRESS", "STATE", "NOTES"], byName.map(memberRow), "STATE").join("\n");
}

export function vipsText(status: StatusSnapshot): string {
  return table(["VIP", "GROUP", "OWNER", "HEIR", "HERE"], status.vips.map(vipRow), "HERE").join("\n");
}

export function statusText(status: StatusSnapshot): string {
  const lines: string[] = [];
  const draining = status.draining ? ", draining" : "";
  lines.push(
    `${status.node}, vipd ${status.version}: ${status.ready ? "ready" : `not ready (${status.readyReason})`}${draining}`,
  );
  if (status.frozen) lines.push(paint("yellow", "frozen: no planned moves until `vipd thaw`"));
  for (const alarm of status.alarms) lines.push(paint("red", `ALARM: ${printable(alarm)}`));
  lines.push("", membersText(status));
  lines.push("", vipsText(status));
  if (status.checks.length > 0) {
    const rows = status.checks.map((one) => [one.check, one.group, one.state, one.reason]);
    lines.push("", ...table(["CHECK", "GROUP", "STATE", "LAST"], rows, "STATE"));
  }
  if (status.moves.length > 0) lines.push("");
  for (const { vip, host } of status.moves)
    lines.push(printable(`${vip} was moved to ${host} (vipd move ${vip} --undo)`));
  const reasons = status.vips.filter(
    (vip) => vip.owner === null || vip.state === "conflict" || vip.state === "claiming",
  );
  if (reasons.length > 0) lines.push("");
  for (const vip of reasons) lines.push(`${vip.address}: ${vip.state}, ${printable(vip.reason)}`);
  return lines.join("\n");
}

function memberRow(member: StatusSnapshot["members"][number]): string[] {
  const notes = [
    member.self ? "this host" : "",
    member.foreign ? "not vipd" : "",
    member.draining ? "draining" : "",
    member.barred,
    member.settled || member.foreign ? "" : "settling",
    member.weight === 1 || member.foreign ? "" : `weight ${member.weight}`,
  ];
  return [member.name, member.address, member.state, notes.filter((note) => note !== "").join(", ")];
}

function vipRow(vip: StatusSnapshot["vips"][number]): string[] {
  return [vip.address, vip.group, vip.owner ?? "nobody", vip.heir ?? "-", vip.state];
}

export function table(head: readonly string[], rows: readonly (readonly string[])[], coloured: string): string[] {
  const cells = [head, ...rows].map((row) => row.map(printable));
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  shrink(widths);
  return cells.map((row, rowNumber) => {
    const text = row.map((cell, i) => {
      const padded = clip(cell, widths[i]!).padEnd(widths[i]!);
      return rowNumber > 0 && head[i] === coloured ? paint(colourOf(cell), padded) : padded;
    });
    const line = text.join("  ").trimEnd();
    return rowNumber === 0 ? paint("bold", line) : line;
  });
}

/** Takes from the widest column but the first (the key of a row) until the line fits, or no column is wider than 8. */
function shrink(widths: number[]): void {
  const total = () => widths.reduce((sum, width) => sum + width, 0) + 2 * (widths.length - 1);
  while (total() > WIDTH) {
    const widest = widths.reduce((best, width, i) => (i > 0 && width > widths[best]! ? i : best), 1);
    if (widths[widest]! <= 8) return;
    widths[widest]!--;
  }
}

function clip(cell: string, width: number): string {
  return cell.length <= width ? cell : `${cell.slice(0, width - 1)}…`;
}

function colourOf(state: string): "green" | "yellow" | "red" | "grey" {
  if (state === "alive" || state === "owned" || state === "passing") return "green";
  if (state === "standby" || state === "left") return "grey";
  return state === "dead" || state === "failing" || state === "conflict" || state === "unowned" ? "red" : "yellow";
}
