/**
 * What this host knows of each host's facts: envelopes by name, newest version wins, and the digest over all of them
 * that rides in acks. Purpose: decide which envelope to keep, which to ask for. Boundary: pure; bytes are decoded by
 * the injected codec; who is alive is the membership's business.
 */
import type { Facts } from "./facts.js";
import { finalize, hashBytes, hashText } from "./hash.js";
import type { FactsEnvelope, MemberState, Meta } from "./messages.js";

export interface FactsCodec {
  encode(facts: Facts): Uint8Array;
  /** null: not readable by this release. */
  decode(body: Uint8Array): Facts | null;
}

interface Entry {
  readonly envelope: FactsEnvelope;
  readonly digest: number;
  readonly facts: Facts;
  /** What it adds to the view's digest. */
  readonly share: number;
}

/** So many members that are gone for good are remembered. */
const FORGOTTEN_MAX = 1024;

/** Why an envelope was not taken: counted. */
export type FactsVerdict = "taken" | "older" | "same" | "unreadable" | "own-name";

export class FactsStore {
  readonly #self: string;
  readonly #instance: number;
  readonly #codec: FactsCodec;
  readonly #entries = new Map<string, Entry>();
  /** Name -> instance. */
  readonly #forgotten = new Map<string, number>();
  #ownVersion = 0;

  constructor(options: { self: string; instance: number; codec: FactsCodec }) {
    this.#self = options.self;
    this.#instance = options.instance;
    this.#codec = options.codec;
  }

  /** Sets this host's own facts; the version rises only when the bytes change. Returns true if they did. */
  publish(facts: Facts): boolean {
    const body = this.#codec.encode(facts);
    const digest = hashBytes(body);
    const known = this.#entries.get(this.#self);
    if (known !== undefined && known.digest === digest && equalBytes(known.envelope.body, body)) return false;
    this.#ownVersion += 1;
    this.#put({ name: this.#self, instance: this.#instance, version: this.#ownVersion, body }, digest, facts);
    return true;
  }

  /**
   * An older self was heard at this version: jump above it, so that everybody takes ours (the body stays).
   * Returns true if our version changed.
   */
  jumpAbove(version: number): boolean {
    const own = this.#entries.get(this.#self);
    if (own === undefined || version < this.#ownVersion || version >= 0xffff_fff0) return false;
    this.#ownVersion = version + 1;
    this.#put({ ...own.envelope, version: this.#ownVersion }, own.digest, own.facts);
    return true;
  }

  /** Takes a foreign envelope if it is newer, or of the instance that the member's Meta names now. */
  offer(envelope: FactsEnvelope, meta: Meta | undefined): FactsVerdict {
    if (envelope.name === this.#self) return "own-name";
    if (meta === undefined && this.#forgotten.get(envelope.name) === envelope.instance) return "older";
    const known = this.#entries.get(envelope.name)?.envelope;
    if (known !== undefined && !supersedes(envelope, known, meta)) {
      return known.instance === envelope.instance && known.version === envelope.version ? "same" : "older";
    }
    const facts = this.#codec.decode(envelope.body);
    if (facts === null) return "unreadable";
    this.#put(envelope, hashBytes(envelope.body), facts);
    return "taken";
  }

  facts(name: string): Facts | undefined {
    return this.#entries.get(name)?.facts;
  }

  envelope(name: string): FactsEnvelope | undefined {
    return this.#entries.get(name)?.envelope;
  }

  envelopes(): FactsEnvelope[] {
    return [...this.#entries.values()].map((entry) => entry.envelope);
  }

  /** A member is gone for good. Others forget it a little later, and until then tell us of it. */
  forget(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || name === this.#self) return;
    this.#entries.delete(name);
    if (this.#forgotten.size >= FORGOTTEN_MAX) this.#forgotten.clear();
    this.#forgotten.set(name, entry.envelope.instance);
  }

  /** Our Meta for the alive message. */
  meta(format: number): Meta {
    const own = this.#entries.get(this.#self);
    return {
      kind: "vipd",
      format,
      instance: this.#instance,
      factsVersion: own?.envelope.version ?? 0,
      factsDigest: own?.digest ?? 0,
    };
  }

  /** True if the member's Meta or ack names facts that we do not hold. */
  lacks(name: string, instance: number, version: number): boolean {
    const known = this.#entries.get(name)?.envelope;
    return known === undefined || known.instance !== instance || known.version < version;
  }

  /** Order-independent digest over who is in the group and which facts of each are known. u32. */
  viewDigest(
    members: readonly { readonly name: string; readonly state: MemberState; readonly foreign: boolean }[],
  ): number {
    let digest = 0;
    for (const member of members) {
      if (member.foreign || member.state === "dead" || member.state === "left") continue;
      digest ^= this.#entries.get(member.name)?.share ?? shareOf(member.name, 0, 0);
    }
    return digest >>> 0;
  }

  #put(envelope: FactsEnvelope, digest: number, facts: Facts): void {
    const { name, instance, version } = envelope;
    this.#entries.set(name, { envelope, digest, facts, share: shareOf(name, instance, version) });
  }
}

function shareOf(name: string, instance: number, version: number): number {
  return finalize(hashText(name) ^ finalize(instance ^ finalize(version)));
}

function supersedes(next: FactsEnvelope, known: FactsEnvelope, meta: Meta | undefined): boolean {
  if (next.instance === known.instance) return next.version > known.version;
  if (meta?.kind === "vipd" && meta.instance === known.instance) return false;
  if (meta?.kind === "vipd" && meta.instance === next.instance) return true;
  return next.version > known.version;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
