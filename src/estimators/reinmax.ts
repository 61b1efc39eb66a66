// ReinMax. Liu, Dong, Liu, Yu and Gao 2023, "Bridging Discrete and Backpropagation: Straight-Through and Beyond",
// https://arxiv.org/abs/2304.08612, Algorithm 2. Departure from the authors' package: temperatures below 1 are accepted, for which the
// formula holds as well; and the gradient is a closed form of the paper's, with neither logarithm nor division.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {customGradient} from '../ops/custom-gradient.js';
import {runFused} from '../ops/fused-kernel.js';
import {softmaxGradient} from '../ops/softmax-gradient.js';
import {drawOneHot, softmaxAt} from './draw.js';
import {resolveOptions} from './resolve-options.js';
import type {DiscreteSample, EstimatorOptions} from './types.js';

/**
 * ReinMax: a one-hot sample with a second-order accurate gradient.
 *
 * With p = softmax(logits), q = softmax(logits / temperature), D the sample and J(x) = diag(x) - x x', the gradient for an upstream
 * gradient g is 2 J((D + q) / 2) g - J(p) g / 2: Heun's method between the sample and the others, where straight-through is Euler's.
 * Exact in expectation for losses quadratic in the sample, at temperature 1. There is no division by the temperature, which enters q alone.
 *
 * @param logits float32 [..., categories]. Unnormalised log-probabilities.
 * @param options.temperature Dimensionless, > 0; above 1 lowers the variance (the paper uses 1.1 to 1.5), and only 1 keeps the
 *   exactness. It never touches the draw. Default 1.
 * @param options.random Source of noise, one uniform a row. Default: a fresh unseeded source.
 * @param options.given One-hot to use in place of a draw.
 * @returns sample: [..., categories], one-hot, carries the gradient; probs: [..., categories].
 * @throws ValueError for a bad temperature or shape, and for a row of logits with nothing to choose from.
 */
export function reinmax(logits: tf.Tensor, options: EstimatorOptions = {}): DiscreteSample {
  const owner = 'reinmax';
  const resolved = resolveOptions(owner, logits, options);
  const {temperature} = resolved;
  return tf.tidy(() => {
    const probs = tf.softmax(logits);
    const sample = customGradient(logits, (theta, save) => {
      const hard = drawOneHot(owner, probs, resolved);
      if (temperature === 1) {
        save([hard, probs]);
        return {value: hard, gradient: (g, [d, p]) => fusedGradient(d!, p!, p!, g) ?? gradientAtOne(d!, p!, g)};
      }
      save([hard, probs, softmaxAt(temperature, theta)]);
      return {value: hard, gradient: (g, [d, p, q]) => fusedGradient(d!, p!, q!, g) ?? gradientAt(d!, p!, q!, g)};
    });
    return {sample, probs};
  });
}

/** The gradient in one pass, where the backend has a kernel for it. */
function fusedGradient(d: tf.Tensor, p: tf.Tensor, q: tf.Tensor, g: tf.Tensor): tf.Tensor | undefined {
  return runFused('ReinmaxGradient', {d, p, q, g});
}

/** g minus its entry at the drawn category: J(x) is blind to a constant, and <D, g> = 0 from here on. */
function relativeToDraw(d: tf.Tensor, g: tf.Tensor): tf.Tensor {
  return tf.sub(g, tf.sum(tf.mul(g, d), -1, true));
}

/** At temperature 1, with g relative to the draw: (p * g - <p, g> D) / 2. */
function gradientAtOne(d: tf.Tensor, p: tf.Tensor, g: tf.Tensor): tf.Tensor {
  const weighted = tf.mul(p, relativeToDraw(d, g));
  return tf.mul(0.5, tf.sub(weighted, tf.mul(d, tf.sum(weighted, -1, true))));
}

/** With g relative to the draw: J(q) g - <q, g> (D - q) / 2 - J(p) g / 2. */
function gradientAt(d: tf.Tensor, p: tf.Tensor, q: tf.Tensor, g: tf.Tensor): tf.Tensor {
  const relative = relativeToDraw(d, g);
  const drift = tf.mul(tf.sum(tf.mul(q, relative), -1, true), tf.sub(d, q));
  const half = tf.mul(0.5, tf.add(drift, softmaxGradient(p, relative)));
  return tf.sub(softmaxGradient(q, relative), half);
}
