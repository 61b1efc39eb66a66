// The vector-Jacobian product of softmax over the last axis.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/**
 * (diag(q) - q q') g = q * (g - <q, g>), row by row.
 *
 * @param q Probabilities, [..., categories].
 * @param g Gradient with respect to q, of the same shape.
 */
export function softmaxGradient(q: tf.Tensor, g: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const weighted = tf.mul(q, g);
    return tf.sub(weighted, tf.mul(q, tf.sum(weighted, -1, true)));
  });
}
