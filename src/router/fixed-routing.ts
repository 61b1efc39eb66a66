// The routing in which one expert a token is given, and nothing is learned.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import {poisonBadRows} from './choose-top-k.js';
import {realTokens} from './router-input.js';
import type {Routing} from './types.js';

/**
 * A routing with one expert a token and weight 1, without a gradient.
 *
 * @param experts int32 [T]; what padding holds does not matter. -1 for a real token, on a device: its weight is NaN.
 * @param numExperts E.
 * @param mask [T]. Undefined: all tokens are real.
 * @returns indices int32 [T, 1], weights float32 [T, 1], probs float32 [T, E], one-hot. Call it inside a tidy.
 */
export function fixedRouting(experts: tf.Tensor1D, numExperts: number, mask: tf.Tensor1D | undefined): Routing {
  const numTokens = experts.shape[0];
  const indices = noGradient(() => {
    const column = tf.reshape(toFloat(experts), [numTokens, 1]);
    const chosen = mask ? tf.sub(tf.mul(tf.add(column, 1), realTokens(mask)), 1) : column; // the expert, or -1
    return tf.cast(chosen, 'int32') as tf.Tensor2D;
  });
  const probs = noGradient(() => {
    const isChosen = tf.equal(toFloat(indices), tf.range(0, numExperts, 1, 'float32'));
    return toFloat(isChosen) as tf.Tensor2D;
  });
  const weights = noGradient(() => toFloat(tf.greaterEqual(indices, 0)) as tf.Tensor2D);
  return {indices, weights: poisonBadRows(weights, indices, mask), probs};
}
