/**
 * The log: pino's JSON, one event a line, each with a stable dotted `event` name and a `text` for people. Under systemd each
 * line starts with its priority (`<3>` … `<7>`, sd-daemon(3)); on a terminal it is a coloured one-liner instead.
 * Boundary: formats; log-storms.ts sums up what comes too often, the bounded writer (log-writer.ts) carries. Never blocks, never throws, never logs a key.
 */
import { fstatSync } from "node:fs";
import { isatty } from "node:tty";
import { pino } from "pino";
import type { Log, LogLevel } from "../ports.js";
import { prettyLine } from "./log-pretty.js";
import { Storms } from "./log-storms.js";
import { LogWriter, type Sink, standardOutputSink, streamSink } from "./log-writer.js";

export interface LogOptions {
  readonly level: LogLevel;
  /** Default: standard output. */
  readonly stream?: NodeJS.WritableStream;
  /** For tests, instead of `stream`. */
  readonly sink?: Sink;
  /** Priority prefixes. Default: where standard output is the journal. */
  readonly journald?: boolean;
  /** Lines for people. Default: when the output is a terminal. */
  readonly pretty?: boolean;
  readonly colour?: boolean;
  readonly queueBytesMax?: number;
  readonly flushTimeoutMs?: number;
  /** Lines of one event within a second, before they are summed up. */
  readonly stormLines?: number;
}

/** syslog(3): 7 debug, 6 info, 4 warning, 3 error. */
const PRIORITY: Readonly<Record<LogLevel, number>> = { trace: 7, debug: 7, info: 6, warn: 4, error: 3 };

/** journald cuts at 48 KiB (LineMax=), and a cut line is no JSON any more. */
const LINE_BYTES_MAX = 32 * 1024;
const QUEUE_BYTES_MAX = 1024 * 1024;
const FLUSH_TIMEOUT_MS = 500;

export function createLog(options: LogOptions): Log {
  const toStandardOutput = options.stream === undefined && options.sink === undefined;
  const terminal = toStandardOutput && isatty(1);
  const journald = options.journald ?? (toStandardOutput && isJournal(1));
  const pretty = options.pretty ?? (terminal && !journald);
  const colour = options.colour ?? (pretty && terminal && !process.env.NO_COLOR && process.env.TERM !== "dumb");

  const render = createRender({ journald, pretty, colour });
  const writer = new LogWriter({
    sink: options.sink ?? (options.stream ? streamSink(options.stream) : standardOutputSink()),
    queueBytesMax: options.queueBytesMax ?? QUEUE_BYTES_MAX,
    droppedLine: (count) =>
      render("warn", "log.dropped", { count }, `${count} log lines were lost: the reader stalled`),
  });

  let threshold = RANK[options.level];
  const put: Log["write"] = (level, event, fields, text) => {
    const line = render(level, event, fields, text);
    const bytes = Buffer.byteLength(line);
    if (bytes <= LINE_BYTES_MAX) return writer.write(line);
    const shortened = text === undefined ? undefined : text.slice(0, 1024);
    writer.write(render(level, event, { truncatedBytes: bytes }, shortened));
  };
  const storms = new Storms(put, options.stormLines);
  return {
    write(level, event, fields, text) {
      if (RANK[level] >= threshold && storms.pass(level, event, text)) put(level, event, fields, text);
    },
    setLevel(level) {
      threshold = RANK[level];
    },
    dropped: () => writer.dropped(),
    async flush() {
      storms.settle();
      await writer.flush(options.flushTimeoutMs ?? FLUSH_TIMEOUT_MS);
    },
  };
}

/** JOURNAL_STREAM (systemd.exec(5)) is inherited further than the stream: it counts only where it names this one. */
function isJournal(fd: number): boolean {
  const named = process.env.JOURNAL_STREAM;
  if (!named) return false;
  const stat = fstatSync(fd, { bigint: true });
  return named === `${stat.dev}:${stat.ino}`;
}

const RANK: Readonly<Record<LogLevel, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50 };

type Render = (
  level: LogLevel,
  event: string,
  fields: Readonly<Record<string, unknown>>,
  text: string | undefined,
) => string;

/** A line with its newline. pino renders into a string here; the writer decides when it goes out. */
function createRender(format: { journald: boolean; pretty: boolean; colour: boolean }): Render {
  if (format.pretty) {
    return (level, event, fields, text) =>
      prettyLine({ at: new Date(), level, event, fields, text }, { colour: format.colour });
  }
  let rendered = "";
  const logger = pino(
    {
      level: "trace",
      base: null,
      messageKey: "text",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err, err: pino.stdSerializers.err },
    },
    {
      write(line: string) {
        rendered = line;
      },
    },
  );
  return (level, event, fields, text) => {
    logger[level]({ event, ...fields }, text);
    return format.journald ? `<${PRIORITY[level]}>${rendered}` : rendered;
  };
}
