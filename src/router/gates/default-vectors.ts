// Running means of the experts' outputs, which stand in for outputs that were not computed when the router gets its gradient.
// Panda et al. 2025, "Dense Backpropagation Improves Training for Sparse Mixture-of-Experts", https://arxiv.org/abs/2504.12463.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkRange, checkShape, ValueError} from '../../errors.js';
import {customGradient} from '../../ops/custom-gradient.js';
import {noGradient} from '../../ops/no-gradient.js';
import {toFloat} from '../../ops/to-float.js';

/**
 * The sum over experts of unchosen_te mean_e, in gradient alone: zeros to add to the sparse output. The gradient of unchosen_te is
 * <dy_t, mean_e>; the means get none.
 *
 * @param unchosen float32 [T, E], of a routing such as `denseMixer`'s.
 * @param means float32 [E, D].
 * @returns float32 [T, D] of zeros, owned by the caller.
 * @throws ValueError for shapes that do not match.
 * @example
 * const output = tf.add(sparseOutput, unchosenTerm(unchosen, means));
 */
export function unchosenTerm(unchosen: tf.Tensor2D, means: tf.Tensor2D): tf.Tensor2D {
  const [numTokens, numExperts] = unchosen.shape;
  checkShape('unchosenTerm', 'means', means.shape, [numExperts, null], '[experts, features]');
  return customGradient(unchosen, (_, save) => {
    save([means]);
    return {
      value: tf.zeros([numTokens, means.shape[1]]),
      // Stock wasm multiplies untransposed matrices alone fast.
      gradient: (dy, [m]) => tf.matMul(dy as tf.Tensor2D, tf.transpose(m as tf.Tensor2D)), // [T, E]
    };
  }) as tf.Tensor2D;
}

/** Options of `updateMeans`. */
export interface UpdateMeansOptions {
  /** What stays of the former mean, from 0 to 1, dimensionless. */
  decay: number;
  /** [E], how many of an expert's rows are outputs; the others must be zeros. Default: all of them. */
  counts?: tf.Tensor1D;
}

/**
 * The means after a step: decay * mean_e + (1 - decay) * the mean of expert e's outputs, and mean_e for an expert without outputs. No gradient.
 *
 * @param means float32 [E, D].
 * @param outputs E tensors, float32 [n_e, D] with n_e from 0 on: what each expert put out in this step, before its weights.
 * @param options See `UpdateMeansOptions`.
 * @returns float32 [E, D], owned by the caller.
 * @throws ValueError for shapes that do not match and a decay outside [0, 1].
 * @example
 * const means = updateMeans(tf.tensor2d([[0, 0], [1, 1]]), [tf.tensor2d([[1, 2], [3, 4]]), tf.zeros([0, 2])], {decay: 0.9});
 * means.dataSync(); // => [0.2, 0.3, 1, 1]
 */
export function updateMeans(
  means: tf.Tensor2D,
  outputs: readonly tf.Tensor2D[],
  {decay, counts}: UpdateMeansOptions,
): tf.Tensor2D {
  const owner = 'updateMeans';
  checkRange(owner, 'decay', decay, 0, 1);
  const [numExperts, width] = means.shape;
  if (outputs.length !== numExperts) {
    throw new ValueError(
      `${owner}: outputs must hold one tensor an expert (${numExperts}), but got ${outputs.length}.`,
    );
  }
  for (const rows of outputs) checkShape(owner, 'outputs', rows.shape, [null, width], '[rows, features]');
  if (counts) checkShape(owner, 'counts', counts.shape, [numExperts], '[experts]');
  return noGradient(() => {
    // A sum over no rows is not 0 on wasm.
    const sums = tf.stack(outputs.map(rows => (rows.shape[0] === 0 ? tf.zeros([width]) : tf.sum(rows, 0)))); // [E, D]
    const numbers = toFloat(counts ?? tf.tensor1d(outputs.map(rows => rows.shape[0])));
    const column = tf.reshape(numbers, [numExperts, 1]);
    const fresh = tf.div(sums, tf.maximum(1, column));
    const isSeen = tf.tile(tf.greater(column, 0), [1, width]);
    return tf.where(isSeen, tf.add(tf.mul(decay, means), tf.mul(1 - decay, fresh)), means) as tf.Tensor2D;
  });
}
