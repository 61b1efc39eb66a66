// Hard draws of bits with the objective and its gradient at each, from which Double CV and RODEO build their control variates.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../../ops/no-gradient.js';
import type {RandomSource} from '../../random/random-source.js';
import {averageDraws} from './average-draws.js';
import {drawBits, sampleMean} from './draw.js';
import {evaluateWithGradient} from './objective.js';
import type {Objective, ScoreEstimate, ScoreState} from './types.js';

/** K draws of a batch. All but `losses` is cut from the tape; the bits of an example lie flat on the last axis. */
export interface BitDraws {
  /** [K, batch, bits]: zeros and ones. */
  bits: tf.Tensor3D;
  /** [K, batch, bits]: bits - P(bit = 1), which is d log P(bits) / d logits. */
  scores: tf.Tensor3D;
  /** [batch, bits]: P(bit = 1) P(bit = 0). */
  variances: tf.Tensor2D;
  /** [K, batch, 1]: the objective at each draw. */
  values: tf.Tensor3D;
  /** [K, batch, bits]: its gradient with respect to the bits. */
  gradients: tf.Tensor3D;
  /** K times [batch]: the objective at each draw, on the tape for the variables inside it. */
  losses: tf.Tensor1D[];
}

/** Draws bits, one sample after another, and evaluates the objective once at each. */
export function drawAndEvaluate(
  owner: string,
  objective: Objective,
  logits: tf.Tensor,
  {numSamples, random}: {numSamples: number; random: RandomSource},
): BitDraws {
  const batch = logits.shape[0]!;
  const flat = (x: tf.Tensor): tf.Tensor2D => tf.reshape(x, [batch, -1]);
  const samples = Array.from({length: numSamples}, () => drawBits(logits, random));
  const evaluations = samples.map(sample => evaluateWithGradient(owner, objective, sample, 'hard'));
  const losses = evaluations.map(({value}) => value);
  const bits = tf.stack(samples.map(flat)) as tf.Tensor3D;
  return {
    bits,
    scores: tf.sub(bits, flat(sampleMean(logits, 'binary'))),
    // sigmoid(-logit) keeps the digits that 1 - sigmoid(logit) loses.
    variances: noGradient(() => flat(tf.mul(tf.sigmoid(logits), tf.sigmoid(tf.neg(logits))))),
    values: noGradient(() => tf.reshape(tf.stack(losses), [numSamples, batch, 1])),
    gradients: tf.stack(evaluations.map(({gradient}) => flat(gradient))) as tf.Tensor3D,
    losses,
  };
}

/** For each of K numbers or rows along the first axis, the mean of the other ones. */
export function meanOfOthers<T extends tf.Tensor>(x: T): T {
  return tf.div(tf.sub(tf.sum(x, 0, true), x), x.shape[0]! - 1);
}

/**
 * What an estimator returns.
 *
 * @param estimate [batch, bits]: the estimated gradient of each example's expected loss, on the tape for the state alone.
 * @param state What is learned; without it there is no controlLoss.
 */
export function asScoreEstimate(
  {losses}: BitDraws,
  logits: tf.Tensor,
  estimate: tf.Tensor,
  state: ScoreState | undefined,
): ScoreEstimate {
  const controlLoss = state && {controlLoss: tf.mean(tf.square(estimate)) as tf.Scalar};
  return {...averageDraws(losses, logits, tf.reshape(estimate, logits.shape)), ...controlLoss};
}
