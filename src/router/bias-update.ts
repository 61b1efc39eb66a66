// Balancing without a loss, by a bias on the scores: Wang et al. 2024, "Auxiliary-Loss-Free Load Balancing Strategy for
// Mixture-of-Experts", https://arxiv.org/abs/2408.15664, Algorithm 1; DeepSeek-V3, https://arxiv.org/abs/2412.19437.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkBoolean, checkPositive, checkShape} from '../errors.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';

/** Options of `updatedBias`. */
export interface BiasUpdateOptions {
  /** By how much an expert's bias moves, > 0, in the unit of the scores. Default 1e-3, as in DeepSeek-V3. */
  rate?: number;
  /** Whether the mean of the bias stays where it is, as in torchtitan; the paper lets it drift. Default true. */
  recentre?: boolean;
}

/**
 * The bias that a router adds to its scores where it chooses, and only there, after a step of loss-free balancing.
 *
 * b_e + rate * sign(mean(c) - c_e): an expert that got more than its share becomes less attractive. With `recentre` the
 * mean of the changes is subtracted. At perfect balance, and where nothing was counted, the bias stays as it is. Call it
 * once a step of the optimizer, with the counts of all micro-batches of training since; see `addCounts`. No gradient.
 *
 * @param bias float32 [numExperts]. Unchanged, and still the caller's.
 * @param counts [numExperts]. How many tokens chose each expert, before any is dropped.
 * @param options.rate > 0. Default 1e-3.
 * @param options.recentre Default true.
 * @returns float32 [numExperts], in the unit of the scores, owned by the caller.
 * @throws ValueError for shapes that do not match and for a rate that is not positive and finite.
 * @example
 * updatedBias(tf.zeros([4]), tf.tensor1d([10, 2, 4, 0]), {rate: 1}); // => [-1.25, 0.75, -0.25, 0.75]
 */
export function updatedBias(
  bias: tf.Tensor1D,
  counts: tf.Tensor1D,
  {rate = 1e-3, recentre = true}: BiasUpdateOptions = {},
): tf.Tensor1D {
  const owner = 'updatedBias';
  checkShape(owner, 'bias', bias.shape, [null], '[numExperts]');
  checkShape(owner, 'counts', counts.shape, bias.shape, 'of bias');
  checkPositive(owner, 'rate', rate);
  checkBoolean(owner, 'recentre', recentre);
  return noGradient(() =>
    tf.tidy(() => {
      const numTokens = toFloat(counts);
      // Whole numbers, exact up to 2^24: the sign of a mean's rounding error would be a full step.
      const direction = tf.sign(tf.sub(tf.sum(numTokens), tf.mul(numTokens, counts.size)));
      const change = recentre ? tf.sub(direction, tf.mean(direction)) : direction;
      return tf.add<tf.Tensor1D>(bias, tf.mul(rate, change));
    }),
  );
}
