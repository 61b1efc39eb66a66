// SparseMixer-v2*, the version that the derivation gives. Liu et al. 2024, "GRIN: GRadient-INformed MoE", https://arxiv.org/abs/2409.12136.
// There is no published code.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type {Routing} from '../types.js';
import {routeSparseMixer, type SparseMixerOptions} from './sparse-mixer-routing.js';

/**
 * SparseMixer-v2*: drawn experts, with a third-order gradient for the choice and the weight's own.
 *
 * With p the softmax of half the logits that `jitterMask` keeps, D drawn from p and h = p_D expert_D, the output in training is
 * y = 2 h + stopGradient(s h - 2 h), where s is 1 for the likeliest expert or by a coin of probability 5/8, and 1/3 otherwise. So the weight is
 * s p_D, its gradient g reaches p_D as 2 g, and the gradient of the expert's output is 2 p_D times that of y. By Heun's third-order rule for
 * the choice, with the derivative of the weight added, the expected gradient of the logits would be that of E[f(h)] for cubic f; the
 * exception for the likeliest expert leaves this exact for linear f alone. The factor 2 of the expert's gradient is the algorithm's and no
 * part of that: `expertGradient: 'code'` gives s p_D. Without `training` the experts are the largest logits' and the weight is p_D.
 *
 * Each further expert is drawn from the logits with the earlier ones at -Infinity, by its own mask, softmax and coin.
 *
 * @param logits float32 [T, E]. A logit of -Infinity masks an expert.
 * @param options See `SparseMixerOptions`. `topK` is 1 by default.
 * @returns indices and weights [T, K]; probs [T, E], the softmax of half of all logits (zeros for padding); expertGradientWeights [T, K] in
 *   training, unless `expertGradient` is `'code'`.
 * @throws ValueError for a bad option or shape, and for a real token with NaN, Infinity or fewer than K finite logits (on GPU backends its
 *   weights are NaN instead).
 * @example
 * const {weights} = sparseMixerV2Star(tf.tensor2d([[2, 1.9, 1.5]]));
 * weights.dataSync()[0]; // => 0.512: 1 / (1 + exp(-0.05))
 */
export function sparseMixerV2Star(logits: tf.Tensor2D, options: SparseMixerOptions = {}): Routing {
  return tf.tidy(() => {
    const {choices, ...routing} = routeSparseMixer('sparseMixerV2Star', logits, options, {
      temperature: 2,
      fullWeight: 5 / 8,
      fraction: 1 / 3,
      gradientFactor: 2,
      paperFactor: 2,
      expertGradient: 'paper',
    });
    const halved = tf.div(choices.input.logits, 2) as tf.Tensor2D;
    return {...routing, probs: choices.input.withoutPadding(tf.softmax(halved))};
  });
}
