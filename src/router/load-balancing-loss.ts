// The load-balancing loss of GShard (Lepikhin et al. 2021, https://arxiv.org/abs/2006.16668, Algorithm 1) and of the
// Switch Transformer (Fedus, Zoph and Shazeer 2022, https://arxiv.org/abs/2101.03961, eq. 4), with the three
// conventions that programs use for several experts a token.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkOneOf, checkShape, show, ValueError} from '../errors.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import {inSequences, lossOverTokens, type TokenMaskOptions} from './tokens.js';

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

/**
 * Which tokens are to be balanced together. `'batch'`: all of them. `'sequence'`: those of each sequence by themselves,
 * of which the loss is the mean (DeepSeek-V3, Megatron); the sequence is the axis before the experts.
 */
export type LoadBalancingScope = 'batch' | 'sequence';

const SCOPES: readonly LoadBalancingScope[] = ['batch', 'sequence'];

/** Options of `loadBalancingLoss`. */
export interface LoadBalancingOptions extends TokenMaskOptions {
  /** How several experts a token are counted. Default `'meanK'`. */
  convention?: LoadBalancingConvention;
  /** Which tokens are balanced together. Default `'batch'`. */
  scope?: LoadBalancingScope;
  /**
   * Of shape [numExperts]. f_e is this expert's part of their sum, in place of its part of the batch's assignments; see
   * `addCounts`. For convention `'meanK'` and scope `'batch'`. Default: the batch's own.
   */
  counts?: tf.Tensor1D;
}

/**
 * Load-balancing loss of GShard and Switch: numExperts * sum_e f_e P_e.
 *
 * f_e is expert e's share of the tokens, by the convention, and P_e the mean of its probability. Uniform routing gives
 * 1 (K under `'sumK'`) and a collapse onto one expert gives numExperts; 1 is not the minimum. The shares carry no
 * gradient; the probabilities do.
 *
 * @param probs float32 [..., numExperts]. Probabilities, or other non-negative scores, of each token; with scope
 *   `'sequence'` [..., tokens, numExperts].
 * @param assignment Of the shape of probs. One-hot or k-hot: 1 at the experts that the router chose, before any is
 *   dropped for want of capacity.
 * @param options.mask [...]. 1 or true for real tokens, 0 or false for padding. Default: all are real.
 * @param options.convention `'meanK'` (default), `'sumK'` or `'gshardTop1'`.
 * @param options.scope `'batch'` (default), or `'sequence'`: the mean of the losses of the sequences that have real
 *   tokens.
 * @param options.counts [numExperts]. Counts from elsewhere, such as those of all micro-batches, from which f is taken.
 * @returns A scalar, dimensionless, owned by the caller; 0 if there are no real tokens or the counts are all 0.
 * @throws ValueError for shapes that do not match, for an unknown convention or scope, and for counts with a convention
 *   or scope that they do not fit.
 * @example
 * const probs = tf.tensor2d([[0.75, 0.25], [0.25, 0.75]]);
 * loadBalancingLoss(probs, tf.tensor2d([[1, 0], [0, 1]])); // => 1
 */
export function loadBalancingLoss(
  probs: tf.Tensor,
  assignment: tf.Tensor,
  {mask, convention = 'meanK', scope = 'batch', counts}: LoadBalancingOptions = {},
): tf.Scalar {
  const owner = 'loadBalancingLoss';
  checkOneOf(owner, 'convention', convention, CONVENTIONS);
  checkOneOf(owner, 'scope', scope, SCOPES);
  checkShape(owner, 'assignment', assignment.shape, probs.shape, 'of probs');
  if (counts) checkCounts(owner, counts, probs, convention, scope);
  return lossOverTokens(owner, 'probs', probs, mask, tokens => {
    const length = scope === 'batch' ? probs.size / tokens.numExperts : sequenceLength(owner, probs);
    const shares = noGradient(() => {
      if (counts) return shareOf(toFloat(tf.reshape(counts, [1, -1])));
      const assigned = tokens.rows(toFloat(assignment)); // [tokens, experts]
      if (convention === 'sumK') return tokens.meanOfEach(assigned, length);
      if (convention === 'gshardTop1') return tokens.meanOfEach(firstChoice(assigned, tokens.rows(probs)), length);
      return shareOf(tf.sum(inSequences(assigned, length), 1));
    }); // [sequences, experts]
    const means = tokens.meanOfEach(tokens.rows(probs), length);
    const losses = tf.mul(tokens.numExperts, tf.sum(tf.mul(shares, means), 1)) as tf.Tensor1D; // [sequences]
    return tokens.overSequences(losses, length);
  });
}

/** Refuses counts of other experts, and where the shares are not parts of all choices of the batch. */
function checkCounts(
  owner: string,
  counts: tf.Tensor,
  probs: tf.Tensor,
  convention: LoadBalancingConvention,
  scope: LoadBalancingScope,
): void {
  checkShape(owner, 'counts', counts.shape, probs.shape.slice(-1), '[numExperts]');
  if (convention !== 'meanK') {
    throw new ValueError(`${owner}: counts go with convention "meanK" alone, but got ${show(convention)}.`);
  }
  if (scope !== 'batch') {
    throw new ValueError(`${owner}: counts go with scope "batch" alone, but got ${show(scope)}.`);
  }
}

/** The length of the axis before the experts. */
function sequenceLength(owner: string, probs: tf.Tensor): number {
  const length = probs.shape[probs.rank - 2];
  if (length === undefined) {
    throw new ValueError(
      `${owner}: probs must have shape [..., tokens, numExperts] with scope "sequence", but got ${show(probs.shape)}.`,
    );
  }
  return length;
}

/** Each expert's part of the sum, [sequences, experts]; zeros where that is 0. */
function shareOf(counts: tf.Tensor2D): tf.Tensor2D {
  const total = tf.sum(counts, 1, true);
  return tf.div(counts, tf.add(total, toFloat(tf.equal(total, 0))));
}

/** One-hot: the most probable of the assigned experts, of equal ones the first; zeros for a token without an expert. */
function firstChoice(assigned: tf.Tensor2D, probs: tf.Tensor2D): tf.Tensor2D {
  const candidates = tf.where(tf.greater(assigned, 0), probs, tf.fill(probs.shape, Number.NEGATIVE_INFINITY));
  const winner = tf.expandDims(toFloat(tf.argMax(candidates, -1)), -1);
  // tf.oneHot refuses a single expert.
  const isWinner = tf.equal(winner, tf.range(0, probs.shape[1], 1, 'float32'));
  return tf.mul(toFloat(isWinner), assigned);
}
