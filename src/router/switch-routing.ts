// Switch routing: each token goes to one expert, weighted with its probability. Fedus, Zoph and Shazeer 2022, "Switch
// Transformers", https://arxiv.org/abs/2101.03961, eq. 1 and 2.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../errors.js';
import {routeTopK} from './top-k-routing.js';
import type {RouterOptions, Routing} from './types.js';

/**
 * Routes each token to its most probable expert, weighted with the probability itself: renormalised it would be 1, and the router would
 * get no gradient.
 *
 * @param logits float32 [T, E]. An expert at -Infinity is never chosen. Differentiable.
 * @param options.topK 1, if given.
 * @param options.mask [T]. 0 or false for padding, which has index -1 and zeros for weights and probs. Default: all are real.
 * @returns indices int32 [T, 1], weights float32 [T, 1], probs float32 [T, E] = softmax(logits). Owned by the caller. `training` and
 *   `random` change nothing.
 * @throws ValueError for another topK, for shapes that do not match, and for a real token with NaN, Infinity or no finite logit (on GPU
 *   backends its weight is NaN instead).
 * @example
 * switchRouting(tf.tensor2d([[0, Math.log(3)]])); // => indices [[1]], weights [[0.75]], probs [[0.25, 0.75]]
 */
export function switchRouting(logits: tf.Tensor2D, {topK = 1, mask}: RouterOptions = {}): Routing {
  if (topK !== 1) throw new ValueError(`switchRouting: topK must be 1, but got ${topK}. Use topKRouting for more.`);
  return routeTopK('switchRouting', logits, {mask});
}
