// The auxiliary loss of a router: a weighted sum of what src/router computes.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {sumOf} from '../ops/sum-of.js';
import {standardNormal} from '../random/normal.js';
import type {RandomSource} from '../random/random-source.js';
import {entropyLoss} from '../router/entropy.js';
import {importanceLoss} from '../router/importance-loss.js';
import {type LoadBalancingOptions, type LoadBalancingScope, loadBalancingLoss} from '../router/load-balancing-loss.js';
import {loadLoss} from '../router/load-loss.js';
import {routerZLoss} from '../router/router-z-loss.js';

/** How much each auxiliary loss counts, beside the model's own loss; 0 leaves one out. */
export interface AuxiliaryLossWeights {
  /** Of `loadBalancingLoss`, whose balanced value is 1. Default 0.01, as in Switch. */
  loadBalancingWeight: number;
  /** Of `importanceLoss`. Default 0. */
  importanceWeight: number;
  /**
   * Of `loadLoss`: with the noise of a router that chooses by noisy logits, and for the others with one of deviation 1 / numExperts, as in
   * V-MoE, used for this loss alone. Default 0.
   */
  loadWeight: number;
  /** Of `routerZLoss`. Default 0; ST-MoE uses 0.001. */
  routerZLossWeight: number;
  /** Of `entropyLoss`: mean entropy of a token's probabilities less the entropy of their mean. Default 0. */
  entropyWeight: number;
}

/** Which tokens a layer balances together: those that `loadBalancingLoss` can, or those of this training call and the earlier ones. */
export type BalanceScope = LoadBalancingScope | 'running';

/** What one call of a router computed, over [tokens, experts]. */
export interface RouterOutcome {
  /** Unnormalised log-probabilities. */
  logits: tf.Tensor2D;
  /** softmax(logits). */
  probs: tf.Tensor2D;
  /** Ones at the chosen experts; no gradient. */
  assignment: tf.Tensor2D;
  /** float32 [tokens], 0 for padding. */
  mask: tf.Tensor1D | undefined;
  /** The axes of the input before its features, whose product is the number of tokens. */
  leading: number[];
  /** What the router chose by, where it added noise to its logits. */
  noise?: RouterNoise;
  /** How many choices found no place. Default: none. */
  dropped?: tf.Scalar;
}

/** The noisy logits of a router, [tokens, experts], and the deviation of their noise. */
export interface RouterNoise {
  noisyLogits: tf.Tensor2D;
  noiseStd: number | tf.Tensor2D;
}

/** What the losses depend on beside the outcome. */
export interface RouterLossOptions {
  topK: number;
  /** Of noise for the load loss, where the router has none. */
  random: RandomSource;
  /** Of the load-balancing loss. */
  balancing: Pick<LoadBalancingOptions, 'convention' | 'scope' | 'counts'>;
}

/** Whether every weight is 0. */
export function hasNoLoss(weights: AuxiliaryLossWeights): boolean {
  const {loadBalancingWeight, importanceWeight, loadWeight, routerZLossWeight, entropyWeight} = weights;
  return loadBalancingWeight + importanceWeight + loadWeight + routerZLossWeight + entropyWeight === 0;
}

/** The weighted sum of the auxiliary losses. */
export function routerLoss(
  weights: AuxiliaryLossWeights,
  {logits, probs, assignment, mask, leading, noise}: RouterOutcome,
  {topK, random, balancing}: RouterLossOptions,
): tf.Scalar {
  const masked = mask === undefined ? {} : {mask};
  const terms: tf.Tensor[] = [];
  const add = (weight: number, loss: () => tf.Scalar) => {
    if (weight > 0) terms.push(tf.mul(weight, loss()));
  };
  add(weights.loadBalancingWeight, () => {
    const shape = [...leading, logits.shape[1]];
    const options = {...balancing, ...(mask && {mask: tf.reshape(mask, leading)})};
    return loadBalancingLoss(tf.reshape(probs, shape), tf.reshape(assignment, shape), options);
  });
  add(weights.importanceWeight, () => importanceLoss(probs, masked));
  add(weights.loadWeight, () => {
    const {noisyLogits, noiseStd} = noise ?? ownNoise(logits, random);
    return loadLoss(logits, noisyLogits, {...masked, topK, noiseStd});
  });
  add(weights.routerZLossWeight, () => routerZLoss(logits, masked));
  add(weights.entropyWeight, () => entropyLoss(probs, masked));
  return sumOf(terms) as tf.Scalar;
}

/** Noise for the load loss alone, with V-MoE's deviation. */
function ownNoise(logits: tf.Tensor2D, random: RandomSource): RouterNoise {
  const noiseStd = 1 / logits.shape[1];
  return {noisyLogits: tf.add(logits, tf.mul(noiseStd, standardNormal(logits.shape, random))), noiseStd};
}
