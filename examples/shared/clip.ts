// Keeps a step from becoming too large: the gradient of all weights together is shortened to a length.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/** Against a division by 0, as in torch.nn.utils.clip_grad_norm_. */
const EPSILON = 1e-6;

/**
 * The gradients times min(1, maxNorm / ||all of them||).
 *
 * @returns Tensors of the caller's.
 */
export function clipByGlobalNorm<T extends tf.Tensor>(gradients: readonly T[], maxNorm: number): T[] {
  return tf.tidy(() => {
    const squares = gradients.map(gradient => tf.sum(tf.square(gradient)));
    const norm = tf.sqrt(tf.sum(tf.stack(squares)));
    const factor = tf.minimum(1, tf.div(maxNorm, tf.add(norm, EPSILON)));
    return gradients.map(gradient => tf.mul<T>(gradient, factor));
  });
}
