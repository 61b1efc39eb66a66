// The loss of a language model: the mean cross-entropy of its predictions.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/** Nats to bits. */
export const BITS = 1 / Math.LN2;

/**
 * Mean cross-entropy in nats: the mean over the rows of log(sum_j exp(logits_j)) - logits_label.
 *
 * The logarithm of the sum is taken as max(logits) - log(max(p)) with p = softmax(logits), whose largest entry is at least 1 / categories:
 * no exponential and no logarithm of the whole matrix, both slow on wasm, and no logarithm of 0.
 *
 * @param logits float32 [rows, categories].
 * @param labels int32 [rows].
 */
export function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  const [rows, categories] = logits.shape;
  const op = tf.customGrad((x, save) => {
    const scores = x as tf.Tensor2D;
    const probs = tf.softmax(scores);
    const wanted = tf.cast(tf.oneHot(labels, categories), 'float32');
    const logSums = tf.sub(tf.max(scores, 1), tf.log(tf.max(probs, 1)));
    const value = tf.mean(tf.sub(logSums, tf.sum(tf.mul(scores, wanted), 1)));
    (save as tf.GradSaveFunc)([probs, wanted]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) =>
      tf.tidy(() => tf.mul(tf.sub(saved[0]!, saved[1]!), tf.div(dy, rows)));
    return {value, gradFunc};
  });
  return op(logits) as tf.Scalar;
}
