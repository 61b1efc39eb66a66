// Cast for wasm: to bool, whatever is not zero is true, where the stock kernel keeps the lowest byte of the whole part; to its own dtype, a
// tensor is not copied.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import {share} from '../kernel-calls.js';

/** The kernel function that stands in for the stock Cast, which does every other dtype right. */
export function castWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const x = params.inputs.x as tf.TensorInfo;
    const {dtype} = params.attrs as {dtype: tf.DataType};
    const backend = params.backend as BackendWasm;
    if (dtype === x.dtype && dtype !== 'string') return share(backend, x);
    if (dtype !== 'bool') return stock.kernelFunc(params);
    const out = backend.makeOutput(x.shape, 'bool');
    const from = backend.typedArrayFromHeap(x);
    const to = backend.typedArrayFromHeap(out);
    for (let i = 0; i < to.length; ++i) to[i] = from[i] !== 0 ? 1 : 0;
    return out;
  };
}
