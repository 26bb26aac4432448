/**
 * Readiness (law 9): a starting host claims nothing until it has exchanged state with a peer or found itself alone, and
 * then until its view has come to rest, so that VIPs do not hop while a group forms. Boundary: pure; a record with times.
 */
import type { Millis } from "../messages.js";

/** Claims wait until the view was unchanged for a watch interval and this; at most so long after readiness. */
const REST_MARGIN_MS = 50;
const REST_MAX_MS = 1500;

/** The reason of whoever met nobody. */
export const ALONE = "alone: no peer answered";

export class Readiness {
  readonly #restMs: Millis;
  #ready = false;
  #rested = false;
  #reason = "starting: has not exchanged state with a peer yet";
  #at: Millis = Number.NEGATIVE_INFINITY;
  #restFrom: Millis = Number.NEGATIVE_INFINITY;
  #viewChangedAt: Millis = Number.NEGATIVE_INFINITY;

  constructor(watchIntervalMs: Millis) {
    this.#restMs = watchIntervalMs + REST_MARGIN_MS;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** The view has come to rest after the start: claims may be made. */
  get rested(): boolean {
    return this.#rested;
  }

  get reason(): string {
    return this.#reason;
  }

  /** When it became ready. */
  get at(): Millis {
    return this.#at;
  }

  /** Much may have happened unheard: claims wait once more until the view has come to rest. */
  unrest(now: Millis): void {
    this.#rested = false;
    this.#restFrom = now;
    this.#viewChangedAt = now;
  }

  become(reason: string, now: Millis): void {
    this.#ready = true;
    this.#reason = reason;
    this.#at = now;
    this.#restFrom = now;
    this.#viewChangedAt = now;
  }

  /** Whoever began alone has met somebody since: what is shown says so. */
  met(member: string): void {
    if (this.#reason === ALONE) this.#reason = `began alone, has exchanged state with ${member} since`;
  }

  viewChanged(now: Millis): void {
    this.#viewChangedAt = now;
  }

  /** When to look again, or null: at rest now. */
  awaitRest(alone: boolean, now: Millis): Millis | null {
    const restAt = Math.min(this.#viewChangedAt + this.#restMs, this.#restFrom + REST_MAX_MS);
    if (!alone && now < restAt) return restAt;
    this.#rested = true;
    return null;
  }
}
