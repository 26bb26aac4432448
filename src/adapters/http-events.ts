/**
 * Server-sent events: what happens in the daemon, as it happens (WHATWG HTML, section 9.2). The feed keeps the latest events, so
 * that a reader who lost its connection misses nothing within that bound. Boundary: readers are bounded in number and in
 * what they may leave unread; a slow one is cut off and counted, never waited for.
 */
import type { ServerResponse } from "node:http";
import type { Clock } from "../ports.js";

export interface FeedEvent {
  readonly id: string;
  readonly event: string;
  /** RFC 3339 with milliseconds. */
  readonly at: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface EventFeed {
  publish(event: string, fields: Readonly<Record<string, unknown>>): void;
  /** Calls `listener` for each event to come; returns what ends that. */
  subscribe(listener: (event: FeedEvent) => void): () => void;
  /** Events after that id, oldest first; all that are kept if it is unknown. */
  since(id: string): readonly FeedEvent[];
}

const HISTORY_MAX = 256;

/** `instance` becomes part of the ids, so that those of an earlier run are not mistaken for ours. */
export function createEventFeed(options: { clock: Clock; instance: string; historyMax?: number }): EventFeed {
  const historyMax = options.historyMax ?? HISTORY_MAX;
  const history: FeedEvent[] = [];
  const listeners = new Set<(event: FeedEvent) => void>();
  let count = 0;
  return {
    publish(event, fields) {
      const at = options.clock.wall(options.clock.now());
      const published = { id: `${options.instance}-${++count}`, event, at, fields };
      history.push(published);
      if (history.length > historyMax) history.shift();
      for (const listener of listeners) listener(published);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    since(id) {
      return history.slice(history.findIndex((e) => e.id === id) + 1);
    },
  };
}

/** Bytes that a reader may leave unread; more than all that is kept, which a new reader gets at once. */
const UNREAD_BYTES_MAX = 512 * 1024;
/** Keeps middleboxes from closing an idle stream, and finds readers that are gone. */
const HEARTBEAT_MS = 15_000;

export class EventStreams {
  readonly #feed: EventFeed;
  readonly #readersMax: number;
  readonly #onCut: () => void;
  readonly #readers = new Set<ServerResponse>();
  #unsubscribe: (() => void) | null = null;
  #heartbeat: NodeJS.Timeout | null = null;

  constructor(options: { feed: EventFeed; readersMax: number; onCut: () => void }) {
    this.#feed = options.feed;
    this.#readersMax = options.readersMax;
    this.#onCut = options.onCut;
  }

  /** False: there are too many readers, and nothing was sent. */
  add(response: ServerResponse, lastEventId: string | undefined): boolean {
    if (this.#readers.size >= this.#readersMax) return false;
    response.socket?.setTimeout(0);
    response.writeHead(200, {
      "Content-Type": "text/event-stream; charset=utf-8",
      // A proxy that buffers would turn a live stream into a late one.
      "X-Accel-Buffering": "no",
    });
    this.#readers.add(response);
    response.on("close", () => this.#remove(response));
    this.#write(response, "retry: 2000\n\n");
    if (lastEventId !== undefined) {
      for (const event of this.#feed.since(lastEventId)) this.#write(response, frame(event));
    }
    this.#unsubscribe ??= this.#feed.subscribe((event) => this.#broadcast(frame(event)));
    this.#heartbeat ??= setInterval(() => this.#broadcast(":\n\n"), HEARTBEAT_MS).unref();
    return true;
  }

  close(): void {
    for (const reader of this.#readers) reader.end();
  }

  #broadcast(text: string): void {
    for (const reader of this.#readers) this.#write(reader, text);
  }

  #write(reader: ServerResponse, text: string): void {
    if (!this.#readers.has(reader)) return;
    if (reader.writableLength + text.length > UNREAD_BYTES_MAX) {
      this.#onCut();
      this.#remove(reader);
      reader.destroy();
      return;
    }
    reader.write(text);
  }

  #remove(reader: ServerResponse): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    // Without a reader an event costs nothing.
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
    this.#heartbeat = null;
  }
}

/** `data` is one line: JSON escapes newlines. */
export function frame(e: FeedEvent): string {
  return `id: ${e.id}\ndata: ${JSON.stringify({ event: e.event, at: e.at, ...e.fields })}\n\n`;
}
