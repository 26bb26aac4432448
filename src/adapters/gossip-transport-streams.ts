/**
 * The TCP half of the gossip transport: push/pull and ping, one request and at most one answer a connection.
 * Purpose: serve and dial with a deadline, an idle limit, byte limits and bounded concurrency, so that a slow or endless peer
 * costs a slot for some seconds and nothing else. Boundary: bytes are the wire floor's; decisions are the handlers'.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { type Endpoint, formatEndpoint, type PushPull } from "../domain/messages.js";
import type { GossipHandlers } from "../ports.js";
import {
  encodeStream,
  isOversized,
  type KeyRing,
  type PacketOptions,
  STREAM_BYTES_MAX,
  type StreamMessage,
  type StreamRead,
  StreamReader,
} from "../wire/index.js";
import type { TransportCounters } from "./gossip-transport-counters.js";

export interface StreamLimits {
  /** Open at once, each direction. */
  readonly streamsMax: number;
  readonly streamsMaxPerHost: number;
  /** A stream, from its opening to its end. */
  readonly deadlineMs: number;
  /** A stream on which nothing moves. */
  readonly idleMs: number;
  readonly bytesMax: number;
  /** What unfinished requests may hold in memory together. */
  readonly heldBytesMax: number;
}

export const STREAM_LIMITS: StreamLimits = {
  streamsMax: 64,
  streamsMaxPerHost: 8,
  deadlineMs: 10_000,
  idleMs: 3_000,
  bytesMax: STREAM_BYTES_MAX,
  heldBytesMax: 4 * STREAM_BYTES_MAX,
};

export interface StreamsOptions {
  readonly bind: Endpoint;
  readonly label: Uint8Array;
  readonly limits: StreamLimits;
  readonly counters: TransportCounters;
  readonly keys: () => KeyRing | null;
  readonly canonicalHost: (address: string) => string | null;
}

/** A served stream whose request is not whole. */
interface Unfinished {
  readonly socket: Socket;
  readonly reader: StreamReader;
  readonly peer: string;
  readonly guard: { done(): void };
  held: number;
}

export class GossipStreams {
  readonly #options: StreamsOptions;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly #perHost = new Map<string, number>();
  /** In order of their opening. */
  readonly #unfinished = new Set<Unfinished>();
  #heldBytes = 0;
  #served = 0;
  #dialled = 0;
  #port = 0;

  constructor(options: StreamsOptions) {
    this.#options = options;
    // Half-open: a peer that says its say and shuts its side down is answered nonetheless.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true });
  }

