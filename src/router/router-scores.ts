// The functions that turn logits into positive scores, as logarithms: quotients of scores become softmaxes, without 0 / 0.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../ops/no-gradient.js';

/**
 * How logits become scores s. `'softmax'`: probabilities over the experts. `'sigmoid'`: 1 / (1 + exp(-logit)), of each expert by itself
 * (DeepSeek-V3). `'sqrtSoftplus'`: sqrt(ln(1 + exp(logit))) (Megatron).
 */
export type RouterScores = 'softmax' | 'sigmoid' | 'sqrtSoftplus';

/** Every score function. */
export const ROUTER_SCORES: readonly RouterScores[] = ['softmax', 'sigmoid', 'sqrtSoftplus'];

/** Below this ln(ln(1 + exp(x))) is x to the last bit of float32: the difference is exp(x) / 2. */
const SMALL = -16;

/**
 * ln(s), elementwise, up to a constant of the row under `'softmax'`. Finite with a finite gradient for every finite logit, and -Infinity
 * for -Infinity.
 *
 * @param kind The score function.
 * @param logits float32 of any shape. Differentiable.
 */
export function logScores(kind: RouterScores, logits: tf.Tensor2D): tf.Tensor2D {
  if (kind === 'softmax') return logits;
  // tf.logSigmoid is this, but its gradient reads an input that it has not saved.
  if (kind === 'sigmoid') return tf.tidy(() => tf.neg(tf.softplus(tf.neg(logits))));
  return tf.tidy(() => {
    // The branch that is not taken must be finite too: its gradient is multiplied with 0.
    const isSmall = noGradient(() => tf.less(logits, SMALL));
    const large = tf.where(isSmall, tf.fill(logits.shape, SMALL), logits);
    return tf.mul(0.5, tf.where(isSmall, logits, tf.log(tf.softplus(large))));
  });
}
