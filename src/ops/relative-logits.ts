// Logits as a softmax sees them.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {runFused} from './fused-kernel.js';

/**
 * (logits - the largest of their row) / temperature. Sums with noise and quotients by a temperature are taken of these: next to a logit
 * of 1e8 float32 has no place for the noise, and a small temperature would overflow. Not differentiable.
 *
 * @param logits float32 [..., categories].
 * @param temperature Dimensionless, > 0. Default 1.
 */
export function relativeLogits(logits: tf.Tensor, temperature = 1): tf.Tensor {
  const fused = runFused('RelativeRows', {x: logits}, {temperature});
  if (fused) return fused;
  return tf.tidy(() => {
    const relative = tf.sub(logits, tf.max(logits, -1, true));
    return temperature === 1 ? relative : tf.div(relative, temperature);
  });
}
