/**
 * What must hold of the membership and the facts. Safety, at every turn of every host: incarnations never go back (so a
 * refuted member never dies of that suspicion), bounds are kept, addresses that are answered for are held. Liveness, asked
 * for after healing: all views, facts, elections, voices and clients agree with what runs.
 */
import { UNSTEADY } from "../../src/domain/facts.js";
import { keysOf } from "../../src/domain/group/roll.js";
import type { GroupSpec } from "../../src/domain/group/types.js";
import { formatEndpoint } from "../../src/domain/messages.js";
import type { Orders } from "../../src/domain/orders.js";
import type { MemberView } from "../../src/domain/swim/index.js";
import type { Host } from "./host.js";
import { Violation } from "./violation.js";
import type { VoiceWatch } from "./voices.js";
import type { World } from "./world.js";

/** Queues are counted no more often than this. */
const COUNT_EVERY_MS = 20;

/** Watches every turn from now on; throws a Violation out of the world's run. */
export function holdSafety(world: World): void {
  const seen = new WeakMap<Host, { all: readonly MemberView[]; byName: Map<string, MemberView> }>();
  const countedAt = new WeakMap<Host, number>();
  world.watch({
    turn: (host) => {
      const all = host.group.members();
      const views = seen.get(host) ?? { all: [], byName: new Map<string, MemberView>() };
      if (views.all === all) return;
      seen.set(host, { all, byName: views.byName });
      for (const view of all) {
        const before = views.byName.get(view.name);
        if (before === view) continue;
        if (before !== undefined) compare(world, host, before, view);
        views.byName.set(view.name, view);
      }
      if (world.now - (countedAt.get(host) ?? Number.NEGATIVE_INFINITY) < COUNT_EVERY_MS) return;
      countedAt.set(host, world.now);
      const { members, queued, questions, relays } = host.group.swimStats();
      holdBound(world, host, "members", members, 1024);
      holdBound(world, host, "broadcasts", queued, 2048);
      holdBound(world, host, "questions", questions, 4096);
      holdBound(world, host, "relays", relays, 512);
    },
    event: (host, event) => {
      if (event.event === "member.forgotten") seen.get(host)?.byName.delete(String(event.fields.member));
    },
  });
}

function holdBound(world: World, host: Host, what: string, size: number, bound: number): void {
  if (size > bound) throw new Violation(world, `${host}: ${what} holds ${size}, more than ${bound}`);
}

function compare(world: World, host: Host, before: MemberView, now: MemberView): void {
  const where = `${host} on ${now.name}`;
  if (now.incarnation < before.incarnation) {
    throw new Violation(world, `${where}: incarnation ${before.incarnation} became ${now.incarnation}`);
  }
  const revived =
    (before.state === "dead" || before.state === "left") && (now.state === "alive" || now.state === "suspect");
  const cleared = before.state === "suspect" && now.state === "alive";
  if ((revived || cleared) && now.incarnation === before.incarnation) {
    throw new Violation(world, `${where}: ${before.state} became ${now.state} without a newer incarnation`);
  }
}

// ------------------------------------------------------------ agreement

/** Null, or what is still wrong: every running host must see exactly the running hosts alive, where and as they are. */
export function disagreement(world: World): string | null {
  const running = world.running();
  const names = new Map(running.map((host) => [host.name, host]));
  for (const host of running) {
    const views = new Map(host.group.members().map((view) => [view.name, view]));
    for (const other of running) {
      const view = views.get(other.name);
      if (view === undefined) return `${host} does not know ${other.name}`;
      if (view.state !== "alive") return `${host} holds ${other.name} ${view.state} (${view.incarnation})`;
      if (formatEndpoint(view.address) !== formatEndpoint(other.address)) {
        return `${host} looks for ${other.name} at ${formatEndpoint(view.address)}`;
      }
      const instance = view.meta.kind === "vipd" ? view.meta.instance : 0;
      if (instance !== other.instance) return `${host} knows instance ${instance} of ${other.name}`;
    }
    for (const view of views.values()) {
      // Foreign members get memberlist's patience: nobody waits for their end here.
      if (view.foreign) continue;
      if (!names.has(view.name) && (view.state === "alive" || view.state === "suspect")) {
        return `${host} holds ${view.name}, which is gone, ${view.state}`;
      }
    }
  }
  return null;
}

