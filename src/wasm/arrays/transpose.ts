// Transpose for wasm of tensors without numbers: the stock kernel divides by how many there are, and stops.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

/** The kernel function that stands in for the stock Transpose, which does everything else. */
export function transposeWith(stock: tf.KernelConfig): tf.KernelFunc {
  return params => {
    const x = params.inputs.x as tf.TensorInfo;
    const {perm} = params.attrs as {perm: number[]};
    if (tf.util.sizeFromShape(x.shape) > 0) return stock.kernelFunc(params);
    return (params.backend as BackendWasm).makeOutput(
      perm.map(axis => x.shape[axis]!),
      x.dtype,
    );
  };
}
