// The gapped straight-through estimator: Gumbel-softmax without the noise.
// Fan, Chi, Rudnicky and Ramadge 2022, "Training Discrete Deep Generative Models via Gapped Straight-Through Estimator",
// https://arxiv.org/abs/2206.07235.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkPositive} from '../errors.js';
import {customGradient} from '../ops/custom-gradient.js';
import {relativeLogits} from '../ops/relative-logits.js';
import {softmaxGradient} from '../ops/softmax-gradient.js';
import {drawOneHot} from './draw.js';
import {resolveOptions} from './resolve-options.js';
import type {DiscreteSample, EstimatorOptions} from './types.js';

/** Options of `gappedStraightThrough`. */
export interface GappedStraightThroughOptions extends EstimatorOptions {
  /**
   * How far, in logits, the drawn category is put above each other one: a positive number (GST-1.0 of the paper is 1), or `'probability'`
   * for -log(1 - p) / p with p the drawn category's probability (GST-p). Default 1.
   */
  gap?: number | 'probability';
}

/** Keeps -log(1 - p) / p finite at p = 1, and from 0 / 0 at a probability that underflows. */
const LARGEST_PROBABILITY = 1 - 1e-5;
const SMALLEST_PROBABILITY = 1e-6;

/**
 * Gapped straight-through: a one-hot sample whose gradient is that of a softmax over logits moved so that the drawn category leads by a
 * gap.
 *
 * The draw is from softmax(logits). With t the logits and m their maximum, the moved logits are t' = m at the drawn category and
 * min(t, m - gap) elsewhere; with q = softmax(t' / temperature) the gradient is q * (g - <q, g>) / temperature. As in Gumbel-softmax the
 * surrogate agrees with the draw, but no noise enters beyond the draw itself. Biased; exact for no class of losses.
 *
 * @param logits float32 [..., categories]. Unnormalised log-probabilities.
 * @param options.gap A positive number of logits, or 'probability'. Default 1.
 * @param options.temperature Dimensionless, > 0; the paper tunes it between 0.1 and 1. Default 1.
 * @param options.random Source of noise, one uniform a row. Default: a fresh unseeded source.
 * @param options.given One-hot to use in place of a draw.
 * @returns sample: [..., categories], one-hot, carries the gradient; probs: [..., categories].
 * @throws ValueError for a bad temperature, gap or shape, and for a row of logits with nothing to choose from.
 */
export function gappedStraightThrough(
  logits: tf.Tensor,
  {gap = 1, ...options}: GappedStraightThroughOptions = {},
): DiscreteSample {
  const owner = 'gappedStraightThrough';
  const resolved = resolveOptions(owner, logits, options);
  if (gap !== 'probability') checkPositive(owner, "gap, unless it is 'probability',", gap);
  const {temperature} = resolved;
  return tf.tidy(() => {
    const probs = tf.softmax(logits);
    const sample = customGradient(logits, (theta, save) => {
      const hard = drawOneHot(owner, probs, resolved);
      save([tf.softmax(tf.div(moveLogits(theta, hard, probs, gap), temperature))]);
      return {value: hard, gradient: (g, [q]) => softmaxGradient(q!, g, temperature)};
    });
    return {sample, probs};
  });
}

/** The moved logits less their maximum: 0 at the drawn category, min(theta - max, -gap) elsewhere. */
function moveLogits(theta: tf.Tensor, hard: tf.Tensor, probs: tf.Tensor, gap: number | 'probability'): tf.Tensor {
  const relative = relativeLogits(theta);
  const ceiling = gap === 'probability' ? negativeProbabilityGap(probs, hard) : tf.scalar(-gap);
  // min(a, b) as b - relu(b - a): wasm is slow to take the minimum with one number a row. A masked logit stays at -Infinity.
  const lowered = tf.sub(ceiling, tf.relu(tf.sub(ceiling, relative)));
  return tf.mul(lowered, tf.sub(1, hard));
}

/** log(1 - p) / p for the probability p of the drawn category, [..., 1]. */
function negativeProbabilityGap(probs: tf.Tensor, hard: tf.Tensor): tf.Tensor {
  const p = tf.clipByValue(tf.sum(tf.mul(probs, hard), -1, true), SMALLEST_PROBABILITY, LARGEST_PROBABILITY);
  // 1 - p is rounded; to divide by what it is rounded from keeps the quotient right, where log1p of the wasm backend is not.
  const rest = tf.sub(1, p);
  return tf.div(tf.log(rest), tf.sub(1, rest));
}
