// OneHot for wasm in the dtype that is asked for. The stock kernel writes int32 into a tensor of any.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';

/** The kernel function that stands in for the stock OneHot. */
export const oneHotWith = (): tf.KernelFunc => params => {
  const indices = params.inputs.indices as tf.TensorInfo;
  const {dtype, depth, onValue, offValue} = params.attrs as {
    dtype: 'float32' | 'int32' | 'bool';
    depth: number;
    onValue: number;
    offValue: number;
  };
  const backend = params.backend as BackendWasm;
  const out = backend.makeOutput([...indices.shape, depth], dtype);
  const values = backend.typedArrayFromHeap(out).fill(offValue);
  backend.typedArrayFromHeap(indices).forEach((index, i) => {
    if (index >= 0 && index < depth) values[i * depth + index] = onValue;
  });
  return out;
};
