/**
 * `/metrics`: the Prometheus text format (version 0.0.4), from a snapshot and counters. Purpose: aggregated series only, so that a
 * host with 10 000 VIPs is scraped in a millisecond; each VIP by itself is in `/status`. Boundary: renders what it is given.
 * Our own lines rather than prom-client: all values exist already, and a registry to copy them into would be a second truth.
 */
import type { MetricsSource, StatusSnapshot, VipState } from "../ports.js";

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Name -> help. The type follows from the name: `_total` counts, histograms are named below, everything else is a gauge. */
export const HELP: Readonly<Record<string, string>> = {
  vipd_build_info: "Always 1; the labels tell the version.",
  vipd_ready: "1 if the daemon takes part: it has exchanged state, or is rightfully alone.",
  vipd_draining: "1 while this host gives its VIPs away.",
  vipd_frozen: "1 while the group makes no planned moves.",
  vipd_vips_moved: "VIPs that an operator moved to a host, until undone.",
  vipd_alarms: "Things that an operator should look at; /status says what they are.",
  vipd_members: "Members that this host knows, by state.",
  vipd_member_rtt_seconds: "Smoothed round-trip time of the gossip to a member, where it was measured.",
  vipd_suspicions_total: "Times that a member came to be suspected here, by its silence or by another's word.",
  vipd_deaths_declared_total: "Members that this host itself found dead.",
  vipd_refutations_total: "Times that this host was suspected or held dead, and contradicted.",
  vipd_gossip_probes_total: "Probes sent, those of the watch apart.",
  vipd_gossip_probes_failed_total: "Probes that nobody answered, directly or through others.",
  vipd_gossip_exchanges_total: "Whole states exchanged with a peer.",
  vipd_gossip_queue_messages: "Messages that wait to be gossiped on.",
  vipd_gossip_open_questions: "Questions to members whose answers are waited for.",
  vipd_gossip_awareness: "How much this host doubts its own punctuality (Lifeguard); 0 at rest.",
  vipd_members_foreign: "Members that are not vipd, and can own nothing.",
  vipd_vips: "VIPs by group and by their state on this host.",
  vipd_addresses_configured: "Addresses of the group that are configured on this host.",
  vipd_addresses_in_use: "Addresses of the group that some host owns, as this host sees it.",
  vipd_vips_without_owner: "VIPs that no host owns, as this host sees it.",
  vipd_check_passing: "1 while the health check passes, by its rise and fall.",
  vipd_check_runs_total: "Runs of the health check.",
  vipd_check_failures_total: "Runs of the health check that failed.",
  vipd_check_duration_seconds: "How long the health check's last run took.",
  vipd_hook_runs_total: "Hooks that ran, by event and result.",
  vipd_hooks_dropped_total: "Hooks that did not run because too many waited.",
  vipd_helper_restarts_total: "Times that the helper process for checks and hooks had to be started again.",
  vipd_interface_up: "1 if the interface is up.",
  vipd_interface_carrier: "1 if the interface has carrier.",
  vipd_lease_lapses_total: "Times that the control plane stalled so long that this host went silent.",
  vipd_quorum_needed_hosts:
    "Hosts that must be reached for this one to own anything; only where a quorum is asked for.",
  vipd_quorum_reached_hosts: "Hosts that were reached within the lease, this one included.",
  vipd_quorum_losses_total: "Times that this host went silent for want of a quorum.",
  vipd_gossip_encrypted: "1 if the gossip is sealed.",
  vipd_gossip_datagrams_total: "Gossip datagrams.",
  vipd_gossip_bytes_total: "Bytes in gossip datagrams.",
  vipd_gossip_dropped_total: "Gossip that was not taken, by reason.",
  vipd_arp_ndp_replies_total: "ARP replies and solicited neighbour advertisements sent.",
  vipd_announcements_total: "Gratuitous ARP and unsolicited neighbour advertisements sent.",
  vipd_frames_ignored_total: "ARP and NDP frames that were not answered, by reason.",
  vipd_frames_dropped_total: "Frames that the kernel dropped before the responder could read them.",
  vipd_responder_events_dropped_total: "Responder events that did not fit the queue to the control plane.",
  vipd_log_lines_dropped_total: "Log lines lost because their reader did not keep up.",
  vipd_http_requests_total: "HTTP answers by status code.",
  vipd_http_refused_total: "HTTP clients that were refused or cut off, by reason.",
  vipd_event_loop_lag_seconds: "Lateness of the event loop's latest timers, by quantile.",
  vipd_ownership_transitions_total: "Changes of a VIP's state on this host, by the new state and its reason.",
  vipd_takeover_duration_seconds: "From the dead owner's last sign of life to this host's announcement, a VIP.",
  vipd_handover_duration_seconds: "From the decision to take a VIP over from a living host to the announcement, a VIP.",
  vipd_conflicts_total: "Times that a stranger claimed a VIP of ours.",
  vipd_strict_arp_repairs_total: "Sysctls of strict ARP that somebody undid and that were set again.",
  process_cpu_seconds_total: "User and system CPU time.",
  process_resident_memory_bytes: "Resident memory.",
  process_start_time_seconds: "Start of the process, in seconds since 1970.",
};

