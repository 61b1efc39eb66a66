// _FusedMatMul for wasm, the forward pass of a dense layer: by our own binary, or by the stock kernel on operands that it does fast and right.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import {callKernel, type Own, withIntermediates} from '../kernel-calls.js';
import {ownKernels} from '../own-kernels.js';
import {indexPairs, type Multiply, multiplyBatch, type Product} from './matrix-batch.js';
import {type Finish, ownMatMul} from './own-mat-mul.js';
import type {SafeRightOperand} from './right-operands.js';

/** The activations that are limits of the result: the binary applies them while the result is in the cache. */
const LIMITS: Record<string, Finish> = {linear: {}, relu: {low: 0}, relu6: {low: 0, high: 6}};

/** What the kernel is given besides the operands. */
interface Inputs {
  a: tf.TensorInfo;
  b: tf.TensorInfo;
  bias?: tf.TensorInfo;
  preluActivationWeights?: tf.TensorInfo;
}

interface Attributes {
  transposeA: boolean;
  transposeB: boolean;
  activation: string;
  leakyreluAlpha?: number;
}

/**
 * The kernel function that stands in for the stock _FusedMatMul, activation(a b + bias) on [batch, M, K] and [batch, K, N]; its gradient
 * is made of BatchMatMul's.
 *
 * Four results differ from the stock kernel's, all wrong there: a contraction over a zero-length axis leaves activation(bias), a bias is
 * added to the columns also in a batch or a transposed product, a bias of one number is added to all columns, and a reshaped right operand
 * is multiplied by its own shape.
 *
 * @param stock The stock kernel: where our binary cannot run it does the 2-D products, the bias and the activation.
 * @param safeRightOperand Shared by all kernels that hand the stock ones a right operand.
 */
export function fusedMatMulWith(stock: tf.KernelConfig, safeRightOperand: SafeRightOperand): tf.KernelFunc {
  return params => {
    const {a, b, bias, preluActivationWeights} = params.inputs as unknown as Inputs;
    const {transposeA, transposeB, activation, leakyreluAlpha = 0} = params.attrs as unknown as Attributes;
    const isKnown = [a, b].every(({dtype}) => dtype === 'float32') && (!bias || bias.shape.length === 1);
    if (!isKnown) return stock.kernelFunc(params); // it refuses them in its own words
    const backend = params.backend as BackendWasm;
    const [numA, rowsA, columnsA] = a.shape as [number, number, number];
    const [numB, rowsB, columnsB] = b.shape as [number, number, number];
    const batch = tf.broadcast_util.assertAndGetBroadcastShape([numA], [numB]);
    const [M, K] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
    const N = transposeB ? rowsB : columnsB;
    const shape = [...batch, M, N];
    if (tf.util.sizeFromShape(shape) === 0) return backend.makeOutput(shape, 'float32');

    const out = withIntermediates(backend, own => {
      const biases = bias && widen(backend, bias, N, own);
      const product: Product = {a, b, transposeA, transposeB};
      const pairs = indexPairs([numA], [numB], batch);
      const binary = ownKernels(backend);
      if (binary) {
        const limits = LIMITS[activation];
        if (limits) return ownMatMul(backend, binary, product, pairs, {bias: biases, ...limits});
        const x = own(ownMatMul(backend, binary, product, pairs, {bias: biases}));
        switch (activation) {
          case 'prelu':
            return callKernel('Prelu', backend, {x, alpha: preluActivationWeights!}, {});
          case 'leakyrelu':
            return callKernel('LeakyRelu', backend, {x}, {alpha: leakyreluAlpha});
          case 'sigmoid':
            return callKernel('Sigmoid', backend, {x}, {});
          case 'elu':
            return callKernel('Elu', backend, {x}, {});
          default:
            return stock.kernelFunc(params) as tf.TensorInfo; // it refuses them in its own words
        }
      }
      const multiply: Multiply = (left, right) =>
        stock.kernelFunc({
          ...params,
          inputs: {...params.inputs, ...(biases && {bias: biases}), a: left, b: safeRightOperand(backend, right, own)},
          attrs: {...params.attrs, transposeA: false, transposeB: false},
        }) as tf.TensorInfo;
      const zeros = (zeroShape: number[]) =>
        own(backend.makeOutput(zeroShape, 'float32', undefined, new Float32Array(tf.util.sizeFromShape(zeroShape))));
      // A sum of one zero in place of a sum of no terms.
      const some =
        K === 0 ? {a: zeros([numA, M, 1]), b: zeros([numB, 1, N]), transposeA: false, transposeB: false} : product;
      return multiplyBatch(backend, some, pairs, multiply, own);
    });
    return {...out, shape};
  };
}

/** A bias of N numbers; of one number N copies are made, for which the stock kernel would read beyond it. */
function widen(backend: BackendWasm, bias: tf.TensorInfo, N: number, own: Own): tf.TensorInfo {
  const length = bias.shape[0]!;
  if (length === N) return bias;
  if (length !== 1) {
    throw new ValueError(`_FusedMatMul: bias must have one number for each of the ${N} columns, but has ${length}.`);
  }
  return own(callKernel('Tile', backend, {x: bias}, {reps: [N]}));
}
