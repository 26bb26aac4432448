/** What happens when, in simulated time: a binary heap by (instant, order of entry). Ties keep the order of entry. */
interface Item {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
}

export class Agenda {
  #now = 0;
  #order = 0;
  readonly #heap: Item[] = [];
  /** Called after each act. */
  afterEach: () => void = () => undefined;

  get now(): number {
    return this.#now;
  }

  get size(): number {
    return this.#heap.length;
  }

  at(at: number, act: () => void): void {
    this.#heap.push({ at: Math.max(at, this.#now), order: this.#order++, act });
    this.#up(this.#heap.length - 1);
  }

  after(ms: number, act: () => void): void {
    this.at(this.#now + ms, act);
  }

  /** Runs everything that is due up to and including `until`. */
  runUntil(until: number): void {
    for (let first = this.#heap[0]; first !== undefined && first.at <= until; first = this.#heap[0]) {
      this.#removeFirst();
      this.#now = first.at;
      first.act();
      this.afterEach();
    }
    this.#now = Math.max(this.#now, until);
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#down(0);
  }

  #before(a: number, b: number): boolean {
    const x = this.#heap[a]!;
    const y = this.#heap[b]!;
    return x.at === y.at ? x.order < y.order : x.at < y.at;
  }

  #swap(a: number, b: number): void {
    const x = this.#heap[a]!;
    this.#heap[a] = this.#heap[b]!;
    this.#heap[b] = x;
  }

  #up(from: number): void {
    let i = from;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(i, parent)) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #down(from: number): void {
    let i = from;
    for (;;) {
      const left = 2 * i + 1;
      if (left >= this.#heap.length) return;
      const right = left + 1;
      const least = right < this.#heap.length && this.#before(right, left) ? right : left;
      if (!this.#before(least, i)) return;
      this.#swap(least, i);
      i = least;
    }
  }
}
