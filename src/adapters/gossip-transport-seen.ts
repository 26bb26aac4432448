/**
 * Which sealed datagrams were opened lately, by their nonces. Purpose: a recorded datagram that is sent again, as it was or
 * with a changed end, costs a look-up instead of being opened, and its message is not taken twice. Boundary: no sockets, no
 * time; remembers at least the latest `NONCES_MAX` and at most twice as many, so a replay from before that is opened once more
 * (memberlist's format has no freshness; the incarnations make old news harmless). Its memory is taken at once: 1 MB.
 */
const NONCES_MAX = 32_768;

export class SeenNonces {
  #recent: NonceSet;
  #older: NonceSet;

  constructor(max = NONCES_MAX) {
    this.#recent = new NonceSet(max);
    this.#older = new NonceSet(max);
  }

  get size(): number {
    return this.#recent.size + this.#older.size;
  }

  has(nonce: number): boolean {
    return this.#recent.has(nonce) || this.#older.has(nonce);
  }

  add(nonce: number): void {
    if (this.#recent.full && !this.#recent.has(nonce)) {
      const oldest = this.#older;
      oldest.clear();
      this.#older = this.#recent;
      this.#recent = oldest;
    }
    this.#recent.add(nonce);
  }
}

const EMPTY = -1;
/** 2^32 divided by the golden ratio (Knuth's multiplicative hashing): whoever chooses nonces does not choose neighbours. */
const SPREAD = 0x9e3779b1;

/** Numbers of 48 bits at most, by linear probing in an array that is never more than half full. */
class NonceSet {
  readonly #max: number;
  readonly #shift: number;
  readonly #slots: Float64Array;
  size = 0;

  constructor(max: number) {
    const bits = Math.ceil(Math.log2(2 * max));
    this.#max = max;
    this.#shift = 32 - bits;
    this.#slots = new Float64Array(2 ** bits).fill(EMPTY);
  }

  get full(): boolean {
    return this.size >= this.#max;
  }

  has(nonce: number): boolean {
    return this.#slots[this.#slotOf(nonce)] === nonce;
  }

  add(nonce: number): void {
    const slot = this.#slotOf(nonce);
    if (this.#slots[slot] === nonce) return;
    this.#slots[slot] = nonce;
    this.size += 1;
  }

  clear(): void {
    this.#slots.fill(EMPTY);
    this.size = 0;
  }

  /** Where it lies, or else would be put. */
  #slotOf(nonce: number): number {
    const slots = this.#slots;
    const last = slots.length - 1;
    let slot = Math.imul((nonce / 2 ** 16) ^ nonce, SPREAD) >>> this.#shift;
    while (slots[slot] !== EMPTY && slots[slot] !== nonce) slot = (slot + 1) & last;
    return slot;
  }
}
