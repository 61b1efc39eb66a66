// The oracles of the estimators: expectations by enumeration of the categories, with no Monte Carlo error.
import * as tf from '@tensorflow/tfjs-core';
import {type Estimator, type EstimatorOptions, seeded} from 'tfjs-moe/estimators';

export type Loss = (sample: tf.Tensor) => tf.Tensor;

/** The one-hot of a category, as a vector. */
export function unit(category: number, numCategories: number): tf.Tensor1D {
  return tf.tensor1d(Array.from({length: numCategories}, (_, j) => (j === category ? 1 : 0)));
}

/** d loss(sample) / d logits for one draw. */
export function gradientOf(estimate: Estimator, loss: Loss, logits: tf.Tensor, options: EstimatorOptions): tf.Tensor {
  return tf.grad(x => tf.sum(loss(estimate(x, options).sample)))(logits);
}

/** sum_i p_i times the estimator's gradient given category i: its expectation, for estimators that draw nothing but the category. */
export function expectedGradient(
  estimate: Estimator,
  loss: Loss,
  logits: tf.Tensor1D,
  options: EstimatorOptions = {},
): number[] {
  const probs = tf.softmax(logits).dataSync();
  const total = new Array<number>(probs.length).fill(0);
  probs.forEach((p, i) => {
    const gradient = gradientOf(estimate, loss, logits, {...options, given: unit(i, probs.length)}).dataSync();
    gradient.forEach((g, k) => {
      total[k]! += p * g;
    });
  });
  return total;
}

/** The gradient of E[loss] = sum_i p_i loss(e_i): entry k is p_k (loss(e_k) - E[loss]). In float64 from the losses on. */
export function exactGradient(loss: Loss, logits: tf.Tensor1D): number[] {
  const theta = Array.from(logits.dataSync());
  const top = Math.max(...theta);
  const weights = theta.map(t => Math.exp(t - top));
  const z = weights.reduce((a, b) => a + b);
  const probs = weights.map(w => w / z);
  const losses = probs.map((_, i) => tf.sum(loss(unit(i, probs.length))).dataSync()[0]!);
  const mean = probs.reduce((sum, p, i) => sum + p * losses[i]!, 0);
  return probs.map((p, k) => p * (losses[k]! - mean));
}

/** Random numbers for a test, uniform in (from, to), the same each time. */
export function numbers(seed: number, count: number, from = -1, to = 1): number[] {
  return Array.from(seeded(seed).uniform(count), u => from + u * (to - from));
}
