// Two halves of a training set: a search trains the weights on one and the choices on the other.
// SPDX-License-Identifier: Apache-2.0
import {seeded} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {permutation} from '../shared/permutation.js';

/** Which rows a half has, ascending. */
export interface Halves {
  /** To train the weights on; one more than the other half where the count is odd. */
  train: Uint32Array;
  /** To choose by. */
  valid: Uint32Array;
}

/**
 * Parts the numbers 0 to count - 1 into two halves at random, every split equally likely; the same seed gives the same halves.
 *
 * @param count A whole number of at least 2.
 * @throws ValueError for a count that has no two halves.
 */
export function splitHalves(count: number, seed: number): Halves {
  if (!Number.isSafeInteger(count) || count < 2) {
    throw new ValueError(`splitHalves: count must be a whole number of at least 2, but got ${count}.`);
  }
  const order = permutation(count, seeded(seed));
  const boundary = Math.ceil(count / 2);
  return {train: order.slice(0, boundary).sort(), valid: order.slice(boundary).sort()};
}