  /** Rejects with the errno's error, as node gives it. */
  listen(port: number, handlers: GossipHandlers): Promise<void> {
    return new Promise((resolve, reject) => {
      const server = this.#server;
      server.once("error", reject);
      server.listen({ host: this.#options.bind.host, port, ipv6Only: false }, () => {
        server.off("error", reject);
        // ENFILE, EMFILE and ECONNABORTED while accepting: that connection is lost, the listener goes on.
        server.on("error", () => this.#options.counters.drop("stream-failed", "listener"));
        server.on("connection", (socket) => this.#accept(socket, handlers));
        this.#port = port;
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  // ---------------------------------------------------------------- served

  #accept(socket: Socket, handlers: GossipHandlers): void {
    const { counters, limits } = this.#options;
    counters.streamsIn++;
    const host = socket.remoteAddress === undefined ? null : this.#options.canonicalHost(socket.remoteAddress);
    const from = { host: host ?? "", port: socket.remotePort ?? 0 };
    const ofHost = this.#perHost.get(from.host) ?? 0;
    const hasPlace = (): boolean => this.#served < limits.streamsMax || this.#evict();
    if (host === null || ofHost >= limits.streamsMaxPerHost || !hasPlace()) {
      socket.on("error", () => {});
      socket.destroy();
      counters.drop(host === null ? "bad-source" : "stream-too-many", formatEndpoint(from));
      return;
    }
    this.#served++;
    this.#perHost.set(from.host, ofHost + 1);
    const peer = formatEndpoint(from);
    const guard = this.#guard(socket, limits.deadlineMs, (why) => counters.drop(why, peer));
    const layers = this.#layers();
    const one: Unfinished = { socket, reader: this.#reader(layers, true), peer, guard, held: 0 };
    this.#unfinished.add(one);
    socket.once("close", () => {
      this.#finish(one);
      this.#served--;
      const left = (this.#perHost.get(from.host) ?? 1) - 1;
      if (left > 0) this.#perHost.set(from.host, left);
      else this.#perHost.delete(from.host);
    });
    socket.on("data", (chunk) => {
      // A chunk a turn of the loop: libuv would read megabytes of each fast sender before a timer or a datagram had its turn.
      socket.pause();
      const read = this.#take(one, chunk);
      if (read.kind === "more") {
        setImmediate(() => socket.resume());
        return;
      }
      socket.removeAllListeners("data");
      guard.done();
      this.#finish(one);
      this.#answer(socket, from, this.#replyTo(read, from, handlers), layers);
    });
  }

  #take(one: Unfinished, chunk: Buffer): StreamRead {
    const { counters, limits } = this.#options;
    counters.bytesIn += chunk.length;
    const read = one.reader.push(chunk);
    const held = one.reader.bytesHeld;
    this.#heldBytes += held - one.held;
    one.held = held;
    // Whoever holds most goes: an honest state is small beside what fills this.
    while (this.#heldBytes > limits.heldBytesMax) {
      const largest = [...this.#unfinished].reduce((a, b) => (b.held > a.held ? b : a));
      this.#cut(largest, "stream-memory");
      if (largest === one) return { kind: "more" };
    }
    return read;
  }

  /**
   * Makes room by cutting the stream that has waited longest for its request: a member says its say within a round trip, so
   * those who hold places without a word do not keep members out. False: all others have said theirs and are being answered.
   */
  #evict(): boolean {
    const [longest] = this.#unfinished;
    if (longest === undefined) return false;
    this.#cut(longest, "stream-evicted");
    return true;
  }

  #cut(one: Unfinished, why: "stream-evicted" | "stream-memory"): void {
    this.#options.counters.drop(why, one.peer);
    one.guard.done();
    this.#finish(one);
    one.socket.removeAllListeners("data");
    one.socket.destroy();
  }

  /** Its request is whole, or it is gone. */
  #finish(one: Unfinished): void {
    if (!this.#unfinished.delete(one)) return;
    this.#heldBytes -= one.held;
    one.held = 0;
  }

  /** What to answer; null: close without a word. */
  #replyTo(
    read: Exclude<StreamRead, { kind: "more" }>,
    from: Endpoint,
    handlers: GossipHandlers,
  ): StreamMessage | null {
    const { counters } = this.#options;
    const peer = formatEndpoint(from);
    if (read.kind === "problem") {
      counters.drop(`stream-${read.reason}`, peer);
      const mismatch = read.reason === "plaintext" || read.reason === "encrypted" || read.reason === "wrong-key";
      return mismatch ? { kind: "err", text: `vipd: ${read.reason}` } : null;
    }
    for (const reason of read.dropped) counters.drop(`stream-${reason}`, peer);
    const { message } = read;
    switch (message.kind) {
      case "push-pull":
        return { kind: "push-pull", state: this.#counted(handlers.exchange(from, message.state), peer) };
      case "ping":
        if (handlers.streamPing(message.node)) return { kind: "ack", seqNo: message.seqNo };
        counters.drop("stream-ping-for-other-name", peer);
        return null;
      default:
        counters.drop("stream-unexpected", peer);
        return null;
    }
  }

  #answer(socket: Socket, from: Endpoint, reply: StreamMessage | null, layers: PacketOptions): void {
    if (reply === null) {
      socket.destroy();
      return;
    }
    const bytes = encodeStream(reply, { ...layers, dialling: false });
    this.#options.counters.bytesOut += bytes.length;
    if (bytes.length > this.#options.limits.bytesMax) {
      // No peer of ours would take it: say so by name and do not send megabytes in vain.
      this.#options.counters.drop("state-too-large", formatEndpoint(from));
      socket.destroy();
      return;
    }
    // Reading goes on, so that the peer's FIN is seen and unread bytes do not turn our answer into a reset.
    socket.resume();
    socket.end(bytes);
    socket.once("end", () => socket.destroySoon());
  }

  // ---------------------------------------------------------------- dialled

  /** One push/pull. Rejects with one line. */
  async exchange(to: Endpoint, ours: PushPull): Promise<PushPull> {
    const state = this.#counted(ours, formatEndpoint(to));
    const answer = await this.#dial(to, { kind: "push-pull", state }, this.#options.limits.deadlineMs);
    if (answer.kind === "push-pull") return answer.state;
    if (answer.kind === "err") throw new Error(`${formatEndpoint(to)} refused: ${printable(answer.text)}`);
    throw new Error(`${formatEndpoint(to)} answered a push/pull with ${answer.kind}`);
  }

  /** Never rejects. */
  async ping(to: Endpoint, seqNo: number, node: string, timeoutMs: number): Promise<boolean> {
    try {
      const answer = await this.#dial(to, { kind: "ping", seqNo, node }, timeoutMs);
      return answer.kind === "ack" && answer.seqNo === seqNo;
    } catch {
      return false;
    }
  }

  #dial(to: Endpoint, message: StreamMessage, timeoutMs: number): Promise<StreamMessage> {
    const { counters, limits, bind } = this.#options;
    const name = formatEndpoint(to);
    return new Promise((resolve, reject) => {
      if (this.#dialled >= limits.streamsMax) {
        counters.drop("stream-too-many", name);
        reject(new Error(`${name}: too many streams are open`));
        return;
      }
      const layers = this.#layers();
      const bytes = encodeStream(message, { ...layers, dialling: true });
      if (bytes.length > limits.bytesMax) {
        counters.drop("state-too-large", name);
        reject(new Error(`${name}: our state of ${bytes.length} bytes is larger than a push/pull may be`));
        return;
      }
      this.#dialled++;
      counters.streamsOut++;
      counters.bytesOut += bytes.length;
      const source = isWildcard(bind.host) ? {} : { localAddress: bind.host };
      const socket = connect({ host: to.host, port: to.port, noDelay: true, ...source });
      let settled = false;
      const fail = (text: string): void => {
        if (settled) return;
        settled = true;
        socket.destroy();
        reject(new Error(`${name}: ${text}`));
      };
      const guard = this.#guard(socket, timeoutMs, (why, text) => {
        if (settled) return;
        counters.drop(why, name);
        fail(text);
      });
      const reader = this.#reader(layers, false);
      socket.once("close", () => {
        this.#dialled--;
        fail("closed before it answered");
      });
      socket.once("connect", () => socket.write(bytes));
      socket.on("data", (chunk) => {
        counters.bytesIn += chunk.length;
        const read = reader.push(chunk);
        if (read.kind === "more" || settled) return;
        guard.done();
        if (read.kind === "problem") {
          counters.drop(`stream-${read.reason}`, name);
          return fail(`its answer was dropped: ${read.reason}`);
        }
        for (const reason of read.dropped) counters.drop(`stream-${reason}`, name);
        settled = true;
        socket.end();
        socket.destroySoon();
        resolve(read.message);
      });
    });
  }

  // ---------------------------------------------------------------- both

  /** The same state; what its encoding leaves out is counted. */
  #counted(state: PushPull, peer: string): PushPull {
    for (const one of state.facts) if (isOversized(one)) this.#options.counters.drop("facts-too-large", peer);
    return state;
  }

  #layers(): PacketOptions {
    return { keys: this.#options.keys(), label: this.#options.label };
  }

  #reader(layers: PacketOptions, accepting: boolean): StreamReader {
    return new StreamReader({
      ...layers,
      accepting,
      defaultPort: this.#port,
      bytesMax: this.#options.limits.bytesMax,
    });
  }

