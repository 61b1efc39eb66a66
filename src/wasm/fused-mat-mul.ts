// _FusedMatMul for wasm, the forward pass of a dense layer: the stock kernel on operands that it does fast and right.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {withIntermediates} from './kernel-calls.js';
import {indexPairs, type Multiply, multiplyBatch} from './matrix-batch.js';
import type {SafeRightOperand} from './right-operands.js';

/**
 * The kernel function that stands in for the stock _FusedMatMul, activation(a b + bias) on [batch, M, K] and [batch, K, N]; its gradient
 * is made of BatchMatMul's.
 *
 * Three results differ from the stock kernel's, all wrong there: a contraction over a zero-length axis leaves activation(bias), a bias is
 * added to the columns also in a batch or a transposed product, and a reshaped right operand is multiplied by its own shape.
 *
 * @param stock The stock kernel: it does the 2-D products, the bias and the activation.
 * @param safeRightOperand Shared by all kernels that hand the stock ones a right operand.
 */
export function fusedMatMulWith(stock: tf.KernelConfig, safeRightOperand: SafeRightOperand): tf.KernelFunc {
  return params => {
    const {a, b} = params.inputs as {a: tf.TensorInfo; b: tf.TensorInfo};
    const {transposeA, transposeB} = params.attrs as {transposeA: boolean; transposeB: boolean};
    if (a.dtype !== 'float32' || b.dtype !== 'float32') return stock.kernelFunc(params); // it refuses them in its own words
    const backend = params.backend as BackendWasm;
    const [numA, rowsA, columnsA] = a.shape as [number, number, number];
    const [numB, rowsB, columnsB] = b.shape as [number, number, number];
    const batch = tf.broadcast_util.assertAndGetBroadcastShape([numA], [numB]);
    const [M, K] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
    const N = transposeB ? rowsB : columnsB;
    const shape = [...batch, M, N];
    if (tf.util.sizeFromShape(shape) === 0) return backend.makeOutput(shape, 'float32');

    const out = withIntermediates(backend, own => {
      const multiply: Multiply = (left, right) =>
        stock.kernelFunc({
          ...params,
          inputs: {...params.inputs, a: left, b: safeRightOperand(backend, right, own)},
          attrs: {...params.attrs, transposeA: false, transposeB: false},
        }) as tf.TensorInfo;
      const zeros = (zeroShape: number[]) =>
        own(backend.makeOutput(zeroShape, 'float32', undefined, new Float32Array(tf.util.sizeFromShape(zeroShape))));
      // A sum of one zero in place of a sum of no terms.
      const product =
        K === 0
          ? {a: zeros([numA, M, 1]), b: zeros([numB, 1, N]), transposeA: false, transposeB: false}
          : {a, b, transposeA, transposeB};
      return multiplyBatch(backend, product, indexPairs([numA], [numB], batch), multiply, own);
    });
    return {...out, shape};
  };
}
