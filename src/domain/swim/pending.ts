/**
 * Questions that wait for an ack: sequence number -> whom we asked, through whom, and why. Purpose: an ack counts only
 * if its number and its sender's address match a question, so guessed and replayed acks are harmless. Bounded: old
 * questions expire, and the oldest goes when the table is full.
 */
import { type Endpoint, formatEndpoint, type Millis } from "../messages.js";
import type { Context } from "./context.js";

export type Purpose = "watch" | "probe" | "reconnect" | "rival" | "relay" | "quorum";

export interface Question {
  readonly seqNo: number;
  readonly purpose: Purpose;
  /** Whom we asked; "" where the name is not known yet (a seed). */
  readonly node: string;
  readonly endpoint: Endpoint;
  readonly sentAt: Millis;
  readonly expiresAt: Millis;
  /** Endpoints of those who ask on our behalf; see `Questions.helper`. */
  helpers: ReadonlySet<string>;
  /** A relay's principal. */
  readonly principal: { readonly to: Endpoint; readonly seqNo: number; readonly nack: boolean } | null;
  answered: boolean;
  nacksExpected: number;
  nacks: number;
  /** The instant at which the armed timer should fire: lateness beyond it is our own. */
  dueAt: Millis;
}

const SEQ_MODULUS = 2 ** 32;
/** Nobody asks so many questions between two that we hear of. A former life's numbers begin elsewhere by lot. */
const AHEAD_MAX = 2 ** 20;

/** True if this question was asked after that one, in the same life. Numbers wrap. */
export function askedAfter(seqNo: number, that: number): boolean {
  const ahead = (seqNo - that) >>> 0;
  return ahead > 0 && ahead <= AHEAD_MAX;
}

/** Most questions are answered by whom we asked. */
const NO_HELPERS: ReadonlySet<string> = new Set();

/** Their timers judge and close them. */
const TIMED: ReadonlySet<Purpose> = new Set(["probe", "relay"]);

/** Acks of pings without a timer of their own are waited for this long. */
export const QUESTION_EXPIRY_MS = 3000;

export class Questions {
  readonly #ctx: Context;
  readonly #open = new Map<number, Question>();
  #next: number;
  #relays = 0;

  constructor(ctx: Context) {
    this.#ctx = ctx;
    // Not from zero, so that acks to a former life of this host match nothing.
    this.#next = Math.floor(ctx.random() * SEQ_MODULUS) % SEQ_MODULUS;
  }

  /** Number of the latest question. */
  get latest(): number {
    return (this.#next + SEQ_MODULUS - 1) % SEQ_MODULUS;
  }

  get size(): number {
    return this.#open.size;
  }

  get relays(): number {
    return this.#relays;
  }

  ask(of: {
    purpose: Purpose;
    node: string;
    endpoint: Endpoint;
    expiresAt: Millis;
    principal?: Question["principal"];
  }): Question {
    const { now } = this.#ctx;
    this.#sweep(now);
    const question: Question = {
      seqNo: this.#next,
      purpose: of.purpose,
      node: of.node,
      endpoint: of.endpoint,
      sentAt: now,
      expiresAt: of.expiresAt,
      helpers: NO_HELPERS,
      principal: of.principal ?? null,
      answered: false,
      nacksExpected: 0,
      nacks: 0,
      dueAt: of.expiresAt,
    };
    this.#next = (this.#next + 1) % SEQ_MODULUS;
    this.#open.set(question.seqNo, question);
    if (question.purpose === "relay") this.#relays += 1;
    return question;
  }

  get(seqNo: number): Question | undefined {
    return this.#open.get(seqNo);
  }

  close(question: Question): void {
    if (this.#open.delete(question.seqNo) && question.purpose === "relay") this.#relays -= 1;
  }

  clear(): void {
    this.#open.clear();
    this.#relays = 0;
  }

  helper(question: Question, endpoint: Endpoint): void {
    question.helpers = new Set(question.helpers).add(formatEndpoint(endpoint));
  }

  /**
   * Insertion order is roughly order of expiry: looking at the front is enough to stay small. A question with a timer of
   * its own is that timer's: swept at the instant of its expiry, just before the timer, it would never be judged.
   */
  #sweep(now: Millis): void {
    for (const question of this.#open.values()) {
      const full = this.#open.size >= this.#ctx.limits.pendingProbes;
      if (!full && (question.expiresAt > now || TIMED.has(question.purpose))) break;
      this.close(question);
    }
  }
}
