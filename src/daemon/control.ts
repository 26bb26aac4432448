/**
 * What an operator may change while the daemon runs: one handler a command, served as POST on the Unix socket. Purpose: judge
 * the request, turn it into the group's input, say what came of it and what to do where it cannot be.
 * Boundary: decides nothing about VIPs; the group does.
 */
import type { ControlAnswer, ControlHandler } from "../adapters/http.js";
import type { Clock, Log } from "../ports.js";
import type { Engine } from "./engine.js";
import { reasonOf } from "./engine.js";
import type { Memory } from "./memory.js";

export interface ReloadOutcome {
  readonly ok: boolean;
  readonly problems: readonly string[];
  /** Keys that take effect at the next start only. */
  readonly needsRestart: readonly string[];
}

export interface ControlParts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Log;
  readonly memory: Memory;
  readonly reload: () => Promise<ReloadOutcome>;
}

const WAIT_MS_MAX = 3_600_000;
const WAIT_MS_DEFAULT = 60_000;
const LOOK_MS = 20;
/** What nobody can take over for so long will not be taken over by waiting. */
const STUCK_MS = 3000;

type Body = Readonly<Record<string, unknown>>;

export function controlHandlers(parts: ControlParts): Readonly<Record<string, ControlHandler>> {
  const control = new Control(parts);
  const handlers: Record<string, (body: Body) => Promise<ControlAnswer> | ControlAnswer> = {
    "/drain": (body) => control.drain(body),
    "/resume": () => control.resume(),
    "/reload": () => control.reload(),
    "/rebalance": () => control.rebalance(),
    "/move": (body) => control.move(body),
    "/freeze": () => control.freeze(true),
    "/thaw": () => control.freeze(false),
  };
  return Object.fromEntries(
    Object.entries(handlers).map(([path, handler]): [string, ControlHandler] => [
      path,
      async (body) => (isBody(body) ? handler(body) : refuse(400, "the body must be a JSON object")),
    ]),
  );
}

class Control {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  async drain(body: Body): Promise<ControlAnswer> {
    const { engine, memory } = this.#parts;
    const problem = checkBody(body, { wait: "boolean", persist: "boolean", timeoutMs: "number" });
    if (problem !== null) return refuse(400, problem);
    const { group } = engine;
    if (group.orders().freeze.on) {
      return refuse(
        409,
        "the group is frozen: no planned moves; `vipd thaw` first (a stop of the daemon hands over all the same)",
      );
    }
    try {
      await memory.drain(body.persist === true);
    } catch (error) {
      const way = body.persist === true ? "drain without --persist, or make that directory writable" : "";
      return refuse(500, `the drain would not survive a restart, so nothing was done: ${reasonOf(error)}`, way);
    }
    engine.turn({ kind: "drain", on: true });
    if (body.wait === true) await this.#handedOver(Math.min(Number(body.timeoutMs ?? WAIT_MS_DEFAULT), WAIT_MS_MAX));
    const pending = this.#pending();
    const left = pending.length === 0 ? "nothing is left here" : `${vips(pending.length)} still here`;
    return answer({
      draining: true,
      persistent: memory.persistent,
      complete: pending.length === 0,
      pending,
      text: `${group.name} drains: ${left}`,
    });
  }

  async resume(): Promise<ControlAnswer> {
    const { engine, memory } = this.#parts;
    const was = engine.group.standing().draining;
    try {
      await memory.resume();
    } catch (error) {
      return refuse(500, `the drain would come back at a restart, so nothing was done: ${reasonOf(error)}`);
    }
    engine.turn({ kind: "drain", on: false });
    const { name } = engine.group;
    return answer({ draining: false, text: was ? `${name} takes part again` : `${name} did not drain` });
  }

  async reload(): Promise<ControlAnswer> {
    const outcome = await this.#parts.reload();
    const rest = outcome.needsRestart.length === 0 ? "" : `, but ${outcome.needsRestart.join(", ")} needs a restart`;
    const text = outcome.ok ? `configuration taken${rest}` : "refused, the old configuration stays";
    return { status: outcome.ok ? 200 : 422, body: { ...outcome, text } };
  }

  rebalance(): ControlAnswer {
    const { engine } = this.#parts;
    const { group } = engine;
    if (group.orders().freeze.on) return refuse(409, FROZEN);
    engine.turn({ kind: "order", order: { kind: "rebalance", instances: group.instances() } });
    return answer({ text: "rebalance: every host counts as settled, VIPs go where the hashing puts them" });
  }

