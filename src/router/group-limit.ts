// Group-limited choice: a token takes its experts from its best groups only. DeepSeek-AI 2024, "DeepSeek-V2",
// https://arxiv.org/abs/2405.04434, section 2.2.2; groups scored by several experts as in DeepSeek-V3, https://arxiv.org/abs/2412.19437.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {toFloat} from '../ops/to-float.js';
import {topKMask} from '../ops/top-k-mask.js';

/** float32's lowest finite number. */
const LOWEST = -3.4028234663852886e38;

/** How many groups there are, and what a token may choose from them. */
export interface GroupLimit {
  /** How many groups of neighbouring experts there are; divides E. */
  numGroups: number;
  /** How many groups a token keeps. */
  topGroups: number;
  /** How many of a group's experts its score is the sum of. */
  scoredExperts: number;
}

/**
 * Scores with -Infinity for the experts outside each token's best groups. Not 0: a score with a bias can be negative, and then a masked
 * expert would beat one of the kept groups. An expert at -Infinity adds nothing to its group's score. Not differentiable.
 *
 * @param scores float32 [T, E]: what groups are scored by.
 * @param selection float32 [T, E]: what is returned where the group is kept, and where it is NaN.
 * @param limit numGroups, topGroups and scoredExperts.
 * @param onBadRow For a token whose scores are NaN; see `topKMask`.
 */
export function limitToGroups(
  scores: tf.Tensor2D,
  selection: tf.Tensor2D,
  {numGroups, topGroups, scoredExperts}: GroupLimit,
  onBadRow: (row: number) => never,
): tf.Tensor2D {
  const [numTokens, numExperts] = scores.shape;
  const groupSize = numExperts / numGroups;
  return tf.tidy(() => {
    const order = tf.range(0, groupSize, 1, 'float32');
    let rest: tf.Tensor = tf.reshape(scores, [numTokens, numGroups, groupSize]); // [T, G, E / G]
    let total = tf.max(rest, 2); // [T, G]
    for (let round = 1; round < scoredExperts; ++round) {
      const isTaken = tf.equal(tf.expandDims(toFloat(tf.argMax(rest, 2)), 2), order);
      rest = tf.where(isTaken, tf.fill(rest.shape, Number.NEGATIVE_INFINITY), rest);
      const next = tf.max(rest, 2);
      total = tf.add(total, tf.where(tf.equal(next, Number.NEGATIVE_INFINITY), tf.zerosLike(next), next));
    }
    // Groups without an expert come last, so that the mask has enough to choose from; their experts stay at -Infinity.
    const ranked = tf.where(tf.equal(total, Number.NEGATIVE_INFINITY), tf.fill(total.shape, LOWEST), total);
    const kept = tf.expandDims(topKMask(ranked, topGroups, onBadRow), 2); // [T, G, 1]
    const isKept = tf.greater(tf.reshape(tf.tile(kept, [1, 1, groupSize]), scores.shape), 0);
    const isVisible = tf.logicalOr(isKept, tf.isNaN(selection)); // NaN must not hide in a group that is not kept: max passes over it on GPUs
    return tf.where(isVisible, selection, tf.fill(scores.shape, Number.NEGATIVE_INFINITY));
  });
}
