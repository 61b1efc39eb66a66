// The load-balancing loss of GShard (Lepikhin et al. 2021, https://arxiv.org/abs/2006.16668, Algorithm 1) and of the
// Switch Transformer (Fedus, Zoph and Shazeer 2022, https://arxiv.org/abs/2101.03961, eq. 4), with the three
// conventions that programs use for several experts a token.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkOneOf, checkShape} from '../errors.js';
import {noGradient} from '../ops/no-gradient.js';
import {lossOverTokens, type TokenMaskOptions} from './tokens.js';

/**
 * What counts as an expert's share of the tokens where each token has K experts.
 *
 * `'meanK'`: its share of the assignments; shares sum to 1 (Megatron, MegaBlocks, DeepSpeed top-k). `'sumK'`: the
 * fraction of tokens that have it among their K; shares sum to K, and the loss is K times the former (Hugging Face,
 * flaxformer). `'gshardTop1'`: the fraction of tokens whose first choice it is (GShard, V-MoE, DeepSpeed top-2). With
 * one expert a token the three are equal.
 */
export type LoadBalancingConvention = 'meanK' | 'sumK' | 'gshardTop1';

const CONVENTIONS: readonly LoadBalancingConvention[] = ['meanK', 'sumK', 'gshardTop1'];

/** Options of `loadBalancingLoss`. */
export interface LoadBalancingOptions extends TokenMaskOptions {
  /** How several experts a token are counted. Default `'meanK'`. */
  convention?: LoadBalancingConvention;
}

/**
 * Load-balancing loss of GShard and Switch: numExperts * sum_e f_e P_e.
 *
 * f_e is expert e's share of the tokens, by the convention, and P_e the mean of its probability. Uniform routing gives
 * 1 (K under `'sumK'`) and a collapse onto one expert gives numExperts; 1 is not the minimum. The shares carry no
 * gradient; the probabilities do.
 *
 * @param probs float32 [..., numExperts]. Probabilities, or other non-negative scores, of each token.
 * @param assignment [..., numExperts]. One-hot or k-hot: 1 at the experts that the router chose, before any is dropped
 *   for want of capacity.
 * @param options.mask [...]. 1 or true for real tokens, 0 or false for padding. Default: all are real.
 * @param options.convention `'meanK'` (default), `'sumK'` or `'gshardTop1'`.
 * @returns A scalar, dimensionless, owned by the caller; 0 if there are no real tokens.
 * @throws ValueError for shapes that do not match and for an unknown convention.
 * @example
 * const probs = tf.tensor2d([[0.75, 0.25], [0.25, 0.75]]);
 * loadBalancingLoss(probs, tf.tensor2d([[1, 0], [0, 1]])); // => 1
 */
export function loadBalancingLoss(
  probs: tf.Tensor,
  assignment: tf.Tensor,
  {mask, convention = 'meanK'}: LoadBalancingOptions = {},
): tf.Scalar {
  const owner = 'loadBalancingLoss';
  checkOneOf(owner, 'convention', convention, CONVENTIONS);
  checkShape(owner, 'assignment', assignment.shape, probs.shape, 'of probs');
  return lossOverTokens(owner, 'probs', probs, mask, tokens => {
    const shares = noGradient(() => {
      const assigned = tokens.rows(tf.cast(assignment, 'float32')); // [tokens, experts]
      if (convention === 'sumK') return tokens.mean(assigned);
      if (convention === 'gshardTop1') return tokens.mean(firstChoice(assigned, tokens.rows(probs)));
      const counts = tf.sum(assigned, 0);
      return tf.div(counts, tf.maximum(1, tf.sum(counts)));
    });
    return tf.mul(tokens.numExperts, tf.sum(tf.mul(shares, tokens.mean(tokens.rows(probs)))));
  });
}

/** One-hot: the most probable of the assigned experts, of equal ones the first; zeros for a token without an expert. */
function firstChoice(assigned: tf.Tensor2D, probs: tf.Tensor2D): tf.Tensor2D {
  const candidates = tf.where(tf.greater(assigned, 0), probs, tf.fill(probs.shape, Number.NEGATIVE_INFINITY));
  const winner = tf.expandDims(tf.cast(tf.argMax(candidates, -1), 'float32'), -1);
  // tf.oneHot refuses a single expert.
  const isWinner = tf.equal(winner, tf.range(0, probs.shape[1], 1, 'float32'));
  return tf.mul(tf.cast(isWinner, 'float32'), assigned);
}
