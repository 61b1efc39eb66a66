// DenseMixer: the top-K experts' output with a router gradient from all experts. Yao et al. 2025, https://github.com/yaof20/DenseMixer.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../../ops/no-gradient.js';
import {topKMask} from '../../ops/top-k-mask.js';
import {chooseTopK, poisonBadRows} from '../choose-top-k.js';
import {gatherWeights} from '../gather-weights.js';
import {routerInput} from '../router-input.js';
import type {RouterOptions, Routing} from '../types.js';

/**
 * DenseMixer: the K likeliest experts, with weights for the gradient at the others.
 *
 * With p = softmax(logits) the output is the sum of p_e expert_e over the chosen experts, and the gradient of the logits that of the sum over
 * all experts: straight-through over the choice. Whoever has the outputs of all experts adds `denseTerm(unchosen, outputs)`; whoever has
 * running means of them adds `unchosenTerm(unchosen, means)`. Both are zero in value. Chosen and unchosen together carry the whole
 * softmax's gradient. Deterministic; without `training` there is no `unchosen`, as inference needs the chosen experts alone.
 *
 * @param logits float32 [T, E]. A logit of -Infinity masks an expert.
 * @param options See `RouterOptions`. `topK` is 1 by default.
 * @returns indices and weights [T, K], not renormalised; probs [T, E]; in training unchosen [T, E], p at the experts that were not
 *   chosen and 0 elsewhere. Zeros for padding.
 * @throws ValueError for a bad option or shape, and for a real token with NaN, Infinity or fewer than K finite logits (on GPU backends its
 *   weights are NaN instead).
 * @example
 * const {unchosen} = denseMixer(tf.tensor2d([[0, Math.log(3)]]), {training: true});
 * unchosen!.dataSync(); // => [0.25, 0]
 */
export function denseMixer(logits: tf.Tensor2D, {topK = 1, training = false, mask}: RouterOptions = {}): Routing {
  return tf.tidy(() => {
    const input = routerInput('denseMixer', logits, topK, mask);
    const probs = input.withoutPadding(tf.softmax(input.logits));
    const indices = chooseTopK(input.logits, topK, mask, input.refuseRow);
    const weights = poisonBadRows(gatherWeights(probs, indices), indices, mask);
    if (!training) return {indices, weights, probs};
    const isUnchosen = noGradient(() => tf.sub(1, topKMask(input.logits, topK, input.refuseRow)));
    return {indices, weights, probs, unchosen: tf.mul(probs, isUnchosen) as tf.Tensor2D};
  });
}
