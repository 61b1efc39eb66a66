// Marks the K largest entries of each row. tf.topk has no gradient and reads back from the device on webgl.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {runFused} from './fused-kernel.js';
import {hostRead, isOnHost} from './host-read.js';
import {toFloat} from './to-float.js';
import {zeroOrNaN} from './zero-or-nan.js';

/**
 * A mask with 1 at the K largest entries of each row; of equal ones the lowest index comes first. Not differentiable: call it inside
 * `noGradient` or a custom gradient.
 *
 * @param x float32 [..., n]. Entries of -Infinity are never marked.
 * @param k From 1 to n.
 * @param onBadRow Called with the number of a row that holds NaN or fewer than k entries above -Infinity, on backends that keep tensors on
 *   the host; it should throw. On others such a row comes out as NaN.
 * @returns float32 [..., n] of zeros and ones, owned by the caller.
 */
export function topKMask(x: tf.Tensor, k: number, onBadRow: (row: number) => never): tf.Tensor {
  const fused = x.size > 0 && x.dtype === 'float32' ? runFused('TopKMask', {x}, {k, onBadRow}) : undefined;
  if (fused) return fused;
  return isOnHost() ? topKMaskOnHost(x, k, onBadRow) : topKMaskOnDevice(x, k);
}

/** The mask by a loop over the values read from the backend. */
export function topKMaskOnHost(x: tf.Tensor, k: number, onBadRow: (row: number) => never): tf.Tensor {
  const n = x.shape[x.rank - 1]!;
  const values = hostRead(x);
  const mask = new Float32Array(values.length);
  for (let start = 0, row = 0; start < values.length; start += n, ++row) {
    for (let choice = 0; choice < k; ++choice) {
      let best = -1;
      let largest = Number.NEGATIVE_INFINITY;
      for (let j = start; j < start + n; ++j) {
        const value = values[j]!;
        if (Number.isNaN(value)) onBadRow(row);
        if (value > largest && mask[j] === 0) {
          largest = value;
          best = j;
        }
      }
      if (best < 0 || largest === Number.POSITIVE_INFINITY) onBadRow(row);
      mask[best] = 1;
    }
  }
  return tf.tensor(mask, x.shape, 'float32');
}

/** The mask by k rounds of argMax on the device. */
export function topKMaskOnDevice(x: tf.Tensor, k: number): tf.Tensor {
  return tf.tidy(() => {
    const n = x.shape[x.rank - 1]!;
    const order = tf.range(0, n, 1, 'float32');
    let rest = x;
    const hasNaN = tf.max(toFloat(tf.isNaN(x)), -1, true);
    const valid = tf.sub(1, hasNaN);
    let mask = tf.add(tf.zeros(x.shape), zeroOrNaN(valid)); // a row that holds NaN: argMax alone would pass over it
    for (let choice = 0; choice < k; ++choice) {
      const winner = tf.reshape(toFloat(tf.argMax(rest, -1)), hasNaN.shape); // of a vector it has shape [1] on webgpu, [] elsewhere
      const isWinner = tf.equal(winner, order);
      // best - best is 0, and NaN for a winner of either infinity.
      const best = tf.sum(tf.where(isWinner, rest, tf.zerosLike(rest)), -1, true);
      mask = tf.add(mask, tf.add(toFloat(isWinner), tf.sub(best, best)));
      rest = tf.where(isWinner, tf.fill(x.shape, Number.NEGATIVE_INFINITY), rest);
    }
    return mask;
  });
}
