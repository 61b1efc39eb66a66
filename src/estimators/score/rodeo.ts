// RODEO: leave-one-out with control variates made by a discrete Stein operator from learned surrogates of the objective.
// Shi, Zhou, Hwang, Titsias and Mackey 2022, https://arxiv.org/abs/2202.09497
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {asScoreEstimate, type BitDraws, drawAndEvaluate, meanOfOthers} from './bit-draws.js';
import {checkState} from './check-state.js';
import {resolveScoreOptions, type ScoreSupport} from './resolve-score-options.js';
import {RodeoState} from './rodeo-state.js';
import {type Surrogates, steinTerms} from './stein-operator.js';
import type {Objective, ScoreEstimate, ScoreOptions} from './types.js';

/** What `rodeo` can work with. */
export const RODEO_SUPPORT = {distributions: ['binary'], numSamples: {minimum: 2}} as const satisfies ScoreSupport;

/**
 * RODEO: leave-one-out for bits, with control variates from guesses of the objective at the neighbours of each draw, by a small network
 * that the state learns. Unbiased for every state, for any differentiable objective.
 *
 * With p = sigmoid(logits), f_k the objective at draw b_k, and A the Stein operator of `steinTerms` on guesses h1, h2 made from the
 * other draws: the mean over k of (f_k - the mean over j != k of f_j + alpha (A h1)(b_j)) (b_k - p) + beta (A (h2 (b - p)))(b_k).
 * Without a state alpha and beta are 0, and `leaveOneOut` does the same at a lower cost.
 *
 * The network is evaluated at bits + 1 points for each ordered pair of draws, and each op in it makes
 * 4 numSamples (numSamples - 1) batch (bits + 1) hiddenUnits bytes: 16 MB for 2 draws of 100 examples of 200 bits.
 *
 * @param objective The loss of each example, differentiable with respect to the sample; evaluated with its gradient at `numSamples` hard
 *   draws.
 * @param logits float32 [batch, ..., bits] of log-odds.
 * @param options.numSamples At least 2. Default 2.
 * @param options.random Source of noise, sample after sample: one uniform a bit.
 * @param options.state From `createRodeoState`. Default: none, and no controlLoss.
 * @returns loss and value, and with a state controlLoss, owned by the caller.
 * @throws ValueError for bad options or logits, an empty batch, another estimator's state, and an objective of another shape.
 */
export function rodeo(objective: Objective, logits: tf.Tensor, options: ScoreOptions = {}): ScoreEstimate {
  const owner = 'rodeo';
  const resolved = resolveScoreOptions(owner, logits, options, RODEO_SUPPORT);
  const state = checkState(owner, options.state, RodeoState, 'createRodeoState');
  return tf.tidy(() => {
    const draws = drawAndEvaluate(owner, objective, logits, resolved);
    return {...asScoreEstimate(draws, logits, rodeoEstimate(draws, state), state)};
  });
}

/** The control variates and how much of each is used. */
export interface SteinControl {
  /** The coefficient of the one in the baseline. */
  alpha: tf.Tensor | number;
  /** The coefficient of the other. */
  beta: tf.Tensor | number;
  /** What the operator is applied to. */
  surrogates: Surrogates;
}

/** [batch, bits], on the tape for what is behind the control. Without one it is leave-one-out. */
export function rodeoEstimate(draws: BitDraws, control: SteinControl | undefined): tf.Tensor {
  const {values, scores} = draws;
  if (control === undefined) return tf.mean(tf.mul(tf.sub(values, meanOfOthers(values)), scores), 0);
  const {value, score} = steinTerms(draws, control.surrogates);
  const baselines = meanOfOthers(tf.add(values, tf.mul(control.alpha, value)));
  return tf.mean(tf.add(tf.mul(tf.sub(values, baselines), scores), tf.mul(control.beta, score)), 0);
}
