// The sums from which a router's metrics are computed: kept as one vector, so that it saves, loads and frees like any weight.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import {tokenEntropy} from '../router/entropy.js';

/** The sums that are one number each; they stand behind the choices of each expert. */
export interface StatisticSums {
  tokens: number;
  /** Of the tokens' entropies, in nats. */
  entropy: number;
  /** Choices without a place at their expert. */
  dropped: number;
  /** Of the probabilities of the chosen experts. */
  confidence: number;
}

/** In this order. A model saved by version 0.1.0 has the first two alone. */
const SUMS: readonly (keyof StatisticSums)[] = ['tokens', 'entropy', 'dropped', 'confidence'];
const NUM_EARLIER_SUMS = 2;

/** The length of the vector. */
export function statisticsSize(numExperts: number): number {
  return numExperts + SUMS.length;
}

/** The vector's values taken apart: how often each expert was chosen, and the other sums. */
export function readStatistics(values: ArrayLike<number>, numExperts: number): StatisticSums & {choices: number[]} {
  const all = Array.from(values);
  const sums = Object.fromEntries(SUMS.map((name, i) => [name, all[numExperts + i]!]));
  return {choices: all.slice(0, numExperts), ...(sums as unknown as StatisticSums)};
}

/**
 * Lets a weight of statistics take those of an earlier version, which had fewer sums: counting then starts anew, since
 * the missing ones cannot be made up.
 */
export function takingEarlierStatistics(statistics: tfl.LayerVariable): tfl.LayerVariable {
  const write = statistics.write.bind(statistics);
  const size = statistics.shape[0]!;
  statistics.write = value => {
    if (value.rank !== 1 || value.size !== size - SUMS.length + NUM_EARLIER_SUMS) return write(value);
    const zeros = tf.zeros([size]);
    write(zeros);
    zeros.dispose();
    return statistics;
  };
  return statistics;
}

/**
 * The sums with one call's valid tokens added; off the tape.
 *
 * @param statistics The vector so far.
 * @param probs [tokens, experts].
 * @param assignment [tokens, experts]. Ones at the chosen experts, before any choice is dropped.
 * @param mask [tokens], 0 for padding. Undefined: all are real.
 * @param dropped How many of the valid tokens' choices found no place. Default: none.
 */
export function addToStatistics(
  statistics: tf.Tensor1D,
  probs: tf.Tensor2D,
  assignment: tf.Tensor2D,
  mask: tf.Tensor1D | undefined,
  dropped?: tf.Scalar,
): tf.Tensor1D {
  return noGradient(() =>
    tf.tidy(() => {
      const weights = mask ?? (tf.ones([probs.shape[0]]) as tf.Tensor1D);
      const choices = tf.reshape(tf.matMul(tf.expandDims(weights, 0) as tf.Tensor2D, assignment), [-1]); // [experts]
      const tokens = tf.sum(weights);
      const valid = mask === undefined ? assignment : tf.mul(assignment, tf.expandDims(mask, 1)); // [tokens, experts]
      const sums: Record<keyof StatisticSums, tf.Tensor> = {
        tokens,
        entropy: tf.mul(tokens, tokenEntropy(probs, mask === undefined ? {} : {mask})),
        dropped: dropped === undefined ? tf.scalar(0) : toFloat(dropped),
        // A product would let NaN of padding through.
        confidence: tf.sum(tf.where(tf.greater(valid, 0), probs, tf.zerosLike(probs))),
      };
      const added = tf.stack(SUMS.map(name => sums[name])) as tf.Tensor1D;
      return tf.add(statistics, tf.concat([choices as tf.Tensor1D, added]));
    }),
  );
}
