// The auxiliary loss of a router: a weighted sum of what src/router computes.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {standardNormal} from '../random/normal.js';
import type {RandomSource} from '../random/random-source.js';
import {entropyLoss} from '../router/entropy.js';
import {importanceLoss} from '../router/importance-loss.js';
import {loadBalancingLoss} from '../router/load-balancing-loss.js';
import {loadLoss} from '../router/load-loss.js';
import {routerZLoss} from '../router/router-z-loss.js';

/** How much each auxiliary loss counts, beside the model's own loss; 0 leaves one out. */
export interface AuxiliaryLossWeights {
  /** Of `loadBalancingLoss`, whose balanced value is 1. Default 0.01, as in Switch. */
  loadBalancingWeight: number;
  /** Of `importanceLoss`. Default 0. */
  importanceWeight: number;
  /** Of `loadLoss`, with noise of deviation 1 / numExperts as in V-MoE, used for this loss alone. Default 0. */
  loadWeight: number;
  /** Of `routerZLoss`. Default 0; ST-MoE uses 0.001. */
  routerZLossWeight: number;
  /** Of `entropyLoss`: mean entropy of a token's probabilities less the entropy of their mean. Default 0. */
  entropyWeight: number;
}

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
  /** How many choices found no place. Default: none. */
  dropped?: tf.Scalar;
}

/** Whether every weight is 0. */
export function hasNoLoss(weights: AuxiliaryLossWeights): boolean {
  const {loadBalancingWeight, importanceWeight, loadWeight, routerZLossWeight, entropyWeight} = weights;
  return loadBalancingWeight + importanceWeight + loadWeight + routerZLossWeight + entropyWeight === 0;
}

/** The weighted sum of the auxiliary losses. */
export function routerLoss(
  weights: AuxiliaryLossWeights,
  {logits, probs, assignment, mask}: RouterOutcome,
  topK: number,
  random: RandomSource,
): tf.Scalar {
  const masked = mask === undefined ? {} : {mask};
  const terms: tf.Tensor[] = [];
  const add = (weight: number, loss: () => tf.Scalar) => {
    if (weight > 0) terms.push(tf.mul(weight, loss()));
  };
  add(weights.loadBalancingWeight, () => loadBalancingLoss(probs, assignment, masked));
  add(weights.importanceWeight, () => importanceLoss(probs, masked));
  add(weights.loadWeight, () => {
    const noiseStd = 1 / logits.shape[1];
    const noisyLogits = tf.add(logits, tf.mul(noiseStd, standardNormal(logits.shape, random)));
    return loadLoss(logits, noisyLogits, {...masked, topK, noiseStd});
  });
  add(weights.routerZLossWeight, () => routerZLoss(logits, masked));
  add(weights.entropyWeight, () => entropyLoss(probs, masked));
  return tf.addN(terms) as tf.Scalar;
}