const HISTOGRAMS: ReadonlySet<string> = new Set(["vipd_takeover_duration_seconds", "vipd_handover_duration_seconds"]);
/** Beyond this many members none has a series of its own. */
const RTT_SERIES_MAX = 200;
const VIP_STATES: readonly VipState[] = ["standby", "claiming", "owned", "releasing", "conflict", "unowned"];
const MEMBER_STATES = ["alive", "suspect", "dead", "left"] as const;

/** Beyond this many groups only the states that occur are written: 16 384 groups of six states would hold the loop. */
const GROUPS_WHOLE_MAX = 200;

/** Renders on each call; the HTTP side holds the result for a moment. */
export function createMetrics(
  source: MetricsSource,
  options: { readonly loopLag?: LoopLag } = {},
): (snapshot: StatusSnapshot) => string {
  return (snapshot) => {
    const samples = [...snapshotSamples(snapshot), ...source.counters(), ...processSamples()];
    if (options.loopLag !== undefined) samples.push(...options.loopLag.samples());
    return renderMetrics(samples);
  };
}

/** Samples of one name must stand together whatever their order was; the order of names is that of their first sample. */
export function renderMetrics(samples: readonly Sample[]): string {
  const families = new Map<string, string[]>();
  for (const { name, labels, value } of samples) {
    const family = familyOf(name);
    let lines = families.get(family);
    if (lines === undefined) {
      lines = [];
      const help = HELP[family];
      if (help !== undefined) lines.push(`# HELP ${family} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`);
      lines.push(`# TYPE ${family} ${typeOf(family)}`);
      families.set(family, lines);
    }
    lines.push(`${name}${renderLabels(labels)} ${renderValue(value)}`);
  }
  return [...families.values()].map((lines) => `${lines.join("\n")}\n`).join("");
}

/** A histogram's series have names of their own. */
function familyOf(name: string): string {
  const family = name.replace(/_(?:bucket|sum|count)$/, "");
  return HISTOGRAMS.has(family) ? family : name;
}

function typeOf(family: string): string {
  if (HISTOGRAMS.has(family)) return "histogram";
  return family.endsWith("_total") ? "counter" : "gauge";
}

function renderLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function renderValue(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}