/** Null, or whose facts are not the same everywhere. */
export function differingFacts(world: World): string | null {
  const running = world.running();
  const truth = new Map<string, string>();
  for (const host of running) {
    for (const facts of host.pushPull(false).facts) {
      if (facts.name === host.name) truth.set(host.name, `${facts.instance} ${facts.version}`);
    }
  }
  for (const host of running) {
    const known = new Map(
      host.pushPull(false).facts.map((facts) => [facts.name, `${facts.instance} ${facts.version}`]),
    );
    for (const [name, version] of truth) {
      if (known.get(name) !== version) return `${host} has facts ${known.get(name)} of ${name}, which are ${version}`;
    }
  }
  return null;
}

/** Null, or who knows other orders of operators than the rest. */
export function differingOrders(world: World): string | null {
  const textOf = ({ freeze, moves, rebalance }: Orders) => JSON.stringify([freeze, moves, rebalance]);
  const texts = new Map(world.running().map((host) => [textOf(host.group.orders()), host]));
  return texts.size > 1 ? `orders differ: ${[...texts].map(([text, host]) => `${host}: ${text}`).join("; ")}` : null;
}

/** Null, or which key has not exactly one voice, believed in by all, and (where it must) by the clients. */
export function wrongOwner(world: World, voices: VoiceWatch): string | null {
  const running = world.running();
  const groups = new Map(running.flatMap((host) => host.settings.groups.map((group) => [group.name, group])));
  for (const [group, spec] of [...groups.values()].flatMap((one) => keysOf(one).map((key) => [one, key] as const))) {
    const able = candidates(world, group);
    if (able.length === 0 && !isWithdrawn(world, group)) continue;
    for (const address of spec.addresses) {
      const heard = voices.voices(address);
      if (able.length === 0) {
        if (heard.length === 0) continue;
        return `${address} has a voice (${heard.join()}), though all its checks fail and it is to be withdrawn`;
      }
      const [owner] = heard;
      if (owner === undefined || heard.length > 1) {
        const states = running.map((host) => `${host.name}: ${stateOf(host, spec.key)}`).join("; ");
        return `${address} has ${heard.length} voices, ${able.map((host) => host.name).join(" ")} could own it (${states})`;
      }
      if (!able.includes(owner) && !someUnsteady(world)) {
        return `${owner} answers for ${address}, which ${able.map((host) => host.name).join(" ")} could own`;
      }
      const disobeyed = disobeyedMove(owner, spec.key, able);
      if (disobeyed !== null) return disobeyed;
      for (const host of running) {
        const view = host.group.keys().find((key) => key.spec.key === spec.key);
        if (view !== undefined && view.owner !== owner.name) {
          return `${host} believes that ${view.owner} owns ${spec.key}, which ${owner} answers for (${view.state}: ${view.reason})`;
        }
        const holds = host.native.held.has(address);
        const must = view?.state === "owned" && spec.local;
        const may = view?.state === "owned" || view?.state === "releasing" || view?.state === "claiming";
        if (holds !== must && !(holds && may)) return `${host} ${holds ? "holds" : "does not hold"} ${address}`;
      }
      const misled = misledClient(world, owner, address);
      if (misled !== null) return misled;
    }
  }
  return null;
}

/** Null, or to whom an operator has moved the key, which could own it and does not. */
function disobeyedMove(owner: Host, key: string, able: readonly Host[]): string | null {
  const { freeze, moves } = owner.group.orders();
  const to = moves.find((move) => move.key === key)?.host;
  if (freeze.on || to === owner.name || !able.some((host) => host.name === to)) return null;
  return `${owner} owns ${key}, which was moved to ${to}`;
}

/** Null, or a group that is to be spread evenly and is not: counts differ by more than one though all hosts weigh the same. */
export function unevenSpread(world: World, voices: VoiceWatch): string | null {
  const running = world.running();
  const orders = running[0]?.group.orders();
  if (orders === undefined || orders.freeze.on || someUnsteady(world)) return null;
  if (running.some((host) => host.settings.weight !== running[0]?.settings.weight)) return null;
  for (const group of running[0]?.settings.groups ?? []) {
    // Whoever ranks behind others, or keeps what it has, counts otherwise.
    if (group.spread !== "even" || group.failback === "never" || group.failback.afterMs > 0) continue;
    if (orders.moves.some((move) => group.addresses.includes(move.key))) continue;
    const able = candidates(world, group);
    if (able.some((host) => defers(host, group.name))) continue;
    const counts = able.map(
      (host) => group.addresses.filter((address) => voices.voices(address).includes(host)).length,
    );
    if (Math.max(...counts) - Math.min(...counts) <= 1) continue;
    return `${group.name} is spread unevenly: ${able.map((host, i) => `${host.name} ${counts[i]}`).join(", ")}`;
  }
  return null;
}

