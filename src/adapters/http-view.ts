/**
 * What the HTTP side shows, taken from the daemon as seldom as can be. Purpose: scrapers and status pages, however many and
 * however eager, cost the control plane one snapshot each SNAPSHOT_AGE_MS and never hold its event loop: a large body is
 * turned into JSON slice by slice. Boundary: knows a snapshot, not where it comes from.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Clock, StatusSnapshot } from "../ports.js";

/** The text of `/metrics`. */
export type RenderMetrics = (snapshot: StatusSnapshot) => string;

/** A snapshot is shown for this long; less than the lease, which its reader wants to see alive. */
const SNAPSHOT_AGE_MS = 50;
/** One slice is JSON in about 0.5 ms (10 000 VIPs at once: 10 ms). */
const ROWS_A_SLICE = 500;

export interface Shown {
  readonly snapshot: StatusSnapshot;
  /** CLOCK_BOOTTIME of taking it. */
  readonly at: number;
}

export class View {
  readonly #source: () => StatusSnapshot;
  readonly #metrics: RenderMetrics;
  readonly #clock: Clock;
  #shown: Shown | null = null;
  #status: { of: Shown; body: Promise<readonly Buffer[]> } | null = null;
  #text: { of: Shown; body: Buffer } | null = null;

  constructor(options: { source: () => StatusSnapshot; metrics: RenderMetrics; clock: Clock }) {
    this.#source = options.source;
    this.#metrics = options.metrics;
    this.#clock = options.clock;
  }

  shown(): Shown {
    const now = this.#clock.now();
    if (this.#shown === null || now - this.#shown.at >= SNAPSHOT_AGE_MS) {
      this.#shown = { snapshot: this.#source(), at: now };
    }
    return this.#shown;
  }

  /** The body of `GET /status`, in slices; everybody who asks within the snapshot's age gets the same bytes. */
  status(): Promise<readonly Buffer[]> {
    const shown = this.shown();
    if (this.#status?.of !== shown) {
      const body = renderStatus(shown.snapshot);
      // A snapshot that cannot be rendered must not be kept as everybody's answer.
      body.catch(() => {
        if (this.#status?.of === shown) this.#status = null;
      });
      this.#status = { of: shown, body };
    }
    return this.#status.body;
  }

  metrics(): Buffer {
    const shown = this.shown();
    if (this.#text?.of !== shown) this.#text = { of: shown, body: Buffer.from(this.#metrics(shown.snapshot)) };
    return this.#text.body;
  }
}

/** JSON.stringify(snapshot), with a turn of the event loop between slices of long arrays. */
export async function renderStatus(snapshot: StatusSnapshot): Promise<readonly Buffer[]> {
  const slices: Buffer[] = [];
  let text = "{";
  for (const [index, [key, value]] of Object.entries(snapshot).entries()) {
    text += `${index === 0 ? "" : ","}${JSON.stringify(key)}:`;
    if (!Array.isArray(value) || value.length <= ROWS_A_SLICE) {
      text += JSON.stringify(value ?? null);
      continue;
    }
    for (let from = 0; from < value.length; from += ROWS_A_SLICE) {
      const rows = JSON.stringify(value.slice(from, from + ROWS_A_SLICE));
      text += (from === 0 ? "[" : ",") + rows.slice(1, -1);
      slices.push(Buffer.from(text));
      text = "";
      await turn();
    }
    text += "]";
  }
  slices.push(Buffer.from(`${text}}\n`));
  return slices;
}