export function snapshotSamples(s: StatusSnapshot): Sample[] {
  const samples: Sample[] = [];
  const add = (name: string, value: number | boolean, labels: Record<string, string> = {}) => {
    samples.push({ name, labels, value: Number(value) });
  };
  add("vipd_build_info", 1, { version: s.version, node_version: process.versions.node });
  add("vipd_ready", s.ready);
  add("vipd_draining", s.draining);
  add("vipd_frozen", s.frozen);
  add("vipd_vips_moved", s.moves.length);
  add("vipd_alarms", s.alarms.length);
  for (const state of MEMBER_STATES) {
    add("vipd_members", s.members.filter((m) => m.state === state).length, { state });
  }
  add("vipd_members_foreign", s.members.filter((m) => m.foreign).length);
  if (s.members.length <= RTT_SERIES_MAX) {
    for (const { name, rttMs } of s.members) {
      if (rttMs !== null) add("vipd_member_rtt_seconds", rttMs / 1000, { member: name });
    }
  }
  samples.push(...vipSamples(s));
  for (const { group, check, state, lastMs, runs, failures } of s.checks) {
    add("vipd_check_passing", state === "passing", { group, check });
    add("vipd_check_runs_total", runs, { group, check });
    add("vipd_check_failures_total", failures, { group, check });
    if (lastMs !== null) add("vipd_check_duration_seconds", lastMs / 1000, { group, check });
  }
  for (const { name, up, carrier } of s.interfaces) {
    add("vipd_interface_up", up, { interface: name });
    add("vipd_interface_carrier", carrier, { interface: name });
  }
  add("vipd_lease_lapses_total", s.lease.lapses);
  if (s.quorum) {
    add("vipd_quorum_needed_hosts", s.quorum.hosts);
    add("vipd_quorum_reached_hosts", s.quorum.reached);
    add("vipd_quorum_losses_total", s.quorum.losses);
  }
  add("vipd_gossip_encrypted", s.gossip.encrypted);
  add("vipd_gossip_datagrams_total", s.gossip.datagramsIn, { direction: "in" });
  add("vipd_gossip_datagrams_total", s.gossip.datagramsOut, { direction: "out" });
  add("vipd_gossip_bytes_total", s.gossip.bytesIn, { direction: "in" });
  add("vipd_gossip_bytes_total", s.gossip.bytesOut, { direction: "out" });
  for (const [reason, count] of Object.entries(s.gossip.dropped)) add("vipd_gossip_dropped_total", count, { reason });
  add("vipd_arp_ndp_replies_total", s.responder.replies);
  add("vipd_announcements_total", s.responder.announcements);
  for (const [reason, count] of Object.entries(s.responder.ignored))
    add("vipd_frames_ignored_total", count, { reason });
  return samples;
}

function vipSamples(s: StatusSnapshot): Sample[] {
  const groups = new Map<string, Map<VipState, number>>();
  const ownerless = new Map<string, number>();
  for (const vip of s.vips) {
    let counts = groups.get(vip.group);
    if (counts === undefined) groups.set(vip.group, (counts = new Map()));
    counts.set(vip.state, (counts.get(vip.state) ?? 0) + 1);
    if (vip.owner === null) ownerless.set(vip.group, (ownerless.get(vip.group) ?? 0) + 1);
  }
  const samples: Sample[] = [];
  const whole = groups.size <= GROUPS_WHOLE_MAX;
  for (const [group, counts] of groups) {
    for (const state of VIP_STATES) {
      const value = counts.get(state) ?? 0;
      if (whole || value > 0) samples.push({ name: "vipd_vips", labels: { group, state }, value });
    }
  }
  for (const [group, counts] of whole ? groups : []) {
    const configured = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const inUse = configured - (ownerless.get(group) ?? 0);
    samples.push({ name: "vipd_addresses_configured", labels: { group }, value: configured });
    samples.push({ name: "vipd_addresses_in_use", labels: { group }, value: inUse });
  }
  const withoutOwner = [...ownerless.values()].reduce((sum, count) => sum + count, 0);
  samples.push({ name: "vipd_vips_without_owner", labels: {}, value: withoutOwner });
  return samples;
}

function processSamples(): Sample[] {
  const cpu = process.cpuUsage();
  return [
    { name: "process_cpu_seconds_total", labels: {}, value: (cpu.user + cpu.system) / 1e6 },
    { name: "process_resident_memory_bytes", labels: {}, value: process.memoryUsage.rss() },
    { name: "process_start_time_seconds", labels: {}, value: Math.round(performance.timeOrigin) / 1000 },
  ];
}

/** How late the event loop is: fed with the lateness of timers that fire anyway, so that measuring wakes nobody. */
export interface LoopLag {
  /** A timer fired so many ms after it was due. */
  record(lateMs: number): void;
  samples(): Sample[];
}

/** A minute or two of a daemon at rest. */
const LAG_KEPT = 4096;
/** A timer of Node is late by up to this without any fault of the loop. */
const LAG_GRANULARITY_MS = 1;

export function createLoopLag(): LoopLag {
  const late = new Float64Array(LAG_KEPT);
  let count = 0;
  return {
    record(lateMs) {
      late[count++ % LAG_KEPT] = Math.max(0, lateMs - LAG_GRANULARITY_MS);
    },
    samples() {
      const sorted = late.slice(0, Math.min(count, LAG_KEPT)).sort();
      const at = (share: number) =>
        (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0) / 1000;
      return [0.5, 0.99, 1].map((quantile) => ({
        name: "vipd_event_loop_lag_seconds",
        labels: { quantile: String(quantile) },
        value: at(quantile),
      }));
    },
  };
}
