// The squared coefficient of variation, which the importance and the load loss share.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';

/**
 * var(x) / mean(x)^2 with the population variance; 0 where all of x is 0. There is no square root, whose slope at
 * perfect balance would be infinite (https://github.com/google-research/vmoe/pull/218).
 *
 * @param x Non-negative, [n].
 */
export function squaredVariation(x: tf.Tensor1D): tf.Scalar {
  const mean = tf.mean(x);
  const isZero = noGradient(() => toFloat(tf.equal(mean, 0)));
  return tf.mean(tf.square(tf.div(tf.sub(x, mean), tf.add(mean, isZero))));
}
