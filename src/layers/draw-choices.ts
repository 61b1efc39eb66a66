// Several draws of one row without replacement, with the gradients of all.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../errors.js';
import type {Estimator} from '../estimators/types.js';
import {noGradient} from '../ops/no-gradient.js';
import {topKMask} from '../ops/top-k-mask.js';
import {noChoice} from '../random/categorical.js';
import type {RandomSource} from '../random/random-source.js';

/** What was drawn, each [rows, categories]. */
export interface Choices {
  /** The sum of the estimator's samples; carries the sum of their gradients. */
  sample: tf.Tensor2D;
  /** softmax(logits). */
  probs: tf.Tensor2D;
  /** Ones at the drawn categories, topK a row; a relaxed sample stands for its argmax. No gradient. */
  assignment: tf.Tensor2D;
}

/**
 * Draws topK categories a row, one after another, each with the earlier ones masked. Where the estimator is exact for one draw, this is
 * exact for each draw given the earlier ones.
 *
 * @param estimate Draws one category a row.
 * @param logits float32 [rows, categories].
 * @param topK From 1 to the number of categories.
 * @param options For the estimator; its source is used for all draws in turn.
 */
export function drawChoices(
  estimate: Estimator,
  logits: tf.Tensor2D,
  topK: number,
  options: {temperature: number; random: RandomSource},
): Choices {
  const drawOne = (rest: tf.Tensor2D): Choices => {
    const {sample, probs} = estimate(rest, options);
    const assignment = noGradient(() =>
      topKMask(sample, 1, row => {
        throw new ValueError(noChoice('estimator', row));
      }),
    );
    return {sample, probs, assignment} as Choices;
  };
  let {sample, probs, assignment} = drawOne(logits);
  for (let choice = 1; choice < topK; ++choice) {
    const taken = assignment;
    const isTaken = noGradient(() => tf.cast(taken, 'bool'));
    const next = drawOne(tf.where(isTaken, tf.fill(logits.shape, Number.NEGATIVE_INFINITY), logits));
    sample = tf.add(sample, next.sample);
    assignment = tf.add(assignment, next.assignment);
  }
  return {sample, probs, assignment};
}
