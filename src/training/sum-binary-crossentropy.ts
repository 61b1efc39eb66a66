// The reconstruction loss of a VAE over pixels in [0, 1].
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkShape} from '../errors.js';
import {customGradient} from '../ops/custom-gradient.js';

/**
 * The binary cross entropy of each example, in nats, summed over all of its outputs: -sum of y ln p + (1 - y) ln (1 - p), with
 * p = sigmoid(logits). Where tfjs' own losses take the mean over the outputs, a likelihood is their sum.
 *
 * A loss for `model.compile`; the model's outputs are logits, so that no probability is rounded to 0 or 1 on the way. With targets that are
 * not 0 or 1, as grey levels are, its minimum is not 0.
 *
 * @param targets [batch, ...], from 0 to 1. No gradient flows to them.
 * @param logits float32 of the same shape.
 * @returns float32 [batch], owned by the caller.
 * @throws ValueError if the shapes differ.
 * @example
 * model.compile({optimizer: 'adam', loss: sumBinaryCrossentropy});
 */
export function sumBinaryCrossentropy(targets: tf.Tensor, logits: tf.Tensor): tf.Tensor1D {
  checkShape('sumBinaryCrossentropy', 'targets', targets.shape, logits.shape, "the logits' shape");
  const batch = logits.shape[0]!;
  return customGradient(logits, (z, save) => {
    const [y, x] = [tf.reshape(targets, [batch, -1]), tf.reshape(z, [batch, -1])];
    save([tf.clone(targets), tf.clone(z)]);
    return {
      value: tf.sum(tf.sub(tf.softplus(x), tf.mul(x, y)), 1),
      gradient: (dy, [savedTargets, savedLogits]) => {
        const perExample = tf.reshape(dy, [batch, ...new Array<number>(savedLogits!.rank - 1).fill(1)]);
        return tf.mul(tf.sub(tf.sigmoid(savedLogits!), savedTargets!), perExample);
      },
    };
  }) as tf.Tensor1D;
}
