// SparseMixer. Liu, Gao and Chen 2023, "Sparse Backpropagation for MoE Training", https://arxiv.org/abs/2310.00811, as in its published code.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {show, ValueError} from '../../errors.js';
import {noGradient} from '../../ops/no-gradient.js';
import type {Routing} from '../types.js';
import {routeSparseMixer, type SparseMixerOptions} from './sparse-mixer-routing.js';

/**
 * SparseMixer: a drawn expert, whose weight's gradient counts for the choice and for the weight.
 *
 * With p the softmax of the logits that `jitterMask` keeps and D drawn from p, the weight is p_D in training where D is the likeliest expert
 * or a fair coin says so, and p_D / 2 otherwise; the gradient g of the weight reaches p_D as 2 g. By the midpoint rule the expected gradient
 * of the logits would be that of E[f(p_D expert_D)] for quadratic f; the exception for the likeliest expert, by which half weights are
 * rarer, leaves this exact for linear f alone. A weight's ordinary gradient (Switch) is half of it there. Without `training` the expert is
 * the largest logit's and the weight is p_D with its ordinary gradient.
 *
 * The method also multiplies the output by a trained vector of ones at first; that is the layer's part.
 *
 * @param logits float32 [T, E]. A logit of -Infinity masks an expert.
 * @param options `topK` must be 1. See `SparseMixerOptions`.
 * @returns indices and weights [T, 1]; probs [T, E], p with its ordinary gradient, which the balance loss takes (zeros for padding);
 *   expertGradientWeights [T, 1] in training with `expertGradient: 'paper'`.
 * @throws ValueError for a bad option or shape, and for a real token with NaN, Infinity or no finite logit (on GPU backends its weight is
 *   NaN instead).
 * @example
 * const {indices, weights} = sparseMixer(tf.tensor2d([[2, 1.9, 1.5]]));
 * indices.dataSync()[0]; // => 0
 * weights.dataSync()[0]; // => 0.525, since the third is masked: 1 / (1 + exp(-0.1))
 */
export function sparseMixer(logits: tf.Tensor2D, options: SparseMixerOptions = {}): Routing {
  const owner = 'sparseMixer';
  const {topK = 1} = options;
  if (topK !== 1)
    throw new ValueError(`${owner}: topK must be 1, but got ${show(topK)}. sparseMixerV2 chooses several experts.`);
  return tf.tidy(() => {
    const {choices, ...routing} = routeSparseMixer(owner, logits, options, {
      temperature: 1,
      fullWeight: 1 / 2,
      fraction: 1 / 2,
      gradientFactor: 2,
      paperFactor: 1,
      expertGradient: 'code',
    });
    const scores = choices.turns[0]!.scores;
    const isKept = noGradient(() => tf.greater(scores, Number.NEGATIVE_INFINITY));
    const probs = tf.softmax(tf.where(isKept, choices.input.logits, scores));
    return {...routing, probs: choices.input.withoutPadding(probs)};
  });
}
