// The sum of any number of tensors. `tf.addN` binds all of them in one shader on webgpu, where a device need not take more than eight buffers;
// from nine on its result is none (tfjs 4.22).
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {isOnHost} from './host-read.js';

/** The buffers that every WebGPU device binds, less one for the sum. */
const AT_ONCE = 7;

/** The sum of tensors of one shape and type, at least one: a tensor of its own. Differentiable. */
export function sumOf<T extends tf.Tensor>(terms: readonly T[]): T {
  if (terms.length <= AT_ONCE || isOnHost()) return tf.addN<T>([...terms]);
  return tf.tidy(() => {
    const sums: T[] = [];
    for (let begin = 0; begin < terms.length; begin += AT_ONCE) {
      sums.push(tf.addN<T>(terms.slice(begin, begin + AT_ONCE)));
    }
    return sumOf(sums);
  });
}
