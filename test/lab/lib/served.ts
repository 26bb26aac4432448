/**
 * How clients were served, as the switch saw it: datagrams without an answer, the longest wait for one, and what became of each
 * connection. Purpose: a client or an onlooker that is late itself is not the yardstick. Boundary: reads a capture with
 * `traffic`; which wait is too long is the caller's business.
 */
import { SERVER_PORT } from "./host.js";
import type { Frame } from "./pcap.js";

type Datagram = Extract<Frame, { kind: "udp" }>;
type Segment = Extract<Frame, { kind: "tcp" }>;

/** An answer may take so long; what was asked later than that before the capture's end is not judged. */
const ANSWER_MS_MAX = 300;

export interface Served {
  readonly target: string;
  readonly asked: number;
  readonly lost: number;
  /** From a question, or from the last answer where one was open already, to the next answer. */
  readonly waitMs: number;
  readonly waitFromMs: number;
  /** The longest of those waits that another host's answer ended than the one before; null: one host answered all. */
  readonly changeMs: number | null;
}

/** A question to a VIP, or an answer to one. */
export interface Exchanged {
  readonly frame: Datagram;
  readonly target: string;
  readonly isQuestion: boolean;
  /** The client's socket: it asks one VIP. */
  readonly socket: string;
}

/** A server on all addresses answers with its host's own: the client's socket tells which VIP was asked. */
export function exchanged(frames: readonly Frame[], targets: readonly string[]): readonly Exchanged[] {
  const wanted = new Set(targets);
  const asked = new Map<string, string>();
  const found: Exchanged[] = [];
  for (const frame of frames) {
    if (frame.kind !== "udp") continue;
    const isQuestion = frame.destinationPort === SERVER_PORT && wanted.has(frame.destination);
    const socket = isQuestion ? `${frame.source} ${frame.sourcePort}` : `${frame.destination} ${frame.destinationPort}`;
    if (isQuestion) asked.set(socket, frame.destination);
    const target = frame.destinationPort === SERVER_PORT && !isQuestion ? undefined : asked.get(socket);
    if (target !== undefined) found.push({ frame, target, isQuestion, socket });
  }
  return found;
}

/** One for each VIP and client's port. `fromMs`: what happened before does not count. */
export function served(frames: readonly Frame[], targets: readonly string[], fromMs = 0): readonly Served[] {
  const endMs = frames.at(-1)?.atMs ?? 0;
  const flows = new Map<string, Flow>();
  for (const one of exchanged(frames, targets)) {
    if (one.frame.atMs < fromMs) continue;
    const flow = flows.get(one.socket) ?? new Flow(one.target);
    flows.set(one.socket, flow);
    flow.saw(one);
  }
  return [...flows.values()].map((flow) => flow.result(endMs));
}

class Flow {
  readonly #open = new Map<string, number>();
  #asked = 0;
  #waitingSince: number | null = null;
  #waitMs = 0;
  #waitFromMs = 0;
  #server = "";
  #changeMs: number | null = null;

  constructor(readonly target: string) {}

  saw({ frame: { atMs, payload, from }, isQuestion }: Exchanged): void {
    if (isQuestion) {
      this.#asked++;
      this.#open.set(payload, atMs);
      this.#waitingSince ??= atMs;
      return;
    }
    const question = payload.slice(0, payload.indexOf(":"));
    const askedMs = this.#open.get(question);
    // What was asked before the beginning is answered after it.
    if (askedMs === undefined) return;
    this.#open.delete(question);
    this.#waited(atMs);
    if (this.#server !== "" && from !== this.#server)
      this.#changeMs = Math.max(this.#changeMs ?? 0, atMs - (this.#waitingSince ?? atMs));
    this.#server = from;
    // What was asked before, and has no answer, is lost: nobody waits for it any more.
    this.#waitingSince = [...this.#open.values()].some((openMs) => openMs > askedMs) ? atMs : null;
  }

  #waited(untilMs: number): void {
    const waitMs = untilMs - (this.#waitingSince ?? untilMs);
    if (waitMs <= this.#waitMs) return;
    this.#waitMs = waitMs;
    this.#waitFromMs = this.#waitingSince ?? untilMs;
  }

  result(endMs: number): Served {
    const lost = [...this.#open.values()].filter((askedMs) => endMs - askedMs > ANSWER_MS_MAX).length;
    // Nobody answered any more.
    if (lost > 0 && this.#waitingSince !== null && endMs - this.#waitingSince > ANSWER_MS_MAX) this.#waited(endMs);
    return {
      target: this.target,
      asked: this.#asked,
      lost,
      waitMs: this.#waitMs,
      waitFromMs: this.#waitFromMs,
      changeMs: this.#changeMs,
    };
  }
}

export interface Refused {
  readonly target: string;
  readonly atMs: number;
  /** `moved`: it was opened at another host. `new`: the host that resets it was asked for it. */
  readonly kind: "moved" | "new";
  readonly by: string;
}

/** Connections that a server's host reset. */
export function refused(frames: readonly Frame[], targets: readonly string[]): readonly Refused[] {
  const wanted = new Set(targets);
  const openedAt = new Map<string, string>();
  const found = new Map<string, Refused>();
  for (const frame of frames) {
    if (frame.kind !== "tcp") continue;
    if (frame.syn && !frame.ack && wanted.has(frame.destination)) openedAt.set(slotOf(frame), frame.to);
    if (!frame.rst || !wanted.has(frame.source)) continue;
    const slot = `${frame.destination} ${frame.destinationPort} ${frame.source}`;
    const host = openedAt.get(slot);
    if (host === undefined || found.has(slot)) continue;
    const kind = host === frame.from ? "new" : "moved";
    found.set(slot, { target: frame.source, atMs: frame.atMs, kind, by: frame.from });
  }
  return [...found.values()];
}

function slotOf({ source, sourcePort, destination }: Segment): string {
  return `${source} ${sourcePort} ${destination}`;
}
