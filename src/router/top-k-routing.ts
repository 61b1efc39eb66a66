// Top-k routing: each token goes to the K experts with its highest scores. Softmax scores as in Shazeer et al. 2017,
// https://arxiv.org/abs/1701.06538, and Mixtral, https://arxiv.org/abs/2401.04088; sigmoid scores, a bias for the selection alone and groups
// as in DeepSeek-V3, https://arxiv.org/abs/2412.19437, section 2.1.2.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkBoolean, checkCount, checkOneOf, checkPositive, checkShape, ValueError} from '../errors.js';
import {noGradient} from '../ops/no-gradient.js';
import {chooseTopK, poisonBadRows} from './choose-top-k.js';
import {gatherWeights} from './gather-weights.js';
import {limitToGroups} from './group-limit.js';
import {routerInput} from './router-input.js';
import {logScores, ROUTER_SCORES, type RouterScores} from './router-scores.js';
import type {RouterOptions, Routing} from './types.js';

/** Options of `topKRouting`. */
export interface TopKRoutingOptions extends RouterOptions {
  /** How logits become scores: `'softmax'` (default), `'sigmoid'` or `'sqrtSoftplus'`. */
  scores?: RouterScores;
  /** Whether a token's weights are divided by their sum. Default false. */
  normalize?: boolean;
  /** What weights are multiplied with at the end, > 0; 2.5 in DeepSeek-V3. Default 1. */
  scaling?: number;
  /** Of shape [E], added to the scores for the selection, and for nothing else. Default: none. */
  bias?: tf.Tensor1D;
  /** In how many groups of neighbours the experts stand; divides E. Default 1. */
  numGroups?: number;
  /** From how many groups a token may take its experts. Default: all. */
  topGroups?: number;
}

/**
 * Routes each token to the K experts with its highest scores.
 *
 * The weight of a choice is the expert's score s, divided by the sum of the K scores under `normalize` and times `scaling`. With softmax
 * scores `normalize` gives the softmax over the K chosen logits. probs are s / sum_e s. Experts are chosen by s + bias, which without a bias
 * is the order of the logits; the bias has no gradient and no part in weights and probs.
 *
 * With groups, a token keeps the `topGroups` groups with the largest sums of their top max(1, floor(topK / topGroups)) values of s + bias;
 * all other experts count as -Infinity.
 *
 * @param logits float32 [T, E]. An expert at -Infinity is never chosen. Differentiable.
 * @param options.topK Experts a token, from 1 to E. Default 1.
 * @param options.scores Score function. Default `'softmax'`.
 * @param options.normalize Whether weights sum to `scaling`. Default false; refused with one expert a token.
 * @param options.scaling Factor of the weights, > 0. Default 1.
 * @param options.bias float32 [E], for the selection alone. Default: none.
 * @param options.numGroups Number of groups, a divisor of E. Default 1.
 * @param options.topGroups Groups a token may use, from 1 to numGroups. Default numGroups.
 * @param options.mask [T]. 0 or false for padding, which has index -1 and zeros for weights and probs. Default: all are real.
 * @returns indices int32 [T, K] in falling order of s + bias, of equal ones the lowest index first; weights float32 [T, K]; probs float32
 *   [T, E]. Owned by the caller. `training` and `random` change nothing.
 * @throws ValueError for shapes that do not match, for numbers out of range, for `normalize` with topK 1, and for a real token with NaN,
 *   Infinity or fewer than topK finite logits (on GPU backends its weights are NaN instead).
 * @example
 * const {indices, weights} = topKRouting(tf.tensor2d([[0, Math.log(3), Math.log(4)]]), {topK: 2});
 * // indices [[2, 1]], weights [[0.5, 0.375]]
 */
export function topKRouting(logits: tf.Tensor2D, options: TopKRoutingOptions = {}): Routing {
  return routeTopK('topKRouting', logits, options);
}

/** `topKRouting` on behalf of another function, whose name stands in the errors. */
export function routeTopK(
  owner: string,
  logits: tf.Tensor2D,
  {
    topK = 1,
    scores: kind = 'softmax',
    normalize = false,
    scaling = 1,
    bias,
    numGroups = 1,
    topGroups = numGroups,
    mask,
  }: TopKRoutingOptions,
): Routing {
  checkOneOf(owner, 'scores', kind, ROUTER_SCORES);
  checkBoolean(owner, 'normalize', normalize);
  checkPositive(owner, 'scaling', scaling);
  if (normalize && topK === 1) {
    throw new ValueError(
      `${owner}: normalize needs topK of at least 2: with one expert a token every weight would be 1, and the router would get no gradient.`,
    );
  }
  return tf.tidy(() => {
    const input = routerInput(owner, logits, topK, mask);
    const numExperts = logits.shape[1];
    if (bias) checkShape(owner, 'bias', bias.shape, [numExperts], '[experts]');
    checkGroups(owner, numExperts, topK, numGroups, topGroups);
    const logs = logScores(kind, input.logits); // [T, E]
    const probs = tf.softmax(logs);
    const selection = noGradient(() => {
      const isLimited = topGroups < numGroups;
      if (!bias && !isLimited) return tf.clone(input.logits);
      const scores = kind === 'softmax' ? probs : tf.exp(logs);
      // Logits that are not finite stay as they are: never chosen, or refused.
      const biased = bias ? (tf.add(scores, bias) as tf.Tensor2D) : scores;
      const open = tf.where(tf.isFinite(input.logits), biased, input.logits);
      if (!isLimited) return open;
      const limit = {numGroups, topGroups, scoredExperts: Math.max(1, Math.floor(topK / topGroups))};
      return limitToGroups(open, bias ? open : input.logits, limit, input.refuseRow);
    });
    const indices = chooseTopK(selection, topK, mask, input.refuseRow);
    const chosen = () => gatherWeights(logs, indices); // [T, K]
    let weights: tf.Tensor2D;
    if (normalize) weights = tf.softmax(chosen());
    else weights = kind === 'softmax' ? gatherWeights(probs, indices) : tf.exp(chosen());
    if (scaling !== 1) weights = tf.mul(weights, scaling);
    weights = poisonBadRows(input.withoutPadding(weights), indices, mask);
    return {indices, weights, probs: input.withoutPadding(probs)};
  });
}

function checkGroups(owner: string, numExperts: number, topK: number, numGroups: number, topGroups: number): void {
  checkCount(owner, 'numGroups', numGroups, 1);
  checkCount(owner, 'topGroups', topGroups, 1, numGroups);
  if (numExperts % numGroups !== 0) {
    throw new ValueError(`${owner}: numGroups (=${numGroups}) must divide numExperts (=${numExperts}).`);
  }
  const reachable = (topGroups * numExperts) / numGroups;
  if (topK > reachable) {
    throw new ValueError(`${owner}: topK (=${topK}) must not exceed the experts of topGroups groups (=${reachable}).`);
  }
}