/** Its eligibility came and went: it ranks behind the others, whatever `failback` says. */
function defers(host: Host, group: string): boolean {
  return host.group.facts(host.name)?.groups.find((one) => one.name === group)?.deferring ?? false;
}

/** Null, or who has a quorum though too few run, or lacks one though enough do. */
export function wrongQuorum(world: World): string | null {
  const running = world.running();
  for (const host of running) {
    const { quorum } = host.group.standing();
    if (quorum === null || quorum.held === running.length >= quorum.hosts) continue;
    const has = quorum.held ? "has a quorum" : "lacks its quorum";
    return `${host} ${has} of ${quorum.hosts}, and ${running.length} hosts run (${quorum.reached} reached)`;
  }
  return null;
}

function stateOf(host: Host, key: string): string {
  const view = host.group.keys().find((candidate) => candidate.spec.key === key);
  return view === undefined ? "not configured" : `${view.state}, ${view.reason}`;
}

export function isEligible(host: Host, group: string): boolean {
  const facts = host.group.facts(host.name);
  if (facts === undefined || facts.barred !== "" || facts.draining || !facts.ready) return false;
  return (
    host.group.standing().lease.phase === "held" && (facts.groups.find((g) => g.name === group)?.eligible ?? false)
  );
}

/** Who may own the group's VIPs, by what each says of itself: eligible, and healthy where anybody is. */
export function candidates(world: World, group: GroupSpec): Host[] {
  const eligible = world.running().filter((host) => isEligible(host, group.name));
  const healthy = eligible.filter((host) => isHealthy(host, group.name));
  return healthy.length > 0 || group.whenNoneHealthy === "withdraw" ? healthy : eligible;
}

/** Whoever could own it is sick, and then nobody shall. */
function isWithdrawn(world: World, group: GroupSpec): boolean {
  if (group.whenNoneHealthy !== "withdraw" || someUnsteady(world)) return false;
  const running = world.running();
  return running.length > 0 && running.every((host) => !isHealthy(host, group.name));
}

/** Hosts whose leases lapse again and again own something only if nobody steady can: then other rules hold. */
function someUnsteady(world: World): boolean {
  return world.running().some((host) => host.group.facts(host.name)?.barred.startsWith(UNSTEADY));
}

function isHealthy(host: Host, group: string): boolean {
  return host.group.facts(host.name)?.groups.find((one) => one.name === group)?.healthy !== false;
}

/**
 * A client that believes in another owner. Left out is one that missed a frame with nobody noticing that it did, and one
 * that believes a host which served unheard by the owner, and is gone without ever having been heard by it.
 */
function misledClient(world: World, owner: Host, address: string): string | null {
  for (const [port, cache] of world.segment.clients) {
    const entry = cache.get(address);
    if (entry === undefined || entry.mac === owner.mac) continue;
    if (entry.by !== null && !entry.by.up && !everMet(world, owner, entry.by, entry.at)) continue;
    const missedAt = entry.missedAt.get(owner.mac);
    const neighbour = world.atPort(port);
    const met = neighbour === undefined ? undefined : world.metAt(owner, neighbour.name);
    if (missedAt !== undefined && (met === undefined || met < missedAt)) continue;
    return `the client at ${port} believes that ${entry.mac || "nobody"} owns ${address}, which is ${owner} (${owner.mac})`;
  }
  return null;
}

/** Since then these two could have heard of each other: on the segment, or by gossip. */
function everMet(world: World, owner: Host, other: Host, since: number): boolean {
  const metAt = world.metAt(owner, other.name) ?? Number.NEGATIVE_INFINITY;
  const soundSince = world.now - world.wire.soundMs(owner.address.host, other.address.host);
  return metAt >= since || soundSince <= since;
}

/** Runs until nothing is wrong any more; throws if that takes longer than `boundMs`. Returns how long it took. */
export function holdLiveness(world: World, boundMs: number, wrong: () => string | null): number {
  const since = world.now;
  for (;;) {
    const what = wrong();
    if (what === null) return world.now - since;
    if (world.now - since >= boundMs) throw new Violation(world, `not healed after ${boundMs} ms: ${what}`);
    world.run(25);
  }
}
