// The sums from which a router's metrics are computed: kept as one vector, so that it saves, loads and frees like any weight.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../ops/no-gradient.js';

/** [choices of each expert (E), tokens, sum of the tokens' entropies in nats]. */
export function statisticsSize(numExperts: number): number {
  return numExperts + 2;
}

/** The sums with one call's valid tokens added; off the tape. */
export function addToStatistics(
  statistics: tf.Tensor1D,
  probs: tf.Tensor2D,
  assignment: tf.Tensor2D,
  mask: tf.Tensor1D | undefined,
): tf.Tensor1D {
  return noGradient(() =>
    tf.tidy(() => {
      const weights = mask ?? (tf.ones([probs.shape[0]]) as tf.Tensor1D);
      const row = tf.expandDims(weights, 0) as tf.Tensor2D; // [1, tokens]
      const choices = tf.reshape(tf.matMul(row, assignment), [-1]); // [experts]
      const entropies = tf.neg(tf.sum(tf.mul(probs, tf.log(tf.maximum(probs, 1e-30))), 1));
      const sums = tf.stack([tf.sum(weights), tf.sum(tf.mul(weights, entropies))]) as tf.Tensor1D;
      return tf.add(statistics, tf.concat([choices as tf.Tensor1D, sums])) as tf.Tensor1D;
    }),
  );
}
