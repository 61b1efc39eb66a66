// REINFORCE with the other draws of the same example as the baseline (RLOO).
// Kool, van Hoof and Welling 2019, https://openreview.net/forum?id=r1lgTGL5DE
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../../ops/no-gradient.js';
import {sumOf} from '../../ops/sum-of.js';
import {averageDraws} from './average-draws.js';
import {checkNoState} from './check-state.js';
import {drawHard, sampleMean} from './draw.js';
import {evaluate, perExample} from './objective.js';
import {resolveScoreOptions, type ScoreSupport} from './resolve-score-options.js';
import type {Objective, ScoreEstimate, ScoreOptions} from './types.js';

/** What `leaveOneOut` can work with. */
export const LEAVE_ONE_OUT_SUPPORT = {
  distributions: ['categorical', 'binary'],
  numSamples: {minimum: 2},
} as const satisfies ScoreSupport;

/**
 * REINFORCE with leave-one-out baselines: each draw is compared with the mean of the others. Unbiased for any objective,
 * differentiable or not; nothing to tune.
 *
 * With p the mean of the sample D: the mean over k of (f(D_k) - mean over j != k of f(D_j)) (D_k - p).
 *
 * @param objective The loss of each example; evaluated at `numSamples` hard draws.
 * @param logits float32 [batch, ..., categories], or [batch, ..., bits] of log-odds.
 * @param options.distribution Default: 'categorical'.
 * @param options.numSamples At least 2. Default 2.
 * @param options.random Source of noise, sample after sample: one uniform a row of categories, or a bit.
 * @returns loss and value, owned by the caller.
 * @throws ValueError for bad options or logits, an empty batch, a state, and an objective of another shape.
 */
export function leaveOneOut(objective: Objective, logits: tf.Tensor, options: ScoreOptions = {}): ScoreEstimate {
  const owner = 'leaveOneOut';
  const {distribution, numSamples, random} = resolveScoreOptions(owner, logits, options, LEAVE_ONE_OUT_SUPPORT);
  checkNoState(owner, options.state);
  return tf.tidy(() => {
    const draws = Array.from({length: numSamples}, () => drawHard(owner, logits, distribution, random));
    const values = draws.map(draw => evaluate(owner, objective, draw, 'hard'));
    const estimate = noGradient(() => leaveOneOutGradient(draws, values, sampleMean(logits, distribution)));
    return averageDraws(values, logits, estimate);
  });
}

/**
 * The sum over k of (f_k - mean f) (D_k - p) / (K - 1), which is the estimate above: f_k less the mean of the others is K / (K - 1)
 * times f_k less the mean of all. Not differentiable.
 *
 * @param draws Two at least, each of the logits' shape.
 * @param values The losses [batch] at the draws.
 * @param probs The mean of a draw.
 */
export function leaveOneOutGradient(draws: tf.Tensor[], values: tf.Tensor1D[], probs: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const mean = tf.div(sumOf(values), values.length);
    const terms = draws.map((draw, k) => tf.mul(perExample(tf.sub(values[k]!, mean), draw), tf.sub(draw, probs)));
    return tf.div(sumOf(terms), draws.length - 1);
  });
}
