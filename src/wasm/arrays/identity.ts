// Identity for wasm: the stock kernel copies, and every tensor that a gradient needs passes through it.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import {share} from '../kernel-calls.js';

/**
 * The kernel function that stands in for the stock Identity: its result shares the memory of x, as on the cpu backend and as a reshape's
 * on this one. No kernel writes to a tensor that it did not make.
 */
export function identityWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const x = params.inputs.x as tf.TensorInfo;
    return x.dtype === 'string' ? stock.kernelFunc(params) : share(params.backend as BackendWasm, x);
  };
}
