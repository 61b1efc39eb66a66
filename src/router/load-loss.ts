// The load loss of a noisy top-k router, in the form of V-MoE: Riquelme et al. 2021, "Scaling Vision with Sparse
// Mixture of Experts", https://arxiv.org/abs/2106.05974, appendix A.2. Departure from the authors' program: the
// threshold is a constant here, where theirs lets a gradient through to the noisy logit that sets it.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkCount, checkPositive, checkShape, ValueError} from '../errors.js';
import {noGradient} from '../ops/no-gradient.js';
import {topKMask} from '../ops/top-k-mask.js';
import {squaredVariation} from './squared-variation.js';
import {lossOverTokens, type TokenMaskOptions, type Tokens} from './tokens.js';

/** Standard deviations below the threshold of an expert that is never chosen: far enough for a probability of 0. */
const CERTAIN = -1e3;

/** Options of `loadLoss`. */
export interface LoadLossOptions extends TokenMaskOptions {
  /** Experts a token, from 1 to numExperts. Default 1. */
  topK?: number;
  /**
   * Standard deviation of the noise in `noisyLogits`, > 0, in the unit of the logits: a number (V-MoE uses 1 / numExperts), or [...,
   * numExperts], that of each logit where it is learned. Differentiable, which is how learned noise is trained for balance.
   */
  noiseStd: number | tf.Tensor;
}

/**
 * Load loss: the squared coefficient of variation, over experts, of the probability of being chosen.
 *
 * If a token's noise for expert e were drawn again, the expert would be among the top K with probability q_e =
 * Phi((logit_e - threshold) / noiseStd), where the threshold is the K-th largest noisy logit and Phi the normal
 * distribution function. With L_e the mean of q_e over tokens: var(L) / mean(L)^2, with the population variance. Unlike
 * a count of tokens it has a gradient: with respect to the logits, the threshold being held constant. V-MoE takes the
 * mean of this loss and `importanceLoss`. Without noise there is no such loss: leave it out at inference.
 *
 * @param logits float32 [..., numExperts]. Logits before the noise; -Infinity masks an expert.
 * @param noisyLogits float32 [..., numExperts]. The same with the noise added, which the router chose by. No gradient
 *   flows to them.
 * @param options.topK Experts a token. Default 1.
 * @param options.noiseStd Standard deviation of the noise, > 0: a number, or [..., numExperts], whose entries are not checked.
 * @param options.mask [...]. 1 or true for real tokens, 0 or false for padding. Default: all are real.
 * @returns A scalar, dimensionless, owned by the caller; 0 if there are no real tokens.
 * @throws ValueError if shapes do not match, if topK or noiseStd is out of range, and for a real token with NaN or
 *   fewer than topK finite noisy logits (on GPU backends the loss is NaN instead).
 */
export function loadLoss(
  logits: tf.Tensor,
  noisyLogits: tf.Tensor,
  {topK = 1, noiseStd, mask}: LoadLossOptions,
): tf.Scalar {
  const owner = 'loadLoss';
  if (typeof noiseStd === 'object') checkShape(owner, 'noiseStd', noiseStd.shape, logits.shape, 'of logits');
  else checkPositive(owner, 'noiseStd', noiseStd);
  checkCount(owner, 'topK', topK, 1);
  checkShape(owner, 'noisyLogits', noisyLogits.shape, logits.shape, 'of logits');
  const numExperts = logits.shape[logits.rank - 1];
  if (numExperts !== undefined && topK > numExperts) {
    throw new ValueError(`${owner}: topK (=${topK}) must not exceed numExperts (=${numExperts}).`);
  }
  return lossOverTokens(owner, 'logits', logits, mask, tokens => {
    const threshold = noGradient(() => kthLargest(tokens.rows(noisyLogits), topK)); // [tokens, 1]
    const above = tf.sub(tokens.rows(logits), threshold) as tf.Tensor2D; // [tokens, experts]
    const margin =
      typeof noiseStd === 'object'
        ? tf.div(standardized(above, noiseStd, tokens), Math.SQRT2)
        : tf.div(above, noiseStd * Math.SQRT2);
    const chosen = tf.mul(0.5, tf.add(1, tf.erf(margin))); // Phi(x) = (1 + erf(x / sqrt 2)) / 2
    return squaredVariation(tokens.mean(chosen as tf.Tensor2D));
  });
}

/**
 * x / std with a deviation for each entry. Padding has none, and an expert masked with -Infinity gets a number that is as certain, since the
 * gradient of its quotient would be 0 times infinity.
 */
function standardized(x: tf.Tensor2D, std: tf.Tensor, tokens: Tokens): tf.Tensor2D {
  const isOpen = noGradient(() => tf.notEqual(x, Number.NEGATIVE_INFINITY)); // NaN is
  const hasStd = noGradient(() => tf.logicalAnd(isOpen, tf.cast(tokens.rows(tf.onesLike(std)), 'bool')));
  const bounded = tf.where(isOpen, x, tf.fill(x.shape, CERTAIN));
  return tf.div(bounded, tf.where(hasStd, tokens.rows(std), tf.onesLike(x)));
}

/** The k-th largest entry of each row, [n, experts] -> [n, 1]. */
function kthLargest(x: tf.Tensor2D, k: number): tf.Tensor {
  const refuse = (row: number): never => {
    throw new ValueError(
      `loadLoss: noisyLogits of token ${row} must hold at least topK (=${k}) finite numbers and no NaN or Infinity.`,
    );
  };
  const isKth = k === 1 ? topKMask(x, 1, refuse) : tf.sub(topKMask(x, k, refuse), topKMask(x, k - 1, refuse));
  // A product with the mask would turn a masked expert's -Infinity into NaN.
  const largest = tf.sum(tf.where(tf.equal(isKth, 1), x, tf.zerosLike(x)), -1, true);
  // The difference is 0, or NaN for a bad row on a GPU backend.
  return tf.add(largest, tf.sum(tf.sub(isKth, isKth), -1, true));
}
