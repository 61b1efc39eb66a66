// NaN that marks what went wrong on a device, where nothing can be refused in words.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/**
 * NaN where a number is 0 or NaN, and 0 elsewhere: to be added to what must not be used there.
 *
 * @param x float32, finite or NaN. No gradient.
 * @returns Of its shape.
 */
export function zeroOrNaN(x: tf.Tensor): tf.Tensor {
  // Not x / x - 1: on webgl what is divided by its equal is 1, and so 0 / 0.
  return tf.where(tf.greater(tf.abs(x), 0), tf.zerosLike(x), tf.fill(x.shape, Number.NaN));
}