  move(body: Body): ControlAnswer {
    const { engine } = this.#parts;
    const { group } = engine;
    const problem = checkBody(body, { vip: "string", host: "string", undo: "boolean" });
    if (problem !== null) return refuse(400, problem);
    if (typeof body.vip !== "string") return refuse(400, 'say which: { "vip": "10.0.0.100", "host": "host-b" }');
    if ((typeof body.host === "string") === (body.undo === true)) return refuse(400, 'either "host" or "undo": true');
    const key = group.keyOf(body.vip);
    if (key === undefined)
      return refuse(404, `${body.vip} is no VIP of this host's configuration; \`vipd status\` lists them`);
    const moved = group.orders().moves.find((move) => move.key === key && move.host !== "");
    if (body.undo === true) {
      if (moved === undefined) return refuse(409, `${key} was not moved`);
      engine.turn({ kind: "order", order: { kind: "move", key, host: null } });
      return answer({ vip: key, host: null, text: `the move of ${key} to ${moved.host} is undone` });
    }
    const host = String(body.host);
    if (group.orders().freeze.on) return refuse(409, FROZEN);
    if (!group.members().some((member) => member.name === host)) {
      const known = group.members().map((member) => member.name);
      return refuse(404, `${host} is no member; there are ${known.slice(0, 20).join(", ")}`);
    }
    const reason = group.whyNot(host, key);
    if (reason !== null) return refuse(409, `${host} cannot own ${key} now: ${reason}`);
    engine.turn({ kind: "order", order: { kind: "move", key, host } });
    return answer({ vip: key, host, text: `${key} moves to ${host}, until \`vipd move ${key} --undo\`` });
  }

  freeze(on: boolean): ControlAnswer {
    const { engine } = this.#parts;
    if (engine.group.orders().freeze.on === on) {
      return answer({ frozen: on, text: on ? "the group is frozen already" : "the group is not frozen" });
    }
    engine.turn({ kind: "order", order: { kind: "freeze", on } });
    return answer({
      frozen: on,
      text: on
        ? "frozen: no planned moves until `vipd thaw`; takeovers still happen"
        : "thawed: planned moves are made again",
    });
  }

  /** Until this host owns nothing; or the bound; or nobody takes what is left; or somebody resumes it meanwhile. */
  async #handedOver(boundMs: number): Promise<void> {
    const { engine, clock } = this.#parts;
    const began = clock.now();
    for (;;) {
      const pending = this.#pending();
      const waited = clock.now() - began;
      if (pending.length === 0 || waited >= boundMs || !engine.group.standing().draining) return;
      if (waited >= STUCK_MS && pending.every((one) => one.successor === null)) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  #pending(): { vip: string; state: string; successor: string | null; reason: string }[] {
    return this.#parts.engine.group
      .keys()
      .filter((key) => key.state === "owned" || key.state === "releasing" || key.state === "claiming")
      .map((key) => ({
        vip: key.spec.key,
        state: key.state,
        successor: key.state === "owned" ? null : key.heir,
        reason: key.reason,
      }));
  }
}

const FROZEN = "the group is frozen: no planned moves; `vipd thaw` first";

function vips(count: number): string {
  return count === 1 ? "1 VIP is" : `${count} VIPs are`;
}

function isBody(body: unknown): body is Body {
  return typeof body === "object" && body !== null && !Array.isArray(body);
}

/** Unknown keys are refused here, too: a misspelt "persist" must not be a drain that a boot forgets. */
function checkBody(body: Body, known: Readonly<Record<string, "boolean" | "number" | "string">>): string | null {
  for (const [key, value] of Object.entries(body)) {
    if (!Object.hasOwn(known, key)) return `unknown key "${key}"; known: ${Object.keys(known).join(", ")}`;
    if (typeof value !== known[key] || (known[key] === "number" && !(Number(value) >= 0)))
      return `"${key}" must be a ${known[key]}`;
  }
  return null;
}

function answer(body: Record<string, unknown>): ControlAnswer {
  return { status: 200, body: { ok: true, ...body } };
}

function refuse(status: number, error: string, hint = ""): ControlAnswer {
  return { status, body: { ok: false, error: hint === "" ? error : `${error}; ${hint}` } };
}
