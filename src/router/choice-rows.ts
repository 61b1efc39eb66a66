// Rows that belong to choices of tokens: gathered from the tokens, and summed over each token's choices. Forward and backward are gathers,
// the backward by the inverse map, so that nothing is scattered and the order of the sums is fixed.
// SPDX-License-Identifier: Apache-2.0
//
// N rows, of which some may belong to no choice (free); T tokens with K choices each, of which some may have no row (missing).
import * as tf from '@tensorflow/tfjs-core';
import {hasKernel, runFused, runKernel} from '../ops/fused-kernel.js';

/** Which row belongs to which choice, both ways. The maps are made when they are asked for. */
export interface RowMaps {
  numTokens: number;
  numChoices: number;
  numRows: number;
  /** Whether a choice may have no row. */
  hasMissing: boolean;
  /** Whether a row may have no choice. */
  hasFree: boolean;
  /** int32 [T, K]: the row of each choice, N where it has none. */
  rowOfChoice(): tf.Tensor2D;
  /** int32 [N] each: the choice of each row, T K where it has none, and its token, T where it has none. */
  owners(): {choiceOfRow: tf.Tensor1D; tokenOfRow: tf.Tensor1D};
}

/** Maps, and the tensors that they are computed from: those are kept for the gradient, and the maps are not. */
export interface MapSource {
  tensors: tf.Tensor[];
  maps(tensors: tf.Tensor[]): RowMaps;
}

/**
 * The token of each row. Differentiable: the gradient of a token is the sum of its choices' rows.
 *
 * @param tokens float32 [T, D].
 * @returns float32 [N, D], zeros in free rows.
 */
export function gatherTokens(tokens: tf.Tensor2D, source: MapSource): tf.Tensor2D {
  const op = tf.customGrad((x, save) => {
    (save as tf.GradSaveFunc)(source.tensors);
    const maps = source.maps(source.tensors);
    return {
      value: isEmpty(maps, x as tf.Tensor2D)
        ? tf.zeros([maps.numRows, tokens.shape[1]])
        : rowsAt(x as tf.Tensor2D, maps.owners().tokenOfRow, maps.hasFree),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => sumOfChoices(dy as tf.Tensor2D, source.maps(saved)),
    };
  });
  return op(tokens) as tf.Tensor2D;
}

/**
 * The weighted sum of the rows of each token's choices. Differentiable in rows and weights.
 *
 * @param rows float32 [N, U].
 * @param weights float32 [T, K].
 * @param gradientWeights float32 [T, K]: what stands for the weights in the gradient of the rows. It gets no gradient.
 * @returns float32 [T, U].
 */
export function combineChoices(
  rows: tf.Tensor2D,
  weights: tf.Tensor2D,
  source: MapSource,
  gradientWeights: tf.Tensor2D = weights,
): tf.Tensor2D {
  const op = tf.customGrad((x, w, save) => {
    (save as tf.GradSaveFunc)([x as tf.Tensor, gradientWeights, ...source.tensors]);
    return {
      value: sumOfChoices(x as tf.Tensor2D, source.maps(source.tensors), w as tf.Tensor2D),
      gradFunc: (dy: tf.Tensor, [savedRows, savedWeights, ...tensors]: tf.Tensor[]) =>
        gradientOfSum(dy as tf.Tensor2D, savedRows as tf.Tensor2D, savedWeights as tf.Tensor2D, source.maps(tensors)),
    };
  });
  return op(rows, weights) as tf.Tensor2D;
}

/** The sum of the rows of each token's choices, [T, columns], each row times the choice's weight where there are weights. */
function sumOfChoices(rows: tf.Tensor2D, maps: RowMaps, weights?: tf.Tensor2D): tf.Tensor2D {
  const {numTokens, numChoices, hasMissing} = maps;
  if (isEmpty(maps, rows)) return tf.zeros([numTokens, rows.shape[1]]);
  return tf.tidy(() => {
    const rowOfChoice = maps.rowOfChoice();
    const fused = weights
      ? runFused('CombineRows', {rows, weights, rowOfChoice})
      : runFused('SumRows', {rows, rowOfChoice});
    if (fused) return fused as tf.Tensor2D;
    const source = hasMissing ? withZeroRow(rows) : rows;
    const ofChoice = (j: number) => {
      const part = tf.gather(source, tf.reshape(tf.slice(rowOfChoice, [0, j], [numTokens, 1]), [numTokens]));
      return weights ? tf.mul<tf.Tensor2D>(part, tf.slice(weights, [0, j], [numTokens, 1])) : part;
    };
    let sum = ofChoice(0);
    for (let j = 1; j < numChoices; ++j) {
      const next = tf.tidy(() => tf.add<tf.Tensor2D>(sum, ofChoice(j)));
      sum.dispose(); // two at a time, however many choices there are
      sum = next;
    }
    return sum;
  });
}

/** The gradients of the weighted sum: of row a, its choice's weight times dy of its token; of a weight, <dy of its token, its row>. */
function gradientOfSum(dy: tf.Tensor2D, rows: tf.Tensor2D, weights: tf.Tensor2D, maps: RowMaps): tf.Tensor[] {
  const {numTokens, numChoices, hasFree, hasMissing} = maps;
  if (isEmpty(maps, rows)) return [tf.zeros(rows.shape), tf.zeros([numTokens, numChoices])];
  return tf.tidy(() => {
    const {choiceOfRow, tokenOfRow} = maps.owners();
    if (hasKernel('CombineRowsGradient')) return runKernel('CombineRowsGradient', {dy, rows, weights, choiceOfRow});
    const dyOfRow = rowsAt(dy, tokenOfRow, hasFree);
    const weightOfRow = rowsAt(tf.reshape(weights, [-1, 1]), choiceOfRow, hasFree); // [N, 1]
    const products = tf.sum<tf.Tensor2D>(tf.mul(dyOfRow, rows), 1, true); // [N, 1]
    const ofWeights = rowsAt(products, tf.reshape(maps.rowOfChoice(), [-1]), hasMissing);
    return [tf.mul(dyOfRow, weightOfRow), tf.reshape(ofWeights, [numTokens, numChoices])];
  });
}

/** Rows of x by number; the number of rows stands for a row of zeros, which `mayBeAbsent` allows. */
function rowsAt(x: tf.Tensor2D, index: tf.Tensor1D, mayBeAbsent: boolean): tf.Tensor2D {
  return tf.gather(mayBeAbsent ? withZeroRow(x) : x, index);
}

function withZeroRow(x: tf.Tensor2D): tf.Tensor2D {
  return tf.concat([x, tf.zeros<tf.Rank.R2>([1, x.shape[1]])], 0);
}

/** Whether there is nothing to gather: on some backends an op over an axis of length zero returns what the memory held before. */
function isEmpty({numTokens, numChoices, numRows}: RowMaps, x: tf.Tensor2D): boolean {
  return numTokens * numChoices * numRows * x.shape[1] === 0;
}
