// The curve of a run, of bounded length: as it grows, it is thinned.
// SPDX-License-Identifier: Apache-2.0

/** A point of the curves. */
export interface Moment {
  step: number;
  loss: number;
  score: number;
}

/** Keeps at most `capacity` points, spread evenly over the steps so far, and the last. */
export class History {
  readonly #capacity: number;
  #moments: Moment[] = [];
  #spacing = 1;

  constructor(capacity = 240) {
    this.#capacity = capacity;
  }

  /** Adds the state of a step; one that is too near to the one before takes its place. */
  add(moment: Moment): void {
    const before = this.#moments.at(-2);
    if (before && moment.step - before.step < 2 * this.#spacing && this.#moments.length > 1) this.#moments.pop();
    this.#moments.push(moment);
    if (this.#moments.length <= this.#capacity) return;
    this.#moments = this.#moments.filter((_, i) => i % 2 === 0 || i === this.#moments.length - 1);
    this.#spacing = (moment.step - this.#moments[0]!.step) / this.#capacity;
  }

  /** The points in order of their steps; a copy. */
  get moments(): Moment[] {
    return [...this.#moments];
  }
}
