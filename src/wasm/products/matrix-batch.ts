// A batch of matrix products as products of two matrices.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {copyMatrix, type Own, reshape, transposeMatrices, withIntermediates} from '../kernel-calls.js';

/** A matrix product below the batch: [batch, M, K] by [batch, K, N], before the transposes that it asks for. */
export interface Product {
  a: tf.TensorInfo;
  b: tf.TensorInfo;
  transposeA: boolean;
  transposeB: boolean;
}

/** Multiplies [1, M, K] by [1, K, N]; the caller owns the result. */
export type Multiply = (left: tf.TensorInfo, right: tf.TensorInfo) => tf.TensorInfo;

/** The products of a batch, one after the other, copied into one tensor; all of one b in a single product. */
export function multiplyBatch(
  backend: BackendWasm,
  {a, b, transposeA, transposeB}: Product,
  pairs: [number, number][],
  multiply: Multiply,
  own: Own,
): tf.TensorInfo {
  const left = transposeA ? own(transposeMatrices(backend, a)) : a; // [numA, M, K]
  const right = transposeB ? own(transposeMatrices(backend, b)) : b; // [numB, K, N]
  const [numA, M, K] = left.shape as [number, number, number];
  const [numB, , N] = right.shape as [number, number, number];
  if (numB === 1) return multiply(own(reshape(backend, left, [1, numA * M, K])), right);

  const out = backend.makeOutput([pairs.length, M, N], 'float32');
  pairs.forEach(([indexA, indexB], i) => {
    const matrix = withIntermediates(backend, ownHere =>
      multiply(ownHere(copyMatrix(backend, left, indexA)), ownHere(copyMatrix(backend, right, indexB))),
    );
    backend.typedArrayFromHeap(out).set(backend.typedArrayFromHeap(matrix), i * M * N);
    backend.disposeData(matrix.dataId);
  });
  return out;
}

/** For each matrix of the broadcast batch, in row-major order, the positions of its operands among those of a and of b. */
export function indexPairs(batchA: number[], batchB: number[], batch: number[]): [number, number][] {
  if (batch.every(length => length === 1)) return [[0, 0]];
  // An axis that is broadcast, or that an operand lacks, has stride 0.
  const strides = (shape: number[]) => {
    const missing = batch.length - shape.length;
    let stride = 1;
    const result = new Array<number>(batch.length).fill(0);
    for (let axis = shape.length - 1; axis >= 0; --axis) {
      if (shape[axis] !== 1) result[missing + axis] = stride;
      stride *= shape[axis]!;
    }
    return result;
  };
  const stridesA = strides(batchA);
  const stridesB = strides(batchB);
  return Array.from({length: tf.util.sizeFromShape(batch)}, (_, flat) => {
    const location = tf.util.indexToLoc(flat, batch.length, tf.util.computeStrides(batch));
    const at = (axes: number[]) => axes.reduce((sum, stride, axis) => sum + stride * location[axis]!, 0);
    return [at(stridesA), at(stridesB)];
  });
}
