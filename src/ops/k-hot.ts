// Turns lists of indices into zeros and ones. tf.oneHot refuses a depth of 1 and writes float32 wrongly on wasm.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {hostRead, isOnHost} from './host-read.js';
import {toFloat} from './to-float.js';

/**
 * Ones at the indices of each row. Not differentiable: call it inside `noGradient` or a custom gradient.
 *
 * @param indices int32 [rows, choices], different ones within a row; -1 for none.
 * @param size The length of the result's last axis.
 * @returns float32 [rows, size], owned by the caller.
 */
export function kHot(indices: tf.Tensor2D, size: number): tf.Tensor2D {
  return isOnHost() ? kHotOnHost(indices, size) : kHotOnDevice(indices, size);
}

/** The ones by a loop over the indices read from the backend. */
export function kHotOnHost(indices: tf.Tensor2D, size: number): tf.Tensor2D {
  const [rows, choices] = indices.shape;
  const values = hostRead(indices);
  const result = new Float32Array(rows * size);
  for (let i = 0; i < values.length; ++i) {
    if (values[i]! >= 0) result[Math.floor(i / choices) * size + values[i]!] = 1;
  }
  return tf.tensor2d(result, [rows, size]);
}

/** The ones by comparisons on the device. */
export function kHotOnDevice(indices: tf.Tensor2D, size: number): tf.Tensor2D {
  return tf.tidy(() => {
    const [rows, choices] = indices.shape;
    if (rows * choices * size === 0) return tf.zeros([rows, size]);
    const isChosen = tf.equal(tf.expandDims(indices, 2), tf.range(0, size, 1, 'int32')); // [rows, choices, size]
    return tf.sum<tf.Tensor2D>(toFloat(isChosen), 1);
  });
}
