// The reconstruction loss of a VAE over pixels in [0, 1].
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkShape, show, ValueError} from '../errors.js';
import {customGradient} from '../ops/custom-gradient.js';
import {toFloat} from '../ops/to-float.js';

/**
 * The binary cross entropy of each example, in nats, summed over all of its outputs: -sum of y ln p + (1 - y) ln (1 - p), with
 * p = sigmoid(logits). Where tfjs' own losses take the mean over the outputs, a likelihood is their sum.
 *
 * A loss for `model.compile`, which a saved model does not hold: compile a loaded one with it again, and with `optimizer: model.optimizer`
 * where the optimizer was saved too. The model's outputs are logits, so that no probability is rounded to 0 or 1 on the way. With targets that are
 * not 0 or 1, as grey levels are, its minimum is not 0.
 *
 * @param targets [batch, ...], from 0 to 1. No gradient flows to them.
 * @param logits Of the same shape.
 * @returns float32 [batch], owned by the caller.
 * @throws ValueError if the shapes differ or are without a batch.
 * @example
 * model.compile({optimizer: 'adam', loss: sumBinaryCrossentropy});
 */
export function sumBinaryCrossentropy(targets: tf.Tensor, logits: tf.Tensor): tf.Tensor1D {
  checkShape('sumBinaryCrossentropy', 'targets', targets.shape, logits.shape, "the logits' shape");
  if (logits.rank === 0) {
    throw new ValueError(`sumBinaryCrossentropy: logits must have shape [batch, ...], but got ${show(logits.shape)}.`);
  }
  const [batch, ...rest] = logits.shape as [number, ...number[]];
  const flat = [batch, tf.util.sizeFromShape(rest)]; // a -1 would not do for a batch of none
  return customGradient(logits, (z, save) => {
    const [y, x] = [tf.reshape(toFloat(targets), flat), tf.reshape(toFloat(z), flat)];
    save([y, x]);
    return {
      value: tf.sum(tf.sub(tf.softplus(x), tf.mul(x, y)), 1),
      gradient: (dy, [savedTargets, savedLogits]) => {
        const gradient = tf.mul(tf.sub(tf.sigmoid(savedLogits!), savedTargets!), tf.expandDims(dy, 1));
        return tf.reshape(gradient, logits.shape);
      },
    };
  }) as tf.Tensor1D;
}
