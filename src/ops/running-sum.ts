// The cumulative sum along an axis. On webgpu `tf.cumsum` in reverse, which is also its gradient, goes by the length of the axis at its
// first call: the length stands in its shader and not in the shader's key (tfjs 4.22).
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {customGradient} from './custom-gradient.js';

/** The sums of x up to each place along an axis: a tensor of its own. Differentiable. */
export function runningSum<T extends tf.Tensor>(x: T, axis: number): T {
  return customGradient(x, input => ({
    value: tf.cumsum(input, axis),
    gradient: dy => tf.reverse(tf.cumsum(tf.reverse(dy, axis), axis), axis),
  })) as T;
}
