// The straight-through estimator.
// Bengio, Leonard and Courville 2013, https://arxiv.org/abs/1308.3432; with a temperature as in Liu et al. 2023, Algorithm 1.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {customGradient} from '../ops/custom-gradient.js';
import {softmaxGradient} from '../ops/softmax-gradient.js';
import {drawOneHot, softmaxAt} from './draw.js';
import {resolveOptions} from './resolve-options.js';
import type {DiscreteSample, EstimatorOptions} from './types.js';

/**
 * Straight-through: a one-hot sample whose gradient is that of the softmax.
 *
 * The sample is drawn from softmax(logits); its gradient is that of q = softmax(logits / temperature), which is
 * q * (g - <q, g>) / temperature for an upstream gradient g. First-order accurate: exact in expectation for losses that are linear in the
 * sample, at temperature 1.
 *
 * @param logits float32 [..., categories]. Unnormalised log-probabilities.
 * @param options.temperature Dimensionless, > 0; above 1 lowers the variance. It never touches the draw. Default 1.
 * @param options.random Source of noise, one uniform a row. Default: a fresh unseeded source.
 * @param options.given One-hot to use in place of a draw.
 * @returns sample: [..., categories], one-hot, carries the gradient; probs: [..., categories].
 * @throws ValueError for a bad temperature or shape, and for a row of logits with nothing to choose from.
 */
export function straightThrough(logits: tf.Tensor, options: EstimatorOptions = {}): DiscreteSample {
  const owner = 'straightThrough';
  const resolved = resolveOptions(owner, logits, options);
  const {temperature} = resolved;
  return tf.tidy(() => {
    const probs = tf.softmax(logits);
    const sample = customGradient(logits, (theta, save) => {
      const value = drawOneHot(owner, probs, resolved);
      save([temperature === 1 ? probs : softmaxAt(temperature, theta)]);
      return {
        value,
        gradient: (g, [q]) => softmaxGradient(q!, g, temperature),
      };
    });
    return {sample, probs};
  });
}
