// The sums from which a router's metrics are computed: kept as one vector, so that it saves, loads and frees like any weight.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../ops/no-gradient.js';
import {tokenEntropy} from '../router/entropy.js';

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
      const choices = tf.reshape(tf.matMul(tf.expandDims(weights, 0) as tf.Tensor2D, assignment), [-1]); // [experts]
      const tokens = tf.sum(weights);
      const entropies = tf.mul(tokens, tokenEntropy(probs, mask === undefined ? {} : {mask}));
      return tf.add(statistics, tf.concat([choices as tf.Tensor1D, tf.stack([tokens, entropies]) as tf.Tensor1D]));
    }),
  );
}
