// Tanh for wasm, which recurrent layers are made of: four numbers at a time. The stock kernel calls the C library for each.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ownKernels} from '../own-kernels.js';

/** Numbers of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_NUMBERS = 2 ** 14;

/** The kernel function that stands in for the stock Tanh; off by at most a few units in the last place. */
export function tanhWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const x = params.inputs.x as tf.TensorInfo;
    const backend = params.backend as BackendWasm;
    const binary = ownKernels(backend);
    if (!binary || x.dtype !== 'float32') return stock.kernelFunc(params);
    const out = backend.makeOutput(x.shape, 'float32');
    binary.split('tanh', [binary.address(x), binary.address(out)], tf.util.sizeFromShape(x.shape), MINIMUM_NUMBERS);
    return out;
  };
}
