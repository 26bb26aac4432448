/**
 * Who answered a client's numbered questions, in the order in which they were asked: an answer that a busy server sends late
 * comes after its heir's first, and is no return of the VIP. Boundary: pure; keeps a name and a time for each question.
 */
export class Servers {
  #names = [];
  #times = [];

  /** `seq`: 0 is the first question. `atMs`: when the answer came. */
  answered(seq, name, atMs) {
    // Holes would make slow arrays of them.
    for (let i = this.#names.length; i <= seq; i++) {
      this.#names.push("");
      this.#times.push(0);
    }
    this.#names[seq] = name;
    this.#times[seq] = atMs;
  }

  /** One for each time that the VIP changed hands: { name, fromMs }, `fromMs` the first answer. */
  list() {
    const list = [];
    this.#names.forEach((name, seq) => {
      if (name === "") return;
      const atMs = this.#times[seq];
      const last = list.at(-1);
      if (last?.name === name) last.fromMs = Math.min(last.fromMs, atMs);
      else list.push({ name, fromMs: atMs });
    });
    return list;
  }
}
