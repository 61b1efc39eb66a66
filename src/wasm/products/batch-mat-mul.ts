// BatchMatMul for wasm: any product by our own binary; without it as explicit transposes and untransposed 2-D products, the only ones that
// the stock kernel does fast.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {type Own, reshape, transposeMatrices, withIntermediates} from '../kernel-calls.js';
import {ownKernels} from '../own-kernels.js';
import {indexPairs, type Multiply, multiplyBatch, type Product} from './matrix-batch.js';
import {ownMatMul} from './own-mat-mul.js';
import type {SafeRightOperand} from './right-operands.js';

/**
 * Up to this many multiplications the stock kernel's plain loop, at about two nanoseconds each, beats the fast path, whose transposes and
 * packing cost some tens of microseconds a product.
 */
const SMALL_PRODUCT = 32 ** 3;

/**
 * The kernel function that stands in for the stock BatchMatMul.
 *
 * Three results differ from the stock kernel's, all wrong there: a contraction over a zero-length axis is zero, batch axes broadcast when
 * both sides have some ([2, 1] with [1, 3]), and a reshaped right operand is multiplied by its own shape.
 *
 * @param stock The stock kernel: it does the 2-D products where our binary cannot run.
 * @param safeRightOperand Shared by all kernels that hand the stock ones a right operand.
 */
export function batchMatMulWith(stock: tf.KernelConfig, safeRightOperand: SafeRightOperand): tf.KernelFunc {
  return params => {
    const {a, b} = params.inputs as {a: tf.TensorInfo; b: tf.TensorInfo};
    const {transposeA, transposeB} = params.attrs as {transposeA: boolean; transposeB: boolean};
    if (a.dtype !== 'float32' || b.dtype !== 'float32') return stock.kernelFunc(params); // it refuses them in its own words
    const backend = params.backend as BackendWasm;

    const batchA = a.shape.slice(0, -2);
    const batchB = b.shape.slice(0, -2);
    const batch = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
    const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
    const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
    const [M, K] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
    const N = transposeB ? rowsB : columnsB;
    const shape = [...batch, M, N];
    const size = tf.util.sizeFromShape(shape);
    if (size === 0 || K === 0) return backend.makeOutput(shape, 'float32', undefined, new Float32Array(size));

    const numA = tf.util.sizeFromShape(batchA);
    const numB = tf.util.sizeFromShape(batchB);
    const num = tf.util.sizeFromShape(batch);
    const out = withIntermediates(backend, own => {
      const product: Product = {
        a: own(reshape(backend, a, [numA, rowsA, columnsA])),
        b: own(reshape(backend, b, [numB, rowsB, columnsB])),
        transposeA,
        transposeB,
      };
      const binary = ownKernels(backend);
      if (binary) return ownMatMul(backend, binary, product, indexPairs(batchA, batchB, batch));
      const multiply: Multiply = (left, right) =>
        callStock(stock, backend, {
          a: left,
          b: safeRightOperand(backend, right, own),
          transposeA: false,
          transposeB: false,
        });

      if (num === 1) {
        const isPlain = !transposeA && !transposeB;
        return !isPlain && M * K * N <= SMALL_PRODUCT
          ? callStock(stock, backend, product)
          : multiplyMatrices(backend, product, multiply, own);
      }
      // The stock loop knows batches of one length, and a batch of one against another.
      const isKnownBatch = [numA, numB].every(count => count === 1 || count === num);
      if (isKnownBatch && M * K * N <= SMALL_PRODUCT) return callStock(stock, backend, product);
      return multiplyBatch(backend, product, indexPairs(batchA, batchB, batch), multiply, own);
    });
    return {...out, shape};
  };
}

/** Runs the stock kernel on rank-3 operands; the caller owns the result. */
function callStock(
  stock: tf.KernelConfig,
  backend: BackendWasm,
  {a, b, transposeA, transposeB}: Product,
): tf.TensorInfo {
  return stock.kernelFunc({inputs: {a, b}, backend, attrs: {transposeA, transposeB}}) as tf.TensorInfo;
}

/**
 * One product of two matrices, [1, M, K] by [1, K, N]. Where fewer numbers are moved, it is (b' a')' for a b: then the transposes and the
 * packing fall to the batch of examples and not to the weight, which is the larger one in the backward pass of a layer.
 */
function multiplyMatrices(
  backend: BackendWasm,
  {a, b, transposeA, transposeB}: Product,
  multiply: Multiply,
  own: Own,
): tf.TensorInfo {
  const flip = (x: tf.TensorInfo) => own(transposeMatrices(backend, x));
  if (transposeB) {
    const sizeA = tf.util.sizeFromShape(a.shape);
    const sizeB = tf.util.sizeFromShape(b.shape);
    const M = transposeA ? a.shape[2]! : a.shape[1]!;
    const N = b.shape[1]!;
    const moved = (transposeA ? sizeA : 0) + 2 * sizeB;
    const movedSwapped = (transposeA ? 1 : 2) * sizeA + M * N;
    if (movedSwapped < moved) {
      return transposeMatrices(backend, own(multiply(b, transposeA ? a : flip(a))));
    }
  }
  return multiply(transposeA ? flip(a) : a, transposeB ? flip(b) : b);
}
