// SparseMixer-v2. Liu et al. 2024, "GRIN: GRadient-INformed MoE", https://arxiv.org/abs/2409.12136, as in its published code, for any K where
// that stops at 2.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {Routing} from '../types.js';
import {routeSparseMixer, type SparseMixerOptions} from './sparse-mixer-routing.js';

/**
 * SparseMixer-v2: drawn experts, with a third-order gradient for the choice.
 *
 * With p the softmax of the logits that `jitterMask` keeps and D drawn from p, the weight is p_D in training where D is the likeliest expert
 * or a coin of probability 1/4 says so, and p_D / 3 otherwise; the gradient g of the weight reaches p_D as g. By Heun's third-order rule,
 * f(y) - f(0) = f'(y) y / 4 + 3 f'(y / 3) y / 4, the expected gradient of the logits would be that of E[f(h)], h = p_D expert_D with p_D in h
 * taken for a constant, for cubic f; the exception for the likeliest expert leaves this exact for linear f alone. Without `training` the
 * experts are the largest logits' and the weight is p_D.
 *
 * Each further expert is drawn from the logits with the earlier ones at -Infinity, by its own mask, softmax and coin. The weights are the
 * probabilities of their own draws and do not sum to 1.
 *
 * @param logits float32 [T, E]. A logit of -Infinity masks an expert.
 * @param options See `SparseMixerOptions`. `topK` is 1 by default.
 * @returns indices and weights [T, K]; probs [T, E], the softmax of all logits, as in the method's balance loss (zeros for padding);
 *   expertGradientWeights [T, K] in training with `expertGradient: 'paper'`.
 * @throws ValueError for a bad option or shape, and for a real token with NaN, Infinity or fewer than K finite logits (on GPU backends its
 *   weights are NaN instead).
 * @example
 * const {indices} = sparseMixerV2(tf.tensor2d([[2, 1.9, 1.5]]), {topK: 2});
 * indices.dataSync(); // => [0, 1]
 */
export function sparseMixerV2(logits: tf.Tensor2D, options: SparseMixerOptions = {}): Routing {
  return tf.tidy(() => {
    const {choices, ...routing} = routeSparseMixer('sparseMixerV2', logits, options, {
      temperature: 1,
      fullWeight: 1 / 4,
      fraction: 1 / 3,
      gradientFactor: 1,
      paperFactor: 1,
      expertGradient: 'code',
    });
    return {...routing, probs: choices.input.withoutPadding(tf.softmax(choices.input.logits))};
  });
}
