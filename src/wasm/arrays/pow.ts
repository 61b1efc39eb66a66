// Pow for wasm with the exponents 2 and 3, as in the activation gelu_new: products. The stock kernel calls the C library for each number.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {callKernel, withIntermediates} from '../kernel-calls.js';

/** The kernel function that stands in for the stock Pow. */
export function powWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const {a, b} = params.inputs as {a: tf.TensorInfo; b: tf.TensorInfo};
    const backend = params.backend as BackendWasm;
    const isSingle = b.shape.length <= a.shape.length && tf.util.sizeFromShape(b.shape) === 1;
    if (a.dtype !== 'float32' || b.dtype !== 'float32' || !isSingle) return stock.kernelFunc(params);
    const exponent = backend.typedArrayFromHeap(b)[0];
    if (exponent !== 2 && exponent !== 3) return stock.kernelFunc(params);
    return withIntermediates(backend, own => {
      const square = callKernel('Multiply', backend, {a, b: a}, {});
      return exponent === 2 ? square : callKernel('Multiply', backend, {a: own(square), b: a}, {});
    });
  };
}