  /**
   * Deadline, idle limit and errors of one socket. `report` names what went wrong until `done`; afterwards the socket is still
   * cut in time, but what happens to a stream that has served its purpose is nobody's drop.
   */
  #guard(
    socket: Socket,
    deadlineMs: number,
    report: (why: "stream-too-slow" | "stream-closed-early" | "stream-failed", text: string) => void,
  ): { done(): void } {
    let isDone = false;
    const say: typeof report = (why, text) => {
      if (isDone) return;
      isDone = true;
      report(why, text);
    };
    this.#open.add(socket);
    const cut = (text: string): void => {
      say("stream-too-slow", text);
      socket.destroy();
    };
    const deadline = setTimeout(() => cut(`not finished within ${deadlineMs} ms`), deadlineMs);
    const idleMs = Math.min(this.#options.limits.idleMs, deadlineMs);
    socket.setTimeout(idleMs, () => cut(`silent for ${idleMs} ms`));
    socket.on("error", (error: NodeJS.ErrnoException) => say("stream-failed", error.code ?? error.message));
    socket.once("end", () => {
      if (isDone) return;
      say("stream-closed-early", "closed before it answered");
      socket.destroy();
    });
    socket.once("close", () => {
      clearTimeout(deadline);
      this.#open.delete(socket);
    });
    return {
      done: () => {
        isDone = true;
      },
    };
  }
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** A peer's text in a log line of ours: no control characters, no novel. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
}
