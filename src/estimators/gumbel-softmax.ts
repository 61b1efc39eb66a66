// The Gumbel-softmax (Concrete) relaxation, and its straight-through form. They share noise and gradient and differ in the value.
// Jang, Gu and Poole 2017, https://arxiv.org/abs/1611.01144; Maddison, Mnih and Teh 2017, https://arxiv.org/abs/1611.00712.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {customGradient} from '../ops/custom-gradient.js';
import {softmaxGradient} from '../ops/softmax-gradient.js';
import {drawPerturbed} from './draw.js';
import {resolveOptions} from './resolve-options.js';
import type {DiscreteSample, EstimatorOptions} from './types.js';

/**
 * Gumbel-softmax: the relaxed sample s = softmax((logits + G) / temperature), with G Gumbel noise.
 *
 * Its argmax is a draw from softmax(logits) (up to a temperature of 1000 or so, where float32 begins to make ties), but the sample itself lies inside the simplex, and what is trained is the relaxed model.
 * The gradient is that of s: s * (g - <s, g>) / temperature.
 *
 * @param logits float32 [..., categories]. Unnormalised log-probabilities.
 * @param options.temperature Dimensionless, > 0. Towards 0 the sample becomes one-hot and the variance grows as 1 / temperature. Default 1.
 * @param options.random Source of noise, one uniform a category. Default: a fresh unseeded source.
 * @param options.given One-hot; the noise is drawn on condition that this category has the maximum.
 * @returns sample: [..., categories], positive with sum 1, carries the gradient; probs: [..., categories].
 * @throws ValueError for a bad temperature or shape, and for a row of logits with nothing to choose from.
 */
export function gumbelSoftmax(logits: tf.Tensor, options: EstimatorOptions = {}): DiscreteSample {
  return sampleGumbel('gumbelSoftmax', logits, options, (soft, _hard) => tf.clone(soft));
}

/**
 * Straight-through Gumbel-softmax: the one-hot argmax of logits + G forward, the gradient of the relaxed sample backward.
 *
 * With s = softmax((logits + G) / temperature) on the same noise, the gradient is s * (g - <s, g>) / temperature.
 *
 * @param logits float32 [..., categories]. Unnormalised log-probabilities.
 * @param options.temperature Dimensionless, > 0. Smaller is less biased, with a variance of about 1 / temperature. Default 1; the
 *   papers tune it between 0.3 and 0.7.
 * @param options.random Source of noise, one uniform a category. Default: a fresh unseeded source.
 * @param options.given One-hot to use in place of a draw; the noise is drawn on condition that this category has the maximum.
 * @returns sample: [..., categories], one-hot, carries the gradient; probs: [..., categories].
 * @throws ValueError for a bad temperature or shape, and for a row of logits with nothing to choose from.
 */
export function straightThroughGumbelSoftmax(logits: tf.Tensor, options: EstimatorOptions = {}): DiscreteSample {
  return sampleGumbel('straightThroughGumbelSoftmax', logits, options, (_soft, hard) => hard);
}

function sampleGumbel(
  owner: string,
  logits: tf.Tensor,
  options: EstimatorOptions,
  chooseValue: (soft: tf.Tensor, hard: tf.Tensor) => tf.Tensor,
): DiscreteSample {
  const resolved = resolveOptions(owner, logits, options);
  const {temperature} = resolved;
  return tf.tidy(() => {
    const sample = customGradient(logits, (theta, save) => {
      const {hard, perturbed} = drawPerturbed(owner, theta, resolved);
      const soft = tf.softmax(tf.div(perturbed, temperature));
      save([soft]);
      return {
        value: chooseValue(soft, hard),
        gradient: (g, [s]) => softmaxGradient(s!, g, temperature),
      };
    });
    return {sample, probs: tf.softmax(logits)};
  });
}
