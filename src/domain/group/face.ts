/**
 * The group in words for people: member events and alarms. Boundary: pure text; nothing is decided here.
 */
import { OBSERVING } from "../facts.js";
import type { Lease } from "../lease.js";
import { formatEndpoint, type Millis } from "../messages.js";
import type { Order } from "../orders.js";
import { STILL_ANSWERS } from "../ownership/claiming.js";
import type { Key } from "../ownership/key.js";
import type { OwnershipEvent } from "../ownership/types.js";
import type { SwimEvent } from "../swim/types.js";
import { NO_QUORUM } from "./quorum.js";

const STRANGER_SHOWN_MS = 60_000;

export function memberEvent(event: Extract<SwimEvent, { kind: "member" }>): OwnershipEvent {
  const { member, change, reason } = event;
  const level = change === "dead" ? "warn" : change === "suspect" || change === "updated" ? "debug" : "info";
  const kind = member.foreign ? "foreign member" : "member";
  return {
    level,
    event: `member.${change}`,
    fields: { member: member.name, address: formatEndpoint(member.address), incarnation: member.incarnation, reason },
    text: `${kind} ${member.name} ${change}${reason === "" ? "" : `: ${reason}`}`,
  };
}

export function orderText(order: Order): string {
  switch (order.kind) {
    case "freeze":
      return order.on ? "an operator freezes the group" : "an operator thaws the group";
    case "move":
      return order.host === null
        ? `an operator undoes the move of ${order.key}`
        : `an operator moves ${order.key} to ${order.host}`;
    case "rebalance":
      return "an operator rebalances the group";
  }
}

export interface QuorumView {
  /** Needed, this host included, and expected in all. */
  readonly hosts: number;
  readonly expect: number | null;
  readonly held: boolean;
  /** Times that it was lost. */
  readonly losses: number;
  /** Proven to have been reached within the lease, this host included. */
  readonly reached: number;
  /** Hosts that are known, dead ones included. */
  readonly known: number;
}

export interface Standing {
  readonly ready: boolean;
  readonly readyReason: string;
  readonly draining: boolean;
  readonly lease: Lease;
  readonly barred: string;
  readonly quorum: QuorumView | null;
}

export function lackOf(quorum: QuorumView | null): string {
  if (quorum === null) return "";
  const { reached, hosts } = quorum;
  const catching =
    reached >= hosts ? "catching up with the group" : `${reached} of ${hosts} hosts answer, itself included`;
  return `no quorum: ${catching}; this host is silent and owns nothing until it has one`;
}

export interface AlarmState {
  readonly self: string;
  readonly disputed: readonly string[];
  readonly barred: string;
  readonly quorum: QuorumView | null;
  readonly drift: readonly { readonly group: string; readonly hosts: readonly string[] }[];
  readonly keys: readonly Key[];
  readonly links: readonly { readonly group: string; readonly reason: string }[];
  readonly now: Millis;
}

/** What an operator should look at, a line each; empty at rest. */
export function alarmsOf(state: AlarmState): string[] {
  const alarms: string[] = [];
  for (const name of state.disputed) {
    alarms.push(
      name === state.self
        ? `name-conflict: another host uses the name ${name}: this host owns nothing until one of them is renamed`
        : `name-conflict: two hosts use the name ${name}: neither of them owns anything`,
    );
  }
  const { quorum } = state;
  if (quorum?.expect && quorum.known > quorum.expect) {
    alarms.push(
      `expect: ${quorum.known} hosts are known, ${quorum.expect} were expected: two sides of a partition could both have a quorum`,
    );
  }
  if (quorum?.held === false) alarms.push(lackOf(quorum));
  if (!["", "name-conflict", NO_QUORUM, OBSERVING].includes(state.barred)) alarms.push(`not eligible: ${state.barred}`);
  for (const { group, hosts } of state.drift) {
    if (hosts.length === 0) continue;
    alarms.push(`drift: the configuration of group ${group} differs on ${hosts.join(", ")}: no planned moves of it`);
  }
  for (const { group, reason } of state.links) if (reason !== "") alarms.push(`group ${group}: ${reason}`);
  for (const key of state.keys) {
    if (key.state === "standby" && key.reason.endsWith(STILL_ANSWERS)) alarms.push(`${key.spec.key}: ${key.reason}`);
    if (key.stranger !== null && state.now - key.stranger.at < STRANGER_SHOWN_MS) {
      alarms.push(`conflict: a stranger with MAC ${key.stranger.mac} claims ${key.spec.key}`);
    }
  }
  return alarms;
}
