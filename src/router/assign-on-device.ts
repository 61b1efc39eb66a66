// The assignment where tensors are kept on a device: the ranks of the choices by comparing each with each, their places by cumulative sums.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import type {AssignRequest} from './assign-request.js';
import type {Assignment} from './types.js';

/** Of so many pairs comparisons are in memory at a time. */
const PAIRS_AT_ONCE = 2 ** 20;

/**
 * The assignment with nothing read back: O(T K E) in memory, and O(T^2) comparisons for the orders `'random'` and `'priority'`, O((T K)^2)
 * for `'probability'`. The ranks are exact below 2^24 choices, and the places those of the host.
 *
 * @param indices int32 [T, K], at least one choice.
 */
export function assignOnDevice(indices: tf.Tensor2D, numExperts: number, request: AssignRequest): Assignment {
  const capacity = request.capacity ?? indices.shape[0];
  const [experts, positions] = tf.tidy(() => {
    const positions = noGradient(() => {
      const rank = ranks(indices, request); // [T * K], of each choice in the queue
      const numbers = tf.range(0, indices.size, 1, 'int32');
      const queue = tf.scatterND(tf.expandDims(rank, 1), numbers, [indices.size]) as tf.Tensor1D; // the inverse: the choice of each rank
      const queued = tf.gather(tf.reshape(indices, [-1]), queue);
      const isExpert = toFloat(tf.equal(tf.expandDims(queued, 1), tf.range(0, numExperts, 1, 'int32'))); // [T * K, E]
      const place = tf.sub(tf.sum(tf.mul(isExpert, tf.cumsum(isExpert, 0)), 1), 1); // -1 for the choice of no expert
      const kept = tf.where(tf.less(place, capacity), place, tf.fill(place.shape, -1));
      return tf.reshape(tf.gather(tf.cast(kept, 'int32'), rank), indices.shape) as tf.Tensor2D;
    });
    const experts = noGradient(() => tf.where(tf.less(positions, 0), positions, indices) as tf.Tensor2D);
    return [experts, positions];
  }) as [tf.Tensor2D, tf.Tensor2D];
  return {numExperts, capacity, experts, positions};
}

/** int32 [T * K]: how many choices stand before each, with the choices numbered token by token. */
function ranks(indices: tf.Tensor2D, {order, weights, random}: AssignRequest): tf.Tensor1D {
  const [numTokens, topK] = indices.shape;
  if (order === 'probability') return fallingRank(tf.reshape(weightsOfChoices(indices, weights!), [-1]));
  const tokenRank = () => {
    if (order === 'random') return fallingRank(tf.tensor1d(Float32Array.from(random.uniform(numTokens))));
    if (order === 'priority') return fallingRank(tf.max(weightsOfChoices(indices, weights!), 1));
    return tf.range(0, numTokens, 1, 'int32');
  };
  // Slot by slot: k * T stand before the first in slot k.
  return tf.reshape(tf.add(tf.expandDims(tokenRank(), 1), tf.range(0, topK * numTokens, numTokens, 'int32')), [-1]);
}

/** The weights, with -Infinity for choices of no expert and for NaN, which would leave two choices the same rank. */
function weightsOfChoices(indices: tf.Tensor2D, weights: tf.Tensor2D): tf.Tensor2D {
  const isNumber = tf.logicalAnd(tf.greaterEqual(indices, 0), tf.logicalNot(tf.isNaN(weights)));
  return tf.where(isNumber, weights, tf.fill(weights.shape, Number.NEGATIVE_INFINITY));
}

/** int32 [n]: how many keys are larger than each, or equal with a lower number. */
function fallingRank(keys: tf.Tensor1D): tf.Tensor1D {
  const n = keys.size;
  const numbers = tf.range(0, n, 1, 'float32');
  const rowsAtOnce = Math.max(1, Math.floor(PAIRS_AT_ONCE / n));
  const parts: tf.Tensor1D[] = [];
  for (let start = 0; start < n; start += rowsAtOnce) {
    const part = tf.tidy(() => {
      const rows = Math.min(rowsAtOnce, n - start);
      const [key, number] = [keys, numbers].map(x => tf.expandDims(tf.slice(x, [start], [rows]), 1)) as [
        tf.Tensor,
        tf.Tensor,
      ];
      const isTieBefore = tf.logicalAnd(tf.equal(keys, key), tf.less(numbers, number));
      const isBefore = tf.logicalOr(tf.greater(keys, key), isTieBefore); // [rows, n]
      return tf.sum(toFloat(isBefore), 1) as tf.Tensor1D;
    });
    parts.push(part);
  }
  return tf.cast(tf.concat(parts), 'int32');
}
