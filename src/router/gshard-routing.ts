// GShard's top-2 routing: the second expert of a token is optional. Lepikhin et al. 2021, "GShard",
// https://arxiv.org/abs/2006.16668, Algorithm 1; policies as in Mesh TensorFlow and, for 'sampling', praxis and DeepSpeed.
// Departure from DeepSpeed, which draws the second expert in evaluation too: without `training` nothing is drawn here.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkOneOf, checkRange, ValueError} from '../errors.js';
import {noGradient} from '../ops/no-gradient.js';
import {relativeLogits} from '../ops/relative-logits.js';
import {toFloat} from '../ops/to-float.js';
import {gumbelNoise} from '../random/gumbel.js';
import {type RandomSource, unseeded} from '../random/random-source.js';
import {chooseTopK, poisonBadRows} from './choose-top-k.js';
import {gatherWeights} from './gather-weights.js';
import {type RouterInput, routerInput} from './router-input.js';
import type {RouterOptions, Routing} from './types.js';

/**
 * Whether a token goes to its second expert too, with w_2 its renormalised weight.
 *
 * `'all'`: always. `'none'`: never. `'threshold'`: if w_2 > threshold. `'random'`: with probability min(1, w_2 / threshold).
 * `'sampling'`: always, and the expert is drawn from the probabilities without the first one. Without `training`, `'random'` is
 * `'threshold'` and `'sampling'` is `'all'`.
 */
export type SecondPolicy = 'all' | 'none' | 'threshold' | 'random' | 'sampling';

const POLICIES: readonly SecondPolicy[] = ['all', 'none', 'threshold', 'random', 'sampling'];

/** Options of `gshardRouting`. */
export interface GShardRoutingOptions extends RouterOptions {
  /** When the second expert is taken. Default `'all'`. */
  secondPolicy?: SecondPolicy;
  /** What the second expert's renormalised weight, at most 0.5, is compared with; from 0 to 1. Default 0.2. */
  threshold?: number;
}

/**
 * Routes each token to its most probable expert and, by a policy, to a second one.
 *
 * The weights are w_j = p_j / (p_1 + p_2), renormalised over the two before the policy and before any is dropped: the first expert keeps
 * its w_1 < 1 where the second is not taken, and the router its gradient. (GShard's program writes `2 w_2 > u`, which is `'random'` with
 * threshold 0.5.)
 *
 * @param logits float32 [T, E], E >= 2. An expert at -Infinity is never chosen. Differentiable.
 * @param options.topK 2, if given.
 * @param options.secondPolicy `'all'` (default), `'none'`, `'threshold'`, `'random'` or `'sampling'`.
 * @param options.threshold From 0 to 1. Default 0.2.
 * @param options.training Whether `'random'` and `'sampling'` draw. Default false.
 * @param options.random Source of noise: one uniform a token for `'random'`, one an expert and token for `'sampling'`.
 * @param options.mask [T]. 0 or false for padding, which has index -1 and zeros for weights and probs. Default: all are real.
 * @returns indices int32 [T, 2], the second -1 where it is not taken; weights float32 [T, 2], 0 there; probs float32 [T, E] =
 *   softmax(logits). Owned by the caller.
 * @throws ValueError for fewer than two experts, another topK, an unknown policy, a bad threshold, shapes that do not match, and a real
 *   token with NaN, Infinity or fewer than two finite logits (on GPU backends its weights are NaN instead).
 * @example
 * gshardRouting(tf.tensor2d([[0, Math.log(9), 0]]), {secondPolicy: 'threshold'}); // => indices [[1, -1]], weights [[0.9, 0]]
 */
export function gshardRouting(
  logits: tf.Tensor2D,
  {topK = 2, secondPolicy = 'all', threshold = 0.2, training = false, random, mask}: GShardRoutingOptions = {},
): Routing {
  const owner = 'gshardRouting';
  checkOneOf(owner, 'secondPolicy', secondPolicy, POLICIES);
  checkRange(owner, 'threshold', threshold, 0, 1);
  if (topK !== 2) throw new ValueError(`${owner}: topK must be 2, but got ${topK}. Use topKRouting for others.`);
  return tf.tidy(() => {
    const input = routerInput(owner, logits, 2, mask);
    const source = random ?? unseeded();
    let pair = chooseTopK(input.logits, 2, mask, input.refuseRow);
    if (secondPolicy === 'sampling' && training) pair = drawSecond(input, pair, mask, source);
    const both = tf.softmax(gatherWeights(input.logits, pair)); // [T, 2]
    const isTaken = noGradient(() => {
      const second = tf.slice(both, [0, 1], [-1, 1]); // [T, 1]
      const taken = takesSecond(second, secondPolicy, threshold, training ? source : undefined);
      return tf.concat([tf.onesLike(second), toFloat(taken)], 1); // [T, 2]
    });
    const weights = poisonBadRows(input.withoutPadding(tf.mul(both, isTaken)), pair, mask);
    const indices = noGradient(() => {
      const kept = tf.sub(tf.mul(tf.add(toFloat(pair), 1), isTaken), 1); // the index, or -1
      return tf.cast(kept, 'int32') as tf.Tensor2D;
    });
    return {indices, weights, probs: input.withoutPadding(tf.softmax(input.logits))};
  });
}

/** The first of each pair with a second drawn from softmax(logits) without it, by Gumbel-max. int32 [T, 2]. */
function drawSecond(
  {logits, refuseRow}: RouterInput,
  pair: tf.Tensor2D,
  mask: tf.Tensor1D | undefined,
  random: RandomSource,
): tf.Tensor2D {
  return noGradient(() => {
    const first = tf.slice(pair, [0, 0], [-1, 1]); // [T, 1]
    const isFirst = tf.equal(toFloat(first), tf.range(0, logits.shape[1], 1, 'float32'));
    const rest = tf.where(isFirst, tf.fill(logits.shape, Number.NEGATIVE_INFINITY), logits);
    const perturbed = tf.add(relativeLogits(rest), gumbelNoise(logits.shape, random)) as tf.Tensor2D;
    return tf.concat([first, chooseTopK(perturbed, 1, mask, refuseRow)], 1) as tf.Tensor2D;
  });
}

/** bool [T, 1]: whether the second expert is taken, from its weight. Draws only if there is a source. */
function takesSecond(
  weight: tf.Tensor,
  policy: SecondPolicy,
  threshold: number,
  random: RandomSource | undefined,
): tf.Tensor {
  if (policy === 'none') return tf.zerosLike(weight);
  if (policy === 'all' || policy === 'sampling') return tf.onesLike(weight);
  if (policy === 'threshold' || !random) return tf.greater(weight, threshold);
  const uniforms = tf.tensor(Float32Array.from(random.uniform(weight.size)), weight.shape);
  return tf.less(tf.mul(uniforms, threshold), weight); // u < weight / threshold
}
