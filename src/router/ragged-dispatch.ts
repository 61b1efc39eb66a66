// Dispatch and combine without padding: the rows of all experts one after the other, as many as there are choices with a place.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkShape} from '../errors.js';
import {combineChoices, gatherTokens, type MapSource} from './choice-rows.js';
import {checkWeights} from './dispatch-checks.js';
import type {RowPlan} from './permutation.js';

/**
 * Lays the tokens out as the experts' rows. Differentiable: the gradient of a token is the sum of the gradients of its rows, gathered by the
 * inverse permutation.
 *
 * @param tokens float32 [T, D].
 * @param plan Of `planRows`.
 * @returns float32 [A, D], the rows of expert 0, then those of expert 1, and so on; owned by the caller.
 * @throws ValueError if the tokens are not as many as the plan's.
 * @example
 * const rows = dispatchRows(tokens, plan);
 * const outputs = groupedMatMul(rows, kernels, plan.groupSizes);
 * const y = combineRows(outputs, weights, plan); // [T, U]
 */
export function dispatchRows(tokens: tf.Tensor2D, plan: RowPlan): tf.Tensor2D {
  checkShape('dispatchRows', 'tokens', tokens.shape, [plan.numTokens, null], '[tokens, features]');
  return gatherTokens(tokens, sourceOf(plan));
}

/**
 * Adds up what the experts made of each token: y_t = sum_j weights_tj outputs[row of choice j of t]; zeros for a token without rows.
 *
 * Differentiable in outputs and weights: the gradient of a row is its choice's weight times the gradient of y_t, that of weights_tj is
 * <gradient of y_t, row>.
 *
 * @param outputs float32 [A, U], in the order of `dispatchRows`.
 * @param weights float32 [T, K]. Those of choices without a place do not matter, and their gradient is 0.
 * @param plan Of `planRows`.
 * @param expertGradientWeights float32 [T, K]: multiplies the gradient of the rows in place of `weights`; gets no gradient itself.
 * @returns float32 [T, U], owned by the caller.
 * @throws ValueError if the shapes do not match the plan.
 */
export function combineRows(
  outputs: tf.Tensor2D,
  weights: tf.Tensor2D,
  plan: RowPlan,
  expertGradientWeights?: tf.Tensor2D,
): tf.Tensor2D {
  const {numTokens, numChoices, numRows} = plan;
  checkShape('combineRows', 'outputs', outputs.shape, [numRows, null], '[rows, units]');
  checkWeights('combineRows', [numTokens, numChoices], weights, expertGradientWeights);
  return combineChoices(outputs, weights, sourceOf(plan), expertGradientWeights);
}

/** The plan's maps, put on the backend anew wherever they are needed. */
function sourceOf({numTokens, numChoices, numRows, tokenOfRow, choiceOfRow, rowOfChoice}: RowPlan): MapSource {
  const hasMissing = numRows < rowOfChoice.length;
  const maps = {
    numTokens,
    numChoices,
    numRows,
    hasMissing,
    hasFree: false,
    rowOfChoice: () => {
      const rows = hasMissing ? rowOfChoice.map(row => (row < 0 ? numRows : row)) : rowOfChoice;
      return tf.tensor2d(rows, [numTokens, numChoices], 'int32');
    },
    owners: () => ({choiceOfRow: tf.tensor1d(choiceOfRow, 'int32'), tokenOfRow: tf.tensor1d(tokenOfRow, 'int32')}),
  };
  return {tensors: [], maps: () => maps};
}
