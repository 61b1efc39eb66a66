// The vector-Jacobian product of softmax over the last axis.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {runFused} from './fused-kernel.js';

/**
 * (diag(q) - q q') g / temperature = q * (g - <q, g>) / temperature, row by row, for q = softmax(x / temperature). Not differentiable.
 *
 * @param q Probabilities, float32 [..., categories].
 * @param g Gradient with respect to q, of the same shape or without some leading axes.
 * @param temperature Dimensionless, > 0. Default 1.
 */
export function softmaxGradient(q: tf.Tensor, g: tf.Tensor, temperature = 1): tf.Tensor {
  const fused = runFused('SoftmaxGradient', {q, g}, {temperature});
  if (fused) return fused;
  return tf.tidy(() => {
    const weighted = tf.mul(q, g);
    const gradient = tf.sub(weighted, tf.mul(q, tf.sum(weighted, -1, true)));
    return temperature === 1 ? gradient : tf.div(gradient, temperature);
  });
}
