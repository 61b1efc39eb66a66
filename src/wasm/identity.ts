// Identity for wasm: the stock kernel copies, and every tensor that a gradient needs passes through it.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';

/**
 * The kernel function that stands in for the stock Identity: its result shares the memory of x, as on the cpu backend and as a reshape's
 * on this one. No kernel writes to a tensor that it did not make.
 */
export function identityWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const {dataId, shape, dtype} = params.inputs.x as tf.TensorInfo;
    if (dtype === 'string') return stock.kernelFunc(params);
    (params.backend as BackendWasm).incRef(dataId);
    return {dataId, shape, dtype};
  };
}
