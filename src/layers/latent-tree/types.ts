// What the ways of merging leaves into a tree have in common. Letters: B sentences, T leaves (the longest sentence's), U units.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import type {Estimator} from '../../estimators/types.js';
import type {RandomSource} from '../../random/random-source.js';

/** The trained tensors of the merges. */
export interface TreeWeights {
  /** [2 U, 5 U]: hidden vectors of the left and the right child to the gates input, left forget, right forget, update, output. */
  kernel: tf.Tensor2D;
  /** [5 U]. */
  bias: tf.Tensor1D;
  /** [U]: a merge scores query . hidden / sqrt(U). */
  query: tf.Tensor1D;
}

/** How a merge is chosen in training. */
export interface MergeDraws {
  /** Gives each choice its gradient. */
  estimate: Estimator;
  /** Of the estimator. */
  temperature: number;
  /** The stream `random.split(i, 0)` draws the i-th merges, one uniform a sentence; `random.split(i, 1)` is the estimator's. */
  random: RandomSource;
}

/** Options of merging. */
export interface MergeOptions {
  /** Default: the merge of the highest score, without a gradient for the choice. */
  draws?: MergeDraws;
  /** int32 [B, T - 1], merges to make in place of drawn or highest ones; entries beyond a sentence's last merge are not read. */
  given?: tf.Tensor2D;
}

/** A sentence's tree and what its root says. */
export type MergedLeaves = {
  /** float32 [B, U], differentiable in leaves and weights; zeros for a sentence of no leaves. */
  hidden: tf.Tensor2D;
  /** int32 [B, T - 1]: the i-th merge joins the i-th row's entry and its right neighbour, counted in what is left; -1 beyond the last. */
  merges: tf.Tensor2D;
};

/**
 * Merges the leaves of each sentence, two neighbours at a time, until one is left.
 *
 * @param leaves float32 [B, T, 2 U], T >= 1: hidden and cell of each leaf, sentences from the left, padding at the right.
 * @param lengths int32 [B], leaves of each sentence, at most T.
 */
export type MergeLeaves = (
  leaves: tf.Tensor3D,
  lengths: tf.Tensor1D,
  weights: TreeWeights,
  options?: MergeOptions,
) => MergedLeaves;
