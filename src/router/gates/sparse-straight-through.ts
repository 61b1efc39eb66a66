// Straight-through where only the chosen expert is evaluated, so that its gradient is known at one entry.
// Bengio, Leonard and Courville 2013, https://arxiv.org/abs/1308.3432.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import {softmaxGradient} from '../../ops/softmax-gradient.js';
import type {Routing} from '../types.js';
import {routeWithUnitWeights, type SparseEstimatorOptions} from './unit-weights.js';

/**
 * Sparse straight-through: drawn experts of weight 1, with straight-through's gradient as if the others' outputs were zero.
 *
 * With q = softmax(logits / temperature), D the draw, i its index and g the gradient of its weight, the gradient is
 * g q_i (D - q) / temperature.
 *
 * Biased: straight-through needs every expert's output. An expert of small probability is drawn rarely and then counts for little, so
 * that even for linear f the expected gradient, the sum over i of p_i^2 g_i (e_i - p) at temperature 1, points elsewhere than the true
 * one, the sum of p_i g_i (e_i - p). `sparseReinmax` is right there but for a factor.
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
 * const {weights} = sparseStraightThrough(tf.tensor2d([[0, 1, 2]]), {training: true});
 * weights.dataSync()[0]; // => 1
 */
export function sparseStraightThrough(logits: tf.Tensor2D, options: SparseEstimatorOptions = {}): Routing {
  return routeWithUnitWeights('sparseStraightThrough', logits, options, ({softened}, g, temperature) =>
    softmaxGradient(softened, g, temperature),
  );
}
