// Noisy top-k routing: normal noise on the logits in training. With learned noise Shazeer et al. 2017, "Outrageously Large Neural
// Networks", https://arxiv.org/abs/1701.06538, eq. 3 to 5; with fixed noise V-MoE, Riquelme et al. 2021, https://arxiv.org/abs/2106.05974.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkOneOf, checkRange, checkShape, ValueError} from '../errors.js';
import {standardNormal} from '../random/normal.js';
import {unseeded} from '../random/random-source.js';
import {chooseTopK, poisonBadRows} from './choose-top-k.js';
import {gatherWeights} from './gather-weights.js';
import {routerInput} from './router-input.js';
import type {RouterOptions, Routing} from './types.js';

/** The least standard deviation of learned noise, that of Shazeer's program. */
const LEAST_STD = 0.01;

/** What the weights are a softmax over: the noisy logits of the K chosen experts (Shazeer), or those of all (V-MoE). */
export type SoftmaxOver = 'chosen' | 'all';

const SOFTMAX_OVER: readonly SoftmaxOver[] = ['chosen', 'all'];

/** Options of `noisyTopKRouting`. */
export interface NoisyTopKRoutingOptions extends RouterOptions {
  /** Standard deviation of fixed noise, >= 0, in the unit of the logits. Default 1 / E, as in V-MoE, where there are no `noiseLogits`. */
  noiseStd?: number;
  /** float32 [T, E]: learned noise of standard deviation softplus(noiseLogits) + 0.01, in place of the fixed one. Differentiable. */
  noiseLogits?: tf.Tensor2D;
  /** What the weights are a softmax over. Default `'all'`. */
  softmaxOver?: SoftmaxOver;
}

/** What `noisyTopKRouting` returns. */
export interface NoisyRouting extends Routing {
  /** float32 [T, E]: what experts were chosen by, zeros for padding; for `loadLoss`. Only in training: without noise that loss is undefined. */
  noisyLogits?: tf.Tensor2D;
  /** Their noise's standard deviation, for `loadLoss`: a number, or of learned noise [T, E] with its gradient. Only in training. */
  noiseStd?: number | tf.Tensor2D;
}

/**
 * Routes each token to the K experts with its highest noisy logits h = logits + std * N(0, 1).
 *
 * The weights are a softmax of h: over the chosen experts, or the chosen entries of one over all. probs = softmax(logits), without noise.
 * Without `training` there is no noise, h = logits, and `noiseLogits` are not read.
 *
 * @param logits float32 [T, E]. An expert at -Infinity is never chosen. Differentiable.
 * @param options.topK Experts a token, from 1 to E. Default 1.
 * @param options.noiseStd Standard deviation of fixed noise, >= 0. Default 1 / E.
 * @param options.noiseLogits [T, E]: learned noise, std = softplus(noiseLogits) + 0.01. Zeros at the start give std 0.70.
 * @param options.softmaxOver `'all'` (default) or `'chosen'`, which is refused with one expert a token.
 * @param options.training Whether noise is added. Default false.
 * @param options.random Source of noise. Default: a fresh unseeded one.
 * @param options.mask [T]. 0 or false for padding, which has index -1 and zeros elsewhere. Default: all are real.
 * @returns indices int32 [T, K] in falling order of h; weights float32 [T, K]; probs float32 [T, E]; noisyLogits float32 [T, E] and noiseStd,
 *   a number or float32 [T, E], in training. Owned by the caller.
 * @throws ValueError for shapes that do not match, numbers out of range, both kinds of noise at once, `'chosen'` with topK 1, and for a real
 *   token with NaN, Infinity or fewer than topK finite noisy logits (on GPU backends its weights are NaN instead).
 * @example
 * const {noisyLogits, noiseStd} = noisyTopKRouting(logits, {topK: 2, training: true, random: seeded(1)});
 * loadLoss(logits, noisyLogits!, {topK: 2, noiseStd: noiseStd!});
 */
export function noisyTopKRouting(
  logits: tf.Tensor2D,
  {topK = 1, noiseStd, noiseLogits, softmaxOver = 'all', training = false, random, mask}: NoisyTopKRoutingOptions = {},
): NoisyRouting {
  const owner = 'noisyTopKRouting';
  checkOneOf(owner, 'softmaxOver', softmaxOver, SOFTMAX_OVER);
  if (noiseStd !== undefined) checkRange(owner, 'noiseStd', noiseStd, 0);
  if (noiseStd !== undefined && noiseLogits) {
    throw new ValueError(`${owner}: noiseStd and noiseLogits exclude each other; give one of them.`);
  }
  if (softmaxOver === 'chosen' && topK === 1) {
    throw new ValueError(
      `${owner}: softmaxOver "chosen" needs topK of at least 2: with one expert a token every weight would be 1, ` +
        'and the router would get no gradient.',
    );
  }
  return tf.tidy(() => {
    const input = routerInput(owner, logits, topK, mask);
    if (noiseLogits) checkShape(owner, 'noiseLogits', noiseLogits.shape, logits.shape, 'of logits');
    let noisy = input.logits; // h, [T, E]
    let ofNoise: Pick<NoisyRouting, 'noisyLogits' | 'noiseStd'> = {};
    if (training) {
      const std = noiseLogits
        ? tf.add<tf.Tensor2D>(tf.softplus(input.withoutPadding(noiseLogits)), LEAST_STD)
        : (noiseStd ?? 1 / logits.shape[1]);
      const noise = tf.mul(standardNormal(logits.shape, random ?? unseeded()), std) as tf.Tensor2D;
      noisy = tf.add(input.logits, input.withoutPadding(noise));
      ofNoise = {noisyLogits: noisy, noiseStd: std};
    }
    const indices = chooseTopK(noisy, topK, mask, input.refuseRow);
    const weights =
      softmaxOver === 'chosen' ? tf.softmax(gatherWeights(noisy, indices)) : gatherWeights(tf.softmax(noisy), indices);
    return {
      indices,
      weights: poisonBadRows(input.withoutPadding(weights), indices, mask),
      probs: input.withoutPadding(tf.softmax(input.logits)),
      ...ofNoise,
    };
  });
}
