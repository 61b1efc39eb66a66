// The importance loss. Shazeer et al. 2017, "Outrageously Large Neural Networks", https://arxiv.org/abs/1701.06538, eq.
// 7; as in V-MoE (Riquelme et al. 2021, https://arxiv.org/abs/2106.05974, appendix A.2), of the softmax over all
// experts.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import {squaredVariation} from './squared-variation.js';
import {lossOverTokens, type TokenMaskOptions} from './tokens.js';

/**
 * Importance loss: the squared coefficient of variation, over experts, of the probability that each receives in all.
 *
 * With I_e the sum of expert e's probabilities over tokens: var(I) / mean(I)^2, with the population variance, as in
 * V-MoE. Tutel and FastMoE take the sample variance, which gives numExperts / (numExperts - 1) times as much. 0 at
 * perfect balance, numExperts - 1 if one expert receives everything, 0 for a single expert.
 *
 * @param probs float32 [..., numExperts]. Probabilities or other non-negative gate values of each token;
 *   differentiable.
 * @param options.mask [...]. 1 or true for real tokens, 0 or false for padding. Default: all are real.
 * @returns A scalar, dimensionless, owned by the caller; 0 if there are no real tokens.
 * @throws ValueError if the shapes do not match.
 */
export function importanceLoss(probs: tf.Tensor, {mask}: TokenMaskOptions = {}): tf.Scalar {
  return lossOverTokens('importanceLoss', 'probs', probs, mask, tokens =>
    squaredVariation(tokens.mean(tokens.rows(probs))),
  );
}
