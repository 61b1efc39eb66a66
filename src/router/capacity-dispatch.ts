// Dispatch and combine with C places for each expert: nothing is read back from the device, and the experts are batched products.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {combineChoices, gatherTokens, type MapSource} from './choice-rows.js';
import {checkOutputs, checkTokens, checkWeights} from './dispatch-checks.js';
import type {Assignment} from './types.js';

/**
 * Lays the tokens out in the experts' places. Differentiable: the gradient of a token is the sum of the gradients of its places.
 *
 * @param tokens float32 [T, D].
 * @param assignment Experts and places, int32 [T, K].
 * @returns float32 [E, C, D], zeros in free places; owned by the caller.
 * @throws ValueError if the shapes do not match.
 * @example
 * const buffers = dispatchToBuffers(tokens, assignment);
 * const outputs = tf.matMul(buffers, kernels); // [E, C, U]
 * const y = combineFromBuffers(outputs, weights, assignment); // [T, U]
 */
export function dispatchToBuffers(tokens: tf.Tensor2D, assignment: Assignment): tf.Tensor3D {
  checkTokens('dispatchToBuffers', tokens, assignment);
  const {numExperts, capacity} = assignment;
  return tf.tidy(() => tf.reshape(gatherTokens(tokens, sourceOf(assignment)), [numExperts, capacity, tokens.shape[1]]));
}

/**
 * Adds up what the experts made of each token: y_t = sum_j weights_tj outputs[expert and place of choice j of t]; zeros for a token without
 * a place. What stands in free places does not matter, and its gradient is 0.
 *
 * Differentiable in outputs and weights: the gradient of a place is its choice's weight times the gradient of y_t, that of weights_tj is
 * <gradient of y_t, the output there>.
 *
 * @param outputs float32 [E, C, U].
 * @param weights float32 [T, K]. Those of choices without a place do not matter, and their gradient is 0.
 * @param assignment Experts and places, int32 [T, K].
 * @param expertGradientWeights float32 [T, K]: multiplies the gradient of the outputs in place of `weights`; gets no gradient itself.
 * @returns float32 [T, U], owned by the caller.
 * @throws ValueError if the shapes do not match.
 */
export function combineFromBuffers(
  outputs: tf.Tensor3D,
  weights: tf.Tensor2D,
  assignment: Assignment,
  expertGradientWeights?: tf.Tensor2D,
): tf.Tensor2D {
  checkOutputs('combineFromBuffers', outputs, assignment);
  checkWeights('combineFromBuffers', assignment.experts.shape, weights, expertGradientWeights);
  const {numExperts, capacity} = assignment;
  return tf.tidy(() => {
    const rows = tf.reshape(outputs, [numExperts * capacity, outputs.shape[2]]) as tf.Tensor2D;
    return combineChoices(rows, weights, sourceOf(assignment), expertGradientWeights);
  });
}

/** The maps between choices and places, place c of expert e being row e C + c. */
function sourceOf({numExperts, capacity, experts, positions}: Assignment): MapSource {
  const [numTokens, numChoices] = experts.shape;
  const numRows = numExperts * capacity;
  const count = numTokens * numChoices;
  return {
    tensors: [experts, positions],
    maps: tensors => {
      const [expertOf, placeOf] = tensors as [tf.Tensor2D, tf.Tensor2D];
      const rowOfChoice = () => rowsOfChoices(expertOf, placeOf, capacity, numRows);
      const owners = () => {
        // Choices are counted from -T K on, so that what nobody writes, 0, becomes T K. The last entry takes all choices without a place.
        const numbers = tf.range(-count, 0, 1, 'int32');
        const written = tf.scatterND(tf.reshape(rowOfChoice(), [count, 1]), numbers, [numRows + 1]);
        const choiceOfRow = tf.add<tf.Tensor1D>(tf.slice(written, [0], [numRows]), tf.scalar(count, 'int32'));
        const tokenOfRow =
          numChoices === 1 ? choiceOfRow : tf.floorDiv<tf.Tensor1D>(choiceOfRow, tf.scalar(numChoices, 'int32'));
        return {choiceOfRow, tokenOfRow};
      };
      return {numTokens, numChoices, numRows, hasMissing: true, hasFree: true, rowOfChoice, owners};
    },
  };
}

/** e C + c for each choice, numRows where it has no place. */
function rowsOfChoices(experts: tf.Tensor2D, positions: tf.Tensor2D, capacity: number, numRows: number): tf.Tensor2D {
  return tf.tidy(() => {
    const rows = tf.add(tf.mul(experts, tf.scalar(capacity, 'int32')), positions);
    const missing = tf.fill(rows.shape, numRows, 'int32');
    return tf.where(tf.greaterEqual(experts, tf.scalar(0, 'int32')), rows, missing) as tf.Tensor2D;
  });
}
