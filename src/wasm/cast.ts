// Cast to bool for wasm: whatever is not zero is true. The stock kernel keeps the lowest byte of the whole part.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';

/** The kernel function that stands in for the stock Cast, which does every other dtype right. */
export function castWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const x = params.inputs.x as tf.TensorInfo;
    if ((params.attrs as {dtype: tf.DataType}).dtype !== 'bool' || x.dtype === 'bool') return stock.kernelFunc(params);
    const backend = params.backend as BackendWasm;
    const out = backend.makeOutput(x.shape, 'bool');
    const from = backend.typedArrayFromHeap(x);
    const to = backend.typedArrayFromHeap(out);
    for (let i = 0; i < to.length; ++i) to[i] = from[i] !== 0 ? 1 : 0;
    return out;
  };
}
