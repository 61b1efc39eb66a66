// Random routing: experts that do not depend on the tokens, to find out what a router is worth and to debug what comes after it.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../ops/no-gradient.js';
import {unseeded} from '../random/random-source.js';
import {chooseTopK, poisonBadRows} from './choose-top-k.js';
import {routerInput} from './router-input.js';
import type {RouterOptions, Routing} from './types.js';

/**
 * Routes each token to K different experts, each set of K as likely as any other, with weights 1 / K.
 *
 * Nothing has a gradient: a router in front of it does not learn. Without `training` nothing is drawn: token t goes to the experts t K,
 * t K + 1, ... modulo E, passing over those at -Infinity.
 *
 * @param logits float32 [T, E]. Only read for experts at -Infinity, which are never chosen.
 * @param options.topK Experts a token, from 1 to E. Default 1.
 * @param options.training Whether to draw. Default false.
 * @param options.random Source of noise, T E uniforms. Default: a fresh unseeded one.
 * @param options.mask [T]. 0 or false for padding, which has index -1 and zeros for weights and probs. Default: all are real.
 * @returns indices int32 [T, K]; weights float32 [T, K] of 1 / K; probs float32 [T, E] of 1 / E. Owned by the caller.
 * @throws ValueError for shapes that do not match, for a topK out of range, and for a real token with NaN, Infinity or fewer than topK
 *   finite logits (on GPU backends its weights are NaN instead).
 * @example
 * randomRouting(tf.zeros([2, 3]), {topK: 2}); // => indices [[0, 1], [2, 0]], weights 0.5
 */
export function randomRouting(
  logits: tf.Tensor2D,
  {topK = 1, training = false, random, mask}: RouterOptions = {},
): Routing {
  return tf.tidy(() => {
    const input = routerInput('randomRouting', logits, topK, mask);
    const [numTokens, numExperts] = logits.shape;
    const order = training
      ? Float32Array.from((random ?? unseeded()).uniform(logits.size))
      : roundRobin(numTokens, numExperts, topK);
    const scores = noGradient(
      () => tf.where(tf.isFinite(input.logits), tf.tensor2d(order, logits.shape), input.logits) as tf.Tensor2D,
    );
    const indices = chooseTopK(scores, topK, mask, input.refuseRow);
    const weights = input.withoutPadding(tf.fill([numTokens, topK], 1 / topK));
    return {
      indices,
      weights: poisonBadRows(weights, indices, mask),
      probs: input.withoutPadding(tf.fill([numTokens, numExperts], 1 / numExperts)),
    };
  });
}

/** Scores with which the experts from t K on, modulo E, come first in the row of token t. */
function roundRobin(numTokens: number, numExperts: number, topK: number): Float32Array {
  return Float32Array.from({length: numTokens * numExperts}, (_, i) => {
    const token = Math.floor(i / numExperts);
    return -((((i % numExperts) - token * topK) % numExperts) + numExperts) % numExperts;
  });
}
