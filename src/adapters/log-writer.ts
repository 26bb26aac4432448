/**
 * The bounded, dropping writer under the log. Purpose: a reader that has stalled (journald stopped, a pipe that nobody
 * reads, a terminal with Ctrl-S) must cost log lines, never the event loop. One write is in flight at a time; what comes
 * meanwhile waits in a queue with a bound in bytes, and beyond it is dropped and counted. Never throws, never blocks.
 */
import { close, constants, fstatSync, openSync, write } from "node:fs";
import { isatty } from "node:tty";

/** Takes a chunk to the outside and calls back once. It must not block the caller. */
export type Sink = (chunk: Buffer, done: (error: Error | null) => void) => void;

export interface LogWriterOptions {
  readonly sink: Sink;
  /** Bytes that may wait, the chunk in flight included. */
  readonly queueBytesMax: number;
  /** The line that tells how many were lost, written when the reader has recovered. */
  readonly droppedLine: (count: number) => string;
}

export class LogWriter {
  readonly #options: LogWriterOptions;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #inFlightBytes = 0;
  #dropped = 0;
  /** Dropped and not yet told. */
  #untold = 0;
  #idle: (() => void)[] = [];

  constructor(options: LogWriterOptions) {
    this.#options = options;
  }

  /** One whole line with its newline. */
  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#waitingBytes + this.#inFlightBytes + bytes > this.#options.queueBytesMax) {
      this.#dropped++;
      this.#untold++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += bytes;
    if (this.#inFlightBytes === 0) this.#next();
  }

  dropped(): number {
    return this.#dropped;
  }

  /** Resolves true when everything is out, false when `timeoutMs` have passed before. */
  flush(timeoutMs: number): Promise<boolean> {
    if (this.#inFlightBytes === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (drained: boolean) => {
        clearTimeout(timer);
        this.#idle = this.#idle.filter((f) => f !== onIdle);
        resolve(drained);
      };
      const timer = setTimeout(() => settle(false), timeoutMs);
      const onIdle = () => settle(true);
      this.#idle.push(onIdle);
    });
  }

  #next(): void {
    if (this.#waiting.length === 0) {
      for (const tell of this.#idle.splice(0)) tell();
      return;
    }
    const chunk = Buffer.from(this.#waiting.join(""));
    this.#inFlightBytes = chunk.length;
    const lines = this.#waiting.length;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#options.sink(chunk, (error) => {
      this.#inFlightBytes = 0;
      if (error !== null) {
        // The reader is gone (EPIPE) or the disk is full (ENOSPC): these lines are lost, and later ones may work again.
        this.#dropped += lines;
        this.#untold += lines;
      } else if (this.#untold > 0) {
        const line = this.#options.droppedLine(this.#untold);
        this.#untold = 0;
        this.#waiting.push(line);
        this.#waitingBytes += Buffer.byteLength(line);
      }
      this.#next();
    });
  }
}

/** Over a Node stream. Node puts pipes and sockets into non-blocking mode, so a full one waits in epoll, not in write(2). */
export function streamSink(stream: NodeJS.WritableStream): Sink {
  // An unheard "error" event would end the process; each write's own callback reports the same error.
  stream.on("error", () => {});
  return (chunk, done) => {
    let called = false;
    const once = (error?: Error | null) => {
      if (called) return;
      called = true;
      // Never from within write(): a stream that fails at once must not recurse.
      setImmediate(done, error ?? null);
    };
    stream.write(chunk, once);
  };
}

/** A stalled terminal is tried again this often. */
const TERMINAL_RETRY_MS = 100;

/**
 * Over a file descriptor that is a file, a device or a terminal, through libuv's pool: one write at a time, thus at most
 * one of its threads is held up. A terminal is opened anew in non-blocking mode, so that Ctrl-S holds up none.
 */
export function fileSink(fd: number): Sink {
  const own = isatty(fd) ? reopenNonBlocking(fd) : fd;
  const attempt = (chunk: Buffer, done: (error: Error | null) => void): void => {
    write(own, chunk, (error, written) => {
      if (error?.code === "EAGAIN") {
        setTimeout(attempt, TERMINAL_RETRY_MS, chunk, done).unref();
        return;
      }
      if (error) return done(error);
      if (written < chunk.length) return attempt(chunk.subarray(written), done);
      done(null);
    });
  };
  return attempt;
}

function reopenNonBlocking(fd: number): number {
  try {
    // O_NONBLOCK belongs to the open file, which a shell shares with us: hence an open file of our own.
    const own = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    if (fstatSync(own).isCharacterDevice()) return own;
    close(own, () => {});
  } catch {
    // EACCES after su(1), or no /proc: the shared descriptor does, at the price of a pool thread while it is stalled.
  }
  return fd;
}

/** The sink that fits what `stdout` is. */
export function standardOutputSink(): Sink {
  const stat = fstatSync(1);
  return stat.isFIFO() || stat.isSocket() ? streamSink(process.stdout) : fileSink(1);
}
