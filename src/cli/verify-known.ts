/**
 * What `vipd verify` knows of the group: whose MAC is whose, and who owns what, from the `/status` of this host's daemon or of those
 * that were named. Boundary: without any it knows nothing, which is no error unless somebody named one.
 */
import * as os from "node:os";
import { canonicalAddress } from "../domain/address.js";
import type { StatusSnapshot } from "../ports.js";
import { type Asked, askStatus, askStatusAt } from "./daemon-client.js";
import type { Expected } from "./verify-verdict.js";

export interface Known {
  /** Null: nobody told anything. */
  readonly status: StatusSnapshot | null;
  /** Why a status that was asked for by name is not there, or "". */
  readonly missing: string;
}

/** The first of the named ones that answers; without names the daemon behind the socket. */
export async function askKnown(urls: readonly string[], socket: string): Promise<Known> {
  if (urls.length === 0) {
    const asked = await askStatus(socket);
    return { status: asked.ok ? asked.status : null, missing: "" };
  }
  const reasons: string[] = [];
  for (const url of urls) {
    const asked: Asked = await askStatusAt(url);
    if (asked.ok) return { status: asked.status, missing: "" };
    reasons.push(asked.reason);
  }
  return { status: null, missing: reasons.join("; ") };
}

export function hostsByMac(status: StatusSnapshot | null): Map<string, string> {
  const members = status?.members ?? [];
  return new Map(members.flatMap((member) => member.macs.map(({ mac }) => [mac, member.name] as const)));
}

/** What lies on this host, or its daemon serves: of this its own answers are not heard. */
export function ownAddresses(status: StatusSnapshot | null): ReadonlySet<string> {
  const local = Object.values(os.networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const own = new Set(local.map((one) => canonicalAddress(one.address) ?? ""));
  const macs = new Set(local.map((one) => one.mac));
  // The status of another host says nothing of what is served here.
  const here = status?.members.find((member) => member.self)?.macs.some(({ mac }) => macs.has(mac)) ?? false;
  if (!here) return own;
  // While it is being released, or on lo for a moment more, somebody else answers already.
  const states = new Map(status?.vips.map((vip) => [vip.address, vip.state]));
  return new Set(
    [...new Set([...own, ...states.keys()])].filter((address) => {
      const state = states.get(address);
      return state === undefined ? own.has(address) : state === "owned" || state === "releasing";
    }),
  );
}

/** Owners before and after: a VIP that moved meanwhile may be answered for by either. */
export function expectedOf(vip: string, snapshots: readonly (StatusSnapshot | null)[]): Expected | null {
  const known = snapshots.flatMap((status) => status?.vips.filter((one) => one.address === vip) ?? []);
  if (known.length === 0) return null;
  const owners = [...new Set(known.flatMap(({ owner }) => (owner === null ? [] : [owner])))];
  const members = snapshots.flatMap((status) => status?.members ?? []);
  const macs = members
    .filter((member) => owners.includes(member.name))
    .flatMap((one) => one.macs.map(({ mac }) => mac));
  return { owners, macs: [...new Set(macs)] };
}

/** The part that the status's host has in the VIP changed between two of them. */
export function changedHere(vip: string, [before, after]: readonly (StatusSnapshot | null)[]): boolean {
  const [then, now] = [before, after].map((status) => status?.vips.find((one) => one.address === vip));
  return then !== undefined && now !== undefined && then.since !== now.since;
}

/** Who had it meanwhile is not known: it may have been any of them. */
export function anyMember(status: StatusSnapshot | null): Expected {
  const members = status?.members ?? [];
  const macs = members.flatMap((member) => member.macs.map(({ mac }) => mac));
  return { owners: members.map(({ name }) => name), macs: [...new Set(macs)] };
}
