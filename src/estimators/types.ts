// The one signature of the pathwise estimators.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import type {RandomSource} from '../random/random-source.js';

/** Options that every pathwise estimator takes. */
export interface EstimatorOptions {
  /** Dimensionless; any positive number that float32 can hold. Default 1. What it does is said at each estimator. */
  temperature?: number;
  /** Source of noise. Default: a fresh unseeded one. */
  random?: RandomSource;
  /**
   * One-hot [..., categories] of the logits' shape to use in place of a draw, for tests and for enumeration. The Gumbel family then
   * draws its noise on condition that this category has the maximum. It must not be a masked one.
   */
  given?: tf.Tensor;
}

/** What an estimator returns; the caller owns both tensors. A type alias, which `tf.tidy` takes for a container of tensors; it takes no interface. */
export type DiscreteSample = {
  /** float32 [..., categories]: the one-hot draw (relaxed for `gumbelSoftmax`), which carries the estimated gradient. */
  sample: tf.Tensor;
  /** float32 [..., categories]: softmax(logits), with its ordinary gradient. */
  probs: tf.Tensor;
};

/**
 * A pathwise estimator: draws a category for each row of logits and gives the draw a gradient with respect to the logits.
 *
 * The last axis is the categories. A logit of -Infinity masks a category: probability 0, gradient 0, never drawn.
 */
export type Estimator = (logits: tf.Tensor, options?: EstimatorOptions) => DiscreteSample;
