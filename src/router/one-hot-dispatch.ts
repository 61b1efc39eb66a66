// Dispatch and combine as products with one-hot matrices (GShard: Lepikhin et al. 2021, https://arxiv.org/abs/2006.16668, Algorithm 2).
// Their cost grows with the square of the tokens: for comparison, and for very few tokens.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {customGradient} from '../ops/custom-gradient.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import {checkOutputs, checkTokens, checkWeights} from './dispatch-checks.js';
import type {Assignment} from './types.js';

/**
 * As `dispatchToBuffers`, by a product with a matrix [E C, T] that has a 1 where a token has a place.
 *
 * @param tokens float32 [T, D].
 * @param assignment Experts and places, int32 [T, K].
 * @returns float32 [E, C, D], zeros in free places; owned by the caller.
 * @throws ValueError if the shapes do not match.
 */
export function dispatchByOneHot(tokens: tf.Tensor2D, assignment: Assignment): tf.Tensor3D {
  checkTokens('dispatchByOneHot', tokens, assignment);
  const {numExperts, capacity} = assignment;
  const shape: [number, number, number] = [numExperts, capacity, tokens.shape[1]];
  return tf.tidy(() => {
    if (isEmpty(assignment) || tokens.size === 0) return zerosFrom(tokens, shape) as tf.Tensor3D;
    const dispatch = noGradient(() => tf.sum<tf.Tensor2D>(onesAtPlaces(assignment), 1)); // [T, E C]
    return tf.reshape(tf.matMul(dispatch, tokens, true, false), shape);
  });
}

/**
 * As `combineFromBuffers`, by a product with a matrix [T, E C] that has a choice's weight where the choice has its place.
 *
 * @param outputs float32 [E, C, U].
 * @param weights float32 [T, K].
 * @param assignment Experts and places, int32 [T, K].
 * @param expertGradientWeights float32 [T, K]: multiplies the gradient of the outputs in place of `weights`; gets no gradient itself.
 * @returns float32 [T, U], owned by the caller.
 * @throws ValueError if the shapes do not match.
 */
export function combineByOneHot(
  outputs: tf.Tensor3D,
  weights: tf.Tensor2D,
  assignment: Assignment,
  expertGradientWeights?: tf.Tensor2D,
): tf.Tensor2D {
  checkOutputs('combineByOneHot', outputs, assignment);
  checkWeights('combineByOneHot', assignment.experts.shape, weights, expertGradientWeights);
  const {numExperts, capacity, experts} = assignment;
  const units = outputs.shape[2];
  return tf.tidy(() => {
    if (isEmpty(assignment) || units === 0) {
      const shape = [experts.shape[0], units];
      return tf.add<tf.Tensor2D>(zerosFrom(outputs, shape), zerosFrom(weights, shape));
    }
    const ones = noGradient(() => onesAtPlaces(assignment));
    const matrixOf = (w: tf.Tensor2D) => tf.sum<tf.Tensor2D>(tf.mul(tf.expandDims(w, 2), ones), 1); // [T, E C]
    const rows = tf.reshape(outputs, [numExperts * capacity, units]) as tf.Tensor2D;
    if (!expertGradientWeights) return tf.matMul(matrixOf(weights), rows);
    // The value, with the gradient of the weights alone, and zero, with the gradient of the outputs alone.
    const fixedRows = noGradient(() => tf.clone(rows));
    const fixedMatrix = noGradient(() => matrixOf(expertGradientWeights));
    const carrier = tf.matMul(fixedMatrix, rows);
    const fixedCarrier = noGradient(() => tf.clone(carrier));
    return tf.add<tf.Tensor2D>(tf.matMul(matrixOf(weights), fixedRows), tf.sub(carrier, fixedCarrier));
  });
}

/** 1 where a choice has its place, float32 [T, K, E C]. Compared with a range, since tf.oneHot refuses a single place. */
function onesAtPlaces({numExperts, capacity, experts, positions}: Assignment): tf.Tensor3D {
  return tf.tidy(() => {
    const places = tf.add(tf.mul(experts, tf.scalar(capacity, 'int32')), positions); // negative without a place
    const isPlace = tf.equal(tf.expandDims(places, 2), tf.range(0, numExperts * capacity, 1, 'int32'));
    // On webgpu the cast leaves whole numbers under the name of float32, which its transpose cannot read: the product makes them anew.
    return tf.mul<tf.Tensor3D>(1, toFloat(isPlace));
  });
}

/** Whether there is no token, choice or place: sums over an axis of length zero are not zero on every backend. */
function isEmpty({numExperts, capacity, experts}: Assignment): boolean {
  return experts.size === 0 || numExperts * capacity === 0;
}

/** Zeros, through which x gets a gradient of zeros. */
function zerosFrom(x: tf.Tensor, shape: number[]): tf.Tensor {
  return customGradient(x, () => ({value: tf.zeros(shape), gradient: () => tf.zeros(x.shape)}));
}
