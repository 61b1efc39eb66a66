// The lengths of sentences that are padded at the right.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import {hostRead, isOnHost} from '../../ops/host-read.js';
import {toFloat} from '../../ops/to-float.js';

/**
 * How many tokens each sentence has, from its mask.
 *
 * @param mask float32 [batch * length], ones before zeros. Undefined: no padding.
 * @returns int32 [batch], owned by the caller.
 * @throws ValueError for a token behind padding, on backends that keep their tensors on the host.
 */
export function countTokens(mask: tf.Tensor1D | undefined, batch: number, length: number): tf.Tensor1D {
  if (mask === undefined) return tf.fill([batch], length, 'int32') as tf.Tensor as tf.Tensor1D;
  if (isOnHost()) refuseGaps(hostRead(mask), length);
  return tf.cast(tf.sum(toFloat(tf.reshape(mask, [batch, length])), 1), 'int32') as tf.Tensor as tf.Tensor1D;
}

function refuseGaps(mask: ArrayLike<number>, length: number): void {
  for (let i = 1; i < mask.length; ++i) {
    if (i % length !== 0 && mask[i] && !mask[i - 1]) {
      throw new ValueError(
        `LatentTreeEncoder: the padding must stand at the right of a sentence, but the mask of sentence ${Math.floor(i / length)} ` +
          `has a token at ${i % length} after padding.`,
      );
    }
  }
}
