// Cosine scores: logits that do not grow with the tokens' lengths. Chi et al. 2022, "On the Representation Collapse of Sparse Mixture of
// Experts", https://arxiv.org/abs/2204.09179, eq. 4 and 5; the bounded temperature as in Tutel.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkShape} from '../errors.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';

/** The largest logarithm of the factor: logits stay within +-100. */
const LARGEST_LOG = Math.log(100);

/**
 * logit_te = exp(min(logTemperature, ln 100)) cos(x_t P, c_e): the cosine of a projected token and an expert's centroid.
 *
 * A vector of zeros has cosine 0 with all others; where it stands, its length is taken as 1, so that its gradient is finite too.
 *
 * @param tokens float32 [T, D]. Differentiable, as are all arguments.
 * @param projection float32 [D, P]: P. Tutel uses P = 256.
 * @param centroids float32 [P, E]: one column an expert.
 * @param logTemperature Scalar: logarithm of the factor, ln 2 at the start in Tutel. From ln 100 on it has gradient 0.
 * @returns float32 [T, E], within +-100, owned by the caller.
 * @throws ValueError for shapes that do not match.
 * @example
 * const logits = cosineLogits(tokens, projection, centroids, tf.scalar(Math.log(2)));
 * const {indices, weights} = topKRouting(logits, {topK: 2});
 */
export function cosineLogits(
  tokens: tf.Tensor2D,
  projection: tf.Tensor2D,
  centroids: tf.Tensor2D,
  logTemperature: tf.Scalar,
): tf.Tensor2D {
  const owner = 'cosineLogits';
  checkShape(owner, 'tokens', tokens.shape, [null, null], '[tokens, features]');
  const [numTokens, width] = tokens.shape;
  checkShape(owner, 'projection', projection.shape, [width, null], '[features, projected]');
  checkShape(owner, 'centroids', centroids.shape, [projection.shape[1], null], '[projected, experts]');
  checkShape(owner, 'logTemperature', logTemperature.shape, [], 'of a scalar');
  if (numTokens === 0) return tf.zeros([0, centroids.shape[1]]);
  return tf.tidy(() => {
    const cosines = tf.matMul(unitVectors(tf.matMul(tokens, projection), 1), unitVectors(centroids, 0)); // [T, E]
    return tf.mul(cosines, tf.exp(tf.minimum(logTemperature, LARGEST_LOG)));
  });
}

/**
 * x / |x| along an axis. x is divided by its largest entry first, so that no square overflows or vanishes; that divisor may count as a
 * constant, for the direction of a vector, and so its gradient, does not depend on it.
 */
function unitVectors(x: tf.Tensor2D, axis: number): tf.Tensor2D {
  const largest = noGradient(() => tf.max(tf.abs(x), axis, true));
  const isZero = noGradient(() => toFloat(tf.equal(largest, 0)));
  const scaled = tf.div(x, tf.add(largest, isZero));
  const squares = tf.add(tf.sum(tf.square(scaled), axis, true), isZero); // at least 1
  return tf.div(scaled, tf.sqrt(squares));
}
