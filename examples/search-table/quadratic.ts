// Functions of a cell that are linear in its operations and in their pairs: what the surrogate is made of.
// SPDX-License-Identifier: Apache-2.0
import {NUM_EDGES, NUM_OPERATIONS, OPERATIONS} from './problem.js';

/** The one-hot operations of all edges in a row. */
export const NUM_FEATURES = NUM_EDGES * NUM_OPERATIONS;

/** intercept + linear . x + x' pairs x / 2, with x the one-hot operations of all edges in a row. */
export interface Quadratic {
  intercept: number;
  /** [30]. */
  linear: Float64Array;
  /** [30 * 30], symmetric, 0 between operations of the same edge. */
  pairs: Float64Array;
}

/** The function that is 0. */
export function zeroQuadratic(): Quadratic {
  return {
    intercept: 0,
    linear: new Float64Array(NUM_FEATURES),
    pairs: new Float64Array(NUM_FEATURES * NUM_FEATURES),
  };
}

/** The value at a cell. */
export function valueAt({intercept, linear, pairs}: Quadratic, cell: number): number {
  let value = intercept;
  for (let edge = 0; edge < NUM_EDGES; ++edge) {
    const feature = featureOf(cell, edge);
    value += linear[feature]!;
    for (let other = edge + 1; other < NUM_EDGES; ++other) {
      value += pairs[feature * NUM_FEATURES + featureOf(cell, other)]!;
    }
  }
  return value;
}

/** Adds to the weights of everything that a cell has: to the intercept, to its operations and to its pairs of operations. */
export function addAt(
  into: Quadratic,
  cell: number,
  {intercept, linear, pair}: {intercept: number; linear: number; pair: number},
): void {
  into.intercept += intercept;
  for (let edge = 0; edge < NUM_EDGES; ++edge) {
    const feature = featureOf(cell, edge);
    into.linear[feature]! += linear;
    for (let other = edge + 1; other < NUM_EDGES; ++other) {
      const second = featureOf(cell, other);
      into.pairs[feature * NUM_FEATURES + second]! += pair;
      into.pairs[second * NUM_FEATURES + feature]! += pair;
    }
  }
}

/** Half of the edges, and how many choices of operations they have. */
const HALF = NUM_EDGES / 2;
const HALVES = NUM_OPERATIONS ** HALF;

/** The values at all cells by their codes: halves of cells are worth something alone, and something together. */
export function allValues(quadratic: Quadratic): Float64Array {
  const {intercept, linear, pairs} = quadratic;
  const tails = Float64Array.from({length: HALVES}, (_, tail) => withinHalf(quadratic, tail, HALF));
  const values = new Float64Array(HALVES * HALVES);
  const ofHead = new Float64Array(NUM_FEATURES); // what an operation of the second half adds to the first
  for (let head = 0; head < HALVES; ++head) {
    const cell = head * HALVES;
    const alone = intercept + withinHalf(quadratic, cell, 0);
    for (let feature = HALF * NUM_OPERATIONS; feature < NUM_FEATURES; ++feature) {
      let sum = linear[feature]!;
      for (let edge = 0; edge < HALF; ++edge) sum += pairs[featureOf(cell, edge) * NUM_FEATURES + feature]!;
      ofHead[feature] = sum;
    }
    for (let tail = 0; tail < HALVES; ++tail) {
      let sum = alone + tails[tail]!;
      for (let edge = HALF; edge < NUM_EDGES; ++edge) sum += ofHead[featureOf(tail, edge)]!;
      values[cell + tail] = sum;
    }
  }
  return values;
}

/** What the pairs within three edges from `first` on are worth, and for the first three the operations themselves. */
function withinHalf({linear, pairs}: Quadratic, cell: number, first: number): number {
  let sum = 0;
  for (let edge = first; edge < first + HALF; ++edge) {
    const feature = featureOf(cell, edge);
    if (first === 0) sum += linear[feature]!;
    for (let other = edge + 1; other < first + HALF; ++other) {
      sum += pairs[feature * NUM_FEATURES + featureOf(cell, other)]!;
    }
  }
  return sum;
}

function featureOf(cell: number, edge: number): number {
  return edge * NUM_OPERATIONS + OPERATIONS[cell * NUM_EDGES + edge]!;
}
