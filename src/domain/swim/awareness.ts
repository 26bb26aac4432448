/**
 * Lifeguard's local health (Dadgar, Phillips, Currey 2018): how much we trust our own probes. 0 is well; each point
 * stretches the round-robin's probe interval by itself once. Boundary: the watch never asks it.
 */
export class Awareness {
  readonly #max: number;
  #score = 0;

  constructor(maxMultiplier: number) {
    this.#max = Math.max(1, maxMultiplier) - 1;
  }

  get score(): number {
    return this.#score;
  }

  apply(delta: number): void {
    this.#score = Math.min(this.#max, Math.max(0, this.#score + delta));
  }

  scale(intervalMs: number): number {
    return intervalMs * (this.#score + 1);
  }
}
