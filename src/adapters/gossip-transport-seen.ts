/**
 * Which sealed datagrams were opened lately, by their nonces. Purpose: a recorded datagram that is sent again, as it was or
 * with a changed end, costs a look-up instead of being opened, and its message is not taken twice. Boundary: no sockets, no
 * time; remembers at least the latest `NONCES_MAX` and at most twice as many, so a replay from before that is opened once more
 * (memberlist's format has no freshness; the incarnations make old news harmless).
 */
const NONCES_MAX = 32_768;

export class SeenNonces {
  readonly #max: number;
  #recent = new Set<number>();
  #older = new Set<number>();

  constructor(max = NONCES_MAX) {
    this.#max = max;
  }

  get size(): number {
    return this.#recent.size + this.#older.size;
  }

  has(nonce: number): boolean {
    return this.#recent.has(nonce) || this.#older.has(nonce);
  }

  add(nonce: number): void {
    if (this.#recent.size >= this.#max) {
      this.#older = this.#recent;
      this.#recent = new Set();
    }
    this.#recent.add(nonce);
  }
}
