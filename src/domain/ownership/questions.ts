/**
 * Asking the wire before claiming (law 5): during a suspicion, so that it costs no time, or at the claim. Purpose:
 * which question is open, which answer is fresh enough. Boundary: pure; the question itself is the responder's.
 */
import type { Millis } from "../messages.js";
import { isLive, type Key } from "./key.js";
import type { Outbox } from "./outbox.js";
import type { Answer, View, WireVerdict } from "./types.js";

/** A larger question is asked for a sample only: is anybody there at all? Strangers show when they claim. */
const SAMPLE_MAX = 64;
/** So many times as long as it took, but not less than this, an answer about a suspect may wait for the verdict. */
const FRESH_TIMEOUTS = 2;
const FRESH_MS_MIN = 100;

export interface QuestionTerms {
  readonly view: View;
  readonly suspectAfterMs: number;
  readonly deafAfterMs: number;
  readonly askAfterMs: number;
  readonly askTimeoutMs: number;
}

interface Question {
  readonly id: number;
  /** Member whose suspicion it was asked in; null: one key's own question. */
  readonly about: string | null;
  readonly interfaces: readonly string[];
  readonly addresses: string[];
  readonly waiting: Set<string>;
  readonly askedAt: Millis;
  /** Keys for which silence is an answer: of many only a sample was asked. */
  readonly covers: ReadonlySet<string>;
  answers: readonly Answer[] | null;
  doneAt: Millis;
}

export class Questions {
  readonly #options: QuestionTerms;
  readonly #out: Outbox;
  readonly #open = new Map<number, Question>();
  readonly #aboutMember = new Map<string, Question[]>();
  readonly #ofKey = new Map<string, Question>();
  /** Questions of single keys in this turn, one for each list of interfaces: asked together in `flush`. */
  readonly #batch = new Map<string, Question>();
  #nextId = 1;

  /** What an answer may take. */
  get timeoutMs(): number {
    return this.#options.askTimeoutMs;
  }

  constructor(options: QuestionTerms, out: Outbox) {
    this.#options = options;
    this.#out = out;
  }

  /**
   * Arms the question about a suspect: so late that its lease has run out (before, its responder may rightly answer), so
   * early that the answer is there when the verdict comes. A watcher of it may have heard less of it than we have.
   * Whoever turns out to be deaf has been ignoring us for a while by then.
   */
  schedule(member: string, now: Millis): void {
    const { view, suspectAfterMs, deafAfterMs, askAfterMs } = this.#options;
    const heardAt = view.lastHeardAt(member);
    const knownMs = suspectAfterMs + (view.deaf(member) ? deafAfterMs : 0);
    const silentSince = Math.min(now, Math.max(heardAt, now - knownMs));
    this.#aboutMember.delete(member);
    this.#out.arm({ kind: "question", member }, Math.max(silentSince + askAfterMs, heardAt + view.leaseOf(member)));
  }

  /** Asks for the keys that this host would inherit from a suspect, at most a sample for each list of interfaces. */
  ask(member: string, keys: readonly Key[], now: Millis): void {
    const byPlace = new Map<string, Key[]>();
    for (const key of keys) {
      const some = byPlace.get(key.spec.interfaces.join());
      if (some === undefined) byPlace.set(key.spec.interfaces.join(), [key]);
      else some.push(key);
    }
    const questions = [...byPlace.values()].map((some) => {
      const { interfaces } = some[0]!.spec;
      const question = this.#put(member, interfaces, sample(some), now, new Set(some.map((key) => key.spec.key)));
      this.#out.ask(question.id, this.#usable(interfaces), question.addresses, this.#options.askTimeoutMs);
      return question;
    });
    this.#aboutMember.set(member, questions);
  }

