// Booleans and integers as float32. On GPU backends tf.cast only relabels them (tfjs 4.22), and kernels that copy their input then fail.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {isOnHost} from './host-read.js';

/** x as float32, a tensor of its own. Differentiable as `tf.cast` is. */
export function toFloat<T extends tf.Tensor>(x: T): T {
  // A product is computed, so that its numbers are stored as what they are; of float32 too, which the caller may have made by `tf.cast`.
  return isOnHost() ? tf.cast(x, 'float32') : tf.tidy(() => tf.mul(1, tf.cast(x, 'float32')));
}
