// Control variates of bits by a discrete Stein operator, of which every function has mean zero.
// Shi, Zhou, Hwang, Titsias and Mackey 2022, https://arxiv.org/abs/2202.09497
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {noGradient} from '../../ops/no-gradient.js';
import {sumOf} from '../../ops/sum-of.js';
import type {BitDraws} from './bit-draws.js';

/**
 * Two surrogates of the objective f at points y, from a draw b: functions of g . (y - b), with g the gradient of f at b, and of f(b).
 *
 * @param linear [K, batch, points]: g . (y - b).
 * @param value [K, batch, 1]: f(b).
 * @returns Two tensors of the shape of `linear`.
 */
export type Surrogates = (linear: tf.Tensor3D, value: tf.Tensor3D) => [tf.Tensor3D, tf.Tensor3D];

/** What has mean zero at each draw given the others, by a surrogate made from the others. */
export interface SteinTerms {
  /** [K, batch, 1]: A h1. */
  value: tf.Tensor;
  /** [K, batch, bits]: A(h2 . score). */
  score: tf.Tensor;
}

/**
 * The Gibbs Stein operator (A h)(b) = 1/D sum_d w_d [h(y_d) - h(b)], where y_d is b with bit d flipped, w_d the probability of the
 * flipped bit, and D the number of bits, on two functions: h1, and h2 times the score b - probs.
 *
 * Both h are the mean over the other draws j of the surrogates from j. In memory [K, batch, bits] for each j, not the square of the
 * bits: g . (y_d - b_j) differs from g . (b - b_j) by one product, and the score at y_d from that at b in coordinate d alone.
 */
export function steinTerms({bits, scores, values, gradients}: BitDraws, surrogates: Surrogates): SteinTerms {
  const [numSamples, , numBits] = bits.shape;
  const flips = tf.sub(1, tf.mul(2, bits)); // y_d - b in coordinate d
  const others = Array.from({length: numSamples - 1}, (_, j) => {
    const linear = noGradient(() => {
      const slope = rotate(gradients, j + 1);
      const atDraw = tf.sum(tf.mul(slope, tf.sub(bits, rotate(bits, j + 1))), -1, true);
      return tf.concat([atDraw, tf.add(atDraw, tf.mul(slope, flips))], -1);
    });
    return surrogates(linear as tf.Tensor3D, rotate(values, j + 1));
  });
  const [h1, h2] = [0, 1].map(i => tf.div(sumOf(others.map(pair => pair[i]!)), numSamples - 1));
  const operate = (h: tf.Tensor) => tf.div(tf.sum(tf.mul(tf.abs(scores), changes(h)), -1, true), numBits);
  // w_d = |score_d| and w_d (1 - 2 b_d) = -score_d, so that A(h2 . score) = score (A h2 - h2(y_d) / D), coordinate by coordinate.
  const score = tf.mul(scores, tf.sub(operate(h2!), tf.div(atNeighbours(h2!), numBits)));
  return {value: operate(h1!), score};
}

/** [K, ...] with the first `shift` along K moved behind the others. */
function rotate(x: tf.Tensor3D, shift: number): tf.Tensor3D {
  return tf.concat([tf.slice(x, shift), tf.slice(x, 0, shift)]);
}

/** Of [at the draw, at each neighbour] along the last axis: the neighbours. */
function atNeighbours(h: tf.Tensor): tf.Tensor {
  return tf.slice(h, [0, 0, 1]);
}

function changes(h: tf.Tensor): tf.Tensor {
  return tf.sub(atNeighbours(h), tf.slice(h, [0, 0, 0], [-1, -1, 1]));
}
