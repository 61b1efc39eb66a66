// Which tokens have a logit to go by, told on the device.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {toFloat} from '../ops/to-float.js';

/**
 * 1 for a token that has a finite logit and no NaN or Infinity, 0 for others, [T, 1]. Not by the probabilities: those of a token without any
 * finite logit are NaN, but 1 on webgl.
 */
export function hasNumber(logits: tf.Tensor2D): tf.Tensor {
  const isNumber = tf.max(toFloat(tf.greater(logits, Number.NEGATIVE_INFINITY)), 1, true);
  const isWrong = tf.logicalOr(tf.isNaN(logits), tf.equal(logits, Number.POSITIVE_INFINITY));
  return tf.mul(isNumber, tf.sub(1, tf.max(toFloat(isWrong), 1, true)));
}
