// SumRows, CombineRows and CombineRowsGradient: the sums of the rows that tokens have chosen, and their gradients, each in one pass.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {checkShape, ValueError} from '../../errors.js';
import {withOutput, withOutputs} from '../kernel-calls.js';
import {ownKernels} from '../own-kernels.js';

/** Numbers of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_NUMBERS = 2 ** 14;

/** The sum of the rows of each token's choices: rows float32 [N, U] and rowOfChoice int32 [T, K] within [0, N], where N adds nothing. */
export const sumRowsKernel: tf.KernelFunc = params => {
  const {rows, rowOfChoice} = params.inputs as Record<string, tf.TensorInfo>;
  return combine('SumRows', params.backend as BackendWasm, rows!, rowOfChoice!);
};

/** As SumRows, each row times its choice's weight, float32 [T, K]. */
export const combineRowsKernel: tf.KernelFunc = params => {
  const {rows, rowOfChoice, weights} = params.inputs as Record<string, tf.TensorInfo>;
  return combine('CombineRows', params.backend as BackendWasm, rows!, rowOfChoice!, weights!);
};

/**
 * The gradients of CombineRows with respect to the rows, float32 [N, U], and to the weights, float32 [T, K].
 *
 * Inputs: dy float32 [T, U], rows float32 [N, U], weights float32 [T, K], and choiceOfRow int32 [N] within [0, T K], where T K stands for a row
 * that no token has chosen: its gradient is zeros, as is that of the weight of a choice without a row.
 */
export const combineRowsGradientKernel: tf.KernelFunc = params => {
  const owner = 'CombineRowsGradient';
  const {dy, rows, weights, choiceOfRow} = params.inputs as Record<
    'dy' | 'rows' | 'weights' | 'choiceOfRow',
    tf.TensorInfo
  >;
  checkShape(owner, 'rows', rows.shape, [null, null], '[rows, columns]');
  checkShape(owner, 'weights', weights.shape, [null, null], '[tokens, choices]');
  const [numRows, columns] = rows.shape as [number, number];
  const [numTokens, numChoices] = weights.shape as [number, number];
  checkShape(owner, 'dy', dy.shape, [numTokens, columns], '[tokens, columns]');
  checkShape(owner, 'choiceOfRow', choiceOfRow.shape, [numRows], '[rows]');
  checkFloats(owner, [dy, rows, weights]);
  const backend = params.backend as BackendWasm;
  const numTotal = numTokens * numChoices;
  checkNumbers(owner, 'choiceOfRow', backend, choiceOfRow, numTotal);
  const binary = ownKernels(backend)!; // the kernel is registered only where it can run
  return withOutputs(backend, own => {
    const ofRows = own(backend.makeOutput(rows.shape, 'float32'));
    const ofWeights = own(backend.makeOutput(weights.shape, 'float32'));
    backend.typedArrayFromHeap(ofWeights).fill(0);
    const addresses = [dy, rows, weights, choiceOfRow, ofRows, ofWeights].map(binary.address);
    const minimum = Math.ceil(MINIMUM_NUMBERS / Math.max(1, columns));
    binary.split('combineRowsGradient', [...addresses, columns, numChoices, numTotal], numRows, minimum);
    return [ofRows, ofWeights];
  });
};

/** Adds up rows, with weights or without. */
function combine(
  owner: string,
  backend: BackendWasm,
  rows: tf.TensorInfo,
  rowOfChoice: tf.TensorInfo,
  weights?: tf.TensorInfo,
): tf.TensorInfo {
  checkShape(owner, 'rows', rows.shape, [null, null], '[rows, columns]');
  checkShape(owner, 'rowOfChoice', rowOfChoice.shape, [null, null], '[tokens, choices]');
  if (weights) checkShape(owner, 'weights', weights.shape, rowOfChoice.shape, '[tokens, choices]');
  checkFloats(owner, weights ? [rows, weights] : [rows]);
  const [numRows, columns] = rows.shape as [number, number];
  const [numTokens, numChoices] = rowOfChoice.shape as [number, number];
  checkNumbers(owner, 'rowOfChoice', backend, rowOfChoice, numRows);
  const binary = ownKernels(backend)!; // the kernel is registered only where it can run
  return withOutput(backend, [numTokens, columns], 'float32', out => {
    const addresses = [
      binary.address(rows),
      weights ? binary.address(weights) : 0,
      binary.address(rowOfChoice),
      binary.address(out),
    ];
    // A choice is a row to read; a token without choices is one to write.
    const minimum = Math.ceil(MINIMUM_NUMBERS / Math.max(1, columns * numChoices));
    binary.split('combineRows', [...addresses, columns, numRows, numChoices], numTokens, minimum);
  });
}

function checkFloats(owner: string, tensors: tf.TensorInfo[]): void {
  for (const {dtype} of tensors) {
    if (dtype !== 'float32')
      throw new ValueError(`${owner}: rows, weights and gradients must be float32, but one is ${dtype}.`);
  }
}

/** Refuses numbers that are not whole and from 0 to `most`: the binary reads and writes where they point. */
function checkNumbers(owner: string, field: string, backend: BackendWasm, numbers: tf.TensorInfo, most: number): void {
  if (numbers.dtype !== 'int32') throw new ValueError(`${owner}: ${field} must be int32, but is ${numbers.dtype}.`);
  const count = tf.util.sizeFromShape(numbers.shape);
  const binary = ownKernels(backend)!;
  const outside = count === 0 ? -1 : binary.exports.findOutside(binary.address(numbers), count, most + 1);
  if (outside < 0) return;
  const value = backend.typedArrayFromHeap(numbers)[outside];
  throw new ValueError(`${owner}: ${field} must be from 0 to ${most}, but got ${value}.`);
}
