// Double control variates: leave-one-out with a first-order control variate in the signal and another in the baseline.
// Titsias and Shi 2022, https://arxiv.org/abs/2111.05300
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {asScoreEstimate, type BitDraws, drawAndEvaluate, meanOfOthers} from './bit-draws.js';
import {checkState} from './check-state.js';
import {coefficient} from './coefficient.js';
import {resolveScoreOptions, type ScoreSupport} from './resolve-score-options.js';
import type {Objective, ScoreEstimate, ScoreOptions, ScoreState} from './types.js';

/** What `doubleCV` learns. Made by `createDoubleCVState`. */
export class DoubleCVState implements ScoreState {
  readonly variables: readonly tf.Variable[];
  /** How much of the control variates is used; the best is often below 0. */
  readonly alpha: tf.Variable<tf.Rank.R0>;

  constructor(alpha: number) {
    this.alpha = coefficient('createDoubleCVState', 'alpha', alpha);
    this.variables = [this.alpha];
  }

  dispose(): void {
    tf.dispose([...this.variables]);
  }
}

/**
 * Makes what `doubleCV` learns: one coefficient, which `controlLoss` trains.
 *
 * @param options.alpha Where it starts. Default 0, at which the estimate is that of leave-one-out.
 * @throws ValueError for a number that is not finite.
 */
export function createDoubleCVState({alpha = 0}: {alpha?: number} = {}): DoubleCVState {
  return new DoubleCVState(alpha);
}

/** What `doubleCV` can work with. */
export const DOUBLE_CV_SUPPORT = {distributions: ['binary'], numSamples: {minimum: 2}} as const satisfies ScoreSupport;

/**
 * Double CV: leave-one-out for bits, with control variates from the objective's gradient at the other draws. Unbiased for every alpha,
 * for any differentiable objective.
 *
 * With p = sigmoid(logits), draws b_k, g_k the objective's gradient at b_k, and s_k = f(b_k) + alpha (b_k - p) . (the mean of g_j over
 * j != k): the mean over k of (s_k - the mean of s_j over j != k) (b_k - p) - alpha p (1 - p) g_k. Without a state alpha is 0, and
 * `leaveOneOut` does the same at a lower cost.
 *
 * @param objective The loss of each example, differentiable with respect to the sample; evaluated with its gradient at `numSamples` hard
 *   draws.
 * @param logits float32 [batch, ..., bits] of log-odds.
 * @param options.numSamples At least 2. Default 2.
 * @param options.random Source of noise, sample after sample: one uniform a bit.
 * @param options.state From `createDoubleCVState`. Default: none, and no controlLoss.
 * @returns loss and value, and with a state controlLoss, owned by the caller.
 * @throws ValueError for bad options or logits, an empty batch, another estimator's state, and an objective of another shape.
 */
export function doubleCV(objective: Objective, logits: tf.Tensor, options: ScoreOptions = {}): ScoreEstimate {
  const owner = 'doubleCV';
  const resolved = resolveScoreOptions(owner, logits, options, DOUBLE_CV_SUPPORT);
  const state = checkState(owner, options.state, DoubleCVState, 'createDoubleCVState');
  return tf.tidy(() => {
    const draws = drawAndEvaluate(owner, objective, logits, resolved);
    return {...asScoreEstimate(draws, logits, doubleCVEstimate(draws, state?.alpha ?? 0), state)};
  });
}

/** [batch, bits], on the tape for alpha. */
function doubleCVEstimate({scores, variances, values, gradients}: BitDraws, alpha: tf.Tensor | number): tf.Tensor {
  const controls = tf.sum(tf.mul(scores, meanOfOthers(gradients)), -1, true); // [K, batch, 1]
  const signals = tf.add(values, tf.mul(alpha, controls));
  const plain = tf.mean(tf.mul(tf.sub(signals, meanOfOthers(signals)), scores), 0);
  return tf.sub(plain, tf.mul(alpha, tf.mul(variances, tf.mean(gradients, 0))));
}
