// ReinMax where only the chosen expert is evaluated, so that its gradient is known at one entry.
// Liu, Dong, Liu, Yu and Gao 2023, "Bridging Discrete and Backpropagation: Straight-Through and Beyond", https://arxiv.org/abs/2304.08612.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {Routing} from '../types.js';
import {routeWithUnitWeights, type SparseEstimatorOptions} from './unit-weights.js';

/**
 * Sparse ReinMax: drawn experts of weight 1, with ReinMax's gradient as if the others' outputs were zero.
 *
 * With p = softmax(logits), q = softmax(logits / temperature), D the draw, i its index and g the gradient of its weight, ReinMax's closed form
 * becomes g ((1 + q_i) (D - q) - p_i (D - p)) / 2, and g (D - p) / 2 at temperature 1.
 *
 * Biased: ReinMax needs every expert's output. What it takes for f(expert_i) - f(0) is half of f'(expert_i) expert_i, which at temperature 1 is
 * exact for f(y) = y' A y and half of the true gradient for linear f. The dense layer's `reinmax` has no such bias for either, at the cost
 * of all experts.
 *
 * Each further expert is drawn from the logits with the earlier ones at -Infinity. Without `training` the experts are the largest logits';
 * the gradient is the same.
 *
 * @param logits float32 [T, E]. A logit of -Infinity masks an expert.
 * @param options.temperature Dimensionless, > 0; of the gradient alone. Default 1.
 * @param options See `RouterOptions` for the others. `topK` is 1 by default.
 * @returns indices and weights [T, K], the weights 1; probs [T, E], softmax(logits) with its ordinary gradient. Zeros for padding.
 * @throws ValueError for a bad option or shape, and for a real token with NaN, Infinity or fewer than K finite logits (on GPU backends its
 *   weights are NaN instead).
 * @example
 * const {weights} = sparseReinmax(tf.tensor2d([[0, 1, 2]]), {training: true});
 * weights.dataSync()[0]; // => 1
 */
export function sparseReinmax(logits: tf.Tensor2D, options: SparseEstimatorOptions = {}): Routing {
  return routeWithUnitWeights('sparseReinmax', logits, options, ({chosen, probs, softened}, g, temperature) => {
    const known = tf.sum(g, 1, true); // 0 for padding
    if (temperature === 1) return tf.mul(tf.mul(0.5, known), tf.sub(chosen, probs));
    const at = (x: tf.Tensor) => tf.sum(tf.mul(x, chosen), 1, true);
    const toSoftened = tf.mul(tf.add(1, at(softened)), tf.sub(chosen, softened));
    return tf.mul(tf.mul(0.5, known), tf.sub(toSoftened, tf.mul(at(probs), tf.sub(chosen, probs))));
  });
}
