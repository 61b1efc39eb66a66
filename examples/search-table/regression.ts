// The surrogate: ridge regression of a cell's worth on its operations and their pairs, which grows by a cell at a time. It is solved in the
// space of the cells and not of the 406 weights: with few cells that is less work, and a cell more costs a row of the Cholesky factor.
// SPDX-License-Identifier: Apache-2.0
import {NUM_EDGES, NUM_OPERATIONS, OPERATIONS} from './problem.js';
import {addAt, NUM_FEATURES, type Quadratic, valueAt, zeroQuadratic} from './quadratic.js';

/** The variances of a Bayesian regression; a ridge penalty is the noise's variance divided by that of the weight. */
export interface Variances {
  /** Of the weights before anything is seen. */
  intercept: number;
  linear: number;
  pair: number;
  /** Of what the function leaves unexplained at a cell. */
  noise: number;
}

/** Normal numbers that a draw of a function takes besides one a cell: intercept, operations, pairs. */
export const WEIGHTS = 1 + NUM_FEATURES + ((NUM_EDGES * (NUM_EDGES - 1)) / 2) * NUM_OPERATIONS ** 2;

/** Ridge regression on the cells that were added. */
export class CellRegression {
  readonly #variances: Variances;
  readonly #cells: Uint16Array;
  /** The lower triangle of the Cholesky factor of covariance + noise, row by row. */
  readonly #factor: Float64Array;
  #count = 0;

  /** @param capacity How many cells will be added at most. */
  constructor(capacity: number, variances: Variances) {
    this.#variances = variances;
    this.#cells = new Uint16Array(capacity);
    this.#factor = new Float64Array((capacity * (capacity + 1)) / 2);
  }

  /** How many cells it has. */
  get count(): number {
    return this.#count;
  }

  /** Takes a cell more; what it is worth is said when a function is asked for. */
  add(cell: number): void {
    const n = this.#count;
    const factor = this.#factor;
    const row = (n * (n + 1)) / 2;
    let rest = this.#covariance(cell, cell) + this.#variances.noise;
    for (let i = 0, start = 0; i < n; start += ++i) {
      let sum = this.#covariance(this.#cells[i]!, cell);
      for (let j = 0; j < i; ++j) sum -= factor[start + j]! * factor[row + j]!;
      const entry = sum / factor[start + i]!;
      factor[row + i] = entry;
      rest -= entry * entry;
    }
    factor[row + n] = Math.sqrt(rest);
    this.#cells[n] = cell;
    this.#count = n + 1;
  }

  /**
   * The ridge regression, which is the mean of the functions that the cells leave possible.
   *
   * @param targets [count] What each cell is worth.
   */
  mean(targets: ArrayLike<number>): Quadratic {
    return this.#correct(zeroQuadratic(), Float64Array.from(targets));
  }

  /**
   * One of the functions that the cells leave possible, drawn from the posterior: a draw from the prior, moved by the regression of
   * what it lacks (Matheron's rule).
   *
   * @param targets [count] What each cell is worth.
   * @param normals [WEIGHTS + count] Standard normal numbers.
   */
  draw(targets: ArrayLike<number>, normals: Float64Array): Quadratic {
    const {intercept, linear, pair, noise} = this.#variances;
    const drawn = zeroQuadratic();
    let next = 0;
    drawn.intercept = Math.sqrt(intercept) * normals[next++]!;
    for (let i = 0; i < NUM_FEATURES; ++i) drawn.linear[i] = Math.sqrt(linear) * normals[next++]!;
    const deviation = Math.sqrt(pair);
    for (let i = 0; i < NUM_FEATURES; ++i) {
      for (let j = (Math.floor(i / NUM_OPERATIONS) + 1) * NUM_OPERATIONS; j < NUM_FEATURES; ++j) {
        const weight = deviation * normals[next++]!;
        drawn.pairs[i * NUM_FEATURES + j] = weight;
        drawn.pairs[j * NUM_FEATURES + i] = weight;
      }
    }
    const lacks = Float64Array.from(
      {length: this.#count},
      (_, i) => targets[i]! - valueAt(drawn, this.#cells[i]!) - Math.sqrt(noise) * normals[next + i]!,
    );
    return this.#correct(drawn, lacks);
  }

  /** Adds the regression on `lacks`, which is overwritten. */
  #correct(from: Quadratic, lacks: Float64Array): Quadratic {
    const {intercept, linear, pair} = this.#variances;
    const weights = this.#solve(lacks);
    for (let i = 0; i < this.#count; ++i) {
      const weight = weights[i]!;
      const shares = {intercept: intercept * weight, linear: linear * weight, pair: pair * weight};
      addAt(from, this.#cells[i]!, shares);
    }
    return from;
  }

  /** (covariance + noise)^-1 b, in place. */
  #solve(b: Float64Array): Float64Array {
    const factor = this.#factor;
    const n = this.#count;
    for (let i = 0, start = 0; i < n; start += ++i) {
      let sum = b[i]!;
      for (let j = 0; j < i; ++j) sum -= factor[start + j]! * b[j]!;
      b[i] = sum / factor[start + i]!;
    }
    for (let i = n - 1; i >= 0; --i) {
      const start = (i * (i + 1)) / 2;
      const value = b[i]! / factor[start + i]!;
      b[i] = value;
      for (let j = 0; j < i; ++j) b[j]! -= factor[start + j]! * value;
    }
    return b;
  }

  /** Of the values at two cells, before anything is seen: the more edges have the same operation, the more. */
  #covariance(a: number, b: number): number {
    let same = 0;
    for (let edge = 0; edge < NUM_EDGES; ++edge) {
      if (OPERATIONS[a * NUM_EDGES + edge] === OPERATIONS[b * NUM_EDGES + edge]) ++same;
    }
    const {intercept, linear, pair} = this.#variances;
    return intercept + linear * same + (pair * same * (same - 1)) / 2;
  }
}
