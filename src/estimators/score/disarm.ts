// DisARM, also known as U2G: antithetic pairs of bits, with what does not change the expectation averaged out.
// Dong, Mnih and Tucker 2020, https://arxiv.org/abs/2006.10680; Yin et al. 2020, https://arxiv.org/abs/2006.06448
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../../ops/no-gradient.js';
import {sumOf} from '../../ops/sum-of.js';
import {toFloat} from '../../ops/to-float.js';
import type {RandomSource} from '../../random/random-source.js';
import {averageDraws} from './average-draws.js';
import {checkNoState} from './check-state.js';
import {logisticNoise} from './draw.js';
import {evaluate, perExample} from './objective.js';
import {resolveScoreOptions, type ScoreSupport} from './resolve-score-options.js';
import type {Objective, ScoreEstimate, ScoreOptions} from './types.js';

/** What `disarm` can work with. */
export const DISARM_SUPPORT = {
  distributions: ['binary'],
  numSamples: {minimum: 2, multipleOf: 2},
} as const satisfies ScoreSupport;

/**
 * DisARM: compares the two draws of an antithetic pair, bit by bit where they differ. Unbiased for any objective, differentiable or
 * not, and of lower variance than independent draws where the loss is not far from monotone in the bits.
 *
 * One uniform u a bit makes both: b = [u > 1 - p] and b' = [u < p] with p = sigmoid(logit). The estimate is the mean over pairs of
 * (f(b) - f(b')) (b - b') sigmoid(|logit|) / 2.
 *
 * @param objective The loss of each example; evaluated at `numSamples` hard draws, pair after pair.
 * @param logits float32 [batch, ..., bits] of log-odds.
 * @param options.numSamples Even; two make a pair. Default 2.
 * @param options.random Source of noise: one uniform a bit for each pair.
 * @returns loss and value, owned by the caller.
 * @throws ValueError for bad options or logits, an empty batch, a state, and an objective of another shape.
 */
export function disarm(objective: Objective, logits: tf.Tensor, options: ScoreOptions = {}): ScoreEstimate {
  const owner = 'disarm';
  const {numSamples, random} = resolveScoreOptions(owner, logits, options, DISARM_SUPPORT);
  checkNoState(owner, options.state);
  return tf.tidy(() => {
    const pairs = Array.from({length: numSamples / 2}, () => drawPair(logits, random));
    const values = pairs.map(pair => pair.map(bits => evaluate(owner, objective, bits, 'hard')));
    const estimate = noGradient(() => {
      const terms = pairs.map(([first, second], k) =>
        tf.mul(perExample(tf.sub(values[k]![0]!, values[k]![1]!), first), tf.sub(first, second)),
      );
      return tf.div(tf.mul(sumOf(terms), tf.sigmoid(tf.abs(logits))), numSamples);
    });
    return averageDraws(values.flat(), logits, estimate);
  });
}

/** Bits from noise, and from the noise of 1 - u, which is its negative. Cut from the tape. */
function drawPair(logits: tf.Tensor, random: RandomSource): [tf.Tensor, tf.Tensor] {
  const noise = logisticNoise(logits.shape, random);
  return [
    noGradient(() => toFloat(tf.greater(tf.add(logits, noise), 0))),
    noGradient(() => toFloat(tf.greater(tf.sub(logits, noise), 0))),
  ];
}
