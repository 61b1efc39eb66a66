// What to watch while a router trains: the load of the experts, and what was dropped. Numbers to look at, without gradient.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkCount, checkShape, ValueError} from '../errors.js';
import {hostRead, isOnHost} from '../ops/host-read.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import type {Assignment} from './types.js';

/**
 * The load: how many choices each expert got, before any is dropped. Padding, which chooses nothing, does not count, nor does any index
 * that is not an expert's.
 *
 * Other programs: `tokens_per_expert` (Megatron, MegaBlocks), `exp_counts` (DeepSpeed).
 *
 * @param indices int32 [T, K]: the expert of each choice, -1 for none.
 * @param numExperts E, at least 1.
 * @returns float32 [E], owned by the caller; zeros if there are no tokens.
 * @throws ValueError if numExperts is not a whole number of at least 1.
 * @example
 * expertCounts(tf.tensor2d([[0], [2], [0]], [3, 1], 'int32'), 3); // => [2, 0, 1]
 */
export function expertCounts(indices: tf.Tensor2D, numExperts: number): tf.Tensor1D {
  checkCount('expertCounts', 'numExperts', numExperts, 1);
  if (!isOnHost()) return expertCountsOnDevice(indices, numExperts);
  const counts = new Float32Array(numExperts);
  for (const expert of hostRead(indices)) if (expert >= 0) counts[expert]!++;
  return tf.tensor1d(counts, 'float32');
}

/** The counts with nothing read back, O(T K E). */
export function expertCountsOnDevice(indices: tf.Tensor2D, numExperts: number): tf.Tensor1D {
  if (indices.size === 0) return tf.zeros([numExperts]);
  return noGradient(() => {
    const isExpert = tf.equal(tf.reshape(indices, [-1, 1]), tf.range(0, numExperts, 1, 'int32')); // [T * K, E]
    return tf.sum(toFloat(isExpert), 0) as tf.Tensor1D;
  });
}

/**
 * The fraction of the choices that were dropped for want of a place.
 *
 * @param indices int32 [T, K]: what the tokens chose, -1 for none.
 * @param assignment What `assign` made of it.
 * @returns A scalar from 0 to 1, owned by the caller; 0 if nothing was chosen.
 * @throws ValueError if the shapes do not match.
 */
export function droppedFraction(indices: tf.Tensor2D, assignment: Assignment): tf.Scalar {
  checkShape('droppedFraction', 'assignment.experts', assignment.experts.shape, indices.shape, 'of indices');
  return noGradient(() => {
    const made = total(isExpert(indices));
    return ratio(tf.sub<tf.Scalar>(made, total(isExpert(assignment.experts))), made, 0);
  });
}

/**
 * The fraction of the tokens that no expert serves: all of their choices were dropped. Tokens that chose nothing, such as padding, do
 * not count.
 *
 * Other programs: `fraction_tokens_left_behind` (flaxformer, TensorFlow Model Garden; there padding counts as well); 1 minus
 * `ratio_processed_items_by_at_least_t` for t = 1 (V-MoE).
 *
 * @param indices int32 [T, K]: what the tokens chose, -1 for none.
 * @param assignment What `assign` made of it.
 * @returns A scalar from 0 to 1, owned by the caller; 0 if nothing was chosen.
 * @throws ValueError if the shapes do not match.
 */
export function fractionOfTokensLeftBehind(indices: tf.Tensor2D, assignment: Assignment): tf.Scalar {
  checkShape('fractionOfTokensLeftBehind', 'assignment.experts', assignment.experts.shape, indices.shape, 'of indices');
  return noGradient(() => {
    const choosing = tokensWithAny(indices);
    return ratio(tf.sub<tf.Scalar>(choosing, tokensWithAny(assignment.experts)), choosing, 0);
  });
}

/**
 * The fraction of the experts' places that are taken, E C in all.
 *
 * Other programs: `expert_usage` (flaxformer, TensorFlow Model Garden).
 *
 * @param assignment What `assign` made. Dropless, its capacity is the load of the most chosen expert, or T on a device.
 * @returns A scalar from 0 to 1, owned by the caller; 0 if there are no places.
 */
export function expertUsage(assignment: Assignment): tf.Scalar {
  const places = assignment.numExperts * assignment.capacity;
  return noGradient(() => ratio(total(isExpert(assignment.experts)), tf.scalar(places), 0));
}

