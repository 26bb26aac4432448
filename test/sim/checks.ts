/**
 * What must hold in the simulated world. Safety, at every turn of every host: incarnations never go back (so a refuted
 * member never dies of that suspicion), bounds are kept. Liveness, asked for after healing: all views agree with what runs.
 */
import { formatEndpoint } from "../../src/domain/messages.js";
import type { MemberView } from "../../src/domain/swim/index.js";
import type { Host } from "./host.js";
import type { World } from "./world.js";

export class Violation extends Error {
  constructor(world: World, text: string) {
    super(`at ${world.now.toFixed(1)} ms: ${text}\n${world.notes.slice(-60).join("\n")}`);
  }
}

/** Watches every turn from now on; throws a Violation out of the world's run. */
export function holdSafety(world: World): void {
  const seen = new Map<Host, Map<string, MemberView>>();
  world.watch({
    turn: (host) => {
      let views = seen.get(host);
      if (views === undefined) seen.set(host, (views = new Map()));
      for (const view of host.members()) {
        const before = views.get(view.name);
        if (before === view) continue;
        if (before !== undefined) compare(world, host, before, view);
        views.set(view.name, view);
      }
      for (const [what, [size, bound]] of Object.entries(host.bounds())) {
        if (size > bound) throw new Violation(world, `${host.name}: ${what} holds ${size}, more than ${bound}`);
      }
    },
    event: (host, event) => {
      if (event.kind === "member" && event.change === "forgotten") seen.get(host)?.delete(event.member.name);
    },
  });
}

function compare(world: World, host: Host, before: MemberView, now: MemberView): void {
  const where = `${host.name}@${formatEndpoint(host.address)} on ${now.name}`;
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

/** Null, or what is still wrong: every running host must see exactly the running hosts alive, where and as they are. */
export function disagreement(world: World): string | null {
  const running = world.running();
  const names = new Map(running.map((host) => [host.name, host]));
  for (const host of running) {
    const views = new Map(host.members().map((view) => [view.name, view]));
    for (const other of running) {
      const view = views.get(other.name);
      if (view === undefined) return `${host.name} does not know ${other.name}`;
      if (view.state !== "alive") return `${host.name} holds ${other.name} ${view.state} (${view.incarnation})`;
      if (formatEndpoint(view.address) !== formatEndpoint(other.address)) {
        return `${host.name} looks for ${other.name} at ${formatEndpoint(view.address)}`;
      }
      const instance = view.meta.kind === "vipd" ? view.meta.instance : 0;
      if (instance !== other.instance) return `${host.name} knows instance ${instance} of ${other.name}`;
    }
    for (const view of views.values()) {
      if (!names.has(view.name) && (view.state === "alive" || view.state === "suspect")) {
        return `${host.name} holds ${view.name}, which is gone, ${view.state}`;
      }
    }
  }
  return null;
}

/** Runs until all agree; throws if that takes longer than `boundMs`. Returns how long it took. */
export function holdLiveness(world: World, boundMs: number): number {
  const since = world.now;
  for (;;) {
    const wrong = disagreement(world);
    if (wrong === null) return world.now - since;
    if (world.now - since >= boundMs) throw new Violation(world, `not healed after ${boundMs} ms: ${wrong}`);
    world.run(25);
  }
}