  /** The wire's answers for a key, or "pending" (asked now, if nothing fresh is known). */
  verdict(key: Key, holder: string | null, now: Millis): readonly Answer[] | "pending" {
    const asked = [...(holder === null ? [] : (this.#aboutMember.get(holder) ?? [])), this.#ofKey.get(key.spec.key)];
    for (const question of asked) {
      if (question === undefined) continue;
      // Whoever inherits more than it thought when it asked knows nothing of the rest.
      if (question.about !== null && !question.covers.has(key.spec.key)) continue;
      // What an earlier claim wanted to know is not what this one must.
      if (question.about === null && question.askedAt < key.since) continue;
      // Nor does it know of what a deaf host has announced since, which is no answer, and may be the truth.
      if (question.about === null && deafAnnounced(key, this.#options.view, question.askedAt)) continue;
      if (question.answers === null) {
        question.waiting.add(key.spec.key);
        return "pending";
      }
      if (now - question.doneAt > Math.max(FRESH_MS_MIN, FRESH_TIMEOUTS * this.#options.askTimeoutMs)) continue;
      // A sample that heard anything is asked again for this very key; silence holds for all.
      if (question.about !== null && question.answers.length > 0) continue;
      // So is one that somebody has announced since: the silence is over, and whoever announced was suspect or is held dead.
      if (question.about !== null && key.heard !== null && key.heard.at >= question.askedAt) continue;
      if (question.about === null) this.#ofKey.delete(key.spec.key);
      return question.answers.filter((answer) => key.spec.addresses.includes(answer.address));
    }
    const place = key.spec.interfaces.join();
    const question = this.#batch.get(place) ?? this.#put(null, key.spec.interfaces, [], now);
    this.#batch.set(place, question);
    question.addresses.push(...key.spec.addresses);
    question.waiting.add(key.spec.key);
    this.#ofKey.set(key.spec.key, question);
    return "pending";
  }

  /** When the key's own question, of which the verdict was not taken yet, was put; null: there is none. */
  askedAt(key: Key): Millis | null {
    return this.#ofKey.get(key.spec.key)?.askedAt ?? null;
  }

  /** Asks what single keys wanted to know in this turn. */
  flush(): void {
    if (this.#batch.size === 0) return;
    for (const question of this.#batch.values()) {
      this.#out.ask(question.id, this.#usable(question.interfaces), question.addresses, this.#options.askTimeoutMs);
    }
    this.#batch.clear();
  }

  /** Whatever is down answers nothing; where all are, the question is put all the same, and nobody answers it. */
  #usable(interfaces: readonly string[]): readonly string[] {
    const up = interfaces.filter((name) => this.#options.view.canCarry(name));
    return up.length > 0 ? up : interfaces;
  }

  /** Returns the keys that waited for it. */
  answered(id: number, answers: readonly Answer[], now: Millis): readonly string[] {
    const question = this.#open.get(id);
    if (question === undefined) return [];
    this.#open.delete(id);
    question.answers = answers;
    question.doneAt = now;
    return [...question.waiting];
  }

  #put(
    about: string | null,
    interfaces: readonly string[],
    addresses: readonly string[],
    now: Millis,
    covers: ReadonlySet<string> = new Set(),
  ): Question {
    const id = this.#nextId++;
    const question: Question = {
      id,
      about,
      interfaces,
      addresses: [...addresses],
      waiting: new Set(),
      askedAt: now,
      covers,
      answers: null,
      doneAt: Number.POSITIVE_INFINITY,
    };
    this.#open.set(id, question);
    return question;
  }
}

function deafAnnounced(key: Key, view: View, since: Millis): boolean {
  return key.heard !== null && key.heard.at > since && view.deaf(key.heard.member);
}

function sample(keys: readonly Key[]): string[] {
  const all = keys.flatMap((key) => key.spec.addresses);
  if (all.length <= SAMPLE_MAX) return all;
  const step = all.length / SAMPLE_MAX;
  return Array.from({ length: SAMPLE_MAX }, (_, i) => all[Math.floor(i * step)]!);
}

/** What the answers mean: a stranger's weighs most, then that of a member held dead, then one's that is just back, then any other's. */
export function judge(answers: readonly Answer[], view: View): WireVerdict {
  let member: string | null = null;
  const weight = (name: string) => (!isLive(view, name) ? 2 : view.unmet(name) ? 1 : 0);
  for (const answer of answers) {
    const name = view.memberByMac(answer.mac);
    if (name === undefined) return { kind: "stranger", mac: answer.mac };
    if (name !== view.self && (member === null || weight(name) > weight(member))) member = name;
  }
  return member === null ? { kind: "silent" } : { kind: "member", member };
}