/**
 * The mean weight of the choices that were kept.
 *
 * Other programs: `router_confidence` (flaxformer, TensorFlow Model Garden).
 *
 * @param weights float32 [T, K]: the weights of the choices; those of choices without a place do not matter.
 * @param assignment What `assign` made.
 * @returns A scalar, owned by the caller; 0 if nothing was kept.
 * @throws ValueError if the shapes do not match.
 */
export function routerConfidence(weights: tf.Tensor2D, assignment: Assignment): tf.Scalar {
  const {experts} = assignment;
  checkShape('routerConfidence', 'assignment.experts', experts.shape, weights.shape, 'of weights');
  return noGradient(() => {
    const keptWeights = tf.where(tf.greaterEqual(experts, 0), weights, tf.zeros(weights.shape));
    return ratio(total(keptWeights), total(isExpert(experts)), 0);
  });
}

/**
 * How much the most loaded expert exceeds the mean: max / mean - 1 (MaxVio of Wang et al. 2024, https://arxiv.org/abs/2408.15664).
 *
 * Other programs: `max_vio` (prime-rl).
 *
 * @param counts [E], any dtype: the load of each expert, of a batch or a running mean, such as `expertCounts` gives.
 * @returns A scalar from 0, perfect balance, to E - 1, owned by the caller; 0 if there is no load.
 * @throws ValueError if there is no expert.
 */
export function maxViolation(counts: tf.Tensor1D): tf.Scalar {
  checkLoad('maxViolation', counts);
  return noGradient(() => {
    const load = toFloat(counts);
    return tf.sub(ratio(tf.mul(counts.size, tf.max(load)), tf.sum(load), 1), 1) as tf.Scalar;
  });
}

/**
 * The number of experts without a token.
 *
 * Other programs: E times `dead_expert_frac` (NeMo Automodel).
 *
 * @param counts [E], any dtype: the load of each expert.
 * @returns A scalar from 0 to E, owned by the caller.
 * @throws ValueError if there is no expert.
 */
export function deadExperts(counts: tf.Tensor1D): tf.Scalar {
  checkLoad('deadExperts', counts);
  return noGradient(() => tf.sum(toFloat(tf.equal(counts, 0))) as tf.Scalar);
}

/**
 * The entropy of the load over that of perfect balance: -sum_e s_e ln s_e / ln E with s_e expert e's share.
 *
 * Other programs: normalised entropy (Fast-LLM); `expert_diversity` of NeMo Automodel is E^(this - 1).
 *
 * @param counts [E], any dtype: the load of each expert.
 * @returns A scalar from 0, one expert has all, to 1, perfect balance, owned by the caller; 1 if there is no load or only one expert.
 * @throws ValueError if there is no expert.
 */
export function loadEntropy(counts: tf.Tensor1D): tf.Scalar {
  checkLoad('loadEntropy', counts);
  if (counts.size === 1) return tf.scalar(1);
  return noGradient(() => {
    const load = toFloat(counts);
    const shares = ratio(load, tf.sum(load), 1 / counts.size);
    const terms = tf.mul(shares, tf.log(tf.maximum(shares, SMALLEST))); // 0 for a share of 0
    return tf.div(tf.sum(terms), -Math.log(counts.size)) as tf.Scalar;
  });
}

/** Below this a share's logarithm stays where it is. */
const SMALLEST = 1e-30;

function checkLoad(owner: string, counts: tf.Tensor1D): void {
  if (counts.rank === 1 && counts.size > 0) return;
  throw new ValueError(
    `${owner}: counts must have shape [numExperts] with at least one expert, but got [${counts.shape.join(', ')}].`,
  );
}

/** 1 where an index is an expert, 0 where it is -1. */
function isExpert(indices: tf.Tensor2D): tf.Tensor2D {
  return toFloat(tf.greaterEqual(indices, 0)) as tf.Tensor2D;
}

/** The sum of all entries. On wasm a sum over no entries is what the memory held before. */
function total(x: tf.Tensor): tf.Scalar {
  return x.size === 0 ? tf.scalar(0) : (tf.sum(x) as tf.Scalar);
}

/** How many tokens have at least one choice. */
function tokensWithAny(indices: tf.Tensor2D): tf.Scalar {
  return total(indices.size === 0 ? indices : tf.max(isExpert(indices), 1));
}

/** part / whole, or `otherwise` where the whole is 0. */
function ratio<T extends tf.Tensor>(part: T, whole: tf.Tensor, otherwise: number): T {
  return tf.where(tf.greater(whole, 0), tf.div(part, whole), tf.fill(part.shape, otherwise)) as T;
}
