// The uniform-scaling step of FouST.
// Pervez, Cohen and Gavves 2020, https://proceedings.mlr.press/v119/pervez20a.html
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../../ops/no-gradient.js';
import {averageDraws} from './average-draws.js';
import {checkNoState} from './check-state.js';
import {drawBits} from './draw.js';
import {evaluate, evaluateWithGradient} from './objective.js';
import {resolveScoreOptions, type ScoreSupport} from './resolve-score-options.js';
import type {Objective, ScoreEstimate, ScoreOptions} from './types.js';

/** What `foust` can work with. */
export const FOUST_SUPPORT = {
  distributions: ['binary'],
  numSamples: {minimum: 1, fixed: true},
} as const satisfies ScoreSupport;

/**
 * FouST, its uniform-scaling step: straight-through with the derivative taken at a random point between the middle and the draw.
 *
 * With p = sigmoid(logit), b a draw and u uniform, one for each bit: p (1 - p) df/db at 1/2 + u (b - 1/2). Needs a differentiable
 * objective that also takes points between 0 and 1. Biased, but for one bit at p = 1/2 or a loss without even powers of b - 1/2. The
 * paper's other two steps, which change the distribution that is drawn from, are left out; that u is one a bit is our reading.
 *
 * @param objective The loss of each example; evaluated at a hard draw, for the value and the variables inside, and at a relaxed
 *   sample, for the logits.
 * @param logits float32 [batch, ..., bits] of log-odds.
 * @param options.numSamples 1 or left out.
 * @param options.random Source of noise: one uniform a bit for the draw, then one a bit for the scaling.
 * @returns loss and value, owned by the caller.
 * @throws ValueError for bad options or logits, an empty batch, a state, and an objective of another shape.
 */
export function foust(objective: Objective, logits: tf.Tensor, options: ScoreOptions = {}): ScoreEstimate {
  const owner = 'foust';
  const {random} = resolveScoreOptions(owner, logits, options, FOUST_SUPPORT);
  checkNoState(owner, options.state);
  return tf.tidy(() => {
    const bits = drawBits(logits, random);
    const scale = tf.tensor(Float32Array.from(random.uniform(logits.size)), logits.shape, 'float32');
    const point = noGradient(() => tf.add(0.5, tf.mul(scale, tf.sub(bits, 0.5))));
    const value = evaluate(owner, objective, bits, 'hard');
    const {gradient} = evaluateWithGradient(owner, objective, point, 'relaxed');
    // sigmoid(-logit) keeps the digits that 1 - p loses.
    const estimate = noGradient(() => tf.mul(gradient, tf.mul(tf.sigmoid(logits), tf.sigmoid(tf.neg(logits)))));
    return averageDraws([value], logits, estimate);
  });
}
