/**
 * The snapshot: what `/status` and `/metrics` show, taken from the group and its adapters. Boundary: reads; changes nothing.
 */
import { canonicalAddress } from "../domain/address.js";
import type { Standing } from "../domain/group/face.js";
import type { Group } from "../domain/group/group.js";
import { formatEndpoint } from "../domain/messages.js";
import type { KeyView } from "../domain/ownership/types.js";
import type { MemberView } from "../domain/swim/types.js";
import type {
  CheckStatus,
  Clock,
  GossipStats,
  LinkState,
  MemberStatus,
  QuorumStatus,
  ResponderStats,
  StatusSnapshot,
  VipExplanation,
  VipStatus,
} from "../ports.js";

export interface SnapshotSource {
  readonly group: Group;
  /** Kept from one snapshot to the next. */
  readonly rows: VipRows;
  readonly clock: Clock;
  readonly version: string;
  readonly instance: number;
  readonly bind: string;
  readonly encrypted: boolean;
  readonly gossip: GossipStats;
  readonly responder: ResponderStats;
  readonly links: readonly LinkState[];
  readonly interfaces: readonly string[];
  readonly strictArp: StatusSnapshot["strictArp"];
  readonly alarms: readonly string[];
  readonly checks: readonly CheckStatus[];
}

export function instanceText(instance: number): string {
  return instance.toString(16).padStart(8, "0");
}

export function takeSnapshot(source: SnapshotSource): StatusSnapshot {
  const { group } = source;
  const clock = remembering(source.clock);
  const standing = group.standing();
  const links = new Map(source.links.map((link) => [link.name, link]));
  return {
    node: group.name,
    version: source.version,
    instance: instanceText(source.instance),
    ready: standing.ready,
    readyReason: standing.readyReason,
    draining: standing.draining,
    frozen: group.orders().freeze.on,
    moves: group
      .orders()
      .moves.filter((move) => move.host !== "")
      .map((move) => ({ vip: move.key, host: move.host })),
    lease: { untilMs: Math.max(0, Math.round(standing.lease.until)), lapses: standing.lease.lapses },
    quorum: quorumStatus(standing.quorum),
    members: group.members().map((member) => memberStatus(member, group, clock)),
    vips: source.rows.take(group.keys(), clock),
    interfaces: source.interfaces.map((name) => {
      const link = links.get(name);
      return { name, mac: link?.mac ?? "", up: link?.up ?? false, carrier: link?.carrier ?? false };
    }),
    gossip: {
      bind: source.bind,
      encrypted: source.encrypted,
      datagramsIn: source.gossip.datagramsIn,
      datagramsOut: source.gossip.datagramsOut,
      bytesIn: source.gossip.bytesIn,
      bytesOut: source.gossip.bytesOut,
      dropped: source.gossip.dropped,
    },
    responder: {
      replies: source.responder.replies,
      announcements: source.responder.announcements,
      ignored: source.responder.ignored,
    },
    strictArp: source.strictArp,
    alarms: [...source.alarms],
    checks: source.checks,
  };
}

/** What did not change since the last snapshot is the same row: of ten thousand VIPs few do. */
export class VipRows {
  /** In the group's order, which only a reload changes. */
  #kept: { readonly key: KeyView; readonly rows: readonly VipStatus[] }[] = [];
  /** How the wall clock stood: whoever sets it changes the text of every instant. */
  #epoch = "";

  take(keys: readonly KeyView[], clock: Clock): VipStatus[] {
    const epoch = clock.wall(0);
    const before = epoch === this.#epoch ? this.#kept : [];
    this.#epoch = epoch;
    const vips: VipStatus[] = [];
    this.#kept = keys.map((key, i) => {
      const known = before[i];
      const kept = known !== undefined && isAlike(known.key, key) ? known : { key, rows: rowsOf(key, clock) };
      for (const row of kept.rows) vips.push(row);
      return kept;
    });
    return vips;
  }
}

/** A stranger's row ages by itself, so it is never alike. */
function isAlike(a: KeyView, b: KeyView): boolean {
  return (
    a.spec === b.spec &&
    a.state === b.state &&
    a.since === b.since &&
    a.owner === b.owner &&
    a.heir === b.heir &&
    a.reason === b.reason &&
    a.stranger === null &&
    b.stranger === null
  );
}

function rowsOf(key: KeyView, clock: Clock): VipStatus[] {
  const { spec, owner, heir, state, reason } = key;
  const [interfaces, since, conflict] = [spec.interfaces.join(), clock.wall(key.since), conflictOf(key, clock)];
  return spec.addresses.map((address) => ({
    address,
    group: spec.group,
    interface: interfaces,
    owner,
    heir,
    state,
    since,
    reason,
    conflict,
  }));
}

/** Thousands of VIPs came to their states in few turns, and an instant's text costs a microsecond. */
function remembering(clock: Clock): Clock {
  const texts = new Map<number, string>();
  return {
    now: () => clock.now(),
    wall: (at) => {
      let text = texts.get(at);
      if (text === undefined) texts.set(at, (text = clock.wall(at)));
      return text;
    },
  };
}

/** null: none of our VIPs. */
export function explainVip(group: Group, clock: Clock, text: string): VipExplanation | null {
  const explained = group.explain(canonicalAddress(text) ?? text);
  if (explained === null) return null;
  const { view, spread, failbackAfterMs, frozen, moved, fixed, hosts } = explained;
  return {
    vip: view.spec.key,
    group: view.spec.group,
    addresses: view.spec.addresses,
    interface: view.spec.interfaces.join(),
    owner: view.owner,
    heir: view.heir,
    state: view.state,
    since: clock.wall(view.since),
    reason: view.reason,
    ...{ spread, failbackAfterMs, frozen, moved, fixed, hosts },
  };
}

function quorumStatus(quorum: Standing["quorum"]): QuorumStatus | null {
  if (quorum === null) return null;
  const { hosts, expect, reached, held, losses } = quorum;
  return { hosts, expect, reached, held, losses };
}

/** A stranger that has been quiet for so long is history. */
const CONFLICT_SHOWN_MS = 60_000;

function conflictOf(key: KeyView, clock: Clock): VipStatus["conflict"] {
  const { stranger } = key;
  if (stranger === null || (clock.now() - stranger.at > CONFLICT_SHOWN_MS && key.state !== "conflict")) return null;
  return { mac: stranger.mac, since: clock.wall(stranger.since), at: clock.wall(stranger.at) };
}

function memberStatus(member: MemberView, group: Group, clock: Clock): MemberStatus {
  const facts = group.facts(member.name);
  return {
    name: member.name,
    address: formatEndpoint(member.address),
    state: member.state,
    self: member.self,
    foreign: member.foreign,
    incarnation: member.incarnation,
    weight: facts?.weight ?? 0,
    draining: facts?.draining ?? false,
    barred: facts?.barred ?? "",
    settled: facts === undefined ? false : !facts.groups.some((g) => g.deferring),
    rttMs: member.rttMs === null ? null : Math.round(member.rttMs * 1000) / 1000,
    macs: (facts?.interfaces ?? []).map(({ name, mac }) => ({ interface: name, mac })),
    since: clock.wall(member.since),
  };
}
