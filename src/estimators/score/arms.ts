// ARMS: several antithetic draws of bits, by a Dirichlet copula.
// Dimitriev and Zhou 2021, https://arxiv.org/abs/2105.14141
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../../ops/no-gradient.js';
import {toFloat} from '../../ops/to-float.js';
import type {RandomSource} from '../../random/random-source.js';
import {averageDraws} from './average-draws.js';
import {checkNoState} from './check-state.js';
import {leaveOneOutGradient} from './leave-one-out.js';
import {evaluate} from './objective.js';
import {resolveScoreOptions, type ScoreSupport} from './resolve-score-options.js';
import type {Objective, ScoreEstimate, ScoreOptions} from './types.js';

/** What `arms` can work with. */
export const ARMS_SUPPORT = {
  distributions: ['binary'],
  numSamples: {minimum: 2},
} as const satisfies ScoreSupport;

/**
 * ARMS: K draws that repel each other, compared as in `leaveOneOut`, with a factor a bit that makes up for their dependence. Unbiased
 * for any objective, differentiable or not; with two draws it is DisARM.
 *
 * Let t = min(p, 1 - p) for p = sigmoid(logit). A Dirichlet(1, ..., 1) vector d over the draws gives uniforms u_k = (1 - d_k)^(K - 1),
 * and the less likely value is drawn where u_k < t. The leave-one-out estimate is multiplied by (1 - t) / (1 - r) with
 * r = max(2 - t^(-1 / (K - 1)), 0)^(K - 1), where t r is the probability that two draws both take the less likely value. This is the
 * paper's p (1 - p) / (p - P(both 1)), written so that it has no 0 / 0 and is from 1/2 to 1 for every logit.
 *
 * @param objective The loss of each example; evaluated at `numSamples` hard draws.
 * @param logits float32 [batch, ..., bits] of log-odds.
 * @param options.numSamples At least 2. Default 2.
 * @param options.random Source of noise, sample after sample: one uniform a bit.
 * @returns loss and value, owned by the caller.
 * @throws ValueError for bad options or logits, an empty batch, a state, and an objective of another shape.
 */
export function arms(objective: Objective, logits: tf.Tensor, options: ScoreOptions = {}): ScoreEstimate {
  const owner = 'arms';
  const {numSamples, random} = resolveScoreOptions(owner, logits, options, ARMS_SUPPORT);
  checkNoState(owner, options.state);
  return tf.tidy(() => {
    const draws = drawAntithetic(logits, numSamples, random);
    const values = draws.map(draw => evaluate(owner, objective, draw, 'hard'));
    const estimate = noGradient(() => {
      const gradient = leaveOneOutGradient(draws, values, tf.sigmoid(logits));
      return tf.mul(gradient, dependenceFactor(logits, numSamples));
    });
    return averageDraws(values, logits, estimate);
  });
}

/** The probability of each bit's less likely value. */
function lesserProbability(logits: tf.Tensor): tf.Tensor {
  return tf.sigmoid(tf.neg(tf.abs(logits)));
}

/** Bits whose uniforms come from one Dirichlet copula. Cut from the tape. */
function drawAntithetic(logits: tf.Tensor, numSamples: number, random: RandomSource): tf.Tensor[] {
  const lesser = noGradient(() => lesserProbability(logits));
  const isLikely = noGradient(() => toFloat(tf.greaterEqual(logits, 0)));
  return dirichletUniforms(logits.size, numSamples, random).map(uniforms =>
    noGradient(() => {
      const isLesser = toFloat(tf.less(tf.tensor(uniforms, logits.shape, 'float32'), lesser));
      return tf.abs(tf.sub(isLikely, isLesser)); // the likely value, or where the lesser is drawn the other
    }),
  );
}

/** (1 - d_k)^(K - 1) of each draw k, with d Dirichlet(1, ..., 1) over the draws, made on the host in float64. */
function dirichletUniforms(size: number, numSamples: number, random: RandomSource): Float32Array[] {
  const exponentials = Array.from({length: numSamples}, () => random.uniform(size).map(u => -Math.log(u)));
  const total = new Float64Array(size);
  for (const values of exponentials) {
    for (let i = 0; i < size; ++i) total[i]! += values[i]!;
  }
  return exponentials.map(values =>
    Float32Array.from(values, (e, i) => ((total[i]! - e) / total[i]!) ** (numSamples - 1)),
  );
}

/** (1 - t) / (1 - r), see above. */
function dependenceFactor(logits: tf.Tensor, numSamples: number): tf.Tensor {
  const exponent = numSamples - 1;
  // log of t^(-1 / (K - 1)). Past log 2 both draws are never the lesser; 1 keeps the exponential finite where t is 0.
  const logRoot = tf.minimum(tf.div(tf.neg(tf.log(lesserProbability(logits))), exponent), 1);
  const ratio = tf.pow(tf.relu(tf.sub(1, tf.expm1(logRoot))), exponent);
  return tf.div(tf.sigmoid(tf.abs(logits)), tf.sub(1, ratio));
}
