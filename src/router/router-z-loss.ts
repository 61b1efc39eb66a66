// The router z-loss. Zoph et al. 2022, "ST-MoE: Designing Stable and Transferable Sparse Expert Models",
// https://arxiv.org/abs/2202.08906, eq. 5.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {lossOverTokens, type TokenMaskOptions} from './tokens.js';

/**
 * Router z-loss: the mean over tokens of (log sum_e exp(logit_e))^2, which keeps logits small. Usual weight: 1e-3.
 *
 * @param logits float32 [..., numExperts]. Router logits, not probabilities; -Infinity masks an expert. Differentiable.
 * @param options.mask [...]. 1 or true for real tokens, 0 or false for padding. Default: all are real.
 * @returns A scalar, in nats squared, owned by the caller; 0 if there are no real tokens.
 * @throws ValueError if the shapes do not match.
 * @example
 * routerZLoss(tf.zeros([3, 1, 4])); // => (ln 4)^2 = 1.9218
 */
export function routerZLoss(logits: tf.Tensor, {mask}: TokenMaskOptions = {}): tf.Scalar {
  return lossOverTokens('routerZLoss', 'logits', logits, mask, tokens => {
    const z = tf.logSumExp(tokens.rows(logits), -1, true); // [tokens, 1]
    return tf.reshape(tokens.mean(tf.square(z) as tf.Tensor2D), []);
  });
}
